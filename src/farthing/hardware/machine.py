"""The machine that this process runs on, as far as it can be known."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.settings import HardwareFigure
from farthing.errors import UnknownHardwareError
from farthing.hardware.accelerators import Accelerator
from farthing.hardware.catalogue import Catalogue, read_catalogue
from farthing.hardware.sensors.boards import Board, visible_boards
from farthing.quantity import Quantity, assumed

CPU_THREAD = "cpu-thread"
UNKNOWN_ACCELERATOR = "accelerator"

_CPUINFO = Path("/proc/cpuinfo")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Host:
    """The processors beside a machine's accelerators; their hours are in the accelerators' price.

    Attributes:
        name: the processor.
        threads: hardware threads that this process may use.
        watts_per_thread: W under load, or None where nobody has given a figure.
    """

    name: str
    threads: int
    watts_per_thread: Quantity | None


@dataclass(frozen=True)
class Machine:
    """What the meter charges for.

    Attributes:
        id: a stable short mark of host and processor; no serial number is in it.
        name: the kind of device: the accelerators if there are any, else the processor.
        device: the kind of device counted, as price lists name it.
        devices: how many of them this process may use.
        watts_per_device: W per device under load, or None where nobody has given a figure.
        accelerator: the catalogue's id of the accelerators; None for processors, and for
            accelerators that the catalogue does not know.
        device_ids: the driver's ids of the accelerators.
        host: the processors, where the devices are accelerators.
    """

    id: str
    name: str
    device: str
    devices: int
    watts_per_device: Quantity | None
    accelerator: str | None = None
    device_ids: tuple[str, ...] = ()
    host: Host | None = None

    @property
    def processor(self) -> Host:
        """The processors, whether they are the devices or stand beside them."""
        return self.host or Host(self.name, self.devices, self.watts_per_device)


def detect_machine(
    figure: HardwareFigure | None = None,
    *,
    cpuinfo: Path = _CPUINFO,
    boards: Sequence[Board] | None = None,
    root: Path | None = None,
) -> Machine:
    """Find what this process holds: the accelerators that it sees, else the processor's threads.

    Args:
        figure: the user's own figure from `farthing.yaml`. It goes before the catalogue's of the
            processors, also of those beside accelerators; of accelerators it says what the
            catalogue does not know.
        cpuinfo: the kernel's description of the processor.
        boards: the accelerators; None to ask their drivers.
        root: the workspace, whose additions to the catalogue count.

    Raises:
        ConfigError: which accelerators are visible cannot be told; what the user added to the
            catalogue is wrong.
        ArtifactError: a price table that the user added was changed.
    """
    catalogue = read_catalogue(root)
    marks = _read_cpuinfo(cpuinfo)
    model_name = marks.get("model name") or platform.processor() or platform.machine()
    identity = sha256_hex(f"{platform.node()}|{marks.get('vendor_id')}|{model_name}".encode())
    name, watts = _look_up(catalogue, marks, model_name)
    seen = visible_boards() if boards is None else boards
    if seen:
        return _with_accelerators(identity[:16], name, watts, seen, figure, catalogue)
    if figure is not None:
        name = figure.name
        watts = assumed(figure.watts_per_device, "W", f"farthing.yaml: {figure.source}")
    return Machine(
        id=identity[:16],
        name=name,
        device=CPU_THREAD,
        devices=available_threads(),
        watts_per_device=watts,
    )


def held_threads() -> frozenset[int]:
    """The hardware threads that this process may run on, by the system's numbers."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return frozenset(range(os.cpu_count() or 1))


def available_threads(quota: Path = _CPU_QUOTA) -> int:
    """Hardware threads that this process may use: by affinity, or its container's quota if less."""
    threads = len(held_threads())
    try:
        allowed, period = quota.read_text().split()
        return (
            threads if allowed == "max" else min(threads, max(1, ceil(int(allowed) / int(period))))
        )
    except (OSError, ValueError):
        return threads


def _with_accelerators(
    identity: str,
    processor: str,
    watts: Quantity | None,
    boards: Sequence[Board],
    figure: HardwareFigure | None,
    catalogue: Catalogue,
) -> Machine:
    """A machine whose devices are accelerators, of one kind or of several."""
    names = sorted({board.name for board in boards})
    entry = _known(catalogue, names)
    name = entry.name if entry else " and ".join(names)
    each = _tdp(catalogue, entry)
    if figure is not None:
        said = f"farthing.yaml: {figure.source}"
        # What stands there for a processor's thread is no figure of a board that is known.
        if entry is None:
            name = figure.name
        if each is None:
            each = assumed(figure.watts_per_device, "W", said)
        if figure.host_watts_per_thread is not None:
            watts = assumed(figure.host_watts_per_thread, "W", said)
    return Machine(
        id=identity,
        name=name,
        device=entry.id if entry else UNKNOWN_ACCELERATOR,
        devices=len(boards),
        watts_per_device=each,
        accelerator=entry.id if entry else None,
        device_ids=tuple(board.uuid for board in boards),
        host=Host(processor, available_threads(), watts),
    )


def _known(catalogue: Catalogue, names: Sequence[str]) -> Accelerator | None:
    """The catalogue's entry, if the devices are all of one kind that it knows."""
    if len(names) != 1:
        return None
    try:
        return catalogue.accelerator(names[0])
    except UnknownHardwareError:
        return None


def _tdp(catalogue: Catalogue, entry: Accelerator | None) -> Quantity | None:
    if entry is None or entry.tdp_watts is None:
        return None
    said = catalogue.sources[entry.tdp_watts.source].title
    return entry.tdp_watts.quantity(f"TDP of {entry.name}, {said}")


def _read_cpuinfo(path: Path) -> dict[str, str]:
    """The first processor's marks, empty where the kernel has no such file."""
    try:
        first = path.read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _look_up(
    catalogue: Catalogue, marks: dict[str, str], model_name: str
) -> tuple[str, Quantity | None]:
    try:
        family, model = int(marks["cpu family"]), int(marks["model"])
    except (KeyError, ValueError):
        return model_name, None
    for entry in catalogue.cpus:
        if entry.matches(marks.get("vendor_id", ""), family, model, model_name):
            return entry.name, entry.quantity(catalogue.sources)
    return model_name, None
