from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.kernels.white_space import collapsed


def run(texts):
    encoded = [text.encode() for text in texts]
    data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    found, places, stable = collapsed(data, np.cumsum([0, *map(len, encoded)]))
    pairs = zip(places[:-1].tolist(), places[1:].tolist(), strict=True)
    return [found[begin:end].tobytes().decode() for begin, end in pairs], stable.tolist()


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.text("ab\n \t\u3000\u2028\x1c\x85é水😀", max_size=15), min_size=1, max_size=4))
def test_runs_of_white_space_become_one_space(texts):
    assert run(texts)[0] == [" ".join(text.split()) for text in texts]


def test_no_single_character_that_changes_in_normal_form_c_counts_as_stable():
    characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    found, stable = run(characters)
    changing = [
        character
        for character, says in zip(found, stable, strict=True)
        if says and not unicodedata.is_normalized("NFC", character)
    ]
    assert changing == []


@pytest.mark.parametrize(
    "text",
    ["e\u0301", "ᄀ\u1161", "가\u11a8", "a\u0323\u0301", "\u09c7\u09be", "\U00011099\U000110ba"],
    ids=["accent", "jamo", "Hangul", "two marks", "Bengali", "Kaithi"],
)
def test_texts_whose_characters_join_are_not_stable(text):
    assert run([text])[1] == [False]


@given(st.text(max_size=30))
def test_a_stable_text_is_in_normal_form_c(text):
    [found], [stable] = run([text])
    assert not stable or unicodedata.is_normalized("NFC", found)


def test_usual_text_is_stable():
    assert run(["Plain “words” — naïve café", "水调歌头。明月几时有", "かな カナ 한국어"])[1] == [
        True,
        True,
        True,
    ]
