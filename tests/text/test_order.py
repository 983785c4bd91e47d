from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.errors import ConfigError, CorpusError
from farthing.text.order import DataOrder, block_quotas, permute

LENGTHS = {"en": 5000, "zh": 3000, "code": 777}
GOLDEN = [
    ("zh", 764, 0),
    ("en", 3483, 0),
    ("en", 4443, 0),
    ("code", 461, 9),
    ("zh", 2385, 9),
    ("zh", 2039, 44),
    ("zh", 2140, 8897569444),
]
WEIGHTS = {"en": 0.5, "zh": 0.4, "code": 0.1}


def test_the_order_never_changes_silently():
    # Golden values: a change here breaks the resume of every run that is under way.
    order = DataOrder(LENGTHS, WEIGHTS, context=64, seed=1234)
    found = [order.locate(i) for i in (0, 1, 2, 1023, 1024, 5000, 10**12)]
    assert [(p.domain, p.start, p.epoch) for p in found] == GOLDEN


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
@settings(max_examples=40, deadline=None)
def test_permute_is_a_permutation(size, key):
    assert sorted(permute(p, size, key) for p in range(size)) == list(range(size))


@given(st.dictionaries(st.text("abcdef", min_size=1), st.floats(1e-6, 1e6), min_size=1, max_size=9))
def test_every_domain_gets_its_quota_to_within_one_sequence_or_the_minimum(weights):
    quotas = block_quotas(weights)
    assert sum(quotas.values()) == 1024
    assert min(quotas.values()) >= 1
    lifted = sum(1024 * w / sum(weights.values()) < 1 for w in weights.values())
    for name, weight in weights.items():
        exact = 1024 * weight / sum(weights.values())
        assert quotas[name] == 1 or abs(quotas[name] - exact) < 1 + lifted


def test_every_block_has_the_exact_mixture():
    order = DataOrder(LENGTHS, WEIGHTS, context=64, seed=5)
    for block in (0, 1, 77):
        places = [order.locate(block * 1024 + i) for i in range(1024)]
        # By hand: 512, 409.6, 102.4; the largest remainder is zh's.
        assert Counter(p.domain for p in places) == {"en": 512, "zh": 410, "code": 102}


@given(
    length=st.integers(10, 400),
    context=st.integers(1, 9),
    seed=st.integers(-5, 2**70),
)
@settings(max_examples=40, deadline=None)
def test_an_epoch_visits_each_of_its_windows_once_and_windows_only_share_their_edge(
    length, context, seed
):
    order = DataOrder({"a": length}, {"a": 1.0}, context=context, seed=seed)
    windows = order.windows("a")
    epochs = defaultdict(list)
    for i in range(3 * windows):
        place = order.locate(i)
        epochs[place.epoch].append(place.start)
    # One domain: rank within it is not the sequence number inside a block, but all ranks of the
    # first three epochs are visited when they end on a block's edge; so look at whole epochs only.
    for starts in epochs.values():
        targets = [s + 1 + t for s in starts for t in range(context)]
        assert len(set(targets)) == len(targets)
        assert max(targets) < length
    assert sorted(epochs) == [0, 1, 2]
    for starts in epochs.values():
        assert len(starts) == windows
        assert max(starts) - min(starts) == (windows - 1) * context


def test_other_seeds_and_epochs_give_other_orders():
    a = DataOrder({"a": 5000}, {"a": 1}, context=7, seed=1)
    b = DataOrder({"a": 5000}, {"a": 1}, context=7, seed=2)
    windows = a.windows("a")
    first = [a.locate(i).start for i in range(windows)]
    assert first != [b.locate(i).start for i in range(windows)]
    assert first != [a.locate(windows + i).start for i in range(windows)]
    assert sum(x < y for x, y in itertools.pairwise(first)) < 0.6 * windows


def test_a_domain_does_not_depend_on_the_length_of_another():
    # A growing English corpus must not reshuffle Chinese.
    a = DataOrder(LENGTHS, WEIGHTS, context=64, seed=3)
    b = DataOrder({**LENGTHS, "en": 9000}, WEIGHTS, context=64, seed=3)
    for i in range(300):
        if a.locate(i).domain == "zh":
            assert a.locate(i) == b.locate(i)


def test_impossible_orders_are_errors():
    with pytest.raises(CorpusError, match="'code' has 777 training tokens"):
        DataOrder(LENGTHS, WEIGHTS, context=777, seed=0)
    assert DataOrder(LENGTHS, {"en": 1, "code": 0}, context=777, seed=0).locate(0).domain == "en"
    assert DataOrder({"a": 8}, {"a": 1}, context=7, seed=0).locate(99).start == 0
    with pytest.raises(ConfigError, match="'fr'"):
        DataOrder(LENGTHS, {"fr": 1.0}, context=8, seed=0)
    with pytest.raises(ConfigError, match=r"weight -1\.0"):
        DataOrder(LENGTHS, {"en": -1.0}, context=8, seed=0)
    with pytest.raises(ConfigError, match="0 domains"):
        DataOrder(LENGTHS, {"en": 0.0}, context=8, seed=0)
