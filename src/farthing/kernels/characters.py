"""What kind of character a code point is, and how UTF-8 is decoded in compiled loops.

One byte a code point, of which each bit answers a question. Letters, digits and lower case follow
the Unicode version of the running Python (14.0 in 3.11, 15.0 in 3.12); newer letters end a word.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import inlined

SPACE = 1  # str.isspace
LETTER = 2  # categories L and M: letters, and the marks that stand on them
DIGIT = 4  # category N
IDEOGRAPH = 8  # a letter that is a word by itself: Han, kana, Hangul syllables
PUNCTUATION = 16  # categories P and S
TERMINAL = 32  # Unicode's Sentence_Terminal: full stops of all scripts, no quotation marks
FULL_STOP = 64  # ends a sentence whatever follows: stops of Chinese and Japanese, the ellipsis
LOWER = 128  # str.islower

CODE_POINTS = 0x110000
# Nothing above has another lower case or a category that the ranges below do not name.
_LISTED = 0x20000
_IDEOGRAPHS = (
    (0x3005, 0x3007),  # repetition mark, closing mark, zero
    (0x3041, 0x3096),  # hiragana
    (0x309D, 0x309F),
    (0x30A1, 0x30FA),  # katakana
    (0x30FC, 0x30FF),
    (0x31F0, 0x31FF),  # small katakana of Ainu
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xAC00, 0xD7A3),  # Hangul syllables
    (0xF900, 0xFAFF),  # compatibility Han
    (0xFF66, 0xFF9D),  # half-width katakana
    (0x1AFF0, 0x1B16F),  # archaic kana
    (0x20000, 0x2FA1F),  # Han, extensions B to F
    (0x30000, 0x323AF),  # Han, extensions G and H
)
# They choose a glyph and stand behind Han and signs alike; as marks they would make words.
_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))

# PropList.txt of Unicode 15.0, Sentence_Terminal.
_TERMINALS = (
    (0x0021, 0x0021), (0x002E, 0x002E), (0x003F, 0x003F), (0x0589, 0x0589), (0x061D, 0x061F),
    (0x06D4, 0x06D4), (0x0700, 0x0702), (0x07F9, 0x07F9), (0x0837, 0x0837), (0x0839, 0x0839),
    (0x083D, 0x083E), (0x0964, 0x0965), (0x104A, 0x104B), (0x1362, 0x1362), (0x1367, 0x1368),
    (0x166E, 0x166E), (0x1735, 0x1736), (0x17D4, 0x17D5), (0x1803, 0x1803), (0x1809, 0x1809),
    (0x1944, 0x1945), (0x1AA8, 0x1AAB), (0x1B5A, 0x1B5B), (0x1B5E, 0x1B5F), (0x1B7D, 0x1B7E),
    (0x1C3B, 0x1C3C), (0x1C7E, 0x1C7F), (0x203C, 0x203D), (0x2047, 0x2049), (0x2E2E, 0x2E2E),
    (0x2E3C, 0x2E3C), (0x2E53, 0x2E54), (0x3002, 0x3002), (0xA4FF, 0xA4FF), (0xA60E, 0xA60F),
    (0xA6F3, 0xA6F3), (0xA6F7, 0xA6F7), (0xA876, 0xA877), (0xA8CE, 0xA8CF), (0xA92F, 0xA92F),
    (0xA9C8, 0xA9C9), (0xAA5D, 0xAA5F), (0xAAF0, 0xAAF1), (0xABEB, 0xABEB), (0xFE52, 0xFE52),
    (0xFE56, 0xFE57), (0xFF01, 0xFF01), (0xFF0E, 0xFF0E), (0xFF1F, 0xFF1F), (0xFF61, 0xFF61),
    (0x10A56, 0x10A57), (0x10F55, 0x10F59), (0x10F86, 0x10F89), (0x11047, 0x11048),
    (0x110BE, 0x110C1), (0x11141, 0x11143), (0x111C5, 0x111C6), (0x111CD, 0x111CD),
    (0x111DE, 0x111DF), (0x11238, 0x11239), (0x1123B, 0x1123C), (0x112A9, 0x112A9),
    (0x1144B, 0x1144C), (0x115C2, 0x115C3), (0x115C9, 0x115D7), (0x11641, 0x11642),
    (0x1173C, 0x1173E), (0x11944, 0x11944), (0x11946, 0x11946), (0x11A42, 0x11A43),
    (0x11A9B, 0x11A9C), (0x11C41, 0x11C42), (0x11EF7, 0x11EF8), (0x11F43, 0x11F44),
    (0x16A6E, 0x16A6F), (0x16AF5, 0x16AF5), (0x16B37, 0x16B38), (0x16B44, 0x16B44),
    (0x16E98, 0x16E98), (0x1BC9F, 0x1BC9F), (0x1DA88, 0x1DA88),
)  # fmt: skip
# The ellipsis, the ideographic full stop, its half-width form, and the full-width ! . ; ?
_FULL_STOPS = (0x2026, 0x3002, 0xFF61, 0xFF01, 0xFF0E, 0xFF1B, 0xFF1F)


class Characters(NamedTuple):
    """The tables that compiled loops take: bits by code point, and lower case by code point."""

    kinds: npt.NDArray[np.uint8]  # [CODE_POINTS]
    lowers: npt.NDArray[np.int32]  # [_LISTED]; code points above are their own lower case


@cache
def characters() -> Characters:
    """The tables, made once a process (about 0.1 s); read-only, shared by every caller."""
    kinds = np.zeros(CODE_POINTS, dtype=np.uint8)
    lowers = np.arange(_LISTED, dtype=np.int32)
    for code in range(_LISTED):
        character = chr(code)
        kinds[code] = _kind(character)
        lower = character.lower()
        if len(lower) == 1:  # the one exception, a dotted capital I, keeps its case
            lowers[code] = ord(lower)
    for first, last in _IDEOGRAPHS:
        kinds[first : last + 1] = LETTER | IDEOGRAPH
    for first, last in _SELECTORS:
        kinds[first : last + 1] = 0
    for first, last in _TERMINALS:
        kinds[first : last + 1] |= TERMINAL
    kinds[list(_FULL_STOPS)] |= FULL_STOP
    kinds.flags.writeable = lowers.flags.writeable = False
    return Characters(kinds, lowers)


def _kind(character: str) -> int:
    if character.isspace():
        return SPACE
    match unicodedata.category(character)[0]:
        case "L" | "M":
            return LETTER | LOWER if character.islower() else LETTER
        case "N":
            return DIGIT
        case "P" | "S":
            return PUNCTUATION
        case _:
            return 0


@inlined
def decode(data: npt.NDArray[np.uint8], place: int) -> tuple[np.int64, int]:
    """The code point that begins at `place` in valid UTF-8, and its number of bytes."""
    lead = np.int64(data[place])
    if lead < 0x80:
        code, width = lead, 1
    elif lead < 0xE0:
        code, width = ((lead & 0x1F) << 6) | (np.int64(data[place + 1]) & 0x3F), 2
    elif lead < 0xF0:
        code = ((lead & 0x0F) << 12) | ((np.int64(data[place + 1]) & 0x3F) << 6)
        code, width = code | (np.int64(data[place + 2]) & 0x3F), 3
    else:
        code = ((lead & 0x07) << 18) | ((np.int64(data[place + 1]) & 0x3F) << 12)
        code |= (np.int64(data[place + 2]) & 0x3F) << 6
        code, width = code | (np.int64(data[place + 3]) & 0x3F), 4
    return code, width
