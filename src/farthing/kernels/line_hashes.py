"""Lines of texts as 64-bit hashes, and texts without some of their lines.

A line ends at a line feed. It is compared without the white space of ASCII at both of its ends, so
that another indentation or carriage returns do not hide a repeat.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.key_table import KeyTable, number_of
from farthing.kernels.shingles import without_repeats
from farthing.kernels.words import mixed

_LINE_FEED = 10
_BLANK = 32
_BASIS = np.uint64(0xCBF29CE484222325)  # FNV-1a, 64 bits
_PRIME = np.uint64(0x100000001B3)


@inlined
def _end_of_line(data: npt.NDArray[np.uint8], place: int, stop: int) -> int:
    """One past the line feed that ends the line of `place`, or `stop`."""
    while place < stop and data[place] != _LINE_FEED:
        place += 1
    return min(place + 1, stop)


@inlined
def _bare(data: npt.NDArray[np.uint8], begin: int, end: int) -> tuple[int, int]:
    """The line without the white space at its ends."""
    while begin < end and data[begin] <= _BLANK:
        begin += 1
    while end > begin and data[end - 1] <= _BLANK:
        end -= 1
    return begin, end


@inlined
def _hash(data: npt.NDArray[np.uint8], begin: int, end: int) -> np.uint64:
    value = _BASIS
    for place in range(begin, end):
        value = (value ^ np.uint64(data[place])) * _PRIME
    return mixed(value)


@compiled
def line_sets(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], least_bytes: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The different lines of each text of a batch that have at least `least_bytes` bytes.

    Args:
        data: uint8, UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
        least_bytes: positive; counted without white space at the ends.

    Returns:
        lines: uint64, ascending and without repeats within a document.
        ends: int64 [D + 1]; those of document d are `lines[ends[d] : ends[d + 1]]`.
    """
    lines = np.empty((offsets[-1] - offsets[0]) // least_bytes + 1, dtype=np.uint64)
    ends = np.zeros(len(offsets), dtype=np.int64)
    first = 0
    for document in range(len(offsets) - 1):
        place, stop, last = offsets[document], offsets[document + 1], first
        while place < stop:
            after = _end_of_line(data, place, stop)
            begin, end = _bare(data, place, after)
            if end - begin >= least_bytes:
                lines[last] = _hash(data, begin, end)
                last += 1
            place = after
        lines[first:last].sort()
        first += without_repeats(lines[first:last])
        ends[document + 1] = first
    return lines[:first].copy(), ends


def without_lines(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    spared: npt.NDArray[np.bool_],
    least_bytes: int,
    unwanted: KeyTable,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The texts of a batch without the lines of a table.

    Args:
        data: uint8, UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
        spared: bool [D], texts that keep all their lines.
        least_bytes: shorter lines stay, as they are not in `line_sets`.
        unwanted: of hashes as `line_sets` returns them.

    Returns:
        The remaining texts in the same form; a line goes with the line feed that ends it.
    """
    rest = np.empty(int(offsets[-1] - offsets[0]), dtype=np.uint8)
    places = np.zeros(len(offsets), dtype=np.int64)
    _copy_other_lines(data, offsets, spared, least_bytes, *unwanted, rest, places)
    return rest[: places[-1]], places


@compiled
def _copy_other_lines(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    spared: npt.NDArray[np.bool_],
    least_bytes: int,
    keys: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int32],
    start_shift: np.uint64,
    seen: npt.NDArray[np.uint8],
    seen_shift: np.uint64,
    rest: npt.NDArray[np.uint8],
    places: npt.NDArray[np.int64],
) -> None:
    last = 0
    for document in range(len(offsets) - 1):
        place, stop = offsets[document], offsets[document + 1]
        while place < stop:
            after = _end_of_line(data, place, stop)
            begin, end = _bare(data, place, after)
            wanted = True
            if end - begin >= least_bytes and not spared[document]:
                line = _hash(data, begin, end)
                wanted = number_of(line, keys, starts, start_shift, seen, seen_shift) < 0
            if wanted:
                for byte in range(place, after):
                    rest[last] = data[byte]
                    last += 1
            place = after
        places[document + 1] = last
