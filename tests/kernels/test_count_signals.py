# ruff: noqa: RUF001 - characters of many scripts are what this is about
import numpy as np
import pytest
from hypothesis import given, settings
from mixed_texts import batches, packed
from plain_signals import counts

from farthing.kernels.signals import COUNTS, count_signals


def counted(*batch):
    return count_signals(*packed(batch))


@settings(max_examples=200, deadline=None)
@given(batches)
def test_counts_are_those_of_the_plain_reading(batch):
    for text, found in zip(batch, counted(*batch), strict=True):
        expected = counts(text)
        assert set(expected) == set(COUNTS.names)
        assert found["entropy"] == pytest.approx(expected.pop("entropy"), abs=1e-9)
        assert {name: found[name] for name in expected} == expected


BY_HAND = {
    "prose": (
        'He left. "Why?" she asked. J. Smith knew...\n\nThe end came late!\n',
        {
            "characters": 64, "newlines": 3, "lines": 2, "paragraphs": 2, "tokens": 12,
            "sentence_ends": 5, "c4_lines": 1, "c4_sentences": 1, "ellipsis_lines": 1,
            "ellipses": 1, "terminal_lines": 2, "short_lines": 1, "longest_line": 43,
        },
    ),
    "windows line ends": (
        "a b\r\na b\r\n\r\na b\r\n",
        {"lines": 3, "line_characters": 9, "repeated_lines": 2, "repeated_line_characters": 6,
         "paragraphs": 2, "repeated_paragraphs": 0, "newlines": 4, "controls": 0},
    ),
    "chinese": (
        "今天很好。明天呢？\n【广告】AB",
        {"characters": 16, "ideographs": 9, "word_characters": 11, "tokens": 13,
         "sentence_ends": 2, "bracketed": 2, "punctuation": 4, "terminal_lines": 1},
    ),
    "code": (
        "# do not edit\nif (a) {\n}\n",
        {"generated": 1, "curly_brackets": 1, "hash_signs": 1, "alphabetic_tokens": 5, "tokens": 8},
    ),
    "bullets": (
        "- one\n  • two\n* three\nfour -\n",
        {"bullet_lines": 3, "lines": 4, "line_characters": 25, "c4_lines": 0},
    ),
    "policy": (
        "We use cookies on this site.\nRead our PRIVACY policy now.\nThree plain words.\n",
        {"c4_lines": 1, "c4_sentences": 1, "lines": 3, "filler": 0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_HAND)
def test_counts_by_hand(case):
    text, expected = BY_HAND[case]
    (found,) = counted(text)
    assert {name: found[name] for name in expected} == expected


def test_a_text_counts_the_same_alone_and_in_any_batch():
    every = [text for text, _ in BY_HAND.values()] * 2
    together = counted(*every)
    alone = np.concatenate([counted(text) for text in every])
    assert np.array_equal(together, alone)


def test_no_text_and_an_empty_text_count_nothing():
    assert len(counted()) == 0
    (empty,) = counted("")
    assert all(empty[name] == 0 for name in COUNTS.names)


def test_entropy_of_many_equal_characters_is_zero_and_of_four_alike_ln_4():
    one, four = counted("x" * 5000, "abcd" * 2000)
    assert one["entropy"] == pytest.approx(0, abs=1e-12)
    assert four["entropy"] == pytest.approx(np.log(4), abs=1e-12)
