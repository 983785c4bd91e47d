"""How fast the ranks of a layout reach each other: inside a machine, between machines, to the host.

Ranks are numbered tensor first, then context, then data (whose neighbours share experts), pipeline
stages last, as Megatron-LM does by default: what talks most sits closest. A ring over ranks of
several machines uses the network card of each of its ranks in a machine, so that k of them carry k
times what one does, up to the link inside.

What the catalogue says is a device's link inside its machine, both directions together; one
direction has half. The network is no property of a chip: the catalogue has it for devices whose
entry the user completed, otherwise it is assumed and marked so. Of either a share is reached.
"""

from __future__ import annotations

from dataclasses import dataclass

from farthing.errors import PlanError, UnknownHardwareError
from farthing.hardware.accelerators import Accelerator
from farthing.quantity import Quantity, assumed

# Ring all-reduce and point to point of large buffers reach 0.8 to 0.85 of the nominal figure
# (nccl issue 1264: 380 of 450 GB/s one way).
LINK_SHARE = 0.8
_YOURS = "your figure for the %s"
_NETWORK_BITS = 400e9
_NETWORK_SOURCE = (
    "one 400 Gbit/s card for each device, as Llama 3's clusters had (arXiv 2407.21783, "
    "section 3.3.1); a device's own figure is `inter_node_bits_per_second` of its entry"
)
# PCIe 4.0 with 16 lanes has 32 GB/s a direction, of which copies reach less. The host is a server
# with two processors and eight devices.
_HOST_LINK = assumed(25e9, "B/s", "25 GB/s from a device to its host (PCIe 4.0, 16 lanes)")
_HOST_BYTES = assumed(2e12, "B", "2 TB of memory in a host")
_HOST_MEMORY = assumed(200e9, "B/s", "200 GB/s of a host's memory, for all its devices together")


@dataclass(frozen=True)
class Links:
    """Bandwidths of one device, one direction, nominal.

    Attributes:
        inside: B/s to the other devices of its machine; None where no layout needs it.
        between: B/s to other machines; None where there is one machine.
        host: B/s to the memory of its machine.
        host_memory: B/s of that memory, for all devices of the machine together.
        host_bytes: of that memory, for all devices of the machine together.
        devices_per_node: devices of one machine.
        assumptions: sources of what is not the catalogue's, the host's figures left out.
    """

    inside: Quantity | None
    between: Quantity | None
    host: Quantity
    host_memory: Quantity
    host_bytes: Quantity
    devices_per_node: int
    assumptions: tuple[str, ...] = ()

    @property
    def host_assumptions(self) -> tuple[str, ...]:
        """Sources of the host's figures."""
        return self.host.source, self.host_bytes.source, self.host_memory.source

    def local(self, degree: int, stride: int) -> int:
        """How many of `degree` ranks, each `stride` after the other, are in one machine."""
        return max(1, min(degree, self.devices_per_node // stride))

    def ring(self, degree: int, stride: int) -> float:
        """B/s that a rank of a ring sends at.

        Args:
            degree: ranks of the ring, at least 2.
            stride: how many ranks its neighbours are apart.
        """
        return self.ring_with(degree, self.local(degree, stride))

    def ring_with(self, degree: int, local: int) -> float:
        """The same of a ring that has `local` of its ranks in each machine."""
        if local >= degree:
            return self._reached(self.inside)
        between = self._reached(self.between)
        return between if local == 1 else min(self._reached(self.inside), local * between)

    def exchange_seconds(self, inside_bytes: float, between_bytes: float) -> float:
        """Seconds in which a rank sends both, at the same time.

        Args:
            inside_bytes: to ranks of its own machine.
            between_bytes: to other machines.
        """
        first = inside_bytes / self._reached(self.inside) if inside_bytes else 0.0
        second = between_bytes / self._reached(self.between) if between_bytes else 0.0
        return max(first, second)

    def hop(self, stride: int) -> float:
        """B/s to the rank `stride` further on."""
        return self._reached(self.inside if stride < self.devices_per_node else self.between)

    @staticmethod
    def _reached(link: Quantity | None) -> float:
        if link is None:
            raise ValueError("a layout with ranks where links_of was told of none")
        return LINK_SHARE * link.value


def links_of(
    device: Accelerator,
    *,
    devices: int,
    devices_per_node: int = 8,
    intra_node_bytes_per_second: float | None = None,
    inter_node_bits_per_second: float | None = None,
) -> Links:
    """The links of `devices` of one kind.

    Args:
        device: the entry of the catalogue.
        devices: how many, at least 1.
        devices_per_node: of one machine; machines are full.
        intra_node_bytes_per_second: the user's figure for the link inside a machine, both
            directions together, in place of the catalogue's.
        inter_node_bits_per_second: the user's figure for a device's network, one direction, in
            place of the catalogue's or of the assumed one.

    Raises:
        UnknownHardwareError: several devices of a machine whose link nobody has given, with the
            way to give it.
        PlanError: a number of devices, or a bandwidth, that is not positive.
    """
    _check(devices, devices_per_node, intra_node_bytes_per_second, inter_node_bits_per_second)
    inside = between = None
    assumptions = []
    if devices > 1 and devices_per_node > 1:
        if intra_node_bytes_per_second is None:
            figure = device.figure("intra_node_bytes_per_second")
            inside = figure.quantity(figure.source)
        else:
            inside = assumed(intra_node_bytes_per_second, "B/s", _YOURS % "link inside a machine")
            assumptions.append(inside.source)
        inside = inside.scaled(0.5)
    if devices > devices_per_node:
        between = _network(device, inter_node_bits_per_second)
        if between.source in (_NETWORK_SOURCE, _YOURS % "network"):
            assumptions.append(between.source)
        between = between.scaled(1 / 8, "B/s")
    return Links(
        inside=inside,
        between=between,
        host=_HOST_LINK,
        host_memory=_HOST_MEMORY,
        host_bytes=_HOST_BYTES,
        devices_per_node=devices_per_node,
        assumptions=tuple(assumptions),
    )


def _network(device: Accelerator, own: float | None) -> Quantity:
    if own is not None:
        return assumed(own, "bit/s", _YOURS % "network")
    try:
        figure = device.figure("inter_node_bits_per_second")
    except UnknownHardwareError:
        return assumed(_NETWORK_BITS, "bit/s", _NETWORK_SOURCE)
    return figure.quantity(figure.source)


def _check(devices: int, per_node: int, *bandwidths: float | None) -> None:
    if devices < 1 or per_node < 1:
        raise PlanError(
            f"{devices} devices, {per_node} of them in a machine",
            remedy="give at least one of each",
        )
    for bandwidth in bandwidths:
        if bandwidth is not None and not 0 < bandwidth < float("inf"):
            raise PlanError(
                f"a link of {bandwidth:g} a second", remedy="give a positive, finite bandwidth"
            )
