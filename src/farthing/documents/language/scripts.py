"""What the characters of a text say about its language before any statistics."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from farthing.kernels.characters import decode
from farthing.kernels.compiled import compiled

# Columns of `script_counts`.
LATIN, HAN, KANA, HANGUL, OTHER, SIMPLIFIED, TRADITIONAL = range(7)
SCRIPTS = 7

_CODE_POINTS = 0x30000  # letters above are Han of rare extensions
_COMMON_BIG5 = 0xC67E  # last code of its first level: characters in common use


@cache
def script_table() -> npt.NDArray[np.int8]:
    """The column that counts each code point, -1 for what is no letter; int8 [_CODE_POINTS].

    A Han character is one-sided where only one of the two national character sets has it: GB 2312
    (simplified), and the first level of Big5 (traditional). Characters that both write alike, and
    rare ones, decide nothing.
    """
    table = np.full(_CODE_POINTS, -1, dtype=np.int8)
    for code in range(0x20000):
        if unicodedata.category(chr(code)).startswith("L"):
            table[code] = _script(code)
    table[0x20000:] = HAN
    table.flags.writeable = False
    return table


def _script(code: int) -> int:
    if 0x4E00 <= code <= 0x9FFF:
        return _side(chr(code))
    # Extensions and compatibility forms of Han; kana with half-width forms; Hangul and its parts.
    for script, ranges in (
        (HAN, ((0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x3005, 0x3007))),
        (KANA, ((0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9D))),
        (HANGUL, ((0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x3130, 0x318F))),
    ):
        if any(first <= code <= last for first, last in ranges):
            return script
    return LATIN if unicodedata.name(chr(code), "").startswith("LATIN ") else OTHER


def _side(character: str) -> int:
    simplified = character.encode("gb2312", "ignore")
    traditional = character.encode("big5", "ignore")
    if simplified and not traditional:
        return SIMPLIFIED
    if traditional and not simplified and int.from_bytes(traditional, "big") <= _COMMON_BIG5:
        return TRADITIONAL
    return HAN


@compiled
def count_scripts(
    data: npt.NDArray[np.uint8],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    table: npt.NDArray[np.int8],
    out: npt.NDArray[np.int64],
) -> None:
    """Add up the letters of each stretch of bytes by script.

    Args:
        data: uint8, valid UTF-8.
        begins: int64 [S], where each begins, at borders of characters.
        ends: int64 [S], where each ends.
        table: as of `script_table`.
        out: int64 [S, SCRIPTS], added to; one-sided Han count in their own column only.
    """
    for stretch in range(len(begins)):
        place = begins[stretch]
        while place < ends[stretch]:
            code, width = decode(data, place)
            if code < len(table) and table[code] >= 0:
                out[stretch, table[code]] += 1
            place += width
