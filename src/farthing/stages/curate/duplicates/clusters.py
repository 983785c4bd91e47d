"""Groups of documents with the same or nearly the same text, and the one that is kept of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.kernels.unions import least_connected

KEPT, EXACT_DUPLICATE, NEAR_DUPLICATE = 0, 1, 2
REASONS = ("", "exact_duplicate", "near_duplicate")


@dataclass(frozen=True)
class Clusters:
    """What became of every document; those that take no part are kept, alone."""

    clusters: npt.NDArray[np.int64]  # [all documents], the first document of its cluster
    sizes: npt.NDArray[np.int32]  # [all documents], of its cluster, exact copies included
    reasons: npt.NDArray[np.int8]  # [all documents], index into REASONS


def settle(
    documents: npt.NDArray[np.int64],
    copies: npt.NDArray[np.int64],
    similar: npt.NDArray[np.int64],
    qualities: npt.NDArray[np.float64] | None,
    *,
    count: int,
) -> Clusters:
    """Join documents that belong together and choose which of them stays.

    Of equal texts the first stays. Of nearly equal ones, which may be joined through others that
    are similar to both, that with the highest quality, and of several such the first.

    Args:
        documents: int64 [D], ascending; those that take part.
        copies: int64 [D], the first document with the same text (`exact.first_copies`).
        similar: int64 [P, 2], near-duplicates among those that are first (`verify.similar_pairs`).
        qualities: float64 [count], the higher the better, NaN the worst; None: all alike.
        count: of all documents.
    """
    pairs = np.concatenate([np.stack([copies, documents], axis=1), similar])
    clusters = least_connected(pairs, count)
    sizes = np.bincount(clusters, minlength=count)[clusters]
    reasons = np.zeros(count, dtype=np.int8)
    firsts = documents[copies == documents]
    near = firsts[sizes[firsts] > 1]
    worth = np.zeros(len(near)) if qualities is None else -qualities[near]  # NaN sorts last
    order = np.lexsort((near, worth, clusters[near]))
    best_first = clusters[near][order]
    later = np.zeros(len(near), dtype=np.bool_)
    later[1:] = best_first[1:] == best_first[:-1]
    reasons[near[order[later]]] = NEAR_DUPLICATE
    reasons[documents[copies != documents]] = EXACT_DUPLICATE
    return Clusters(clusters, sizes.astype(np.int32), reasons)
