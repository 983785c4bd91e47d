from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.kernels.alignment import common_in_order, densest_stretch

WORDS = st.lists(st.integers(0, 4), max_size=12)


def plain_weight(text, wanted, weights):
    """The heaviest common subsequence, by the definition."""
    if not text or not wanted:
        return 0
    if text[-1] == wanted[-1]:
        return weights[-1] + plain_weight(text[:-1], wanted[:-1], weights[:-1])
    return max(
        plain_weight(text[:-1], wanted, weights),
        plain_weight(text, wanted[:-1], weights[:-1]),
    )


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(0, 4), max_size=9), WORDS.map(lambda w: w[:7]))
def test_the_weight_is_that_of_the_heaviest_common_subsequence(text, wanted):
    weights = [1 + i % 3 for i in wanted]  # equal words weigh the same
    arrays = (np.array(one, dtype=np.uint64) for one in (text, wanted))
    found, begin, end = common_in_order(*arrays, np.array(weights, dtype=np.int64))
    assert found == plain_weight(text, wanted, weights)
    if found:
        assert plain_weight(text[begin:end], wanted, weights) == found
    else:
        assert (begin, end) == (0, 0)


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=9), st.lists(st.integers(0, 3), max_size=5))
def test_the_stretch_is_the_shortest_that_holds_the_weight(text, wanted):
    weights = [1 + i % 2 for i in wanted]
    arrays = (np.array(one, dtype=np.uint64) for one in (text, wanted))
    found, begin, end = common_in_order(*arrays, np.array(weights, dtype=np.int64))
    stretches = [(b, e) for b in range(len(text)) for e in range(b + 1, len(text) + 1)]
    holding = [s for s in stretches if plain_weight(text[s[0] : s[1]], wanted, weights) == found]
    if found:
        assert (begin, end) == min(holding, key=lambda s: (s[1] - s[0], s[0]))


def test_an_earlier_common_word_does_not_stretch_what_is_found():
    wanted = np.arange(1, 8, dtype=np.uint64)
    text = np.concatenate([[1, 20, 21, 22, 23, 24, 25], wanted, [30]]).astype(np.uint64)
    assert common_in_order(text, wanted, np.ones(7, dtype=np.int64)) == (7, 7, 14)


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=15).map(sorted), st.integers(0, 30))
def test_the_densest_stretch_holds_as_many_places_as_any(places, reach):
    first, last = densest_stretch(np.array(places), reach)
    assert first in places
    assert last in places
    assert last - first <= reach
    most = max(sum(p <= q <= p + reach for q in places) for p in places)
    assert sum(first <= q <= last for q in places) == most
