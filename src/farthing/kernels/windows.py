"""Hashed windows of 32 characters of folded text, and which documents share many with known ones.

Case is folded and runs of white space count as one space, so that another edition's layout does not
hide a copy. Any 9 windows in a row have 24 characters in common, their *core*: where it stands in
no known text, none of the 9 is known, so that mostly one place in 9 is looked up.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.characters import SPACE, characters, decode
from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.key_table import KeyTable, mark, may_be_known, new_filter, number_of

WINDOW_CHARACTERS = 32

# A window is a polynomial of its characters, the first with the power 0, modulo 2**64. The base is
# odd, so that it has an inverse; the other digits do not matter.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = np.uint64(pow(_BASE, -1, 1 << 64))
_POWER = np.uint64(pow(_BASE, WINDOW_CHARACTERS - 1, 1 << 64))
_FIRST_POWER = np.uint64(_BASE)
_MIXER = np.uint64(0xBF58476D1CE4E5B9)
_HIGH, _LOW = np.uint64(31), np.uint64(29)

_CORE = 24
_STRIDE = WINDOW_CHARACTERS - _CORE + 1  # windows with a core in common
# Odd numbers of 32 bits: their products with code points are of 64 bits, and no sum overflows.
_FACTORS = np.array(
    [(_BASE * (2 * at + 1)) >> 7 & 0xFFFFFFFF | 1 for at in range(_CORE)], np.uint32
)

_BITS_A_CORE = 8
_BLOCK = 1024  # cores that are looked up together
_LISTED = 0x20000  # no case above
_SEVERAL = -1
_BLANK = np.uint32(0x20)


def folded_points(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """The code points of a text, folded; as many zeros behind them as make one window.

    Args:
        text: uint8, valid UTF-8.

    Returns:
        uint32 [N], N >= 32: `" ".join(text.casefold().split())`.
    """
    points = np.zeros(len(text) + WINDOW_CHARACTERS, dtype=np.uint32)
    count = _fold(text, _folds(), points)
    if count < 0:  # a character folds to several: rare enough for Python
        folded = " ".join(text.tobytes().decode("utf-8").casefold().split())
        found = np.frombuffer(folded.encode("utf-32-le"), dtype="<u4")
        points = np.zeros(len(found) + WINDOW_CHARACTERS, dtype=np.uint32)
        points[: len(found)] = found
        count = len(found)
    points[count:WINDOW_CHARACTERS] = 0
    return points[: max(count, WINDOW_CHARACTERS)]


@compiled
def _fold(
    text: npt.NDArray[np.uint8], folds: npt.NDArray[np.int32], points: npt.NDArray[np.uint32]
) -> int:
    """How many points there are; -1 where one character folds to several."""
    count, place = 0, 0
    last = np.int64(_BLANK)
    while place < len(text):
        code, width = decode(text, place)
        place += width
        folded = np.int64(folds[code]) if code < len(folds) else code
        if folded == _SEVERAL:
            return -1
        # A space after a space is written too, and then overwritten: cheaper than to ask.
        points[count] = folded
        count += (folded != _BLANK) | (last != _BLANK)
        last = folded
    return count - 1 if count > 0 and last == _BLANK else count


@cache
def _folds() -> npt.NDArray[np.int32]:
    """By code point what it folds to, a space for all white space; _SEVERAL where not to one."""
    folded = (chr(code).casefold() for code in range(_LISTED))
    table = np.array([ord(f) if len(f) == 1 else _SEVERAL for f in folded], dtype=np.int32)
    table[(characters().kinds[:_LISTED] & SPACE) != 0] = _BLANK
    table.flags.writeable = False
    return table


@inlined
def _window(points: npt.NDArray[np.uint32], begin: int) -> np.uint64:
    value = np.uint64(0)
    for at in range(begin + WINDOW_CHARACTERS - 1, begin - 1, -1):
        value = value * _FIRST_POWER + np.uint64(points[at])
    return value


@inlined
def _next_window(value: np.uint64, points: npt.NDArray[np.uint32], at: int) -> np.uint64:
    """The window that begins at `at`, from the one before it."""
    entering = np.uint64(points[at + WINDOW_CHARACTERS - 1])
    return (value - np.uint64(points[at - 1])) * _INVERSE + entering * _POWER


@inlined
def _spread(value: np.uint64) -> np.uint64:
    # Low bits alone carry little of a polynomial modulo 2**64.
    value = (value ^ (value >> _HIGH)) * _MIXER
    return value ^ (value >> _LOW)


@compiled
def window_hashes(points: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each window of 32 characters; uint64 [N - 31] from uint32 [N]."""
    count = len(points) - WINDOW_CHARACTERS + 1
    hashes = np.empty(count, dtype=np.uint64)
    value = _window(points, 0)
    hashes[0] = _spread(value)
    for at in range(1, count):
        value = _next_window(value, points, at)
        hashes[at] = _spread(value)
    return hashes


class Cores(NamedTuple):
    """A filter of 24 characters in a row: all that stand in known texts pass, and few others."""

    core_bits: npt.NDArray[np.uint8]
    core_shift: np.uint64


def no_cores(most: int) -> Cores:
    """A filter that nothing passes, with room for `most` places of known texts."""
    return Cores(*new_filter(most, _BITS_A_CORE))


@inlined
def _core(points: npt.NDArray[np.uint32], begin: int) -> np.uint64:
    """A hash of 24 characters. Not a rolling one, so that many are in the making at a time."""
    value = np.uint64(0)
    for at in range(_CORE):
        value += np.uint64(points[begin + at]) * np.uint64(_FACTORS[at])
    return _spread(value)


@compiled
def mark_cores(
    points: npt.NDArray[np.uint32], core_bits: npt.NDArray[np.uint8], core_shift: np.uint64
) -> None:
    """Let every core of a text pass."""
    for at in range(len(points) - _CORE + 1):
        mark(_core(points, at), core_bits, core_shift)


class KnownWindows(NamedTuple):
    """The windows of the texts of a batch that stand in a table."""

    numbers: npt.NDArray[np.int64]  # in the table, in order of the text, repeats included
    ends: npt.NDArray[np.int64]  # [D + 1]; those of text d: numbers[ends[d] : ends[d + 1]]
    counts: npt.NDArray[np.int64]  # [D], of all windows


def known_windows(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    asked: npt.NDArray[np.bool_],
    table: KeyTable,
    cores: Cores,
) -> KnownWindows:
    """Look every window of some texts of a batch up.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
        asked: bool [D]; the other texts are passed over, as if they had no windows.
        table: of window hashes.
        cores: of texts that hold at least these windows.
    """
    documents = len(offsets) - 1
    numbers = np.empty(int(offsets[-1] - offsets[0]) + documents, dtype=np.int64)
    ends = np.zeros(documents + 1, dtype=np.int64)
    counts = np.zeros(documents, dtype=np.int64)
    known = (*cores, *table)
    _find_all(data, offsets, asked, _folds(), *known, numbers, ends, counts)
    several = np.flatnonzero(counts == _SEVERAL)
    if not len(several):
        return KnownWindows(numbers[: ends[-1]].copy(), ends, counts)
    parts = np.split(numbers[: ends[-1]], ends[1:-1])
    for document in several:
        points = folded_points(data[offsets[document] : offsets[document + 1]])
        found = np.empty(len(points), dtype=np.int64)
        parts[document] = found[: _find(points, *known, found)]
        counts[document] = len(points) - WINDOW_CHARACTERS + 1
    ends[1:] = np.cumsum([len(part) for part in parts])
    return KnownWindows(np.concatenate(parts), ends, counts)


@compiled
def _find_all(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    asked: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.int32],
    core_bits: npt.NDArray[np.uint8],
    core_shift: np.uint64,
    keys: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int32],
    start_shift: np.uint64,
    seen: npt.NDArray[np.uint8],
    seen_shift: np.uint64,
    numbers: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> None:
    longest = 0
    for document in range(len(counts)):
        longest = max(longest, offsets[document + 1] - offsets[document])
    points = np.empty(longest + WINDOW_CHARACTERS, dtype=np.uint32)
    last = 0
    for document in range(len(counts)):
        ends[document + 1] = last
        if not asked[document]:
            continue
        text = data[offsets[document] : offsets[document + 1]]
        count = _fold(text, folds, points)
        if count == _SEVERAL:
            counts[document] = _SEVERAL
        else:
            points[count:WINDOW_CHARACTERS] = 0
            size = max(count, WINDOW_CHARACTERS)
            last += _find(
                points[:size],
                core_bits,
                core_shift,
                keys,
                starts,
                start_shift,
                seen,
                seen_shift,
                numbers[last:],
            )
            counts[document] = size - WINDOW_CHARACTERS + 1
            ends[document + 1] = last


@compiled
def _find(
    points: npt.NDArray[np.uint32],
    core_bits: npt.NDArray[np.uint8],
    core_shift: np.uint64,
    keys: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int32],
    start_shift: np.uint64,
    seen: npt.NDArray[np.uint8],
    seen_shift: np.uint64,
    found: npt.NDArray[np.int64],
) -> int:
    """Write the numbers of the windows that are known into `found`; return how many."""
    hits = 0
    hashes = np.empty(_BLOCK, dtype=np.uint64)
    passing = np.empty(_BLOCK, dtype=np.int64)
    count = len(points) - WINDOW_CHARACTERS + 1
    value, following = np.uint64(0), -1
    for first in range(0, count, _BLOCK * _STRIDE):
        size = min(_BLOCK, (count - first + _STRIDE - 1) // _STRIDE)
        for place in range(size):
            begin = first + place * _STRIDE
            hashes[place] = _core(points, begin + WINDOW_CHARACTERS - _CORE)
        # A loop of its own, short and without a branch, so that many places of the filter are
        # fetched at a time: it is larger than the caches.
        passed = 0
        for place in range(size):
            passing[passed] = first + place * _STRIDE
            passed += may_be_known(hashes[place], core_bits, core_shift)
        for begin in passing[:passed]:
            for at in range(begin, min(begin + _STRIDE, count)):
                rolls = at == following
                value = _next_window(value, points, at) if rolls else _window(points, at)
                following = at + 1
                number = number_of(_spread(value), keys, starts, start_shift, seen, seen_shift)
                if number >= 0:
                    found[hits] = number
                    hits += 1
    return hits
