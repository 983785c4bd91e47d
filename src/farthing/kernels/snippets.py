"""Snippets of texts as hashed runs of 1 to 4 characters: what a language is told by.

A snippet is at most `SNIPPET` characters. Short texts are one; of long ones a few are taken, evenly
spread, so that a licence at the start of a program does not speak for all of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.characters import decode
from farthing.kernels.compiled import compiled, inlined

SNIPPET = 512  # characters
LONGEST_GRAM = 4
# A snippet has a space before and behind, so that words at its ends look like words.
MOST_GRAMS = LONGEST_GRAM * (SNIPPET + 2)
_STRETCH = 1536  # bytes that one snippet stands for: its length in Han
_MOST_SNIPPETS = 4

_BASIS = np.uint64(0xCBF29CE484222325)  # FNV-1a over code points
_PRIME = np.uint64(0x100000001B3)
_ODD = np.uint64(0xBF58476D1CE4E5B9)
_FOLD = np.uint64(29)
_BITS = 64


def snippets_of(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where the snippets of every text lie.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.

    Returns:
        begins, ends: int64 [S], bytes of `data`, at borders of characters; no two overlap.
        firsts: int64 [D + 1]; the snippets of text d are firsts[d] up to firsts[d + 1], at least
        one, empty where the text is.
    """
    lengths = np.diff(offsets)
    counts = np.clip(-(-lengths // _STRETCH), 1, _MOST_SNIPPETS)
    firsts = np.zeros(len(offsets), dtype=np.int64)
    np.cumsum(counts, out=firsts[1:])
    begins, ends = np.empty(firsts[-1], dtype=np.int64), np.empty(firsts[-1], dtype=np.int64)
    _cut(data, offsets, firsts, begins, ends)
    return begins, ends, firsts


@compiled
def _cut(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> None:
    for document in range(len(offsets) - 1):
        start, stop = offsets[document], offsets[document + 1]
        count = firsts[document + 1] - firsts[document]
        for number in range(count):
            place = start + (stop - start) * number // count
            while place < stop and data[place] & 0xC0 == 0x80:
                place += 1
            begins[firsts[document] + number] = place
            characters = 0
            limit = start + (stop - start) * (number + 1) // count
            while place < limit and characters < SNIPPET:
                place += 1
                while place < stop and data[place] & 0xC0 == 0x80:
                    place += 1
                characters += 1
            ends[firsts[document] + number] = place


@compiled
def gram_features(
    data: npt.NDArray[np.uint8],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    bits: int,
    features: npt.NDArray[np.int32],
    firsts: npt.NDArray[np.int64],
) -> None:
    """The hashed runs of 1 to 4 characters of each snippet; white space kept, digits all as zero.

    Args:
        data: uint8, valid UTF-8.
        begins: int64 [S], as of `snippets_of`.
        ends: int64 [S], the same.
        bits: a feature is a number below 2^bits.
        features: int32, filled; room for `MOST_GRAMS` a snippet.
        firsts: int64 [S + 1], filled; those of snippet s are features[firsts[s] : firsts[s + 1]].
    """
    codes = np.empty(SNIPPET + 2, dtype=np.int64)
    count = np.int64(0)
    firsts[0] = 0
    for snippet in range(len(begins)):
        length = _decoded(data, begins[snippet], ends[snippet], codes)
        for first in range(length):
            value = _BASIS
            for last in range(first, min(first + LONGEST_GRAM, length)):
                value = (value ^ np.uint64(codes[last])) * _PRIME
                features[count] = _slot(value, bits)
                count += 1
        firsts[snippet + 1] = count


@inlined
def _decoded(
    data: npt.NDArray[np.uint8], begin: int, end: int, codes: npt.NDArray[np.int64]
) -> int:
    """The code points between two spaces; returns how many."""
    codes[0] = 0x20
    length = 1
    place = begin
    while place < end and length <= SNIPPET:
        code, width = decode(data, place)
        codes[length] = 0x30 if 0x30 <= code <= 0x39 else code
        length += 1
        place += width
    codes[length] = 0x20
    return length + 1


@inlined
def _slot(value: np.uint64, bits: int) -> np.int32:
    """The feature of a hash: the highest bits of a product, on which all bits bear."""
    spread = (value ^ (value >> _FOLD)) * _ODD
    return np.int32(spread >> np.uint64(_BITS - bits))
