# ruff: noqa: RUF001 - characters of many scripts are what this is about
import sys
import unicodedata

import numpy as np
from plain_signals import is_digit, is_ideograph, is_letter

from farthing.kernels.characters import (
    CODE_POINTS,
    DIGIT,
    FULL_STOP,
    IDEOGRAPH,
    LETTER,
    LOWER,
    PUNCTUATION,
    SPACE,
    TERMINAL,
    characters,
)


def test_every_assigned_character_is_what_its_name_and_category_say():
    kinds = characters().kinds
    expected = {LETTER: is_letter, DIGIT: is_digit, IDEOGRAPH: is_ideograph, SPACE: str.isspace}
    wrong = []
    # Above the listed planes only Han and the selectors are assigned, besides private use.
    for code in (*range(0x323B0), *range(0xE0000, 0xE0200)):
        character = chr(code)
        if unicodedata.category(character) in ("Cn", "Co", "Cs"):
            continue
        wrong += [
            (hex(code), bit) for bit, asks in expected.items()
            if bool(kinds[code] & bit) != asks(character)
        ]  # fmt: skip
        if bool(kinds[code] & PUNCTUATION) != (unicodedata.category(character)[0] in "PS"):
            wrong.append((hex(code), PUNCTUATION))
        if unicodedata.category(character)[0] == "L" and not is_ideograph(character):
            wrong += [(hex(code), LOWER)] * (bool(kinds[code] & LOWER) != character.islower())
    assert wrong == []
    assert len(kinds) == CODE_POINTS == sys.maxunicode + 1


def test_stops_of_several_scripts_are_terminal_and_quotation_marks_are_not():
    kinds = characters().kinds
    assert all(kinds[ord(c)] & TERMINAL for c in ".!?。！？．｡।۔؟։።។‼")
    assert not any(kinds[ord(c)] & TERMINAL for c in "\"'”’」,;:：；…a字")
    assert {chr(code) for code in np.flatnonzero(kinds & FULL_STOP)} == set("。｡！．；？…")
