# ruff: noqa: RUF001 - Chinese punctuation is meant
"""The script table against hand-picked letters and the names that Unicode gives."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from farthing.documents.batch import large_strings, text_bytes
from farthing.documents.language import scripts
from farthing.documents.language.scripts import SCRIPTS, count_scripts, script_table

LETTERS = {
    scripts.LATIN: "AzéßŁ",
    scripts.HAN: "人山水㐀𠀀々",
    scripts.KANA: "あんアンーｱ",
    scripts.HANGUL: "가힣ㄱ",
    scripts.OTHER: "ЯαאبकไԱ",
    scripts.SIMPLIFIED: "这们国学书龙",
    scripts.TRADITIONAL: "這們國學書龍",
}


@pytest.mark.parametrize("script", range(SCRIPTS))
def test_letters_are_counted_under_their_script(script):
    data, offsets = text_bytes(large_strings(["12 .-" + LETTERS[script] + "。！\n"]))
    counts = np.zeros((1, SCRIPTS), dtype=np.int64)
    count_scripts(data, offsets[:-1], offsets[1:], script_table(), counts)
    expected = np.zeros(SCRIPTS)
    expected[script] = len(LETTERS[script])
    assert counts.tolist() == [expected.tolist()]


def test_every_letter_has_a_script_and_nothing_else_has():
    table = script_table()
    letters = {code for code in range(0x20000) if unicodedata.category(chr(code))[0] == "L"}
    assert set(np.flatnonzero(table[:0x20000] >= 0).tolist()) == letters


@pytest.mark.parametrize(("script", "word"), [(scripts.HANGUL, "HANGUL"), (scripts.LATIN, "LATIN")])
def test_names_agree_with_the_table(script, word):
    members = np.flatnonzero(script_table()[:0x20000] == script)
    named = [word in unicodedata.name(chr(code), "") for code in members]
    assert len(members) > 100
    assert all(named)
