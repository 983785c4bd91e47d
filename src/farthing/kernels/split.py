"""The qwen2 split of a text into the pieces that byte-pair encoding works on.

The pattern (see `farthing.text.tokenizer`) is a list of alternatives, the first that fits wins:

    contraction     's 't 're 've 'm 'll 'd in either case
    letters         letters, with one character before them that is no letter, number or newline
    number          one number character
    marks           neither white space, letters nor numbers, with a space before and newlines after
    lines           white space up to its last newline
    blank           white space; all but its last character where something stands after it

A regular expression engine tries them in turn and goes back; here each begins with what its first
character allows, so that every byte is looked at once or twice.
"""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from farthing.kernels.characters import decode
from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.split_tables import LETTERS, NUMBERS, SPACES

S = TypeVar("S", bound=np.generic)

LETTER = 1
NUMBER = 2
SPACE = 4
NEWLINE = 8

_BASIS = np.uint64(0xCBF29CE484222325)  # FNV-1a, 64 bits
_PRIME = np.uint64(0x100000001B3)
_ODD = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)

_APOSTROPHE, _BLANK = 0x27, 0x20
_TO_LOWER = 0x20  # the bit in which ASCII's small letters differ from its capitals
_CARRIAGE_RETURN, _LINE_FEED = 0x0D, 0x0A
_ONE_LETTER = (ord("s"), ord("t"), ord("m"), ord("d"))
_BEFORE_E = (ord("r"), ord("v"))
_E, _L = ord("e"), ord("l")
# U+017F, the long s, is an s to a pattern that ignores case.
_LONG_S = (0xC5, 0xBF)


@cache
def split_kinds() -> npt.NDArray[np.uint8]:
    """For each of the 0x110000 code points its bits LETTER, NUMBER, SPACE, NEWLINE; uint8."""
    kinds = np.zeros(0x110000, dtype=np.uint8)
    for ranges, bit in ((LETTERS, LETTER), (NUMBERS, NUMBER), (SPACES, SPACE)):
        for each in ranges.split():
            first, _, last = each.partition("-")
            kinds[int(first, 16) : int(last or first, 16) + 1] |= bit
    kinds[[_CARRIAGE_RETURN, _LINE_FEED]] |= NEWLINE
    kinds.flags.writeable = False
    return kinds


def split_ends(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Where every piece of every text ends, in order.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.

    Returns:
        int64 [pieces]: byte positions in `data`. Each piece begins where the one before it ends,
        the first of all at `offsets[0]`.
    """
    ends = np.empty(int(offsets[-1] - offsets[0]), dtype=np.int64)
    count = _fill_ends(read_only(data), read_only(offsets), split_kinds(), ends)
    return ends[:count].copy()


def read_only(array: npt.NDArray[S]) -> npt.NDArray[S]:
    """A view of `array` that cannot be written: numba compiles apart for each of the two kinds."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@inlined
def _letters_end(
    data: npt.NDArray[np.uint8], at: int, end: int, kinds: npt.NDArray[np.uint8]
) -> int:
    while at < end:
        code, width = decode(data, at)
        if not kinds[code] & LETTER:
            break
        at += width
    return at


@inlined
def _contraction_end(data: npt.NDArray[np.uint8], at: int, end: int) -> int:
    """The end of a contraction whose apostrophe ends at `at`, or 0."""
    if at >= end:
        return 0
    first = data[at] | _TO_LOWER
    if first in _ONE_LETTER:
        return at + 1
    if at + 1 >= end:
        return 0
    if data[at] == _LONG_S[0] and data[at + 1] == _LONG_S[1]:
        return at + 2
    second = data[at + 1] | _TO_LOWER
    with_e = first in _BEFORE_E and second == _E
    return at + 2 if with_e or (first == _L and second == _L) else 0


@inlined
def _marks_end(
    data: npt.NDArray[np.uint8], begin: int, end: int, kinds: npt.NDArray[np.uint8]
) -> int:
    """The end of the marks that begin at `begin`, and of the newlines after them; 0 if none."""
    at = begin
    while at < end:
        code, width = decode(data, at)
        if kinds[code]:
            break
        at += width
    if at == begin:
        return 0
    while at < end and (data[at] == _LINE_FEED or data[at] == _CARRIAGE_RETURN):
        at += 1
    return at


@inlined
def _blank_end(
    data: npt.NDArray[np.uint8], begin: int, end: int, kinds: npt.NDArray[np.uint8]
) -> int:
    at = last = begin
    after_newline = 0
    while at < end:
        code, width = decode(data, at)
        if not kinds[code] & SPACE:
            break
        last = at
        at += width
        if kinds[code] & NEWLINE:
            after_newline = at
    if after_newline > 0:
        return after_newline
    # The last one is left to what stands after it, unless it is alone.
    return last if at < end and last > begin else at


@inlined
def piece_end(
    data: npt.NDArray[np.uint8], begin: int, end: int, kinds: npt.NDArray[np.uint8]
) -> int:
    """Where the piece that begins at `begin` ends, in a text that ends at `end`."""
    code, width = decode(data, begin)
    kind = kinds[code]
    after = begin + width
    if kind & LETTER:
        return _letters_end(data, after, end, kinds)
    if kind & NUMBER:
        return after
    if code == _APOSTROPHE:
        contraction = _contraction_end(data, after, end)
        if contraction > 0:
            return contraction
    if after < end and not kind & NEWLINE:
        next_code, next_width = decode(data, after)
        if kinds[next_code] & LETTER:
            return _letters_end(data, after + next_width, end, kinds)
    if kind == 0 or code == _BLANK:
        marks = _marks_end(data, after if code == _BLANK else begin, end, kinds)
        if marks > 0:
            return marks
    return _blank_end(data, begin, end, kinds)


@inlined
def piece_hash(data: npt.NDArray[np.uint8], begin: int, end: int) -> np.uint64:
    """A hash of the bytes from `begin` to `end`; its low bits are as good as its high ones."""
    value = _BASIS
    for at in range(begin, end):
        value = (value ^ np.uint64(data[at])) * _PRIME
    value = (value ^ (value >> _HALF)) * _ODD
    return value ^ (value >> _HALF)


@compiled
def _fill_ends(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    ends: npt.NDArray[np.int64],
) -> int:
    count = 0
    for text in range(len(offsets) - 1):
        at = offsets[text]
        while at < offsets[text + 1]:
            at = piece_end(data, at, offsets[text + 1], kinds)
            ends[count] = at
            count += 1
    return count
