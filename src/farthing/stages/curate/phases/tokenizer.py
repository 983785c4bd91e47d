"""The tokenizer of a corpus: learned from the counts of all pieces, taken over, or plain bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from farthing.execution.work import PieceResult
from farthing.kernels.split_counts import PieceCounts
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.phases.borrowed import Borrowed
from farthing.stages.curate.phases.finish import COUNTS_NAME
from farthing.text.bpe import add_up
from farthing.text.tokenizer import Tokenizer, bpe_from_counts, byte_vocabulary


def learned_from(
    ranks: npt.NDArray[np.uint64],
    sizes: npt.NDArray[np.int64],
    domains: npt.NDArray[np.int32],
    most_bytes: int,
) -> npt.NDArray[np.bool_]:
    """Which documents a tokenizer learns from: of every domain the same share of its bytes.

    Learning needs some forty bytes for every byte of distinct pieces, and most of Chinese is
    distinct.

    Args:
        ranks: uint64 (documents), as good as random; those with the smallest are drawn.
        sizes: int64 (documents), bytes.
        domains: int32 (documents), codes.
        most_bytes: drawn of all of them; each domain goes beyond its part by a document at most.

    Returns:
        bool (documents); all of them where they have no more bytes.
    """
    if sizes.sum() <= most_bytes:
        return np.ones(len(sizes), dtype=np.bool_)
    drawn = np.zeros(len(sizes), dtype=np.bool_)
    for domain in np.unique(domains):
        mine = np.flatnonzero(domains == domain)
        order = mine[np.argsort(ranks[mine], kind="stable")]
        before = np.cumsum(sizes[order]) - sizes[order]
        drawn[order[before < most_bytes * (sizes[mine].sum() / sizes.sum())]] = True
    return drawn


def make_tokenizer(
    config: CurateConfig, finished: Sequence[PieceResult], borrowed: Borrowed | None
) -> Tokenizer:
    """The tokenizer that the settings ask for.

    Held-out text stays unseen: a vocabulary fitted to it would lower its bits per byte.
    """
    if borrowed is not None:
        return borrowed.tokenizer
    if config.tokenizer == "bytes":
        return byte_vocabulary()
    counts = add_up(_counts(result.directory / COUNTS_NAME) for result in finished)
    return bpe_from_counts(counts, config.vocab_size)


def _counts(path: Path) -> PieceCounts:
    with np.load(path, allow_pickle=False) as stored:
        return PieceCounts(**{name: stored[name] for name in PieceCounts._fields})
