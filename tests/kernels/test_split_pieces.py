"""The compiled qwen2 split against the regular expressions of `tokenizers`."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from farthing.kernels.split import LETTER, NUMBER, SPACE, split_ends, split_kinds
from farthing.kernels.split_counts import PieceCounter, most_frequent
from farthing.text.tokenizer import QWEN2_SPLIT

ORACLE = pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated")
EVERY = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]

LETTERS_OF_TRAPS = [
    *map(chr, range(32, 127)),
    *"\t\n\v\f\r\x1c\x85\xa0\u2028\u3000\u200b\u200d\ufeff",
    *"\u017f\u212a\u0130ß中文\uff0c。ひ가बि़٣½Ⅷ²🙂\u0301\U00020000\U000e0100",
]


def own_pieces(text: str) -> list[str]:
    data = text.encode()
    ends = split_ends(np.frombuffer(data, np.uint8), np.array([0, len(data)]))
    return [data[a:b].decode() for a, b in itertools.pairwise([0, *ends.tolist()])]


def oracle_pieces(text: str) -> list[str]:
    return [piece for piece, _ in ORACLE.pre_tokenize_str(text)]


def matching(pattern: str) -> set[int]:
    """Code points that match a pattern by themselves."""
    remover = pre_tokenizers.Split(Regex(pattern), "removed")
    found = set(EVERY)
    for at in range(0, len(EVERY), 4096):
        for kept, _ in remover.pre_tokenize_str("".join(map(chr, EVERY[at : at + 4096]))):
            found.difference_update(map(ord, kept))
    return found


@pytest.mark.parametrize(
    ("pattern", "bit"), [(r"\p{L}", LETTER), (r"\p{N}", NUMBER), (r"\s", SPACE)]
)
def test_every_code_point_is_what_the_library_takes_it_for(pattern, bit):
    assert set(np.flatnonzero(split_kinds() & bit).tolist()) == matching(pattern)


def test_no_further_character_passes_for_a_letter_of_a_contraction():
    found = matching("(?i:[stmdrevl])")
    assert found == {*map(ord, "stmdrevlSTMDREVL"), 0x17F}


@given(st.lists(st.sampled_from(LETTERS_OF_TRAPS), max_size=40).map("".join))
@settings(max_examples=400, deadline=None)
def test_traps_are_cut_as_by_the_library(text):
    assert own_pieces(text) == oracle_pieces(text)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_cut_as_by_the_library(text):
    assert own_pieces(text) == oracle_pieces(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'",
        "she'Ll DON'T we'RE '\u017fo 's's 'sx",
        " \t\n \n  end",
        "a \n",
        "   ",
        "!!!\r\n\r\n x",
        "中" * 3000 + "。" * 3000 + " " * 3000,
    ],
    ids=["nothing", "mark", "contractions", "lines", "open", "blank", "marks", "long runs"],
)
def test_known_corners_are_cut_as_by_the_library(text):
    assert own_pieces(text) == oracle_pieces(text)


def test_pieces_never_cross_texts_and_offsets_need_not_begin_at_zero():
    data = np.frombuffer(b"xx she said", np.uint8)
    assert split_ends(data, np.array([3, 5, 11])).tolist() == [5, 6, 11]
    assert split_ends(data, np.array([3, 11])).tolist() == [6, 11]


def counted(texts: list[str]) -> dict[bytes, int]:
    counter = PieceCounter()
    for text in texts:
        data = text.encode()
        counter.add(np.frombuffer(data, np.uint8), np.array([0, len(data)]))
    return as_dict(counter.counts())


def as_dict(counts) -> dict[bytes, int]:
    data, bounds = counts.data.tobytes(), counts.offsets.tolist()
    pieces = [data[a:b] for a, b in itertools.pairwise(bounds)]
    assert len(set(pieces)) == len(pieces)
    return dict(zip(pieces, counts.counts.tolist(), strict=True))


def test_counts_are_those_of_a_dictionary_and_parts_add_up_in_any_order():
    draw = random.Random(3)
    words = ["".join(draw.choices("abcdefgh中文", k=draw.randint(1, 5))) for _ in range(30_000)]
    texts = [" ".join(words[at : at + 100]) for at in range(0, len(words), 100)]
    expected: dict[bytes, int] = {}
    for text in texts:
        for piece in oracle_pieces(text):
            expected[piece.encode()] = expected.get(piece.encode(), 0) + 1
    assert len(expected) > 1 << 13  # more than fits before the table grows
    assert counted(texts) == expected
    whole = PieceCounter()
    for part in (texts[200:], texts[:50], texts[50:200]):
        counter = PieceCounter()
        for text in part:
            data = text.encode()
            counter.add(np.frombuffer(data, np.uint8), np.array([0, len(data)]))
        whole.add_counts(counter.counts())
    assert as_dict(whole.counts()) == expected


def test_the_most_frequent_pieces_are_kept_and_the_order_of_counting_does_not_matter():
    texts = ["aa bb bb cc cc dd dd dd", "ee"]
    by_hand = {b" dd": 3, b" bb": 2, b" cc": 2}

    def kept(texts: list[str], most: int) -> dict[bytes, int]:
        counter = PieceCounter()
        for text in texts:
            counter.add(np.frombuffer(text.encode(), np.uint8), np.array([0, len(text)]))
        return as_dict(most_frequent(counter.counts(), most))

    assert kept(texts, 9) == kept(texts[::-1], 9) == by_hand
    assert kept(texts, 8) == {b" dd": 3, b" bb": 2}
    assert kept(texts, 1000) == {**by_hand, b"aa": 1, b"ee": 1}
