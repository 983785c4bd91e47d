# ruff: noqa: RUF001 - characters of many scripts are what this is about
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from mixed_texts import batches, packed
from plain_signals import words

from farthing.kernels.words import split_words, word_hash


def split(batch):
    """Of each text: its words' hashes and bytes."""
    data, offsets = packed(batch)
    found = split_words(data, offsets)
    places = list(zip(found.begins.tolist(), found.ends.tolist(), strict=True))
    parts = [bytes(data[begin:end]).decode() for begin, end in places]
    firsts = found.firsts.tolist()
    return [(found.hashes[a:b].tolist(), parts[a:b]) for a, b in pairwise(firsts)]


@settings(max_examples=150, deadline=None)
@given(batches)
def test_words_are_those_of_the_plain_reading(batch):
    for text, (hashes, parts) in zip(batch, split(batch), strict=True):
        expected = words(text)
        assert parts == [text[begin:end] for _, begin, end in expected]
        lower = [word for word, _, _ in expected]
        assert len(set(hashes)) == len(set(lower)) == len(set(zip(hashes, lower, strict=True)))


def test_a_known_text_is_split_where_it_should_be():
    (_, parts), (_, none), (_, last) = split(
        ["It's 3pm, Ünïcode_ＡＢ漢字かな한글x1𠀀!", "", "\ufe0fе́"]
    )
    assert parts == [
        "It", "s", "3pm", "Ünïcode", "ＡＢ", "漢", "字", "か", "な", "한", "글", "x1", "𠀀"
    ]  # fmt: skip
    assert none == []
    assert last == ["е́"]


def test_a_word_hashes_the_same_in_any_case_place_and_batch():
    ((hashes, _),) = split(["The THE the"])
    ((others, _), (more, _)) = split(["of", "中 the"])
    assert set(hashes) == {more[1]} == {int(word_hash("the"))}
    assert others[0] not in hashes


def test_no_two_of_many_short_words_collide():
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    every = [a + b + c for a in alphabet for b in alphabet for c in alphabet]
    ((hashes, _),) = split([" ".join(every)])
    assert len(set(hashes)) == len(every)
    # Tables take the low bits for their slots: they must be as random as the others.
    buckets = np.bincount(np.array(hashes, dtype=np.uint64) & np.uint64(255), minlength=256)
    assert 100 < buckets.min() < buckets.max() < 270
