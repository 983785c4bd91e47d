"""Byte-pair encoding of a batch: split, look each piece up, merge those not met before.

Pieces repeat, so a table keeps the tokens of those met before. It compares the bytes and not only a
hash, and begins anew when it is full: the ids never depend on what it holds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.bpe_encode_piece import LONG_PIECE, Merges, merge_long, merge_short
from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.split import piece_end, piece_hash, read_only, split_kinds

_LENGTH_BITS = 0xFF
_CACHE_SLOTS = 1 << 19
_CACHE_WORDS = 1 << 22  # of four bytes: 16 MiB


class PieceCache(NamedTuple):
    """The tokens of pieces met before.

    In `store` stand, from a piece's start on, its number of tokens, the tokens, and its bytes.
    """

    hashes: npt.NDArray[np.uint64]
    entries: npt.NDArray[np.int64]  # start << 8 | bytes of the piece; 0: free
    store: npt.NDArray[np.int32]
    store_bytes: npt.NDArray[np.uint8]  # the same memory
    filled: npt.NDArray[np.int64]  # [2]: words of `store` in use, pieces held


def empty_cache() -> PieceCache:
    """A cache of pieces for one thread: about 24 MiB, which the system gives as it fills."""
    store = np.empty(_CACHE_WORDS, dtype=np.int32)
    return PieceCache(
        hashes=np.zeros(_CACHE_SLOTS, dtype=np.uint64),
        entries=np.zeros(_CACHE_SLOTS, dtype=np.int64),
        store=store,
        store_bytes=store.view(np.uint8),
        filled=np.array([1, 0], dtype=np.int64),
    )


def encode_pieces(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    merges: Merges,
    cache: PieceCache,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The tokens of every text.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
        merges: of the vocabulary.
        cache: of that vocabulary and of no other; changed.

    Returns:
        ids: int32 [tokens]; starts: int64 [D + 1], text d is `ids[starts[d] : starts[d + 1]]`.
    """
    ids = np.empty(int(offsets[-1] - offsets[0]), dtype=np.int32)
    starts = np.zeros(len(offsets), dtype=np.int64)
    _encode(
        read_only(data),
        read_only(offsets),
        split_kinds(),
        merges.byte_ids,
        merges.keys,
        merges.ranks,
        merges.joined,
        cache.hashes,
        cache.entries,
        cache.store,
        cache.store_bytes,
        cache.filled,
        ids,
        starts,
    )
    return ids[: starts[-1]].copy(), starts


@inlined
def _cached(
    hashes: npt.NDArray[np.uint64],
    entries: npt.NDArray[np.int64],
    store: npt.NDArray[np.int32],
    store_bytes: npt.NDArray[np.uint8],
    data: npt.NDArray[np.uint8],
    begin: int,
    end: int,
    hashed: np.uint64,
) -> int:
    """Where the piece is held, or where it would go."""
    mask = np.uint64(len(hashes) - 1)
    slot = hashed & mask
    while entries[slot]:
        if hashes[slot] == hashed and entries[slot] & _LENGTH_BITS == end - begin:
            start = entries[slot] >> 8
            held = 4 * (start + 1 + int(store[start])) - begin
            at = begin
            while at < end and store_bytes[held + at] == data[at]:
                at += 1
            if at == end:
                break
        slot = (slot + np.uint64(1)) & mask
    return int(slot)


@inlined
def _recall(
    store: npt.NDArray[np.int32], start: int, ids: npt.NDArray[np.int32], written: int
) -> int:
    count = int(store[start])
    for token in range(count):
        ids[written + token] = store[start + 1 + token]
    return count


@compiled
def _has_room(
    hashes: npt.NDArray[np.uint64],
    entries: npt.NDArray[np.int64],
    store: npt.NDArray[np.int32],
    filled: npt.NDArray[np.int64],
    count: int,
    length: int,
) -> bool:
    """Whether one more piece can be held; where not, the cache is emptied for those to come."""
    fits = filled[0] + 2 + count + length // 4 <= len(store)
    if fits and 2 * (filled[1] + 1) <= len(hashes):
        return True
    entries[:] = 0
    filled[0], filled[1] = 1, 0
    return False


@compiled
def _remember(
    entries: npt.NDArray[np.int64],
    store: npt.NDArray[np.int32],
    store_bytes: npt.NDArray[np.uint8],
    filled: npt.NDArray[np.int64],
    slot: int,
    data: npt.NDArray[np.uint8],
    begin: int,
    end: int,
    ids: npt.NDArray[np.int32],
    written: int,
    count: int,
) -> None:
    start = filled[0]
    entries[slot] = (start << 8) | (end - begin)
    store[start] = count
    for token in range(count):
        store[start + 1 + token] = ids[written + token]
    held = 4 * (start + 1 + count) - begin
    for at in range(begin, end):
        store_bytes[held + at] = data[at]
    filled[0] = start + 1 + count + (end - begin + 3) // 4
    filled[1] += 1


@compiled
def _encode(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    byte_ids: npt.NDArray[np.int32],
    keys: npt.NDArray[np.uint64],
    ranks: npt.NDArray[np.int32],
    joined: npt.NDArray[np.int32],
    hashes: npt.NDArray[np.uint64],
    entries: npt.NDArray[np.int64],
    store: npt.NDArray[np.int32],
    store_bytes: npt.NDArray[np.uint8],
    filled: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
) -> None:
    # No tuple of arrays goes further down: taking one apart counts references, for every piece.
    near = np.empty(LONG_PIECE, dtype=np.int32)
    links = np.empty(2 * LONG_PIECE, dtype=np.int32)
    written = 0
    for text in range(len(offsets) - 1):
        at = offsets[text]
        while at < offsets[text + 1]:
            end = piece_end(data, at, offsets[text + 1], kinds)
            if end - at == 1:
                ids[written] = byte_ids[data[at]]
                written += 1
            elif end - at > LONG_PIECE:
                written += merge_long(data, at, end, byte_ids, keys, ranks, joined, ids, written)
            else:
                hashed = piece_hash(data, at, end)
                slot = _cached(hashes, entries, store, store_bytes, data, at, end, hashed)
                if entries[slot]:
                    written += _recall(store, entries[slot] >> 8, ids, written)
                else:
                    count = merge_short(
                        data, at, end, byte_ids, keys, ranks, joined, ids, written, near, links
                    )
                    if _has_room(hashes, entries, store, filled, count, end - at):
                        hashes[slot] = hashed
                        _remember(
                            entries,
                            store,
                            store_bytes,
                            filled,
                            slot,
                            data,
                            at,
                            end,
                            ids,
                            written,
                            count,
                        )
                    written += count
            at = end
        starts[text + 1] = written
