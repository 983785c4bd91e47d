"""Words and pairs as features, and the edges of long texts, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.documents.batch import large_strings, text_bytes
from farthing.kernels.linear_words import inner_bytes, word_features
from farthing.kernels.words import split_words

EDGE, LEAST, MOST, BITS = 2, 6, 5, 20
WRAP = (1 << 64) - 1
TEXTS = st.lists(st.text(st.sampled_from("ab 山\n\né."), max_size=60), max_size=5)


def plain_inner(text):
    lines = text.split("\n")
    if len(lines) < LEAST:
        return text
    inner = lines[EDGE:-EDGE]
    return "\n".join(inner)


def slot(value):
    return (value * 0x9E3779B97F4A7C15 & WRAP) >> (64 - BITS)


def plain_features(hashes):
    hashes = hashes[:MOST]
    for place, value in enumerate(hashes):
        yield slot(value)
        if place:
            yield slot(hashes[place - 1] * 0xC2B2AE3D27D4EB4F & WRAP ^ value)


def inner_of(texts):
    data, offsets = text_bytes(large_strings(texts))
    begins, ends = np.empty((2, len(texts)), dtype=np.int64)
    inner_bytes(data, offsets, EDGE, LEAST, begins, ends)
    return data, offsets, begins, ends


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_long_texts_lose_their_first_and_last_lines(texts):
    data, _, begins, ends = inner_of(texts)
    kept = [data[b:e].tobytes().decode() for b, e in zip(begins, ends, strict=True)]
    assert kept == [plain_inner(text) for text in texts]


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_features_are_the_first_words_that_remain_and_their_pairs(texts):
    data, offsets, begins, ends = inner_of(texts)
    words = split_words(data, offsets)
    features = np.empty(2 * MOST * len(texts), dtype=np.int32)
    firsts = np.zeros(len(texts) + 1, dtype=np.int64)
    word_features(
        words.hashes, words.begins, words.firsts, begins, ends, MOST, BITS, features, firsts
    )
    for number, text in enumerate(texts):
        alone = split_words(*text_bytes(large_strings([plain_inner(text)]))).hashes.tolist()
        expected = list(plain_features(alone))
        assert features[firsts[number] : firsts[number + 1]].tolist() == expected


@pytest.mark.parametrize(("lines", "left"), [(5, 5), (6, 2), (7, 3)])
def test_a_text_is_long_from_the_given_number_of_lines_on(lines, left):
    data, _, begins, ends = inner_of(["\n".join("x" * lines)])
    assert data[begins[0] : ends[0]].tobytes().decode() == "\n".join("x" * left)
