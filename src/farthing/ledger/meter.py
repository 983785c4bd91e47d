"""What this process uses: time held, devices held, processor time, energy.

The meter starts at the creation of the process, so that start-up and imports are billed, and it is
read in *laps* that neither overlap nor leave gaps: the stages of one process pay for all of it.
Durations are those of clocks that never go back, whatever happens to the time of day.

Energy is found for each load of the machine, and the method is recorded with every figure: by a
sensor of `farthing.hardware.sensors`, else

    tdp_model   device-seconds held x watts per device of the catalogue. Held, not busy, because an
                idle thread still draws power and nobody else can use it: an upper figure for the
                processor. The bill gives the busy seconds' share at the lowest watts as `low`.
    none        nobody knows; the bill says what to add to farthing.yaml.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from farthing.artifacts.work import Work
from farthing.hardware.machine import Machine
from farthing.hardware.sensors.find import Load, modelled_loads
from farthing.ledger.energy import EnergyMeter, EnergyTotals, with_energy
from farthing.ledger.sampler import Sampler

_OWN_STAT = Path("/proc/self/stat")
# https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: (22) starttime, and what follows the
# name in brackets begins with (3) state.
_START_FIELD = 22 - 3

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
    energy: EnergyTotals


class Meter:
    """Reads the process's use of one machine; one per process, handed to every run in turn."""

    def __init__(
        self,
        machine: Machine,
        loads: Sequence[Load] = (),
        *,
        from_process_start: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to count.

        Args:
            machine: what is held.
            loads: what of it draws power, with the sensors (`find_loads`); by default the machine's
                loads without any sensor.
            from_process_start: count what the process used before this call; False where the
                process serves something else too (a notebook, a test).
            clock: seconds that never go back.
        """
        self.machine = machine
        self._clock = clock
        self._held = False
        self._lock = threading.RLock()
        self._watchers: list[Callable[[], None]] = []
        self._sampler: Sampler | None = None
        age = process_age_seconds() if from_process_start else 0.0
        self._wall_zero = clock() - age
        self._cpu_zero = 0.0 if from_process_start else _process_cpu_seconds()
        self._energy = EnergyMeter(loads or modelled_loads(machine), started_seconds=age)
        self._lap_start = _Reading(0.0, 0.0, EnergyTotals({}))

    def hold(self) -> None:
        """Claim the meter for one run: two at once would each be billed the other's laps."""
        if self._held:
            raise ValueError("the meter serves another run: end that one first")
        self._held = True
        if self._sampler is None:
            self._sampler = Sampler(self._sample)

    def release(self) -> None:
        """Let the next run have the meter; who looked after the former one does so no more."""
        self._held = False
        self._watchers.clear()
        # Sensors are read between runs as well: their counters wrap around.
        if self._sampler is not None and not self._energy.sensed:
            self._sampler.stop()
            self._sampler = None

    def watch(self, look: Callable[[], None]) -> None:
        """Have `look` called about every second while a run holds the meter.

        It is called in another thread, and must not raise.
        """
        self._watchers.append(look)

    def unwatch(self, look: Callable[[], None]) -> None:
        """Call it no more."""
        self._watchers.remove(look)

    @property
    def sampling_seconds(self) -> float:
        """What looking at sensors and watchers took of the processor, while a run holds the meter.

        It is in the work of runs too; benches ask for it alone.
        """
        return 0.0 if self._sampler is None else self._sampler.processor_seconds

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Other processes hold the machine meanwhile and are billed for it: leave that time out.

        No run of this process may begin or end meanwhile.
        """
        before = self._read()
        try:
            yield
        finally:
            with self._lock:
                after, start = self._read(), self._lap_start
                self._lap_start = _Reading(
                    start.wall_seconds + after.wall_seconds - before.wall_seconds,
                    start.cpu_seconds + after.cpu_seconds - before.cpu_seconds,
                    start.energy.shifted(before.energy, after.energy),
                )

    def peek(self) -> Work:
        """What was used since the last lap; tokens and FLOPs are the caller's to add."""
        with self._lock:
            return self._between(self._lap_start, self._read())

    def lap(self) -> Work:
        """The same, and begin the next lap at this very moment."""
        with self._lock:
            now = self._read()
            work = self._between(self._lap_start, now)
            self._lap_start = now
            return work

    def take_notes(self) -> tuple[str, ...]:
        """What happened to sensors since this was asked before: the run's journal names it."""
        with self._lock:
            return self._energy.take_notes()

    def _sample(self) -> None:
        if self._energy.sensed:
            with self._lock:
                self._read()
        for look in tuple(self._watchers):
            look()

    def _read(self) -> _Reading:
        with self._lock:
            wall = self._clock() - self._wall_zero
            cpu = _process_cpu_seconds() - self._cpu_zero
            return _Reading(wall, cpu, self._energy.read(wall, cpu))

    def _between(self, start: _Reading, end: _Reading) -> Work:
        wall = end.wall_seconds - start.wall_seconds
        work = Work(
            wall_seconds=wall,
            device_seconds=wall * self.machine.devices,
            cpu_seconds=end.cpu_seconds - start.cpu_seconds,
            tokens=0,
            flops=0.0,
            optimizer_flops=0.0,
            joules=0.0,
            energy_method="none",
        )
        parts = end.energy.since(start.energy)
        return with_energy(work, parts, told_apart=not self._energy.modelled)


def process_age_seconds(stat: Path = _OWN_STAT) -> float:
    """Seconds since this process was created, by the clock since boot, which nobody sets."""
    try:
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        created = int(fields[_START_FIELD]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - created)
    except (OSError, ValueError, IndexError, AttributeError):
        # Other systems give the time of day at which it was created.
        return max(0.0, time.time() - psutil.Process().create_time())


def _process_cpu_seconds() -> float:
    """Processor seconds of this process and of its finished children, user and system."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total
