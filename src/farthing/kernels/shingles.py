"""Sets of five-word shingles: what exact similarity of documents is counted on.

Two documents are as similar as their sets of shingles: |A and B| / |A or B| (Jaccard). A shingle is
a 64-bit hash of five consecutive words, so that CJK text, where each character is a word, is cut
finer than text with spaces. A document of fewer words has one shingle, of all its words.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.words import mixed

SHINGLE_WORDS = 5

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd; the other digits do not matter


@inlined
def run_hash(hashes: npt.NDArray[np.uint64], at: int, count: int) -> np.uint64:
    """A hash of the `count` words that begin at `at`; another order gives another one."""
    value = np.uint64(0)
    for word in range(at, at + count):
        value = (value + hashes[word]) * _BASE
    return mixed(value)


@inlined
def shingle_count(words: int) -> int:
    """How many shingles a document of so many words has, repeats included."""
    return max(words - SHINGLE_WORDS + 1, 1) if words > 0 else 0


@compiled
def shingle_sets(
    hashes: npt.NDArray[np.uint64], firsts: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The different shingles of some documents.

    Args:
        hashes: uint64 [W], of words (`Words.hashes`).
        firsts: int64 [D + 1], where each document's words begin (`Words.firsts`).
        chosen: int64 [C], which documents.

    Returns:
        shingles: uint64, ascending and without repeats within a document.
        ends: int64 [C + 1]; those of document `chosen[c]` are `shingles[ends[c] : ends[c + 1]]`.
    """
    most = 0
    for document in chosen:
        most += shingle_count(firsts[document + 1] - firsts[document])
    shingles = np.empty(most, dtype=np.uint64)
    ends = np.zeros(len(chosen) + 1, dtype=np.int64)
    place = 0
    for row in range(len(chosen)):
        begin = firsts[chosen[row]]
        words = firsts[chosen[row] + 1] - begin
        count = shingle_count(words)
        for shingle in range(count):
            at = begin + shingle
            shingles[place + shingle] = run_hash(hashes, at, min(words, SHINGLE_WORDS))
        shingles[place : place + count].sort()
        place += without_repeats(shingles[place : place + count])
        ends[row + 1] = place
    return shingles[:place].copy(), ends


@compiled
def without_repeats(ascending: npt.NDArray[np.uint64]) -> int:
    """Move the different values of an ascending array to its front; return how many there are."""
    kept = 0
    for at in range(len(ascending)):
        if at == 0 or ascending[at] != ascending[at - 1]:
            ascending[kept] = ascending[at]
            kept += 1
    return kept


@compiled
def shared_and_united(
    shingles: npt.NDArray[np.uint64],
    ends: npt.NDArray[np.int64],
    pairs: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """How many shingles the two documents of each pair share, and have together.

    Args:
        shingles: uint64, as `shingle_sets` returns them.
        ends: int64 [C + 1], as `shingle_sets` returns them.
        pairs: int64 [P, 2], rows of `ends`.

    Returns:
        int64 [P, 2]: intersection and union.
    """
    counts = np.zeros((len(pairs), 2), dtype=np.int64)
    for pair in range(len(pairs)):
        one, one_end = ends[pairs[pair, 0]], ends[pairs[pair, 0] + 1]
        two, two_end = ends[pairs[pair, 1]], ends[pairs[pair, 1] + 1]
        both = one_end - one + two_end - two
        shared = 0
        while one < one_end and two < two_end:
            left, right = shingles[one], shingles[two]
            shared += left == right
            one += left <= right
            two += right <= left
        counts[pair, 0] = shared
        counts[pair, 1] = both - shared
    return counts
