"""Scores by a handed-in model: what it is shown, and which way the scores point."""

from __future__ import annotations

import numpy as np
import pytest

from farthing.documents.batch import large_strings
from farthing.stages.curate.quality.by_model import score_by_model


def shown_and_scores(texts, most):
    shown = []

    def scorer(some):
        shown.extend(some)
        return [float(len(text)) for text in some]

    return shown, score_by_model(large_strings(texts), scorer, most_bytes=most).tolist()


def test_fewer_bits_are_better():
    _, scores = shown_and_scores(["aaaa", "a", "aa"], 100)
    assert scores == [-4, -1, -2]


@pytest.mark.parametrize(
    ("text", "most", "excerpt"),
    [
        ("0123456789", 4, "3456"),
        ("0123456789", 10, "0123456789"),
        ("0123456789", 99, "0123456789"),
        ("山水田火", 6, "水田"),
    ],
)
def test_the_model_reads_the_middle(text, most, excerpt):
    shown, _ = shown_and_scores([text], most)
    assert shown == [excerpt]


def test_cut_characters_are_left_out():
    shown, _ = shown_and_scores(["山水山水"], 8)
    assert shown == ["水山"]


def test_texts_without_bytes_are_last_and_never_shown():
    shown, scores = shown_and_scores(["", "ab"], 10)
    assert shown == ["ab"]
    assert scores == [float(np.finfo(np.float32).min), -2]
