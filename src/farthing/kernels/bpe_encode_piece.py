"""Byte-pair encoding of one piece: the tokens of its bytes, joined in the order that was learned.

The pair of the earliest merge is joined first, of equal ones the leftmost, until no pair is left
that was learned (as Hugging Face's `tokenizers` does, so the ids are the same).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined

# Longer pieces are merged with a heap: looking for the earliest merge one by one costs the square.
LONG_PIECE = 128
_PLACE_BITS = 7
_PLACES = (1 << _PLACE_BITS) - 1

_NO_RANK = np.int32(0x7FFFFFFF)
_FREE = np.uint64(0xFFFFFFFFFFFFFFFF)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


class Merges(NamedTuple):
    """What a vocabulary knows: the token of each byte, and a hash table of the learned pairs."""

    byte_ids: npt.NDArray[np.int32]  # [256]
    keys: npt.NDArray[np.uint64]  # left << 32 | right, or all ones
    ranks: npt.NDArray[np.int32]  # of the pair in that place of the table: which merge, from 0
    joined: npt.NDArray[np.int32]  # [merges], the token that each makes


def make_merges(
    byte_ids: npt.NDArray[np.int32],
    pairs: npt.NDArray[np.int32],
    joined: npt.NDArray[np.int32],
) -> Merges:
    """The table of a vocabulary.

    Args:
        byte_ids: int32 [256], the token of each byte.
        pairs: int32 [merges, 2], in the order in which they were learned.
        joined: int32 [merges], the token that each makes.
    """
    capacity = 1 << max(4, (4 * len(pairs)).bit_length())
    keys = np.full(capacity, _FREE, dtype=np.uint64)
    ranks = np.full(capacity, _NO_RANK, dtype=np.int32)
    _fill(keys, ranks, np.ascontiguousarray(pairs))
    return Merges(byte_ids.astype(np.int32), keys, ranks, joined.astype(np.int32))


@inlined
def _key(left: int | np.int32, right: int | np.int32) -> np.uint64:
    return (np.uint64(left) << _HALF) | np.uint64(right)


@inlined
def _slot(keys: npt.NDArray[np.uint64], key: np.uint64) -> np.int64:
    """Where `key` is, or where it would go."""
    mask = np.uint64(len(keys) - 1)
    spread = key * _SPREAD
    slot = (spread ^ (spread >> _HALF)) & mask
    while keys[slot] != _FREE and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@compiled
def _fill(
    keys: npt.NDArray[np.uint64],
    ranks: npt.NDArray[np.int32],
    pairs: npt.NDArray[np.int32],
) -> None:
    for rank in range(len(pairs)):
        slot = _slot(keys, _key(pairs[rank, 0], pairs[rank, 1]))
        if keys[slot] == _FREE:
            keys[slot] = _key(pairs[rank, 0], pairs[rank, 1])
            ranks[slot] = rank


@inlined
def _rank(
    keys: npt.NDArray[np.uint64],
    ranks: npt.NDArray[np.int32],
    left: int | np.int32,
    right: int | np.int32,
) -> np.int32:
    """Which merge joins the two tokens; _NO_RANK where none does."""
    return np.int32(ranks[_slot(keys, _key(left, right))])


@inlined
def _ranked(
    keys: npt.NDArray[np.uint64], ranks: npt.NDArray[np.int32], left: int, right: int, place: int
) -> np.int32:
    """Rank and place in one number, the earliest merge the smallest; _NO_RANK where none joins."""
    rank = _rank(keys, ranks, left, right)
    return np.int32(_NO_RANK if rank == _NO_RANK else (rank << _PLACE_BITS) | place)


@compiled
def merge_short(
    data: npt.NDArray[np.uint8],
    begin: int,
    end: int,
    byte_ids: npt.NDArray[np.int32],
    keys: npt.NDArray[np.uint64],
    ranks: npt.NDArray[np.int32],
    joined: npt.NDArray[np.int32],
    ids: npt.NDArray[np.int32],
    written: int,
    near: npt.NDArray[np.int32],
    links: npt.NDArray[np.int32],
) -> int:
    """Encode a piece into `ids` from `written` on; returns the number of tokens."""
    count = end - begin
    # A token stays where its first byte was, so that nothing is moved and the search for the
    # smallest rank is a plain minimum, which the compiler turns into vector instructions.
    for at in range(count):
        ids[written + at] = byte_ids[data[begin + at]]
        links[2 * at], links[2 * at + 1] = at - 1, at + 1
    searched = (count + 15) & ~15
    for at in range(count - 1):
        near[at] = _ranked(keys, ranks, ids[written + at], ids[written + at + 1], at)
    for at in range(count - 1, searched):
        near[at] = _NO_RANK
    while True:
        best = _NO_RANK
        for at in range(searched):
            best = min(best, near[at])
        if best == _NO_RANK:
            break
        at = int(best & _PLACES)
        second = int(links[2 * at + 1])
        before, after = int(links[2 * at]), int(links[2 * second + 1])
        ids[written + at] = joined[best >> _PLACE_BITS]
        ids[written + second] = -1
        near[at] = near[second] = _NO_RANK
        links[2 * at + 1] = after
        if after < count:
            links[2 * after] = at
            near[at] = _ranked(keys, ranks, ids[written + at], ids[written + after], at)
        if before >= 0:
            near[before] = _ranked(keys, ranks, ids[written + before], ids[written + at], before)
    return _close_up(ids, written, count)


@inlined
def _close_up(ids: npt.NDArray[np.int32], written: int, count: int) -> int:
    made = 0
    for at in range(count):
        if ids[written + at] >= 0:
            ids[written + made] = ids[written + at]
            made += 1
    return made


@compiled
def _offer(
    keys: npt.NDArray[np.uint64],
    ranks: npt.NDArray[np.int32],
    tokens: npt.NDArray[np.int64],
    left: int,
    right: int,
    heap: npt.NDArray[np.uint64],
    size: int,
) -> int:
    """Put the pair of two neighbours on the heap, if it was learned; returns the heap's size."""
    rank = _rank(keys, ranks, tokens[left], tokens[right])
    if rank == _NO_RANK:
        return size
    value = _key(rank, left)
    at = size
    while at > 0 and heap[(at - 1) >> 1] > value:
        heap[at] = heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap[at] = value
    return size + 1


@compiled
def _take(heap: npt.NDArray[np.uint64], size: int) -> tuple[np.uint64, int]:
    """The first of the heap, and its new size."""
    top, last = heap[0], heap[size - 1]
    size -= 1
    at = 0
    child = 1
    while child < size:
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= last:
            break
        heap[at] = heap[child]
        at = child
        child = 2 * at + 1
    heap[at] = last
    return top, size


@compiled
def merge_long(
    data: npt.NDArray[np.uint8],
    begin: int,
    end: int,
    byte_ids: npt.NDArray[np.int32],
    keys: npt.NDArray[np.uint64],
    ranks: npt.NDArray[np.int32],
    joined: npt.NDArray[np.int32],
    ids: npt.NDArray[np.int32],
    written: int,
) -> int:
    """As `merge_short`, in time that grows little faster than the piece."""
    count = end - begin
    tokens = np.empty(count, dtype=np.int64)
    after = np.arange(1, count + 1)  # where the next token begins; `count` behind the last
    before = np.arange(-1, count - 1)
    # rank << 32 | place: the earliest merge comes first, of equal ones the leftmost.
    heap = np.empty(3 * count, dtype=np.uint64)
    waiting = 0
    for at in range(count):
        tokens[at] = byte_ids[data[begin + at]]
    for at in range(count - 1):
        waiting = _offer(keys, ranks, tokens, at, at + 1, heap, waiting)
    while waiting > 0:
        top, waiting = _take(heap, waiting)
        at = int(top & _LOW)
        second = after[at]
        # The token or its neighbour may have become part of another since.
        if tokens[at] < 0 or second >= count:
            continue
        rank = int(top >> _HALF)
        if _rank(keys, ranks, tokens[at], tokens[second]) != rank:
            continue
        tokens[at] = joined[rank]
        tokens[second] = -1
        third = after[second]
        after[at] = third
        if third < count:
            before[third] = at
            waiting = _offer(keys, ranks, tokens, at, third, heap, waiting)
        if before[at] >= 0:
            waiting = _offer(keys, ranks, tokens, before[at], at, heap, waiting)
    made = 0
    for at in range(count):
        if tokens[at] >= 0:
            ids[written + made] = tokens[at]
            made += 1
    return made
