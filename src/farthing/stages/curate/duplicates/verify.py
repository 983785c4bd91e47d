"""Whether two candidates really are near-duplicates: the exact similarity of their shingle sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.kernels.shingles import shared_and_united, shingle_sets
from farthing.kernels.words import Words


@dataclass(frozen=True)
class ShingleSets:
    """The shingles of some documents."""

    documents: npt.NDArray[np.int64]  # [C], ascending: which
    shingles: npt.NDArray[np.uint64]  # ascending within a document
    ends: npt.NDArray[np.int64]  # [C + 1]; those of row c: shingles[ends[c] : ends[c + 1]]


def sets_of(
    words: Words, documents: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]
) -> ShingleSets:
    """The shingles of those documents of a batch that are somebody's candidate.

    Args:
        words: of the batch.
        documents: int64 [D], ascending, the number of each document of the batch.
        wanted: int64, ascending and without repeats; those in any pair of candidates.
    """
    rows = np.flatnonzero(np.isin(documents, wanted))
    return ShingleSets(documents[rows], *shingle_sets(words.hashes, words.firsts, rows))


def joined(parts: Sequence[ShingleSets]) -> ShingleSets:
    """The parts of several batches as one, whatever their order."""
    parts = sorted((p for p in parts if len(p.documents)), key=lambda part: int(part.documents[0]))
    lengths = [np.diff(part.ends) for part in parts]
    return ShingleSets(
        np.concatenate([np.zeros(0, dtype=np.int64), *(part.documents for part in parts)]),
        np.concatenate([np.zeros(0, dtype=np.uint64), *(part.shingles for part in parts)]),
        np.cumsum(np.concatenate([np.zeros(1, dtype=np.int64), *lengths])),
    )


def similar_pairs(
    pairs: npt.NDArray[np.int64], sets: ShingleSets, *, similarity: float
) -> npt.NDArray[np.int64]:
    """Those of some pairs that have at least this Jaccard similarity.

    Args:
        pairs: int64 [P, 2], document numbers.
        sets: of every document that they name; may be mapped from disk.
        similarity: 0 to 1.

    Returns:
        int64 [S, 2], in the order of `pairs`.
    """
    rows = np.searchsorted(sets.documents, pairs)
    counts = shared_and_united(sets.shingles, sets.ends, rows)
    return pairs[counts[:, 0] >= similarity * counts[:, 1]]
