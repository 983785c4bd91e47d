from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.kernels.minhash import (
    NO_KEY,
    agreements,
    band_keys,
    hash_family,
    signatures,
)
from farthing.kernels.shingles import shared_and_united, shingle_sets

MASK = 0xFFFFFFFFFFFFFFFF
# Few different words, so that shingles repeat; documents of no word up to 30.
DOCUMENTS = st.lists(st.lists(st.integers(1, 3), max_size=30), min_size=1, max_size=5)


def packed(documents):
    """Words as large numbers, as hashes are."""
    flat = [word * 0x9E3779B97F4A7C15 & MASK for document in documents for word in document]
    firsts = np.cumsum([0, *map(len, documents)])
    return np.array(flat, dtype=np.uint64), firsts


def plain_shingles(document):
    return {tuple(document[i : i + 5]) for i in range(max(len(document) - 4, 1))} - {()}


def plain_hash(shingle):
    """The shingle's hash in Python's whole numbers."""
    value = 0
    for word in shingle:
        value = (value + (word * 0x9E3779B97F4A7C15 & MASK)) * 0x9E3779B97F4A7C15 & MASK
    for _ in range(2):
        value = (value ^ value >> 32) * 0xD6E8FEB86659FD93 & MASK
    return value ^ value >> 32


@settings(deadline=None)  # the first call compiles
@given(DOCUMENTS)
def test_shingle_sets_are_those_of_tuples_of_words(documents):
    rows = np.arange(len(documents))[::-1]
    shingles, ends = shingle_sets(*packed(documents), rows)
    for row, document in enumerate(rows):
        found = shingles[ends[row] : ends[row + 1]].tolist()
        assert found == sorted(map(plain_hash, plain_shingles(documents[document])))


@settings(deadline=None)
@given(DOCUMENTS)
def test_intersection_and_union_are_those_of_sets(documents):
    shingles, ends = shingle_sets(*packed(documents), np.arange(len(documents)))
    sets = [plain_shingles(document) for document in documents]
    pairs = [(i, j) for i in range(len(sets)) for j in range(len(sets))]
    counts = shared_and_united(shingles, ends, np.array(pairs))
    assert counts.tolist() == [[len(sets[i] & sets[j]), len(sets[i] | sets[j])] for i, j in pairs]


@settings(deadline=None)
@given(DOCUMENTS)
def test_signatures_are_the_least_values_over_the_shingles(documents):
    family = hash_family(7)
    signed = signatures(*packed(documents), family)
    for row, document in zip(signed.tolist(), documents, strict=True):
        values = [plain_hash(shingle) >> 32 for shingle in plain_shingles(document)]
        for found, multiplier, addend in zip(row, *map(np.ndarray.tolist, family), strict=True):
            drawn = [(multiplier * value + addend) & 0xFFFFFFFF for value in values]
            assert found == min((d ^ d >> 15 for d in drawn), default=0xFFFFFFFF)


@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8])
def test_two_signatures_agree_as_often_as_the_sets_are_similar(similarity):
    size, common = 1000, round(2000 * similarity / (1 + similarity))
    words = np.random.default_rng(5).integers(1, MASK, size=2 * size, dtype=np.uint64)
    # Each shingle is a document's only one: five words of its own.
    one, two = words[:size], np.concatenate([words[:common], words[size : 2 * size - common]])
    spread = np.concatenate([np.repeat(one, 5), np.repeat(two, 5)])
    firsts = np.arange(0, len(spread) + 1, 5)
    family = hash_family(2000)
    each = signatures(spread, firsts, family)
    first, second = each[:size].min(axis=0), each[size:].min(axis=0)
    # Three standard errors of 2,000 draws.
    assert abs((first == second).mean() - similarity) < 3 * (0.25 / 2000) ** 0.5


def test_hash_functions_differ_and_depend_on_the_seed_alone():
    one, two = hash_family(120), hash_family(120, seed=1)
    assert len(set(one.multipliers.tolist())) == len(set(one.addends.tolist())) == 120
    assert np.all(one.multipliers % 2 == 1)
    assert np.array_equal(hash_family(112).addends, one.addends[:112])
    assert not np.any(one.addends == two.addends)


def test_bands_have_equal_keys_where_all_their_rows_are_equal():
    draw = np.random.default_rng(0)
    signed = draw.integers(0, 2, size=(200, 6), dtype=np.uint32)
    keys = band_keys(signed, 3)
    assert keys.shape == (200, 2)
    for band in range(2):
        rows = list(map(tuple, signed[:, 3 * band : 3 * band + 3].tolist()))
        pairs = set(zip(rows, keys[:, band].tolist(), strict=True))
        assert len(pairs) == len({row for row, _ in pairs}) == len({key for _, key in pairs}) == 8


def test_a_document_without_words_has_no_key_and_another_has():
    signed = signatures(np.array([7], dtype=np.uint64), np.array([0, 0, 1]), hash_family(12))
    keys = band_keys(signed, 6)
    assert keys[0].tolist() == [NO_KEY, NO_KEY]
    assert NO_KEY not in keys[1].tolist()


def test_agreements_count_equal_places():
    low_bytes = np.array([[1, 2, 3], [1, 0, 3], [9, 9, 9]], dtype=np.uint8)
    assert agreements(low_bytes, np.array([[0, 1], [1, 2], [2, 2]])).tolist() == [2, 0, 3]
