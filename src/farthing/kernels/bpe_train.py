"""Learning byte-pair merges from counted pieces: the same merges as Hugging Face's trainer.

The most frequent pair of neighbouring tokens becomes a token, again and again; of equally frequent
pairs the one with the smaller ids (Sennrich et al. 2016, arXiv 1508.07909; the order of ties is
`tokenizers`'). The texts are seen as distinct pieces with counts, so a step costs what it changes:
each pair knows its places, and a heap of pairs is put right when a stale count comes up.

A merge is applied wherever the pair stands, so what lies between two places that no merge has
crossed is cut as it would be alone: a string comes from one pair only, and each merge is a new
token. The pairs of a new token are all made in its own step; later their counts only fall.

Layout: pieces one after another with a mark before, between and after them. A token stands at its
first byte; its size stands at its first and its last byte, so that both neighbours are found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled

_BOUNDARY = -1  # between pieces
_INSIDE = -2  # a byte of a token that is not its first
_NO_LIST = -1
_FREE = np.uint64(0xFFFFFFFFFFFFFFFF)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_FIRST_CAPACITY = 1 << 18


class _Pieces(NamedTuple):
    tokens: npt.NDArray[np.int32]  # [P] the token that begins here, _INSIDE or _BOUNDARY
    sizes: npt.NDArray[np.int32]  # [P] bytes of the token that begins, or that ends, here
    owners: npt.NDArray[np.int32]  # [P] number of the piece
    weights: npt.NDArray[np.int64]  # [pieces] how often each occurs


class _Pairs(NamedTuple):
    """A hash table: pair -> its count and the last of its places."""

    keys: npt.NDArray[np.uint64]  # left << 32 | right, or _FREE
    counts: npt.NDArray[np.int64]
    lasts: npt.NDArray[np.int64]  # index into _Places, or _NO_LIST


class _Places(NamedTuple):
    """Linked lists of positions; each falls, since positions are added as they rise."""

    places: npt.NDArray[np.int32]
    befores: npt.NDArray[np.int32]


class _Heap(NamedTuple):
    counts: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]


def learn_merges(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    byte_ids: npt.NDArray[np.int32],
    first_id: int,
    most: int,
) -> npt.NDArray[np.int32]:
    """The merges, in order.

    Args:
        data: uint8, the distinct pieces one after another, less than 700 MB. Needs up to
            about 40 bytes of memory for each.
        offsets: int64 [pieces + 1]; piece p is `data[offsets[p] : offsets[p + 1]]`, not empty.
        counts: int64 [pieces], how often each occurs, at least once.
        byte_ids: int32 [256], the token of each byte.
        first_id: of the first merge's token; the next merge makes the next one.
        most: merges wanted.

    Returns:
        int32 [merges, 2], the pairs of ids; fewer than `most` where no pair is left.
    """
    pieces = _laid_out(data, offsets, counts, byte_ids)
    # Every pair of neighbours there is, and two for each time that two tokens become one.
    room = 3 * max(int(offsets[-1] - offsets[0]) - len(counts), 0) + 1
    assert room < 1 << 31, "places are 32-bit numbers"
    places = _Places(np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32))
    heap = _Heap(np.empty(room, dtype=np.int64), np.empty(room, dtype=np.uint64))
    merges = np.empty((max(most, 0), 2), dtype=np.int32)
    return merges[: _learn(pieces, places, heap, merges, first_id)].copy()


def _laid_out(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    byte_ids: npt.NDArray[np.int32],
) -> _Pieces:
    lengths = np.diff(offsets)
    total = int(lengths.sum()) + len(counts) + 1
    assert total < 1 << 31, "positions are 32-bit numbers"
    owners = np.zeros(total, dtype=np.int32)
    owners[1:] = np.repeat(np.arange(len(counts), dtype=np.int32), lengths + 1)
    tokens = np.full(total, _BOUNDARY, dtype=np.int32)
    inside = np.ones(total, dtype=np.bool_)
    inside[np.concatenate([[0], np.cumsum(lengths + 1)])] = False
    tokens[inside] = byte_ids[data[offsets[0] : offsets[-1]]]
    return _Pieces(tokens, np.ones(total, dtype=np.int32), owners, counts.astype(np.int64))


@compiled
def _learn(
    pieces: _Pieces,
    places: _Places,
    heap: _Heap,
    merges: npt.NDArray[np.int32],
    first_id: int,
) -> int:
    pairs, listed, used = _list_pairs(pieces, places)
    waiting = _push_all(pairs, heap)
    made = 0
    while made < len(merges) and waiting > 0:
        count, key, waiting = _pop(heap, waiting)
        slot = _slot(pairs.keys, key)
        if pairs.counts[slot] != count:
            if pairs.counts[slot] > 0:
                waiting = _push(heap, waiting, pairs.counts[slot], key)
            continue
        where = _places_of(places, pairs.lasts[slot])
        pairs = _with_room(pairs, used + 2 * len(where))
        merges[made, 0] = np.int32(key >> _HALF)
        merges[made, 1] = np.int32(key & _LOW)
        fresh_keys = np.empty(2 * len(where), dtype=np.uint64)
        fresh, listed = _merge(
            pieces, pairs, places, where, key, first_id + made, listed, fresh_keys
        )
        used += fresh
        for new in fresh_keys[:fresh]:
            left = pairs.counts[_slot(pairs.keys, new)]
            if left > 0:
                waiting = _push(heap, waiting, left, new)
        made += 1
    return made


@compiled
def _list_pairs(pieces: _Pieces, places: _Places) -> tuple[_Pairs, int, int]:
    """All pairs of neighbours; also how many places are listed, and how many pairs there are."""
    pairs = _empty_pairs(_FIRST_CAPACITY)
    listed, used = 0, 0
    for at in range(1, len(pieces.tokens) - 1):
        if pieces.tokens[at] != _BOUNDARY and pieces.tokens[at + 1] != _BOUNDARY:
            pairs = _with_room(pairs, used + 1)
            key = _key(pieces.tokens[at], pieces.tokens[at + 1])
            listed, fresh = _add(pairs, places, key, at, pieces.weights[pieces.owners[at]], listed)
            used += fresh
    return pairs, listed, used


@compiled
def _merge(
    pieces: _Pieces,
    pairs: _Pairs,
    places: _Places,
    where: npt.NDArray[np.int32],
    key: np.uint64,
    new: int,
    listed: int,
    fresh_keys: npt.NDArray[np.uint64],
) -> tuple[int, int]:
    """Make one token of a pair at all its places; returns how many pairs are new."""
    tokens, sizes = pieces.tokens, pieces.sizes
    left, right = np.int32(key >> _HALF), np.int32(key & _LOW)
    fresh = 0
    for at in where:
        second = at + sizes[at]
        # A place may be gone, its token or its neighbour being part of another by now.
        if tokens[at] != left or tokens[second] != right:
            continue
        weight = pieces.weights[pieces.owners[at]]
        after = second + sizes[second]
        before = at - sizes[at - 1]
        tokens[second] = _INSIDE
        sizes[at] = after - at
        sizes[after - 1] = after - at
        tokens[at] = new
        if tokens[at - 1] != _BOUNDARY:
            pairs.counts[_slot(pairs.keys, _key(tokens[before], left))] -= weight
            joined = _key(tokens[before], new)
            listed, more = _add(pairs, places, joined, before, weight, listed)
            if more:
                fresh_keys[fresh] = joined
                fresh += 1
        if tokens[after] != _BOUNDARY:
            pairs.counts[_slot(pairs.keys, _key(right, tokens[after]))] -= weight
            joined = _key(new, tokens[after])
            listed, more = _add(pairs, places, joined, at, weight, listed)
            if more:
                fresh_keys[fresh] = joined
                fresh += 1
    pairs.counts[_slot(pairs.keys, key)] = 0
    return fresh, listed


@compiled
def _add(
    pairs: _Pairs, places: _Places, key: np.uint64, place: int, weight: int, listed: int
) -> tuple[int, int]:
    """Count a pair at a place; returns the places listed, and 1 where the pair is new."""
    slot = _slot(pairs.keys, key)
    fresh = 0
    if pairs.keys[slot] == _FREE:
        pairs.keys[slot] = key
        fresh = 1
    pairs.counts[slot] += weight
    places.places[listed] = place
    places.befores[listed] = pairs.lasts[slot]
    pairs.lasts[slot] = listed
    return listed + 1, fresh


@compiled
def _places_of(places: _Places, last: int) -> npt.NDArray[np.int32]:
    """The places of a list, rising."""
    count = 0
    at = last
    while at != _NO_LIST:
        count += 1
        at = places.befores[at]
    found = np.empty(count, dtype=np.int32)
    at = last
    while at != _NO_LIST:
        count -= 1
        found[count] = places.places[at]
        at = places.befores[at]
    return found


@compiled
def _key(left: int | np.int32, right: int | np.int32) -> np.uint64:
    return (np.uint64(left) << _HALF) | np.uint64(right)


@compiled
def _slot(keys: npt.NDArray[np.uint64], key: np.uint64) -> np.int64:
    """Where `key` is, or where it would go."""
    mask = np.uint64(len(keys) - 1)
    spread = key * _SPREAD
    slot = (spread ^ (spread >> _HALF)) & mask
    while keys[slot] != _FREE and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@compiled
def _empty_pairs(capacity: int) -> _Pairs:
    return _Pairs(
        np.full(capacity, _FREE, dtype=np.uint64),
        np.zeros(capacity, dtype=np.int64),
        np.full(capacity, _NO_LIST, dtype=np.int64),
    )


@compiled
def _with_room(pairs: _Pairs, wanted: int) -> _Pairs:
    """A table that is at most half full with `wanted` pairs."""
    capacity = len(pairs.keys)
    while 2 * wanted > capacity:
        capacity *= 2
    if capacity == len(pairs.keys):
        return pairs
    grown = _empty_pairs(capacity)
    for old in range(len(pairs.keys)):
        if pairs.keys[old] != _FREE:
            slot = _slot(grown.keys, pairs.keys[old])
            grown.keys[slot] = pairs.keys[old]
            grown.counts[slot] = pairs.counts[old]
            grown.lasts[slot] = pairs.lasts[old]
    return grown


@compiled
def _push_all(pairs: _Pairs, heap: _Heap) -> int:
    waiting = 0
    for slot in range(len(pairs.keys)):
        if pairs.keys[slot] != _FREE:
            waiting = _push(heap, waiting, pairs.counts[slot], pairs.keys[slot])
    return waiting


@compiled
def _push(heap: _Heap, size: int, count: int, key: np.uint64) -> int:
    at = size
    while at > 0:
        parent = (at - 1) >> 1
        if not _first(count, key, heap.counts[parent], heap.keys[parent]):
            break
        heap.counts[at], heap.keys[at] = heap.counts[parent], heap.keys[parent]
        at = parent
    heap.counts[at], heap.keys[at] = count, key
    return size + 1


@compiled
def _pop(heap: _Heap, size: int) -> tuple[int, np.uint64, int]:
    count, key = heap.counts[0], heap.keys[0]
    size -= 1
    last_count, last_key = heap.counts[size], heap.keys[size]
    at = 0
    child = 1
    while child < size:
        other = child + 1
        if other < size and _first(
            heap.counts[other], heap.keys[other], heap.counts[child], heap.keys[child]
        ):
            child = other
        if not _first(heap.counts[child], heap.keys[child], last_count, last_key):
            break
        heap.counts[at], heap.keys[at] = heap.counts[child], heap.keys[child]
        at = child
        child = 2 * at + 1
    heap.counts[at], heap.keys[at] = last_count, last_key
    return count, key, size


@compiled
def _first(count: int, key: np.uint64, other_count: int, other_key: np.uint64) -> bool:
    return count > other_count or (count == other_count and bool(key < other_key))
