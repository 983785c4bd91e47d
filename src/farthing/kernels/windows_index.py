"""All windows of some texts, and which texts each of them stands in."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled
from farthing.kernels.key_table import KeyTable, key_table
from farthing.kernels.windows import folded_points, window_hashes

# Buckets of about four windows, of which a few bits are left to be compared.
_BUCKET_BITS = 2
_LEAST_BITS = 6


class WindowIndex(NamedTuple):
    """Distinct windows, and for each of them the texts that hold it."""

    table: KeyTable  # of K windows
    begins: npt.NDArray[np.int32]  # [K + 1], into `owners`
    owners: npt.NDArray[np.int32]  # ascending for each window, without repeats
    sizes: npt.NDArray[np.int64]  # [D], distinct windows of each text


def index_windows(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> WindowIndex:
    """Index every window of every text.

    Args:
        data: uint8, valid UTF-8; of less than 2**31 windows.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
    """
    hashes, ends = _all_hashes(data, offsets)
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
    del hashes
    begins = np.empty(int(sizes.sum()) + 1, dtype=np.int32)
    distinct, held = _close_up(places, filled, keys, owners, begins)
    # Views: most windows are distinct, so little is held in vain.
    return WindowIndex(key_table(keys[:distinct]), begins[: distinct + 1], owners[:held], sizes)


def _all_hashes(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The windows of all texts one after another, and where those of each begin."""
    # Room for one window a byte, and for one of each text that is shorter than a window; the system
    # gives what is used.
    hashes = np.empty(int(offsets[-1] - offsets[0]) + len(offsets), dtype=np.uint64)
    ends = np.zeros(len(offsets), dtype=np.int64)
    for text, (begin, end) in enumerate(pairwise(offsets)):
        found = window_hashes(folded_points(data[begin:end]))
        ends[text + 1] = ends[text] + len(found)
        hashes[ends[text] : ends[text + 1]] = found
    return hashes[: ends[-1]], ends


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
