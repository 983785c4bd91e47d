"""Which number of threads takes a training step fastest: tried, not guessed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from farthing.bench.clock import Lap
from farthing.bench.subject import Subject
from farthing.errors import UsageError
from farthing.hardware.machine import available_threads

ThreadLaps = dict[int, list[Lap]]

_FEWEST_ROUNDS, _MOST_ROUNDS = 3, 10


def read_threads(text: str | None, device: torch.device) -> tuple[int, ...]:
    """The numbers of threads to try, from `1,2`.

    Left out: 1, 2, 4, ... and all there are; on an accelerator only what torch has chosen.

    Raises:
        UsageError: no numbers, or more than this process may use.
    """
    there = available_threads()
    if text is None:
        if device.type != "cpu":
            return (torch.get_num_threads(),)
        doubling = (2**i for i in range(there.bit_length()) if 2**i < there)
        return (*doubling, there)
    try:
        wanted = tuple(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError as error:
        raise UsageError(
            f"--threads {text}: these are no numbers", remedy="write it as --threads 1,2"
        ) from error
    for count in wanted:
        if not 1 <= count <= there:
            raise UsageError(
                f"--threads {text}: {count} is not possible",
                remedy=f"this process may use 1 to {there} hardware threads",
            )
    return wanted


@contextmanager
def thread_count_restored() -> Iterator[None]:
    """Leave torch with the number of threads that it had."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def race(subject: Subject, counts: Sequence[int], step: int, budget_seconds: float) -> ThreadLaps:
    """Seconds of step number `step` for each number of threads, all numbers in turn.

    Args:
        subject: what to run.
        counts: the numbers.
        step: the same for all: steps differ in shape.
        budget_seconds: how long to go on, after the fewest rounds.
    """
    laps: ThreadLaps = {count: [] for count in counts}
    began = time.perf_counter()
    for rounds in range(_MOST_ROUNDS):
        if rounds >= _FEWEST_ROUNDS and time.perf_counter() - began > budget_seconds:
            break
        for count in counts:
            torch.set_num_threads(count)
            # The first step after a change starts or parks the threads.
            subject.whole_step(step)
            laps[count].append(subject.whole_step(step)[0])
    return laps


def fastest(laps: ThreadLaps) -> int:
    """The number of threads with the least wall clock, by its median repeat."""
    medians = {
        count: statistics.median(lap.wall_seconds for lap in taken) for count, taken in laps.items()
    }
    return min(medians, key=lambda count: medians[count])
