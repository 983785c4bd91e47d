"""MinHash signatures of documents, and the keys of their bands.

Each of several hash functions is applied to all shingles of a document, and the least value kept:
two documents agree in a value with the probability of their Jaccard similarity (Broder 1997). The
values are cut in bands; documents that agree in all rows of one band are candidates. With 20 bands
of 6 rows, two documents of similarity .8 become candidates with probability 1 - (1 - .8^6)^20 =
.998, of similarity .5 with .27.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled
from farthing.kernels.shingles import SHINGLE_WORDS, run_hash, shingle_count
from farthing.kernels.words import mixed

# The key of a band of a document without words: it is nobody's candidate.
NO_KEY = np.uint64(0)

_EMPTY = np.uint32(0xFFFFFFFF)
_HIGH_HALF = np.uint64(32)
_FOLD = np.uint32(15)
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF


class HashFamily(NamedTuple):
    """Some hash functions of 32 bits: x -> fold(multiplier * x + addend)."""

    multipliers: npt.NDArray[np.uint32]  # [H], odd
    addends: npt.NDArray[np.uint32]  # [H]


def hash_family(count: int, seed: int = 0) -> HashFamily:
    """`count` hash functions, the same for a seed on every machine."""
    # SplitMix64 (Steele, Lea, Flood 2014), not NumPy's: its streams may change with its version.
    drawn, state = [], seed & _MASK
    for _ in range(count):
        state = (state + _GOLDEN) & _MASK
        value = state
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
        drawn.append(value ^ value >> 31)
    values = np.array(drawn, dtype=np.uint64)
    return HashFamily(
        (values >> _HIGH_HALF).astype(np.uint32) | np.uint32(1), values.astype(np.uint32)
    )


def signatures(
    hashes: npt.NDArray[np.uint64], firsts: npt.NDArray[np.int64], family: HashFamily
) -> npt.NDArray[np.uint32]:
    """The signature of every document of a batch.

    Args:
        hashes: uint64 [W], of words (`Words.hashes`).
        firsts: int64 [D + 1], where each document's words begin (`Words.firsts`).
        family: of H hash functions.

    Returns:
        uint32 [D, H]; all bits set for a document without words.
    """
    result = np.full((len(firsts) - 1, len(family.addends)), _EMPTY, dtype=np.uint32)
    _sign(hashes, firsts, family.multipliers, family.addends, result)
    return result


@compiled
def _sign(
    hashes: npt.NDArray[np.uint64],
    firsts: npt.NDArray[np.int64],
    multipliers: npt.NDArray[np.uint32],
    addends: npt.NDArray[np.uint32],
    result: npt.NDArray[np.uint32],
) -> None:
    functions = len(multipliers)
    for document in range(len(firsts) - 1):
        begin = firsts[document]
        words = firsts[document + 1] - begin
        least = result[document]
        for shingle in range(shingle_count(words)):
            wide = run_hash(hashes, begin + shingle, min(words, SHINGLE_WORDS))
            value = np.uint32(wide >> _HIGH_HALF)
            # Vectorised by the compiler: every operand is cut back to 32 bits.
            for function in range(functions):
                drawn = np.uint32(multipliers[function] * value) + addends[function]
                drawn = np.uint32(drawn)
                drawn ^= drawn >> _FOLD
                least[function] = min(least[function], np.uint32(drawn))


@compiled
def band_keys(signed: npt.NDArray[np.uint32], rows: int) -> npt.NDArray[np.uint64]:
    """One number for each band of each signature: equal bands have equal keys.

    Args:
        signed: uint32 [D, H], from `signatures`.
        rows: of a band; a remainder of H / rows is left out.

    Returns:
        uint64 [D, H // rows]; `NO_KEY` throughout for a document without words.
    """
    bands = signed.shape[1] // rows
    keys = np.empty((len(signed), bands), dtype=np.uint64)
    for document in range(len(signed)):
        for band in range(bands):
            value = np.uint64(0)
            spread = False
            for row in range(band * rows, band * rows + rows):
                value = mixed(value ^ np.uint64(signed[document, row])) + np.uint64(1)
                spread |= signed[document, row] != _EMPTY
            keys[document, band] = max(value, np.uint64(1)) if spread else NO_KEY
    return keys


@compiled
def agreements(
    low_bytes: npt.NDArray[np.uint8], pairs: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """In how many places the signatures of each pair agree, by their lowest bytes.

    Args:
        low_bytes: uint8 [D, H], the lowest byte of each value of the signatures.
        pairs: int64 [P, 2], rows of `low_bytes`.

    Returns:
        int64 [P]. One in 256 of the places where the values differ agrees by chance.
    """
    counts = np.zeros(len(pairs), dtype=np.int64)
    for pair in range(len(pairs)):
        one, two = low_bytes[pairs[pair, 0]], low_bytes[pairs[pair, 1]]
        equal = 0
        for place in range(low_bytes.shape[1]):
            equal += one[place] == two[place]
        counts[pair] = equal
    return counts
