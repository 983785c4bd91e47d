"""Sums in English text: counted as by a plain pattern, and only dense ones make maths of it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.documents.batch import large_strings, text_bytes
from farthing.documents.language.identify import LANGUAGES
from farthing.kernels.words import split_words
from farthing.stages.curate.equations import as_word_problems, count_equations

EQUATION = re.compile(r"(?<=[0-9)%>]) ?=(?= ?[$(-]?[0-9])")
EN, MATHS, CODE = (LANGUAGES.index(name) for name in ("en", "maths", "code"))
PIECES = st.sampled_from([*"0 =$(-)%>x", "12", " = ", "=\n", "千"])
TEXTS = st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=1, max_size=6)

SOLVED = (
    "A crate holds 14 jars, and a shelf takes six crates. How many jars stand on two shelves? "
    "One shelf has 14 x 6 = 84 jars, so two of them have 84 x 2 = 168 jars."
)
BUSY = "The parcels were weighed and 2 + 2 = 4 of them went out on 3 + 1 = 4 lorries. "


def told(texts, languages):
    data, offsets = text_bytes(large_strings(texts))
    codes = np.array(languages, dtype=np.int8)
    return as_word_problems(codes, data, offsets, split_words(data, offsets)).tolist()


@settings(deadline=None)
@given(TEXTS)
def test_equations_are_those_of_a_plain_pattern(texts):
    found = count_equations(*text_bytes(large_strings(texts)))
    assert found.tolist() == [len(EQUATION.findall(text)) for text in texts]


def test_a_part_of_a_column_counts_its_own_texts():
    column = large_strings(["1=1 1=1", "2 = $2", "no sum", "=3", "(4)=5%=6"])
    assert count_equations(*text_bytes(column.slice(1, 4))).tolist() == [1, 0, 0, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SOLVED, MATHS),
        (SOLVED.replace("= 168", "to 168"), EN),
        ("The options are: x = 4, depth = 12, and cost = 5 by default.", EN),
        ("E = mc and F = ma, says the book; so a = b.", EN),
    ],
    ids=["two sums", "one sum", "assignments", "letters"],
)
def test_what_is_a_word_problem(text, expected):
    assert told([text], [EN]) == [expected]


def test_sums_must_be_dense():
    # Two sums in 120 words, and in two more.
    more = "words " * (120 - 17)
    assert len(re.findall(r"\w+", BUSY + more)) == 120
    assert told([BUSY + more, BUSY + more + "of it"], [EN, EN]) == [MATHS, EN]


def test_only_english_becomes_maths():
    assert told([SOLVED] * 3, [EN, CODE, MATHS]) == [MATHS, CODE, MATHS]
