from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.errors import ConfigError
from farthing.text.order import (
    DataOrder,
    Phase,
    PhasedOrder,
    lost_tokens,
    read_in_blocks,
    windows_of,
)

LENGTHS = {"en": 50_000, "zh": 30_000, "code": 7770}
MAIN = {"en": 0.5, "zh": 0.4, "code": 0.1}
LAST = {"en": 0.1, "code": 0.9}


@given(st.integers(0, 2**40), st.sampled_from([None, 1, 5000, 10**9]))
@settings(max_examples=100, deadline=None)
def test_one_phase_is_todays_order_bit_for_bit(i, sequences):
    plain = DataOrder(LENGTHS, MAIN, context=64, seed=1234)
    phased = PhasedOrder(LENGTHS, [Phase(1.0, MAIN)], 64, 1234, sequences)
    assert phased.locate(i) == plain.locate(i)


def phased(sequences: int | None, *until: float) -> PhasedOrder:
    weights = [MAIN, LAST, {"zh": 1.0}]
    phases = [Phase(end, each) for end, each in zip(until, weights, strict=False)]
    return PhasedOrder(LENGTHS, phases, 16, 7, sequences)


def test_phases_change_at_the_nearest_block_and_each_has_its_own_quotas():
    order = phased(10 * 1024, 0.77, 1.0)
    for block in range(12):
        drawn = Counter(order.locate(block * 1024 + i).domain for i in range(1024))
        # By hand: 512, 409.6 and 102.4 in the first 8 of 10 blocks; 102.4 and 921.6 after.
        first = {"en": 512, "zh": 410, "code": 102}
        assert drawn == (first if block < 8 else {"en": 102, "code": 922})


def test_no_window_comes_twice_in_an_epoch_across_phases_and_none_is_left_out():
    order = phased(9 * 1024, 0.34, 0.67, 1.0)
    seen: Counter[tuple[str, int, int]] = Counter()
    epochs: dict[str, list[int]] = {}
    for i in range(9 * 1024):
        place = order.locate(i)
        seen[place.domain, place.epoch, place.start] += 1
        epochs.setdefault(place.domain, []).append(place.epoch)
    assert set(seen.values()) == {1}
    for domain, length in LENGTHS.items():
        windows = windows_of(length, 16)
        by_epoch = Counter(epochs[domain])
        # Epochs are finished before the next one begins, but for the order within a block.
        assert sorted(by_epoch) == list(range(len(by_epoch)))
        assert all(by_epoch[epoch] == windows for epoch in range(len(by_epoch) - 1))
    assert max(epochs["code"]) >= 2


def test_what_was_read_is_counted_through_the_phases():
    order = phased(10 * 1024, 0.3, 1.0)
    for blocks in (0, 2, 3, 7):
        drawn = Counter(order.locate(i).domain for i in range(blocks * 1024))
        assert Counter(read_in_blocks(order.mixture, blocks)) == drawn


def test_a_run_of_unknown_length_stays_in_its_first_phase():
    order = phased(None, 0.5, 1.0)
    assert order.mixture == ((0, DataOrder(LENGTHS, MAIN, 16, 7).quotas),)
    assert order.locate(10**8).domain in MAIN


def test_a_phase_too_short_for_a_block_is_left_out():
    order = phased(1024, 0.1, 1.0)
    assert [first for first, _ in order.mixture] == [0]
    assert order.domains == ("code", "en")


@pytest.mark.parametrize("until", [(0.5,), (0.5, 0.4, 1.0), (0.5, 0.5, 1.0), ()])
def test_phases_that_do_not_rise_to_one_are_errors(until):
    with pytest.raises(ConfigError, match="phases end at"):
        phased(1024, *until)


@given(st.integers(1, 4000), st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_lost_tokens_are_those_that_no_window_of_an_epoch_has_among_its_targets(length, context):
    read: set[int] = set()
    if length > context:
        order = DataOrder({"a": length}, {"a": 1.0}, context, seed=3)
        for i in range(order.windows("a")):
            start = order.locate(i).start
            read |= set(range(start + 1, start + context + 1))
    assert lost_tokens(length, context) == length - 1 - len(read)
    if length > 200 * context:
        assert lost_tokens(length, context) < length / 100
