"""A hash table of counts inside compiled loops, emptied by counting up a generation.

A table is uint64 [capacity, 2], zeros at first, its capacity a power of two: the key in one column,
the generation and the count of the key in the halves of the other. Clearing it costs nothing, so
one table serves every document of a batch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined

Table = npt.NDArray[np.uint64]

_SHIFT = np.uint64(32)
_COUNT = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


def new_table(keys: int) -> Table:
    """An empty table for at most `keys` different keys a generation."""
    return np.zeros((capacity_for(keys), 2), dtype=np.uint64)


@compiled
def capacity_for(keys: int) -> int:
    """The power of two that `keys` fill to three quarters or less."""
    capacity = 16
    while capacity * 3 < keys * 4:
        capacity *= 2
    return capacity


@inlined
def slot_of(table: Table, mask: np.uint64, generation: np.uint64, key: np.uint64) -> np.uint64:
    """Where `key` stands in this generation, or where it will."""
    slot = key & mask
    while table[slot, 1] >> _SHIFT == generation and table[slot, 0] != key:
        slot = (slot + _ONE) & mask
    return slot


@inlined
def raise_count(table: Table, slot: np.uint64, generation: np.uint64, key: np.uint64) -> np.uint64:
    """Count `key` once more; returns its new count."""
    if table[slot, 1] >> _SHIFT == generation:
        table[slot, 1] += _ONE
    else:
        table[slot, 0] = key
        table[slot, 1] = (generation << _SHIFT) | _ONE
    return np.uint64(table[slot, 1] & _COUNT)


@inlined
def count_at(table: Table, slot: np.uint64) -> np.uint64:
    """The count in a slot of this generation."""
    return np.uint64(table[slot, 1] & _COUNT)


@inlined
def forget_count(table: Table, slot: np.uint64, generation: np.uint64) -> None:
    """Set the count in a slot of this generation to zero; the key stays."""
    table[slot, 1] = generation << _SHIFT


@compiled
def repeated(
    keys: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.int64],
    count: int,
    table: Table,
    generation: np.uint64,
) -> tuple[int, int]:
    """How many of the first `count` keys stood before already, and the sum of their lengths."""
    mask = np.uint64(capacity_for(count) - 1)
    repeats = 0
    total = 0
    for number in range(count):
        slot = slot_of(table, mask, generation, keys[number])
        if raise_count(table, slot, generation, keys[number]) > _ONE:
            repeats += 1
            total += lengths[number]
    return repeats, total
