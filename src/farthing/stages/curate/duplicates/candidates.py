"""Pairs of documents that may be near-duplicates, from the keys of their bands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from farthing.kernels.minhash import NO_KEY, agreements

# Of a larger group not all pairs are compared: a licence text in 10,000 files would make 5 * 10^7.
MOST_FOR_ALL_PAIRS = 32
# Below the similarity asked for by more than four standard errors of an estimate from 120 values.
SLACK = 0.15

LowBytes = npt.NDArray[np.uint8] | Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]]


def candidate_pairs(
    bands: Iterable[npt.NDArray[np.uint64]],
    low_bytes: LowBytes,
    documents: npt.NDArray[np.int64],
    *,
    similarity: float,
) -> npt.NDArray[np.int64]:
    """Pairs that agree in a band and whose signatures say they may be similar enough.

    In groups of up to 32 documents with the same key all pairs are looked at; in larger ones each
    document with the first of the group and with the one before it.

    Args:
        bands: for each band the keys of all documents, uint64 [all documents]; one at a time is
            held.
        low_bytes: uint8 [all documents, H], of the signatures; or what reads the rows of given
            documents, ascending, where not all of them should be in memory.
        documents: int64 [D], ascending; which of them take part.
        similarity: Jaccard similarity asked for; `SLACK` less passes here.

    Returns:
        int64 [P, 2] of document numbers, the smaller first, ascending, without repeats.
    """
    signed = low_bytes(documents) if callable(low_bytes) else low_bytes[documents]
    # A place where two signatures differ agrees in its lowest byte once in 256.
    wanted = max(similarity - SLACK, 0.0)
    least = int(np.ceil((wanted + (1 - wanted) / 256) * signed.shape[-1]))
    count = max(len(documents), 1)
    found = np.zeros(0, dtype=np.int64)  # a pair of rows as one number
    for keys in bands:
        likely = [found]
        for pairs in _pairs_of_band(keys[documents]):
            passing = pairs[agreements(signed, pairs) >= least]
            likely.append(passing[:, 0] * count + passing[:, 1])
        found = np.unique(np.concatenate(likely))
    return np.stack([documents[found // count], documents[found % count]], axis=1)


def _pairs_of_band(keys: npt.NDArray[np.uint64]) -> Iterator[npt.NDArray[np.int64]]:
    """Pairs of rows with equal keys, in pieces that fit into memory; some twice."""
    rows = np.flatnonzero(keys != NO_KEY)
    rows = rows[np.argsort(keys[rows], kind="stable")]
    sizes = _run_lengths(keys[rows])
    rows, sizes = rows[np.repeat(sizes > 1, sizes)], sizes[sizes > 1]
    # Where the group of each row begins, and whether it is small.
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    small = np.repeat(sizes <= MOST_FOR_ALL_PAIRS, sizes)
    places = np.arange(len(rows))
    for distance in range(1, MOST_FOR_ALL_PAIRS):
        at = places[small & (places - first >= distance)]
        if len(at):
            yield np.stack([rows[at - distance], rows[at]], axis=1)
    large = places[~small & (places > first)]
    if len(large):
        yield np.stack([rows[first[large]], rows[large]], axis=1)
        yield np.stack([rows[large - 1], rows[large]], axis=1)


def _run_lengths(ordered: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """How many equal values stand one after another, for each run of them."""
    new = np.ones(len(ordered), dtype=np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    return np.diff(np.append(np.flatnonzero(new), len(ordered)))
