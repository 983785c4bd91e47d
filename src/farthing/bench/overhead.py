"""What metering adds to a training step: the same steps with and without a run's journal, in turns.

Processor seconds and wall clock, both of the whole process: the sampler's thread is counted too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from scipy import stats

from farthing.artifacts.measurement import Basis
from farthing.bench.clock import Lap, lap
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter

# Enough that a neighbour's interruption of one pair moves no median.
_LEAST_REPEATS = 5
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """Where the median of all pairs that could be taken lies, and how sure that is."""

    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Overhead:
    """Paired comparisons of some steps, metered and not.

    Attributes:
        steps: in each half of a pair.
        bare: the steps of each pair without metering.
        metered: the same steps with a heartbeat each.
        beat_seconds: processor seconds that the step's own thread spent in each block's heartbeats.
        sampler_seconds: processor seconds that the sampler's thread spent in each block.
        journal_bytes: what the metered steps wrote.
    """

    steps: int
    bare: tuple[Lap, ...]
    metered: tuple[Lap, ...]
    beat_seconds: tuple[float, ...]
    sampler_seconds: tuple[float, ...]
    journal_bytes: int

    def step_seconds(self, basis: Basis) -> float:
        """A bare step, the median over the pairs."""
        return statistics.median(each.seconds(basis) for each in self.bare) / self.steps

    def shares(self, basis: Basis) -> tuple[float, ...]:
        """Of each pair, the time that metering added, as a share of the bare steps."""
        return tuple(
            metered.seconds(basis) / bare.seconds(basis) - 1
            for metered, bare in zip(self.metered, self.bare, strict=True)
        )

    def share(self, basis: Basis) -> float:
        """The median over the pairs."""
        return statistics.median(self.shares(basis))

    def interval(self, basis: Basis) -> Interval:
        """Of that median: how far neighbours and clocks blur it."""
        return median_interval(self.shares(basis))

    @property
    def direct_share(self) -> float:
        """Processor time in heartbeats and sampler as a share of the bare steps.

        It is timed in the two threads themselves, and so free of the noise of neighbours; what
        metering costs elsewhere, such as caches, is in the pairs alone.
        """
        spent = map(sum, zip(self.beat_seconds, self.sampler_seconds, strict=True))
        return statistics.median(spent) / self.steps / self.step_seconds("processor time")


def median_interval(values: Sequence[float]) -> Interval:
    """The narrowest interval between two of the values that holds the median with 95 %.

    By the signs of the values alone, whatever their distribution: each lies above the median with
    one half. Of fewer than six no interval is so sure: it is then all of them, and says how sure.

    Args:
        values: one or more.
    """
    ordered, count = sorted(values), len(values)
    below = stats.binom(count, 0.5)
    rank = max(1, int(below.ppf((1 - _CONFIDENCE) / 2)))
    confidence = max(0.0, float(1 - 2 * below.cdf(rank - 1)))
    return Interval(ordered[rank - 1], ordered[-rank], confidence)


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
    metered: list[tuple[Lap, float, float]] = []
    for repeat in range(repeats):
        for with_meter in (repeat % 2 == 0, repeat % 2 == 1):
            if with_meter:
                metered.append(_metered(step, book, meter, device, steps, repeat))
            else:
                bare.append(_bare(step, device, steps))
    journals = book.workspace.journals.glob("*.jsonl")
    written = sum(path.stat().st_size for path in journals)
    laps, beats, samples = zip(*metered, strict=True)
    return Overhead(steps, tuple(bare), laps, beats, samples, written)


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
) -> tuple[Lap, float, float]:
    with book.start_run(
        "tuning", "overhead", input_key=f"overhead-{repeat}", meter=meter
    ) as recorder:
        # The start and the end of a run are few: they are no part of a step.
        recorder.beat("train", None)
        beats, sampled = 0.0, meter.sampling_seconds
        with lap(device) as timed:
            for number in range(steps):
                step(number)
                begun = time.thread_time()
                recorder.beat("train", number, tokens=1, flops=1.0, optimizer_flops=1.0)
                beats += time.thread_time() - begun
        sampled = meter.sampling_seconds - sampled
        recorder.end()
    return timed, beats, sampled
