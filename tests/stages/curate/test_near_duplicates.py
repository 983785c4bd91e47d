from __future__ import annotations

import random

import numpy as np
import plain_near_duplicates as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.stages.curate.near_duplicates import NearDuplicates, window_hashes

# Letters whose folding is one, several or no characters, in one to four bytes; all white space.
ALPHABET = "ab Aß\u0130\u0131\u017fΣςŉЯ水豈가𐐀\U0001d400😀\u0301\u3000\u00a0\u2028\u1680\x1c\r\n\t"


@settings(deadline=None)  # the first call compiles
@given(st.text("ab 水", max_size=90))
def test_equal_windows_have_equal_hashes_and_others_do_not(text):
    folded = " ".join(text.split())
    windows = [folded[i : i + 32] for i in range(max(1, len(folded) - 31))]
    hashes = window_hashes(text).tolist()
    assert len(hashes) == len(windows)
    assert len(set(zip(hashes, windows, strict=True))) == len(set(hashes)) == len(set(windows))


@given(st.text(ALPHABET, max_size=120) | st.text(max_size=80))
def test_the_hashes_are_those_of_the_plain_reference(text):
    assert np.array_equal(window_hashes(text), plain.window_hashes(text))


def test_the_hashes_of_a_long_text_are_those_of_the_plain_reference():
    text = "".join(random.Random(0).choices(ALPHABET, k=70_000))
    assert np.array_equal(window_hashes(text), plain.window_hashes(text))


def test_the_answers_are_those_of_the_plain_reference():
    draw = random.Random(1)
    held = ["".join(draw.choices("abcß 水", k=draw.randrange(300))) for _ in range(20)]
    index = NearDuplicates.of_texts(held, share=0.3)
    reference = plain.PlainNearDuplicates(held, share=0.3)
    texts = ["".join(draw.choices("abcß 水", k=200)) for _ in range(60)]
    texts += [
        one[: draw.randrange(300)] + draw.choice(texts)[: draw.randrange(200)] for one in held
    ]
    expected = [reference.repeats(text) for text in texts]
    assert 5 < sum(expected) < len(texts) - 5
    assert [index.repeats(text) for text in texts] == expected
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)])
    data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    assert index.which_repeat(data, offsets).tolist() == expected


def plain_share(a: str, b: str) -> float:
    """Share of the windows of `a` that occur in `b`, by strings."""
    windows = [a[i : i + 32] for i in range(len(a) - 31)]
    return sum(w in b for w in windows) / len(windows)


@pytest.mark.parametrize("copied", [0, 100, 300, 420, 700, 1000])
def test_the_share_is_that_of_a_plain_comparison(copied):
    draw = random.Random(copied)
    held = "".join(draw.choices("abcdefghij", k=1000))
    text = held[:copied] + "".join(draw.choices("klmnopqrst", k=1000 - copied))
    expected = max(plain_share(text, held), plain_share(held, text)) > 0.4
    assert NearDuplicates.of_texts([held, "x" * 50], share=0.4).repeats(text) == expected


def test_nothing_repeats_an_empty_index():
    assert not NearDuplicates.of_texts([], share=0.1).repeats("anything at all")
