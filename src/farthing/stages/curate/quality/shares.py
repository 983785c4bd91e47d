"""Documents kept or parted by their scores: exact shares of bytes, group by group.

Every decision compares whole numbers after one sort by (score, ordinal), over all documents at
once: neither workers nor pieces can change it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt


def bucket_of(
    scores: npt.NDArray[np.float32],
    sizes: npt.NDArray[np.int64],
    groups: npt.NDArray[np.integer],
    shares: Sequence[float],
    counted: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.int8]:
    """Which bucket every document falls into: 0 holds the best.

    Bucket b takes, best first, the documents before which less than shares[b] of the bytes of
    their group stand; so it overshoots by less than a document. Of equal scores, the one that
    comes first in the input is better.

    Args:
        scores: float32 [N] in the order of the input, no NaN; higher is better.
        sizes: int64 [N], bytes.
        groups: [N]; the shares are of each group by itself.
        shares: rising, in (0, 1]. What is beyond the last falls into bucket len(shares).
        counted: bool [N], the documents that the shares are of: without the examples that the
            classifier has learned from, which score better than others like them. The rest is
            sorted in among them. A group without any lies in bucket 0. None for all.

    Returns:
        int8 [N].
    """
    assert not np.isnan(scores).any()
    buckets = np.zeros(len(scores), dtype=np.int8)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        # Stable, so equal scores stay in the order of the input.
        members = members[np.argsort(-scores[members], kind="stable")]
        counts = sizes[members] if counted is None else sizes[members] * counted[members]
        total, before = int(counts.sum()), np.cumsum(counts) - counts
        if not total:
            continue
        for share in shares:
            limit = math.ceil(Fraction(str(share)) * total)
            buckets[members] += before >= limit
    return buckets


def keep_best(
    scores: npt.NDArray[np.float32],
    sizes: npt.NDArray[np.int64],
    groups: npt.NDArray[np.integer],
    share: float,
    counted: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.bool_]:
    """Which documents stay when `share` of the bytes of each group does; as `bucket_of`."""
    stays: npt.NDArray[np.bool_] = bucket_of(scores, sizes, groups, (share,), counted) == 0
    return stays
