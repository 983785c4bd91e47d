"""Shares and buckets against a loop over sorted documents, and over any cut into shards."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.stages.curate.quality.shares import bucket_of, keep_best
from farthing.stages.curate.settings.quality import QualityConfig

# Few values, so that there are ties; sizes from nothing to much.
DOCUMENTS = st.lists(
    st.tuples(
        st.sampled_from([-2.0, -0.0, 0.0, 0.5, 3.0]),
        st.integers(0, 50),
        st.integers(0, 2),
        st.booleans(),
    ),
    max_size=40,
)
SHARES = st.lists(
    st.integers(1, 100).map(lambda percent: percent / 100), min_size=1, max_size=3, unique=True
).map(sorted)


def plain_buckets(documents, shares):
    buckets = [0] * len(documents)
    for group in {document[2] for document in documents}:
        members = [place for place, document in enumerate(documents) if document[2] == group]
        total = sum(documents[place][1] for place in members if documents[place][3])
        before = 0
        for place in sorted(members, key=lambda place: (-documents[place][0], place)):
            _, size, _, counted = documents[place]
            if total:
                buckets[place] = sum(before >= Fraction(str(share)) * total for share in shares)
            before += size if counted else 0
    return buckets


def columns(documents):
    scores, sizes, groups, counted = zip(*documents, strict=True) if documents else ((),) * 4
    return (
        np.array(scores, dtype=np.float32),
        np.array(sizes, dtype=np.int64),
        np.array(groups, dtype=np.int32),
        np.array(counted, dtype=bool),
    )


@given(DOCUMENTS, SHARES)
@settings(max_examples=300, deadline=None)
def test_buckets_are_those_of_the_plain_loop(documents, shares):
    scores, sizes, groups, counted = columns(documents)
    found = bucket_of(scores, sizes, groups, shares, counted)
    assert found.tolist() == plain_buckets(documents, shares)


@given(DOCUMENTS, SHARES)
@settings(max_examples=100, deadline=None)
def test_a_share_takes_at_least_itself_and_less_than_a_document_more(documents, shares):
    scores, sizes, groups, _ = columns(documents)
    kept = keep_best(scores, sizes, groups, shares[0])
    for group in set(groups.tolist()):
        inside = groups == group
        wanted = Fraction(str(shares[0])) * int(sizes[inside].sum())
        taken = int(sizes[inside & kept].sum())
        assert wanted <= taken
        if taken:
            assert taken - wanted < sizes[inside & kept].max()


def test_groups_do_not_compete():
    scores = np.array([9, 8, 7, 6, 1, 2, 3, 4], dtype=np.float32)
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    kept = keep_best(scores, np.full(8, 10), groups, 0.5)
    assert kept.tolist() == [True, True, False, False, False, False, True, True]


def test_examples_do_not_push_others_out():
    scores = np.array([9, 8, 5, 4, 3, 2], dtype=np.float32)
    counted = np.array([False, False, True, True, True, True])
    groups, sizes = np.zeros(6, dtype=np.int32), np.full(6, 10)
    assert keep_best(scores, sizes, groups, 0.5).tolist() == [True] * 3 + [False] * 3
    kept = keep_best(scores, sizes, groups, 0.5, counted)
    assert kept.tolist() == [True] * 4 + [False] * 2


def test_a_share_of_one_keeps_everything_even_what_is_empty():
    scores, sizes = np.array([1, 0, -1], dtype=np.float32), np.array([5, 0, 7])
    assert keep_best(scores, sizes, np.zeros(3, dtype=np.int8), 1.0).all()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"by": "classifier"}, "good"),
        ({"by": "model"}, "model"),
        ({"keep_share": 0.5}, "by"),
        ({"by": "model", "model": "x", "keep_share": 0.0}, "keep_share"),
    ],
)
def test_settings_that_make_no_sense_are_refused(data, said):
    with pytest.raises(ConfigError, match=said):
        parse_config(QualityConfig, data, where="test")


def test_settings_of_a_classifier():
    data = {"by": "classifier", "good": ["a"], "keep_share": 0.5}
    assert parse_config(QualityConfig, data, where="test").keep_share == 0.5
