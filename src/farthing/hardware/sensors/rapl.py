"""The energy counters of processor packages and their memory, as Linux shows them (powercap).

https://docs.kernel.org/power/powercap/powercap.html: counts of microjoules that wrap around. They
hold everybody's work on the package, and leave out boards, disks and power supplies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from farthing.errors import SensorLostError
from farthing.hardware.sensors.counter import Counter, CounterSensor

POWERCAP = Path("/sys/class/powercap")

_MICRO = 1e-6


def package_sensors(
    powercap: Path = POWERCAP, *, clock: Callable[[], float] = time.monotonic
) -> dict[str, CounterSensor]:
    """A sensor for each package that this user may read, by the kernel's name for it.

    Args:
        powercap: where the kernel shows the counters.
        clock: seconds that never go back.
    """
    found: dict[str, CounterSensor] = {}
    for package, zones in _zones(powercap).items():
        try:
            counters = [_counter(zone, clock) for zone in zones]
        except SensorLostError:
            continue
        memory = any(_label(zone) == "dram" for zone in zones)
        covers = f"{package} with memory" if memory else package
        found[package] = CounterSensor("rapl", covers, counters)
    return found


def _zones(powercap: Path) -> dict[str, list[Path]]:
    """The zones of each package: its dies and their memory."""
    found: dict[str, Path] = {}
    # The same package can have a second zone through another register, `intel-rapl-mmio`.
    for folder in sorted(powercap.glob("*:*"), key=lambda zone: ("mmio" in zone.name, zone.name)):
        # `core` and `uncore` are parts of their package, and `psys` would count it twice.
        if (label := _label(folder)).startswith("package"):
            found.setdefault(label, folder)
    zones: dict[str, list[Path]] = {}
    for label, folder in found.items():
        parts = sorted(powercap.glob(f"{folder.name}:*"))
        memory = [part for part in parts if _label(part) == "dram"]
        zones.setdefault(label.split("-die")[0], []).extend([folder, *memory])
    return zones


def _label(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except OSError:
        return ""


def _counter(folder: Path, clock: Callable[[], float]) -> Counter:
    file = folder / "energy_uj"
    try:
        wrap = int((folder / "max_energy_range_uj").read_text())
    except (OSError, ValueError) as error:
        raise SensorLostError(f"{folder} has no range: {error}", remedy="use another") from error
    return Counter(lambda: int(file.read_text()), joules_per_count=_MICRO, wrap=wrap, clock=clock)
