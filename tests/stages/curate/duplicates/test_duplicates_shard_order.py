"""The same fates however the pile is cut into batches, and in whatever order they are done."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_texts import edited, packed, passages

from farthing.kernels.words import split_words
from farthing.stages.curate.duplicates.candidates import candidate_pairs
from farthing.stages.curate.duplicates.clusters import Clusters, settle
from farthing.stages.curate.duplicates.exact import first_copies, text_digests
from farthing.stages.curate.duplicates.sketch import sketch
from farthing.stages.curate.duplicates.verify import joined, sets_of, similar_pairs


def fates(pile: list[str], cuts: list[int], order: random.Random) -> Clusters:
    """All steps over batches that end at `cuts`, done in a drawn order, twice."""
    bounds = [0, *cuts, len(pile)]
    pieces = list(itertools.pairwise(bounds))
    first_pass, second_pass = {}, []
    for begin, end in order.sample(pieces, len(pieces)):
        data, offsets = packed(pile[begin:end])
        made = sketch(split_words(data, offsets), bands=20, rows=6)
        first_pass[begin, end] = (text_digests(data, offsets), made.keys, made.low_bytes)
    digests, keys, low_bytes = (
        np.concatenate(column)
        for column in zip(*(first_pass[piece] for piece in pieces), strict=True)
    )
    everybody = np.arange(len(pile))
    copies = first_copies(digests, everybody)
    firsts = everybody[copies == everybody]
    candidates = candidate_pairs(keys.T, low_bytes, firsts, similarity=0.8)
    wanted = np.unique(candidates)
    for begin, end in order.sample(pieces, len(pieces)):
        words = split_words(*packed(pile[begin:end]))
        second_pass.append(sets_of(words, np.arange(begin, end), wanted))
    similar = similar_pairs(candidates, joined(second_pass), similarity=0.8)
    return settle(everybody, copies, similar, None, count=len(pile))


@pytest.fixture(scope="module")
def pile() -> list[str]:
    draw = random.Random(3)
    texts = [*passages("en", 12), *passages("zh", 12)]
    texts += [edited(text, share, draw) for text in texts[::3] for share in (0.0, 0.01, 0.05)]
    draw.shuffle(texts)
    return texts


@pytest.fixture(scope="module")
def whole(pile: list[str]) -> Clusters:
    clusters = fates(pile, [], random.Random(0))
    assert np.count_nonzero(clusters.reasons) >= 12
    return clusters


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_cuts_and_the_order_of_the_batches_change_nothing(pile, whole, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pile)), max_size=8)))
    parts = fates(pile, cuts, random.Random(data.draw(st.integers(0, 9))))
    assert parts.reasons.tolist() == whole.reasons.tolist()
    assert parts.clusters.tolist() == whole.clusters.tolist()
    assert parts.sizes.tolist() == whole.sizes.tolist()
