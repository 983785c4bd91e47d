"""What metering adds to a training step: the same steps with and without a run's journal, in turns.

The sampler's thread is counted with it: both clocks are of the whole process.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from farthing.bench.clock import Lap, lap
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter

# Enough that a neighbour's interruption of one pair moves no median.
_LEAST_REPEATS = 5


@dataclass(frozen=True)
class Overhead:
    """Paired comparisons of some steps, metered and not.

    Attributes:
        steps: in each half of a pair.
        bare: the steps of each pair without metering.
        metered: the same steps with a heartbeat each.
        beat_seconds: processor seconds that the step's own thread spent in each block's heartbeats;
            the sampler's thread is in `metered` alone.
        journal_bytes: what the metered steps wrote.
    """

    steps: int
    bare: tuple[Lap, ...]
    metered: tuple[Lap, ...]
    beat_seconds: tuple[float, ...]
    journal_bytes: int

    @property
    def step_seconds(self) -> float:
        """Processor seconds of a bare step, the median over the pairs."""
        return statistics.median(each.cpu_seconds for each in self.bare) / self.steps

    @property
    def shares(self) -> tuple[float, ...]:
        """Of each pair, the processor time that metering added, as a share of the bare steps."""
        return tuple(
            metered.cpu_seconds / bare.cpu_seconds - 1
            for metered, bare in zip(self.metered, self.bare, strict=True)
        )

    @property
    def share(self) -> float:
        """The median over the pairs."""
        return statistics.median(self.shares)

    @property
    def beat_share(self) -> float:
        """Processor time in heartbeats as a share of the bare steps: free of neighbours' noise."""
        return statistics.median(self.beat_seconds) / self.steps / self.step_seconds

    @property
    def range(self) -> tuple[float, float]:
        """The middle half of the pairs: how far neighbours and clocks blur the median."""
        quartiles = statistics.quantiles(self.shares, n=4)
        return quartiles[0], quartiles[2]


def measure_overhead(
    step: Callable[[int], object],
    book: Book,
    meter: Meter,
    *,
    device: torch.device,
    steps: int,
    repeats: int,
) -> Overhead:
    """Take steps in pairs of blocks, the first of a pair by turns metered and not.

    Args:
        step: takes one training step; its number counts from 0 in every block.
        book: of a workspace of its own, in which each metered block is a run.
        meter: of this process.
        device: that the step computes on.
        steps: of a block.
        repeats: pairs, at least 5.

    Raises:
        ValueError: fewer repeats, or no step.
    """
    if repeats < _LEAST_REPEATS or steps < 1:
        raise ValueError(f"{repeats} pairs of {steps} steps: give at least {_LEAST_REPEATS} of 1")
    bare: list[Lap] = []
    metered: list[tuple[Lap, float]] = []
    for repeat in range(repeats):
        for with_meter in (repeat % 2 == 0, repeat % 2 == 1):
            if with_meter:
                metered.append(_metered(step, book, meter, device, steps, repeat))
            else:
                bare.append(_bare(step, device, steps))
    journals = book.workspace.journals.glob("*.jsonl")
    written = sum(path.stat().st_size for path in journals)
    laps, beats = zip(*metered, strict=True)
    return Overhead(steps, tuple(bare), laps, beats, written)


def _bare(step: Callable[[int], object], device: torch.device, steps: int) -> Lap:
    with lap(device) as timed:
        for number in range(steps):
            step(number)
    return timed


def _metered(
    step: Callable[[int], object],
    book: Book,
    meter: Meter,
    device: torch.device,
    steps: int,
    repeat: int,
) -> tuple[Lap, float]:
    with book.start_run(
        "tuning", "overhead", input_key=f"overhead-{repeat}", meter=meter
    ) as recorder:
        # The start and the end of a run are few: they are no part of a step.
        recorder.beat("train", None)
        beats = 0.0
        with lap(device) as timed:
            for number in range(steps):
                step(number)
                begun = time.thread_time()
                recorder.beat("train", number, tokens=1, flops=1.0, optimizer_flops=1.0)
                beats += time.thread_time() - begun
        recorder.end()
    return timed, beats
