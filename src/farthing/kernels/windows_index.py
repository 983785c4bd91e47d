"""All windows of some texts, and which texts each of them stands in."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled
from farthing.kernels.key_table import KeyTable, key_table
from farthing.kernels.windows import Cores, folded_points, mark_cores, no_cores, window_hashes

# Buckets of about four windows, of which a few bits are left to be compared.
_BUCKET_BITS = 2
_LEAST_BITS = 6


class WindowIndex(NamedTuple):
    """Distinct windows, and for each of them the texts that hold it."""

    table: KeyTable  # of K windows
    begins: npt.NDArray[np.int32]  # [K + 1], into `owners`
    owners: npt.NDArray[np.int32]  # ascending for each window, without repeats
    sizes: npt.NDArray[np.int64]  # [D], distinct windows of each text
    cores: Cores  # of these texts, and perhaps of others


class HashedTexts(NamedTuple):
    """The windows of some texts one after another, and where those of each begin."""

    hashes: npt.NDArray[np.uint64]
    ends: npt.NDArray[np.int64]  # [D + 1]; those of text d: hashes[ends[d] : ends[d + 1]]
    cores: Cores


def index_windows(hashed: HashedTexts) -> WindowIndex:
    """Index every window of every text; there are less than 2**31."""
    hashes, ends, cores = hashed
    bits = max(len(hashes).bit_length() - _BUCKET_BITS, _LEAST_BITS)
    shift = np.uint64(64 - bits)
    places = np.zeros((1 << bits) + 1, dtype=np.int32)
    _count_buckets(hashes, shift, places)
    np.cumsum(places, out=places)
    keys = np.empty(len(hashes), dtype=np.uint64)
    owners = np.empty(len(hashes), dtype=np.int32)
    sizes = np.zeros(len(ends) - 1, dtype=np.int64)
    filled = places[:-1].copy()
    _sort_in(hashes, ends, shift, places, filled, keys, owners, sizes)
    begins = np.empty(int(sizes.sum()) + 1, dtype=np.int32)
    distinct, held = _close_up(places, filled, keys, owners, begins)
    # Views: most windows are distinct, so little is held in vain.
    table = key_table(keys[:distinct])
    return WindowIndex(table, begins[: distinct + 1], owners[:held], sizes, cores)


def some_texts(hashed: HashedTexts, which: npt.NDArray[np.bool_]) -> HashedTexts:
    """Those of `hashed` that are `which` (bool [D])."""
    counts = np.diff(hashed.ends)
    ends = np.concatenate([[0], np.cumsum(counts[which])])
    return HashedTexts(hashed.hashes[np.repeat(which, counts)], ends, hashed.cores)


def hash_texts(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> HashedTexts:
    """Hash every window of every text.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
    """
    # Room for one window a byte, and for one of each text that is shorter than a window; the system
    # gives what is used.
    hashes = np.empty(int(offsets[-1] - offsets[0]) + len(offsets), dtype=np.uint64)
    ends = np.zeros(len(offsets), dtype=np.int64)
    cores = no_cores(len(hashes))
    for text, (begin, end) in enumerate(pairwise(offsets)):
        points = folded_points(data[begin:end])
        mark_cores(points, *cores)
        found = window_hashes(points)
        ends[text + 1] = ends[text] + len(found)
        hashes[ends[text] : ends[text + 1]] = found
    return HashedTexts(hashes[: ends[-1]], ends, cores)


@compiled
def _count_buckets(
    hashes: npt.NDArray[np.uint64], shift: np.uint64, places: npt.NDArray[np.int32]
) -> None:
    for hashed in hashes:
        places[np.int64(hashed >> shift) + 1] += 1


@compiled
def _sort_in(
    hashes: npt.NDArray[np.uint64],
    ends: npt.NDArray[np.int64],
    shift: np.uint64,
    places: npt.NDArray[np.int32],
    filled: npt.NDArray[np.int32],
    keys: npt.NDArray[np.uint64],
    owners: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int64],
) -> None:
    """Put each window of each text once into its bucket, by hash and then by text."""
    for text in range(len(sizes)):
        for hashed in hashes[ends[text] : ends[text + 1]]:
            bucket = np.int64(hashed >> shift)
            at = filled[bucket]
            while at > places[bucket] and keys[at - 1] > hashed:
                at -= 1
            # Texts come in order: the last with this window is this one, if it is known already.
            if at > places[bucket] and keys[at - 1] == hashed and owners[at - 1] == text:
                continue
            for later in range(filled[bucket], at, -1):
                keys[later] = keys[later - 1]
                owners[later] = owners[later - 1]
            keys[at] = hashed
            owners[at] = text
            filled[bucket] += 1
            sizes[text] += 1


@compiled
def _close_up(
    places: npt.NDArray[np.int32],
    filled: npt.NDArray[np.int32],
    keys: npt.NDArray[np.uint64],
    owners: npt.NDArray[np.int32],
    begins: npt.NDArray[np.int32],
) -> tuple[int, int]:
    """Take out free places and repeated keys; returns how many keys and owners there are."""
    distinct, held = 0, 0
    for bucket in range(len(filled)):
        for at in range(places[bucket], filled[bucket]):
            # A key never lies behind the place that it is moved to.
            if at == places[bucket] or keys[at] != keys[distinct - 1]:
                keys[distinct] = keys[at]
                begins[distinct] = held
                distinct += 1
            owners[held] = owners[at]
            held += 1
    begins[distinct] = held
    return distinct, held
