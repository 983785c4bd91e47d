"""The distinct pieces of texts and how often each occurs: all that learning a tokenizer needs.

Counts of parts of a pile add up to the counts of the whole, in any order and however it was cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.split import piece_end, piece_hash, read_only, split_kinds

_FIRST_PIECES = 1 << 12
_FIRST_BYTES = 1 << 16


class PieceCounts(NamedTuple):
    """Distinct pieces, in the order in which they were first met."""

    data: npt.NDArray[np.uint8]  # their bytes, one after another
    offsets: npt.NDArray[np.int64]  # [pieces + 1]; piece p is `data[offsets[p] : offsets[p + 1]]`
    counts: npt.NDArray[np.int64]  # [pieces]


class _Table(NamedTuple):
    hashes: npt.NDArray[np.uint64]  # [slots]
    entries: npt.NDArray[np.int64]  # [slots], number of the piece from 1; 0: free
    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]  # [room + 1]
    counts: npt.NDArray[np.int64]  # [room], at most half as many as there are slots


class PieceCounter:
    """Counts pieces; grows with the number of distinct ones and not with the text."""

    def __init__(self) -> None:
        self._table = _empty_table(_FIRST_PIECES, _FIRST_BYTES)
        self._held = 0

    def add(self, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> None:
        """Split texts and count their pieces.

        Args:
            data: uint8, valid UTF-8.
            offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
        """
        data, offsets = read_only(data), read_only(offsets)
        text, place = 0, int(offsets[0])
        while text < len(offsets) - 1:
            text, place, self._held = _count(
                data, offsets, split_kinds(), text, place, self._table, self._held
            )
            if text < len(offsets) - 1:
                self._grow(int(offsets[text + 1]) - place)

    def add_counts(self, more: PieceCounts) -> None:
        """Add what another counter has counted."""
        data, offsets = read_only(more.data), read_only(more.offsets)
        counts = read_only(more.counts)
        piece = 0
        while piece < len(counts):
            piece, self._held = _add_counted(data, offsets, counts, piece, self._table, self._held)
            if piece < len(counts):
                self._grow(int(offsets[piece + 1] - offsets[piece]))

    def counts(self) -> PieceCounts:
        """What has been counted so far."""
        offsets = self._table.offsets[: self._held + 1].copy()
        data, counts = self._table.data[: offsets[-1]], self._table.counts[: self._held]
        return PieceCounts(data.copy(), offsets, counts.copy())

    def _grow(self, piece_bytes: int) -> None:
        """Room for twice as many pieces and bytes, and for one of `piece_bytes` more."""
        old = self._table
        new = _empty_table(2 * len(old.counts), 2 * len(old.data) + piece_bytes)
        new.data[: len(old.data)] = old.data
        new.offsets[: len(old.offsets)] = old.offsets
        new.counts[: len(old.counts)] = old.counts
        _enter_again(old.hashes, old.entries, new.hashes, new.entries)
        self._table = new


def _empty_table(pieces: int, size: int) -> _Table:
    return _Table(
        hashes=np.zeros(2 * pieces, dtype=np.uint64),
        entries=np.zeros(2 * pieces, dtype=np.int64),
        data=np.empty(size, dtype=np.uint8),
        offsets=np.zeros(pieces + 1, dtype=np.int64),
        counts=np.zeros(pieces, dtype=np.int64),
    )


def most_frequent(counts: PieceCounts, most_bytes: int) -> PieceCounts:
    """The most frequent pieces that together have at most `most_bytes`; all where they have less.

    Learning needs memory for every byte of every distinct piece, and in a large pile most of them
    stand in pieces that occur once. Of equally frequent ones those with smaller bytes stay, so the
    result does not depend on the order of `counts`.
    """
    lengths = np.diff(counts.offsets)
    if lengths.sum() <= most_bytes:
        return counts
    # The last frequency that fits only in part is cut by bytes; the rest need no comparison.
    order = np.argsort(-counts.counts, kind="stable")
    fits = int(np.searchsorted(np.cumsum(lengths[order]), most_bytes, side="right"))
    last = counts.counts[order[fits]]
    kept = order[counts.counts[order] > last]
    room = most_bytes - int(lengths[kept].sum())
    edge = order[counts.counts[order] == last]
    texts = counts.data.tobytes()
    bounds = {int(p): texts[counts.offsets[p] : counts.offsets[p + 1]] for p in edge}
    ranked = np.array(sorted(bounds, key=lambda p: bounds[p]), dtype=np.int64)
    fits = int(np.searchsorted(np.cumsum(lengths[ranked]), room, side="right"))
    return _chosen(counts, np.sort(np.concatenate([kept, ranked[:fits]])))


def _chosen(counts: PieceCounts, pieces: npt.NDArray[np.int64]) -> PieceCounts:
    lengths = np.diff(counts.offsets)[pieces]
    offsets = np.zeros(len(pieces) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    moves = np.repeat(counts.offsets[pieces] - offsets[:-1], lengths)
    data = counts.data[np.arange(offsets[-1]) + moves]
    return PieceCounts(data, offsets, counts.counts[pieces])


@inlined
def _enter(
    source: npt.NDArray[np.uint8],
    begin: int,
    end: int,
    weight: int,
    hashes: npt.NDArray[np.uint64],
    entries: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    held: int,
) -> int:
    """Count one piece; returns how many are held then, or -1 where there is no room for it."""
    hashed = piece_hash(source, begin, end)
    mask = np.uint64(len(hashes) - 1)
    slot = hashed & mask
    while entries[slot]:
        if hashes[slot] == hashed:
            piece = entries[slot] - 1
            shift = offsets[piece] - begin
            at = begin if offsets[piece + 1] - offsets[piece] == end - begin else end + 1
            while at < end and data[shift + at] == source[at]:
                at += 1
            if at == end:
                counts[piece] += weight
                return held
        slot = (slot + np.uint64(1)) & mask
    # At most half of the slots are filled: there are two for each place in `counts`.
    if held == len(counts) or offsets[held] + end - begin > len(data):
        return -1
    hashes[slot] = hashed
    entries[slot] = held + 1
    counts[held] = weight
    for at in range(begin, end):
        data[offsets[held] + at - begin] = source[at]
    offsets[held + 1] = offsets[held] + end - begin
    return held + 1


@compiled
def _count(
    source: npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    text: int,
    place: int,
    table: _Table,
    held: int,
) -> tuple[int, int, int]:
    """Go on counting at a place of a text; returns where it stopped for want of room, and held."""
    hashes, entries, data, offsets, counts = table
    while text < len(bounds) - 1:
        while place < bounds[text + 1]:
            end = piece_end(source, place, bounds[text + 1], kinds)
            now = _enter(source, place, end, 1, hashes, entries, data, offsets, counts, held)
            if now < 0:
                return text, place, held
            held = now
            place = end
        text += 1
    return text, place, held


@compiled
def _add_counted(
    source: npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int64],
    weights: npt.NDArray[np.int64],
    piece: int,
    table: _Table,
    held: int,
) -> tuple[int, int]:
    hashes, entries, data, offsets, counts = table
    while piece < len(weights):
        begin, end = bounds[piece], bounds[piece + 1]
        now = _enter(
            source, begin, end, weights[piece], hashes, entries, data, offsets, counts, held
        )
        if now < 0:
            break
        held = now
        piece += 1
    return piece, held


@compiled
def _enter_again(
    hashes: npt.NDArray[np.uint64],
    entries: npt.NDArray[np.int64],
    new_hashes: npt.NDArray[np.uint64],
    new_entries: npt.NDArray[np.int64],
) -> None:
    mask = np.uint64(len(new_hashes) - 1)
    for old in range(len(entries)):
        if entries[old]:
            slot = hashes[old] & mask
            while new_entries[slot]:
                slot = (slot + np.uint64(1)) & mask
            new_hashes[slot] = hashes[old]
            new_entries[slot] = entries[old]
