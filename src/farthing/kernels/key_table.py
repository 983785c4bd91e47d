"""Looking up 64-bit hashes among many known ones, as compiled loops do.

The keys stand in ascending order; a key's top bits say where to begin to look, and one bit of a
small filter rules out most of the others without touching either array. 11 to 14 bytes a key.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined

_FILTER_BITS_A_KEY = 16
_KEYS_A_START = 4
_LEAST_BITS, _MOST_BITS = 6, 30
_BIT = np.uint64(7)
_BYTE = np.uint64(3)
_ONE = np.uint64(1)


class KeyTable(NamedTuple):
    """Known keys; the number of a key is its place in `keys`."""

    keys: npt.NDArray[np.uint64]  # [K], ascending, without repeats
    starts: npt.NDArray[np.int32]  # [2 ** b + 1], where the keys with given top bits begin
    start_shift: np.uint64  # 64 - b
    seen: npt.NDArray[np.uint8]  # [2 ** f / 8], a bit for each value of the top f bits
    seen_shift: np.uint64  # 64 - f


def key_table(keys: npt.NDArray[np.uint64]) -> KeyTable:
    """The table of some keys.

    Args:
        keys: uint64 [K], ascending and without repeats, each bit of them as good as random.
    """
    bits = _bits(len(keys) // _KEYS_A_START)
    start_shift = np.uint64(64 - bits)
    starts = np.empty((1 << bits) + 1, dtype=np.int32)
    _begin(keys, starts, start_shift)
    seen, seen_shift = new_filter(len(keys), _FILTER_BITS_A_KEY)
    _mark(keys, seen, seen_shift)
    return KeyTable(keys, starts, start_shift, seen, seen_shift)


def new_filter(most: int, bits_a_key: int) -> tuple[npt.NDArray[np.uint8], np.uint64]:
    """A filter that no key passes, to be marked with up to `most` keys.

    Returns:
        uint8 [2 ** f / 8], a bit for each value of a key's top f bits; and 64 - f.
    """
    bits = _bits(most * bits_a_key)
    return np.zeros(1 << (bits - 3), dtype=np.uint8), np.uint64(64 - bits)


def _bits(count: int) -> int:
    return min(max(count.bit_length(), _LEAST_BITS), _MOST_BITS)


@compiled
def _begin(
    keys: npt.NDArray[np.uint64], starts: npt.NDArray[np.int32], start_shift: np.uint64
) -> None:
    filled = 0
    for place in range(len(keys)):
        start = np.int64(keys[place] >> start_shift)
        while filled <= start:
            starts[filled] = place
            filled += 1
    starts[filled:] = len(keys)


@inlined
def mark(key: np.uint64, seen: npt.NDArray[np.uint8], seen_shift: np.uint64) -> None:
    """Let `key` pass the filter."""
    top = key >> seen_shift
    seen[top >> _BYTE] |= np.uint8(_ONE << (top & _BIT))


@compiled
def _mark(keys: npt.NDArray[np.uint64], seen: npt.NDArray[np.uint8], seen_shift: np.uint64) -> None:
    for key in keys:
        mark(key, seen, seen_shift)


@inlined
def number_of(
    key: np.uint64,
    keys: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int32],
    start_shift: np.uint64,
    seen: npt.NDArray[np.uint8],
    seen_shift: np.uint64,
) -> int:
    """The number of `key` in the table whose parts follow; -1 where it is not there."""
    if may_be_known(key, seen, seen_shift):
        return place_of(key, keys, starts, start_shift)
    return -1


@inlined
def may_be_known(key: np.uint64, seen: npt.NDArray[np.uint8], seen_shift: np.uint64) -> int:
    """1 where the filter lets `key` pass: every key that is known and few others; else 0."""
    top = key >> seen_shift
    return int((np.int64(seen[top >> _BYTE]) >> np.int64(top & _BIT)) & 1)


@compiled
def place_of(
    key: np.uint64,
    keys: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int32],
    start_shift: np.uint64,
) -> int:
    """As `number_of`, without the filter."""
    # A function of its own: put into a caller's loop, it slows the keys that the filter stops.
    start = key >> start_shift
    for place in range(starts[start], starts[start + _ONE]):
        if keys[place] == key:
            return place
    return -1


@compiled
def numbers_of(
    wanted: npt.NDArray[np.uint64],
    keys: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int32],
    start_shift: np.uint64,
    seen: npt.NDArray[np.uint8],
    seen_shift: np.uint64,
) -> npt.NDArray[np.int64]:
    """The number of each of `wanted` (uint64 [N]); int64 [N], -1 for those not in the table."""
    numbers = np.empty(len(wanted), dtype=np.int64)
    for at in range(len(wanted)):
        numbers[at] = number_of(wanted[at], keys, starts, start_shift, seen, seen_shift)
    return numbers
