"""Snippets and their hashed runs of characters against plain Python."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.documents.batch import large_strings, text_bytes
from farthing.kernels.snippets import MOST_GRAMS, SNIPPET, gram_features, snippets_of

BITS = 17
WRAP = (1 << 64) - 1
# Any character, and many lengths of text from few bytes of entropy.
CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.lists(
    st.builds(lambda unit, times: unit * times, st.text(CHARACTERS), st.integers(1, 700)),
    max_size=4,
)


def plain_snippets(text):
    """A snippet for every 1,536 bytes begun, at most four, each at most SNIPPET characters."""
    raw = text.encode()
    count = min(max(-(-len(raw) // 1536), 1), 4)
    edges = [len(raw) * number // count for number in range(count + 1)]
    found = []
    for begin, end in pairwise(edges):
        starts = [place for place in range(begin, end) if raw[place] & 0xC0 != 0x80]
        whole = raw[starts[0] :].decode() if starts else ""
        found.append(whole[: min(len(starts), SNIPPET)])
    return found


def plain_grams(snippet):
    padded = [0x20, *(ord("0") if c in "0123456789" else ord(c) for c in snippet), 0x20]
    for first in range(len(padded)):
        value = 0xCBF29CE484222325
        for code in padded[first : first + 4]:
            value = (value ^ code) * 0x100000001B3 & WRAP
            spread = (value ^ value >> 29) * 0xBF58476D1CE4E5B9 & WRAP
            yield spread >> (64 - BITS)


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_snippets_are_evenly_spread_whole_characters(texts):
    data, offsets = text_bytes(large_strings(texts))
    begins, ends, firsts = snippets_of(data, offsets)
    cut = [data[b:e].tobytes().decode() for b, e in zip(begins, ends, strict=True)]
    by_text = [cut[a:b] for a, b in pairwise(firsts)]
    assert by_text == [plain_snippets(text) for text in texts]


@given(TEXTS)
@settings(max_examples=40, deadline=None)
def test_features_are_the_hashes_of_runs_of_one_to_four(texts):
    data, offsets = text_bytes(large_strings(texts))
    begins, ends, _ = snippets_of(data, offsets)
    features = np.empty(len(begins) * MOST_GRAMS, dtype=np.int32)
    firsts = np.zeros(len(begins) + 1, dtype=np.int64)
    gram_features(data, begins, ends, BITS, features, firsts)
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        expected = list(plain_grams(data[begin:end].tobytes().decode()))
        assert features[firsts[number] : firsts[number + 1]].tolist() == expected


@pytest.mark.parametrize(("length", "count"), [(0, 1), (1536, 1), (1537, 2), (6144, 4), (9**6, 4)])
def test_long_texts_are_seen_in_at_most_four_places(length, count):
    begins, _, _ = snippets_of(*text_bytes(large_strings(["a" * length])))
    assert begins.tolist() == [length * number // count for number in range(count)]
