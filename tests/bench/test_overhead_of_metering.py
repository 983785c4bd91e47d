from __future__ import annotations

import time

import pytest
import torch

from farthing.artifacts.entries import RunEnd
from farthing.bench.clock import Lap
from farthing.bench.overhead import Overhead, measure_overhead, median_interval

CPU = torch.device("cpu")


def _busy(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_an_overhead_is_the_median_of_pairs_by_both_clocks():
    bare = tuple(Lap(20.0, seconds) for seconds in (10.0, 10.0, 10.0, 20.0, 10.0))
    metered = tuple(Lap(21.0, seconds) for seconds in (10.1, 10.2, 10.0, 22.0, 30.0))
    beats, samples = (0.1, 0.2, 0.3, 0.1, 9.0), (0.1, 0.1, 0.1, 0.0, 0.0)
    found = Overhead(5, bare, metered, beats, samples, 0)
    assert found.shares("processor time") == pytest.approx((0.01, 0.02, 0.0, 0.1, 2.0))
    assert found.share("processor time") == pytest.approx(0.02)
    assert found.share("wall clock") == pytest.approx(0.05)
    assert found.step_seconds("processor time") == 2.0
    assert found.step_seconds("wall clock") == 4.0
    # The blocks spent 0.2, 0.3, 0.4, 0.1 and 9 s; a block of bare steps takes 10 s.
    assert found.direct_share == pytest.approx(0.3 / 10)
    interval = found.interval("processor time")
    assert (interval.low, interval.high) == pytest.approx((0.0, 2.0))


@pytest.mark.parametrize(
    ("count", "ranks"), [(5, (1, 5)), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (15, (4, 12))]
)
def test_the_interval_of_a_median_holds_as_many_outcomes_as_it_says(count, ranks):
    """Every outcome is counted: which of the values lie above the median, each with one half."""
    found = median_interval([float(rank) for rank in range(count, 0, -1)])
    assert (found.low, found.high) == ranks

    def held(low, high):
        below = (outcome.bit_count() for outcome in range(2**count))
        return sum(low <= number < high for number in below) / 2**count

    assert found.confidence == pytest.approx(held(*ranks))
    # The next narrower one would not do; of five values none does.
    assert held(ranks[0] + 1, ranks[1] - 1) < 0.95
    assert (found.confidence >= 0.95) == (count > 5)


def test_every_block_takes_the_same_steps_and_every_second_one_is_a_run(book, meter):
    taken = []
    found = measure_overhead(taken.append, book, meter, device=CPU, steps=3, repeats=6)
    assert taken == [0, 1, 2] * 12
    ends = [record.body for record in book.records if isinstance(record.body, RunEnd)]
    assert [end.work.tokens for end in ends] == [3] * 6
    assert (len(found.bare), len(found.metered)) == (6, 6)
    assert len(found.beat_seconds) == 6
    assert all(seconds > 0 for seconds in found.beat_seconds)
    assert len(found.sampler_seconds) == 6
    assert all(seconds >= 0 for seconds in found.sampler_seconds)
    assert found.journal_bytes > 6 * 3 * 100


@pytest.mark.slow
def test_metering_costs_a_small_part_of_a_step(book, meter, monkeypatch):
    """Far above the target: this is a busy machine, and the page has the figure."""
    monkeypatch.setattr("farthing.ledger.sampler.SAMPLE_SECONDS", 0.1)
    found = measure_overhead(lambda _: _busy(0.05), book, meter, device=CPU, steps=10, repeats=5)
    assert found.step_seconds("processor time") == pytest.approx(0.05, rel=0.2)
    assert found.share("processor time") < 0.05
    assert 0 < found.direct_share < 0.05
    assert max(found.sampler_seconds) > 0


def test_too_few_pairs_say_nothing(book, meter):
    with pytest.raises(ValueError, match="at least 5"):
        measure_overhead(lambda _: None, book, meter, device=CPU, steps=1, repeats=4)
