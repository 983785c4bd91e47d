"""Which of many known word n-grams occur in texts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled
from farthing.kernels.key_table import KeyTable, number_of
from farthing.kernels.shingles import run_hash

# Five words; of CJK text five characters, which is what a word or two take there.
GRAM_WORDS = 5


@compiled
def gram_hashes(hashes: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.uint64]:
    """The hash of each run of `count` words, in order; uint64 [words - count + 1]."""
    result = np.empty(max(len(hashes) - count + 1, 0), dtype=np.uint64)
    for at in range(len(result)):
        result[at] = run_hash(hashes, at, count)
    return result


def gram_occurrences(
    hashes: npt.NDArray[np.uint64], firsts: npt.NDArray[np.int64], table: KeyTable
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Every place of a batch where a known gram of five words stands.

    Args:
        hashes: uint64 [W], of words (`Words.hashes`).
        firsts: int64 [D + 1], where each document's words begin (`Words.firsts`).
        table: of the hashes of the known grams.

    Returns:
        places: int64 [N], ascending, the first word of each; grams: int64 [N], their numbers.
    """
    places = np.empty(len(hashes), dtype=np.int64)
    grams = np.empty(len(hashes), dtype=np.int64)
    count = _occurrences(hashes, firsts, *table, places, grams)
    return places[:count].copy(), grams[:count].copy()


@compiled
def _occurrences(
    hashes: npt.NDArray[np.uint64],
    firsts: npt.NDArray[np.int64],
    keys: npt.NDArray[np.uint64],
    starts: npt.NDArray[np.int32],
    start_shift: np.uint64,
    seen: npt.NDArray[np.uint8],
    seen_shift: np.uint64,
    places: npt.NDArray[np.int64],
    grams: npt.NDArray[np.int64],
) -> int:
    count = 0
    for document in range(len(firsts) - 1):
        for at in range(firsts[document], firsts[document + 1] - GRAM_WORDS + 1):
            gram = run_hash(hashes, at, GRAM_WORDS)
            number = number_of(gram, keys, starts, start_shift, seen, seen_shift)
            if number >= 0:
                places[count] = at
                grams[count] = number
                count += 1
    return count


@compiled
def score_items(
    ends: npt.NDArray[np.int64],
    grams: npt.NDArray[np.int32],
    weights: npt.NDArray[np.int64],
    item_ends: npt.NDArray[np.int64],
    items: npt.NDArray[np.int32],
    least: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Which documents hold enough of which item's grams.

    Args:
        ends: int64 [D + 1]; document d holds the grams `grams[ends[d] : ends[d + 1]]`.
        grams: int32, without repeats within a document.
        weights: int64 [G], of each gram.
        item_ends: int64 [G + 1]; gram g belongs to `items[item_ends[g] : item_ends[g + 1]]`.
        items: int32, without repeats within a gram.
        least: int64 [I], the sum of weights that each item asks for.

    Returns:
        int64 [N, 2]: document and item, by document, then in order of the item's first gram.
    """
    sums = np.zeros(len(least), dtype=np.int64)
    touched = np.empty(len(least), dtype=np.int64)
    found = [(np.int64(0), np.int64(0)) for _ in range(0)]
    for document in range(len(ends) - 1):
        count = 0
        for gram in grams[ends[document] : ends[document + 1]]:
            for place in range(item_ends[gram], item_ends[gram + 1]):
                item = items[place]
                if sums[item] == 0:
                    touched[count] = item
                    count += 1
                sums[item] += weights[gram]
        for item in touched[:count]:
            if sums[item] >= least[item]:
                found.append((np.int64(document), np.int64(item)))
            sums[item] = 0
    result = np.empty((len(found), 2), dtype=np.int64)
    for row in range(len(found)):
        result[row, 0], result[row, 1] = found[row]
    return result
