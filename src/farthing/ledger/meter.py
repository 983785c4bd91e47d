"""What this process uses: time held, devices held, processor time, energy.

The meter starts at the creation of the process, so that start-up and imports are billed, and it is
read in *laps* that neither overlap nor leave gaps: the stages of one process pay for all of it.

Energy, best first; the method is recorded with every figure:

    rapl        the processor's own energy counters (whole packages and their memory, everybody's
                work on the machine included). They start at zero with the meter: the seconds before
                it, start-up, are missing.
    tdp_model   device-seconds held x watts per device of the catalogue. Held, not busy, because an
                idle thread still draws power and nobody else can use it: an upper figure for the
                processor. The bill gives the busy seconds' share at the lowest watts as `low`.
    none        nobody knows; the bill says what to add to farthing.yaml.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from farthing.artifacts.work import EnergyMethod, Work
from farthing.hardware.machine import Machine

_POWERCAP = Path("/sys/class/powercap")
_MICRO = 1e-6

NO_WORK = Work(
    wall_seconds=0.0,
    device_seconds=0.0,
    cpu_seconds=0.0,
    tokens=0,
    flops=0.0,
    optimizer_flops=0.0,
    joules=0.0,
    energy_method="none",
)

# The least that a dead run used when even its journal is gone: see `RunEnd.evidence`.
UNKNOWN_WORK = NO_WORK.model_copy(update={"joules": None})


@dataclass(frozen=True)
class _Reading:
    """Totals since the meter's start."""

    wall_seconds: float
    cpu_seconds: float
    joules: float | None


class RaplCounters:
    """The energy counters of all packages and their memory, added up across wraparound."""

    def __init__(self, powercap: Path = _POWERCAP) -> None:
        self._zones: list[_Zone] = []
        for folder in sorted(powercap.glob("*:*")):
            zone = _Zone.find(folder)
            if zone is not None:
                self._zones.append(zone)
        self._total = 0.0

    @property
    def readable(self) -> bool:
        """Whether there is at least one counter that this user may read."""
        return bool(self._zones)

    def joules(self) -> float:
        """J since this object was made; must be read at least once per wraparound (minutes)."""
        self._total += sum(zone.advance() for zone in self._zones)
        return self._total


class _Zone:
    def __init__(self, counter: Path, range_microjoules: int, last: int) -> None:
        self._counter = counter
        self._range = range_microjoules
        self._last = last

    @classmethod
    def find(cls, folder: Path) -> _Zone | None:
        """The zone in this folder, unless its energy is part of another zone or unreadable."""
        try:
            name = (folder / "name").read_text().strip()
            # `core` and `uncore` are parts of their package; `psys` would count it twice.
            if not (name.startswith("package") or name == "dram"):
                return None
            limit = int((folder / "max_energy_range_uj").read_text())
            return cls(folder / "energy_uj", limit, int((folder / "energy_uj").read_text()))
        except (OSError, ValueError):
            return None

    def advance(self) -> float:
        now = int(self._counter.read_text())
        delta = now - self._last
        self._last = now
        return (delta if delta >= 0 else delta + self._range) * _MICRO


class Meter:
    """Reads the process's use of one machine; one per process, handed to every run in turn."""

    def __init__(
        self,
        machine: Machine,
        *,
        powercap: Path = _POWERCAP,
        from_process_start: bool = True,
    ) -> None:
        """Begin to count.

        Args:
            machine: what is held.
            powercap: where the kernel shows energy counters.
            from_process_start: count what the process used before this call; False where the
                process serves something else too (a notebook, a test).
        """
        self.machine = machine
        self._held = False
        self._rapl = RaplCounters(powercap)
        age = max(0.0, time.time() - psutil.Process().create_time())
        self._wall_zero = time.monotonic() - (age if from_process_start else 0.0)
        self._cpu_zero = 0.0 if from_process_start else _process_cpu_seconds()
        self._lap_start = _Reading(0.0, 0.0, 0.0 if self.method != "none" else None)

    @property
    def method(self) -> EnergyMethod:
        """How this meter finds energy."""
        if self._rapl.readable:
            return "rapl"
        return "none" if self.machine.watts_per_device is None else "tdp_model"

    def hold(self) -> None:
        """Claim the meter for one run: two at once would each be billed the other's laps."""
        if self._held:
            raise ValueError("the meter serves another run: end that one first")
        self._held = True

    def release(self) -> None:
        """Let the next run have the meter."""
        self._held = False

    def peek(self) -> Work:
        """What was used since the last lap; tokens and FLOPs are the caller's to add."""
        return self._between(self._lap_start, self._read())

    def lap(self) -> Work:
        """The same, and begin the next lap at this very moment."""
        now = self._read()
        work = self._between(self._lap_start, now)
        self._lap_start = now
        return work

    def _read(self) -> _Reading:
        wall = time.monotonic() - self._wall_zero
        watts = self.machine.watts_per_device
        joules: float | None = None
        if self._rapl.readable:
            joules = self._rapl.joules()
        elif watts is not None:
            joules = wall * self.machine.devices * watts.value
        return _Reading(wall, _process_cpu_seconds() - self._cpu_zero, joules)

    def _between(self, start: _Reading, end: _Reading) -> Work:
        wall = end.wall_seconds - start.wall_seconds
        known = start.joules is not None and end.joules is not None
        return Work(
            wall_seconds=wall,
            device_seconds=wall * self.machine.devices,
            cpu_seconds=end.cpu_seconds - start.cpu_seconds,
            tokens=0,
            flops=0.0,
            optimizer_flops=0.0,
            joules=(end.joules or 0.0) - (start.joules or 0.0) if known else None,
            energy_method=self.method,
        )


def _process_cpu_seconds() -> float:
    """Processor seconds of this process and of its finished children, user and system."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total
