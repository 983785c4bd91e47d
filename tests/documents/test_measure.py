# ruff: noqa: RUF001 - Chinese punctuation is meant
import numpy as np
import pytest

from farthing.documents.batch import large_strings, text_bytes
from farthing.documents.measure import SIGNALS, measure
from farthing.kernels.words import split_words

# 23 words in 24 tokens; the line ends of Windows are white space.
ENGLISH = (
    "The cat and the dog have to be friends...\r\n"
    "The cat and the dog have to be friends...\r\n"
    "\r\n"
    "- 12 cats {of} #1\r\n"
    "Go!"
)
CHINESE = "【广告】今天很好。\n天很好吗？2024"


def measured(*texts):
    column = large_strings(texts)
    rows = measure(column, split_words(*text_bytes(column)))
    assert rows.dtype == np.float32
    return [dict(zip(SIGNALS, row.tolist(), strict=True)) for row in rows]


def test_signals_of_english_by_hand():
    (signals,) = measured(ENGLISH)
    characters = 43 + 43 + 2 + 19 + 3
    expected = {
        "characters": characters,
        "tokens": 9 + 9 + 5 + 1,
        "mean_token": (33 * 2 + 13 + 3) / 24,
        "alphabetic_share": 21 / 24,
        "hash_share": 1 / 24,
        "ellipsis_share": 2 / 24,
        "lines": 4,
        "mean_line": (41 + 41 + 17 + 3) / 4,
        "longest_line": 41,
        "short_lines": 2 / 4,
        "bullet_lines": 1 / 4,
        "ellipsis_lines": 2 / 4,
        "terminal_lines": 3 / 4,
        "sentence_ends": 3,
        "repeated_lines": 1 / 4,
        "repeated_line_share": 41 / characters,
        "repeated_line_text": 41 / (characters - 4),
        "repeated_paragraphs": 0,
        "c4_lines": 0,
        "c4_sentences": 0,
        "curly_brackets": 1,
        "words": 9 + 9 + 4 + 1,
        "stop_words": 6,
        "maths_words": 6,
        "newlines_per_word": 4 / 23,
        "digit_share": 3 / characters,
        "top_2_gram": 2 * 7 / characters,
        "repeated_9_grams": 30 / characters,
        "repeated_10_grams": 0,
    }
    assert {name: signals[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_signals_of_chinese_by_hand():
    (signals,) = measured(CHINESE)
    expected = {
        "characters": 19,
        "cjk_characters": 10,
        "cjk_share": 10 / 14,
        "alphanumeric_share": 14 / 19,
        "digit_share": 4 / 19,
        "punctuation_share": 4 / 19,
        "bracket_share": 2 / 19,
        "tokens": 6 + 2 + 4 + 2,
        "sentence_ends": 2,
        "terminal_lines": 1 / 2,
        "words": 11,
        "top_3_gram": 2 * 5 / 19,
    }
    assert {name: signals[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_an_empty_batch_and_an_empty_text_measure_finite_numbers():
    assert measured() == []
    (empty,) = measured("")
    assert set(empty.values()) == {0.0}


def test_a_text_measures_the_same_in_any_batch():
    alone = measured(ENGLISH), measured(CHINESE)
    together = measured(CHINESE, "", ENGLISH, CHINESE)
    assert together == [*alone[1], *measured(""), *alone[0], *alone[1]]


def test_names_of_signals_are_different():
    assert len(set(SIGNALS)) == len(SIGNALS)
