"""What a sum of capital, or a supply of power, trains in a year.

    made = cluster_of(device, catalogue, usd=1e9, mfu=mfu)
    made.devices, made.flops_per_year, made.usd_per_year

    capital for one device = price with its share of the machine / (1 - the network's share)
    power for one device   = design power x what the server adds x PUE

Constants are those of Cottier et al., arXiv 2405.21015, as `hardware/data/ownership.yaml` has them;
a cluster is built for the design power and draws the mean share of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from farthing.artifacts.prices import Between, End, Ownership
from farthing.artifacts.settings import Basis
from farthing.errors import PlanError
from farthing.hardware.accelerators import Accelerator
from farthing.hardware.catalogue import Catalogue
from farthing.hardware.owned import HOURS_PER_YEAR, owned_parts, ownership_constants
from farthing.predict.money import TIERS, ownership_of
from farthing.quantity import Provenance, Quantity

_WATTS_PER_MEGAWATT = 1e6
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Cluster:
    """Accelerators bought, powered and used.

    Attributes:
        device: of the catalogue.
        devices: how many.
        usd_per_device: capital for one, its share of machine and network included.
        megawatts: design power at the site's meter.
        mean_megawatts: what they draw at the mean, idle time included.
        used_share: of the time in which they work.
        flops_per_year: model FLOPs that training does in a year.
        usd_per_year: of owning and running them: loss of value, network, energy.
        rented_usd_per_year: the same device-hours rented, by basis; those without a price missing.
        life_years: until they are replaced.
        owned: the terms behind it.
    """

    device: Accelerator
    devices: int
    usd_per_device: Quantity
    megawatts: float
    mean_megawatts: float
    used_share: Between
    flops_per_year: Quantity
    usd_per_year: Quantity
    rented_usd_per_year: dict[Basis, Quantity]
    life_years: Quantity
    owned: Ownership

    @property
    def usd(self) -> float:
        """Capital for all of them."""
        return self.usd_per_device.value * self.devices

    @property
    def device_hours_per_year(self) -> float:
        """Hours in which they work."""
        return self.devices * HOURS_PER_YEAR * self.used_share.value


def cluster_of(
    device: Accelerator,
    catalogue: Catalogue,
    *,
    mfu: Quantity,
    usd: float | None = None,
    megawatts: float | None = None,
    usd_per_device: float | None = None,
) -> Cluster:
    """What can be bought for `usd`, or powered by `megawatts`.

    Args:
        device: which accelerator.
        catalogue: with prices for the rented hours.
        mfu: share of the bf16 peak (fp16 without it) that training makes of the hours held.
        usd: capital, everything but the building.
        megawatts: design power at the site's meter.
        usd_per_device: a purchase price of the user's own; None for the catalogue's.

    Raises:
        PlanError: neither or both are given, or they do not reach for one device.
        UnknownHardwareError: no purchase price, design power or peak is known.
    """
    owned = ownership_of(device, catalogue, usd_per_device)
    each_usd = owned.usd_per_device.value / (1 - owned.interconnect_share.value)
    each_watts = (
        owned.device_watts.value * owned.server_watts_per_device_watt.value * owned.pue.value
    )
    if (usd is None) == (megawatts is None):
        raise PlanError("a cluster is of a sum or of a power", remedy="give usd=1e9 or mw=100")
    devices = int(
        usd / each_usd if usd is not None else (megawatts or 0) * _WATTS_PER_MEGAWATT / each_watts
    )
    if devices < 1:
        raise PlanError(
            f"that reaches for no {device.name}: one takes ${each_usd:,.0f} and "
            f"{each_watts:,.0f} W",
            remedy="give more, or name a smaller device",
        )
    return Cluster(
        device=device,
        devices=devices,
        usd_per_device=_capital(owned, each_usd),
        megawatts=devices * each_watts / _WATTS_PER_MEGAWATT,
        mean_megawatts=devices * each_watts * owned.mean_draw_share.value / _WATTS_PER_MEGAWATT,
        used_share=owned.used_share,
        flops_per_year=_flops(device, devices, owned.used_share, mfu),
        usd_per_year=_running(owned, devices),
        rented_usd_per_year=_rented(device, devices, owned.used_share, catalogue),
        life_years=_life(),
        owned=owned,
    )


def _capital(owned: Ownership, value: float) -> Quantity:
    network = 1 - owned.interconnect_share.value
    return Quantity(
        value=value,
        unit="USD",
        provenance=Provenance.ASSUMED,
        source=f"{owned.source}; network {owned.interconnect_share.value:.0%} of the whole",
        low=owned.usd_per_device.low / network,
        high=owned.usd_per_device.high / network,
    )


def _flops(device: Accelerator, devices: int, used: Between, mfu: Quantity) -> Quantity:
    peak = device.peak("bf16" if "bf16" in device.peaks else "fp16")
    seconds = HOURS_PER_YEAR * _SECONDS_PER_HOUR * devices
    worked = Quantity(
        value=used.value * seconds * peak.value,
        unit="FLOP",
        provenance=Provenance.ASSUMED,
        source=f"{peak.value:.4g} FLOP/s dense, used {used.value:.0%} of a year",
        low=used.low * seconds * peak.value,
        high=used.high * seconds * peak.value,
    )
    return worked.times(mfu, "FLOP")


def _running(owned: Ownership, devices: int) -> Quantity:
    """A year of owning, whatever part of it is used: the share of use is divided out again."""

    def year(end: End, used: float) -> float:
        return sum(owned_parts(owned, end).values()) * used * HOURS_PER_YEAR * devices

    value = year("value", owned.used_share.value)
    low, high = year("low", owned.used_share.high), year("high", owned.used_share.low)
    return Quantity(
        value=value,
        unit="USD",
        provenance=Provenance.ASSUMED,
        source="loss of value, network, energy",
        low=min(low, value),
        high=max(high, value),
    )


def _rented(
    device: Accelerator, devices: int, used: Between, catalogue: Catalogue
) -> dict[Basis, Quantity]:
    found: dict[Basis, Quantity] = {}
    known = {(row.device, row.tier) for one in catalogue.snapshots for row in one.rows}
    for basis, tier in TIERS.items():
        if (device.id, tier) in known:
            price = catalogue.price(device.id, tier=tier).quantity()
            found[basis] = price.scaled(used.value * HOURS_PER_YEAR * devices, "USD")
    return found


def _life() -> Quantity:
    figure = ownership_constants()["life_years.server-2023"].figure
    assert figure is not None
    return figure.quantity("life of a server")
