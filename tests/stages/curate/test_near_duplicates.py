from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.stages.curate import near_duplicates
from farthing.stages.curate.near_duplicates import NearDuplicates, window_hashes


@given(st.text("ab 水", max_size=90))
def test_equal_windows_have_equal_hashes_and_others_do_not(text):
    folded = " ".join(text.split())
    windows = [folded[i : i + 32] for i in range(max(1, len(folded) - 31))]
    hashes = window_hashes(text).tolist()
    assert len(hashes) == len(windows)
    assert len(set(zip(hashes, windows, strict=True))) == len(set(hashes)) == len(set(windows))


def test_the_seams_between_pieces_of_a_long_text_do_not_show(monkeypatch):
    text = "".join(random.Random(0).choices("abcdefg ", k=5000))
    whole = window_hashes(text)
    monkeypatch.setattr(near_duplicates, "_PIECE", 100)
    assert np.array_equal(window_hashes(text), whole)


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
    assert NearDuplicates([held, "x" * 50], share=0.4).repeats(text) == expected


def test_nothing_repeats_an_empty_index():
    assert not NearDuplicates([], share=0.1).repeats("anything at all")
