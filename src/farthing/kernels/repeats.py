"""Repeated runs of words inside a text: the most frequent 2 to 4, and the share in longer ones.

Definitions of Gopher (arXiv 2112.11446, table A1): of the n-grams for n = 2, 3, 4 the characters of
all occurrences of the most frequent one; for longer ones the characters inside every n-gram that
stood before, read from left to right, going on behind it. An n-gram can only repeat where the
(n-1)-gram at the same place does, so each length looks at what the one before left: nothing is
approximated, and ten lengths cost little more than two.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.counters import (
    Table,
    capacity_for,
    count_at,
    forget_count,
    new_table,
    raise_count,
    slot_of,
)
from farthing.kernels.words import Words

TOP_LENGTHS = (2, 3, 4)
REPEATED_LENGTHS = (5, 6, 7, 8, 9, 10, 13)
# Of longer texts (some 20 MB) the beginning is looked at, so that the tables stay below 200 MB.
MOST_WORDS = 1 << 22

_LENGTHS = np.array(TOP_LENGTHS + REPEATED_LENGTHS, dtype=np.int64)
_TOPS = len(TOP_LENGTHS)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


def count_repeats(
    data: npt.NDArray[np.uint8], words: Words, most_words: int = MOST_WORDS
) -> npt.NDArray[np.int64]:
    """Characters in repeated n-grams of each text.

    Args:
        data: the bytes that `words` were split from.
        words: the words of the batch.
        most_words: of each text so many words are looked at.

    Returns:
        int64 [documents, 10]: for n of `TOP_LENGTHS` the occurrences of the most frequent n-gram
        times its characters, one space between words counted (0 where none occurs twice; the first
        in the text of equally frequent ones); for n of `REPEATED_LENGTHS` the characters covered.
    """
    sizes = np.diff(words.firsts)
    longest = min(int(sizes.max(initial=0)), most_words)
    counts = np.zeros((len(sizes), len(_LENGTHS)), dtype=np.int64)
    grams, slots = np.empty(longest, dtype=np.uint64), np.empty(longest, dtype=np.uint64)
    places = np.empty(longest, dtype=np.int64)
    table = new_table(longest)
    _count(data, words.hashes, words.begins, words.ends, words.firsts, table, grams, slots, places,
           most_words, counts)  # fmt: skip
    return counts


@compiled
def _count(
    data: npt.NDArray[np.uint8],
    hashes: npt.NDArray[np.uint64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    table: Table,
    grams: npt.NDArray[np.uint64],
    slots: npt.NDArray[np.uint64],
    places: npt.NDArray[np.int64],
    most_words: int,
    counts: npt.NDArray[np.int64],
) -> None:
    generation = _ZERO
    for document in range(len(firsts) - 1):
        first = firsts[document]
        size = min(firsts[document + 1] - first, most_words)
        last = first + size
        for place in range(size):
            places[place] = first + place
            grams[place] = _ZERO
        left = size
        before = 0
        for number in range(len(_LENGTHS)):
            length = _LENGTHS[number]
            generation += _ONE
            left = _with_length(hashes, last, before, length, grams, places, left)
            best = _count_grams(table, generation, grams, slots, left)
            if best < 2:
                break
            if number < _TOPS:
                chosen = places[_first_with(table, slots, best)]
                counts[document, number] = best * (
                    _characters(data, begins, ends, chosen, length) + length - 1
                )
            left = _keep_repeated(table, grams, slots, places, left)
            if number >= _TOPS:
                counts[document, number] = _covered(
                    data, begins, ends, table, generation, slots, places, left, length
                )
            before = length


@inlined
def _with_length(
    hashes: npt.NDArray[np.uint64],
    last: int,
    before: int,
    length: int,
    grams: npt.NDArray[np.uint64],
    places: npt.NDArray[np.int64],
    left: int,
) -> int:
    """Lengthen the n-grams from `before` words to `length`; returns how many still fit."""
    fit = 0
    while fit < left and places[fit] + length <= last:
        gram = grams[fit]
        for step in range(before, length):
            gram = (gram + hashes[places[fit] + step]) * _ODD
        grams[fit] = gram
        fit += 1
    return fit


@inlined
def _count_grams(
    table: Table,
    generation: np.uint64,
    grams: npt.NDArray[np.uint64],
    slots: npt.NDArray[np.uint64],
    left: int,
) -> np.int64:
    """Count every n-gram, noting its slot; returns the largest count."""
    mask = np.uint64(capacity_for(left) - 1)
    best = _ZERO
    for number in range(left):
        slot = slot_of(table, mask, generation, grams[number])
        slots[number] = slot
        best = max(best, raise_count(table, slot, generation, grams[number]))
    return np.int64(best)


@inlined
def _first_with(table: Table, slots: npt.NDArray[np.uint64], best: np.int64) -> int:
    number = 0
    while count_at(table, slots[number]) != np.uint64(best):
        number += 1
    return number


@inlined
def _keep_repeated(
    table: Table,
    grams: npt.NDArray[np.uint64],
    slots: npt.NDArray[np.uint64],
    places: npt.NDArray[np.int64],
    left: int,
) -> int:
    """Move the n-grams that occur twice to the front, in order; returns their number."""
    kept = 0
    for number in range(left):
        if count_at(table, slots[number]) > _ONE:
            grams[kept] = grams[number]
            slots[kept] = slots[number]
            places[kept] = places[number]
            kept += 1
    return kept


@inlined
def _covered(
    data: npt.NDArray[np.uint8],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    table: Table,
    generation: np.uint64,
    slots: npt.NDArray[np.uint64],
    places: npt.NDArray[np.int64],
    left: int,
    length: int,
) -> int:
    """Characters of the n-grams that stood before; a count of zero marks the ones seen."""
    total = 0
    free = 0
    for number in range(left):
        place = places[number]
        if place < free:
            continue
        if count_at(table, slots[number]) == _ZERO:
            total += _characters(data, begins, ends, place, length)
            free = place + length
        else:
            forget_count(table, slots[number], generation)
    return total


@inlined
def _characters(
    data: npt.NDArray[np.uint8],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    word: int,
    length: int,
) -> int:
    """Characters of `length` words from `word` on, without what stands between them."""
    total = 0
    for number in range(word, word + length):
        for place in range(begins[number], ends[number]):
            total += (data[place] & 0xC0) != 0x80
    return total
