"""How many CPU threads a step runs on: tried, not guessed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from farthing.errors import ConfigError
from farthing.hardware.machine import available_threads

LapT = TypeVar("LapT")

_MOST_ROUNDS = 5
_BUDGET_SECONDS = 3.0


@dataclass(frozen=True)
class ThreadChoice:
    """A number of threads, and in words where it is from."""

    threads: int
    reason: str


def choose_threads(
    wanted: int | None,
    begun_with: int | None,
    work: Callable[[], object],
    clock: Callable[[], float] = time.perf_counter,
) -> ThreadChoice:
    """The number of threads for a run on the CPU; torch's own number stays as it is.

    Args:
        wanted: by the user; None tries 1, 2, 4, ... up to what torch uses now and the process may.
        begun_with: by the run that goes on, whose last bits may depend on it; None for a new one.
        work: what is tried; a part of a step will do.
        clock: seconds.
    """
    there = available_threads()
    if wanted is not None:
        return ThreadChoice(wanted, "train.threads")
    if begun_with is not None and begun_with <= there:
        return ThreadChoice(begun_with, "as the run began")
    because = "" if begun_with is None else f"the run began with {begun_with}, {there} are here; "
    counts = thread_counts(min(there, torch.get_num_threads()))
    if len(counts) == 1:
        return ThreadChoice(counts[0], f"{because}no other number was allowed")

    def timed() -> float:
        began = clock()
        work()
        return clock() - began

    timed()
    laps = race(counts, timed, budget_seconds=_BUDGET_SECONDS, rounds=(0, _MOST_ROUNDS))
    found = ", ".join(
        f"{statistics.median(taken) * 1e3:.1f} ms on {count}" for count, taken in laps.items()
    )
    return ThreadChoice(fastest(laps), f"{because}a micro-batch takes {found}")


def check_threads(wanted: int | None) -> None:
    """Raises ConfigError where more threads are wanted than this process may use."""
    there = available_threads()
    if wanted is not None and wanted > there:
        raise ConfigError(
            f"train.threads {wanted}: this process may use {there} hardware threads",
            remedy=f"choose 1 to {there}, or null to have the fastest number tried",
        )


def thread_counts(most: int) -> tuple[int, ...]:
    """The numbers to try: 1, 2, 4, ... and `most` itself."""
    return (*(2**i for i in range(most.bit_length()) if 2**i < most), most)


def race(
    counts: Sequence[int],
    run: Callable[[], LapT],
    *,
    budget_seconds: float,
    rounds: tuple[int, int],
) -> dict[int, list[LapT]]:
    """What `run` says of each number of threads, all numbers in turn.

    Args:
        counts: the numbers.
        run: does the work and says how long it took.
        budget_seconds: how long to go on after the fewest rounds. Numbers that were never come to
            are left out.
        rounds: fewest and most of them.
    """
    laps: dict[int, list[LapT]] = {count: [] for count in counts}
    fewest, most = rounds
    began = time.perf_counter()
    # Fewer threads take longer, but only so much: whoever begins with most can stop in time.
    turns = [(turn, count) for turn in range(most) for count in sorted(counts, reverse=True)]
    with thread_count_restored():
        for turn, count in turns:
            if turn >= fewest and time.perf_counter() - began > budget_seconds:
                break
            torch.set_num_threads(count)
            # The first run after a change starts or parks the threads.
            run()
            laps[count].append(run())
    return {count: taken for count, taken in laps.items() if taken}


def fastest(seconds: Mapping[int, Sequence[float]]) -> int:
    """The number of threads with the least median."""
    return min(seconds, key=lambda count: statistics.median(seconds[count]))


@contextmanager
def thread_count_restored() -> Iterator[None]:
    """Leave torch with the number of threads that it had."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
