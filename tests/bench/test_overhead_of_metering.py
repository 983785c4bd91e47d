from __future__ import annotations

import time

import pytest
import torch

from farthing.artifacts.entries import RunEnd
from farthing.bench.clock import Lap
from farthing.bench.overhead import Overhead, measure_overhead

CPU = torch.device("cpu")


def _busy(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_an_overhead_is_the_median_of_pairs():
    bare = tuple(Lap(0.0, seconds) for seconds in (10.0, 10.0, 10.0, 20.0, 10.0))
    metered = tuple(Lap(0.0, seconds) for seconds in (10.1, 10.2, 10.0, 22.0, 30.0))
    found = Overhead(5, bare, metered, (0.1, 0.2, 0.3, 0.1, 9.0), 0)
    assert found.shares == pytest.approx((0.01, 0.02, 0.0, 0.1, 2.0))
    assert found.share == pytest.approx(0.02)
    assert found.step_seconds == 2.0
    assert found.beat_share == pytest.approx(0.2 / 5 / 2.0)
    low, high = found.range
    assert low <= found.share <= high


def test_every_block_takes_the_same_steps_and_every_second_one_is_a_run(book, meter):
    taken = []
    found = measure_overhead(taken.append, book, meter, device=CPU, steps=3, repeats=6)
    assert taken == [0, 1, 2] * 12
    ends = [record.body for record in book.records if isinstance(record.body, RunEnd)]
    assert [end.work.tokens for end in ends] == [3] * 6
    assert (len(found.bare), len(found.metered)) == (6, 6)
    assert len(found.beat_seconds) == 6
    assert all(seconds > 0 for seconds in found.beat_seconds)
    assert found.journal_bytes > 6 * 3 * 100


@pytest.mark.slow
def test_metering_costs_a_small_part_of_a_step(book, meter):
    """Far above the target: this is a busy machine, and the page has the figure."""
    found = measure_overhead(lambda _: _busy(0.05), book, meter, device=CPU, steps=10, repeats=5)
    assert found.step_seconds == pytest.approx(0.05, rel=0.2)
    assert found.share < 0.05


def test_too_few_pairs_say_nothing(book, meter):
    with pytest.raises(ValueError, match="at least 5"):
        measure_overhead(lambda _: None, book, meter, device=CPU, steps=1, repeats=4)
