"""From the grams that documents hold to the items that each may hold: counts of whole numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.kernels.grams import gram_occurrences, score_items
from farthing.kernels.words import Words
from farthing.stages.curate.contamination.index import ItemIndex
from farthing.stages.curate.settings.contamination import ContaminationConfig

# Weights are whole numbers, so that their sums depend on no order: so many make one nat.
WEIGHT_UNIT = 1 << 16
# A longer question is looked at more closely from this share of its weight on. One changed word in
# ten leaves .59 of the five-word grams on average, and in the worst place half of them.
CANDIDATE_SHARE = 0.3


@dataclass(frozen=True)
class GramHits:
    """Which of the items' grams the documents of a batch hold."""

    ends: npt.NDArray[np.int64]  # [D + 1]; document d: grams[ends[d] : ends[d + 1]]
    grams: npt.NDArray[np.int32]  # numbers, ascending and without repeats within a document


def gram_hits(words: Words, index: ItemIndex) -> GramHits:
    """Look the grams of every document of a batch up."""
    places, grams = gram_occurrences(words.hashes, words.firsts, index.table)
    documents = np.searchsorted(words.firsts, places, side="right") - 1
    count = max(index.gram_count, 1)
    pairs = np.unique(documents * count + grams)
    ends = np.searchsorted(pairs, np.arange(len(words.firsts)) * count)
    return GramHits(ends.astype(np.int64), (pairs % count).astype(np.int32))


def gram_weights(
    grams: Iterable[npt.NDArray[np.int32]], documents: int, index: ItemIndex
) -> npt.NDArray[np.int64]:
    """How much each gram says: the logarithm of the documents per document that holds it.

    A phrase that everybody uses says little (inverse document frequency).

    Args:
        grams: of `GramHits`, of all documents, in any order.
        documents: how many there are.
        index: of the items.

    Returns:
        int64 [G], at least 1.
    """
    holding = np.zeros(index.gram_count, dtype=np.int64)
    for part in grams:
        holding += np.bincount(part, minlength=index.gram_count)
    nats: npt.NDArray[np.float64] = np.log((documents + 1) / (holding + 1))
    whole: npt.NDArray[np.int64] = np.rint(nats * WEIGHT_UNIT).astype(np.int64)
    return np.maximum(whole, 1)


def candidates(
    hits: GramHits, weights: npt.NDArray[np.int64], index: ItemIndex, config: ContaminationConfig
) -> npt.NDArray[np.int64]:
    """Which documents may hold which items.

    A question of few words must be there with all its grams; of a longer one a part will do, since
    `judge` compares word by word.

    Returns:
        int64 [N, 2]: document (row of `hits`) and item.
    """
    totals = _totals(weights, index)
    shares = np.where(index.lengths <= config.strict_words, 1.0, CANDIDATE_SHARE)
    least = np.ceil(totals * shares).astype(np.int64)
    least[totals == 0] = np.iinfo(np.int64).max  # under five words: nothing to look for
    return score_items(hits.ends, hits.grams, weights, index.holder_ends, index.holders, least)


def _totals(weights: npt.NDArray[np.int64], index: ItemIndex) -> npt.NDArray[np.int64]:
    sums = np.zeros(len(index.grams) + 1, dtype=np.int64)
    sums[1:] = np.cumsum(weights[index.grams])
    return sums[index.gram_ends[1:]] - sums[index.gram_ends[:-1]]
