"""Wall clock and processor time of a piece of work, with the accelerator's work finished."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch

from farthing.artifacts.measurement import Basis
from farthing.hardware.measure import synchronize


@dataclass
class Lap:
    """Seconds of some work; laps add up."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __add__(self, other: Lap) -> Lap:
        return Lap(self.wall_seconds + other.wall_seconds, self.cpu_seconds + other.cpu_seconds)

    def seconds(self, basis: Basis) -> float:
        """By one of the two clocks."""
        return self.cpu_seconds if basis == "processor time" else self.wall_seconds

    def beyond(self, part: Lap) -> Lap:
        """What is left of this lap beside a part of it, measured apart; never below zero."""
        return Lap(
            max(0.0, self.wall_seconds - part.wall_seconds),
            max(0.0, self.cpu_seconds - part.cpu_seconds),
        )

    def over(self, count: int) -> Lap:
        """One of `count` equal shares."""
        return Lap(self.wall_seconds / count, self.cpu_seconds / count)


def basis_of(device: torch.device, threads: int) -> Basis:
    """The clock that says most: with one thread of a CPU, the one that stops while others run."""
    return "processor time" if device.type == "cpu" and threads == 1 else "wall clock"


@contextmanager
def lap(device: torch.device) -> Iterator[Lap]:
    """Fill the lap with what the block takes, all threads of the process included."""
    timed = Lap()
    synchronize(device)
    cpu, wall = time.process_time(), time.perf_counter()
    yield timed
    synchronize(device)
    timed.wall_seconds = time.perf_counter() - wall
    timed.cpu_seconds = time.process_time() - cpu


class Neighbours:
    """How many hardware threads the rest of the machine kept busy since this was made."""

    def __init__(self) -> None:
        self._busy, self._own, self._wall = _busy(), time.process_time(), time.perf_counter()

    def busy_threads(self) -> float:
        """A mean over the time since; 0 on a machine of one's own."""
        others = _busy() - self._busy - (time.process_time() - self._own)
        return max(0.0, others / (time.perf_counter() - self._wall))


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))
