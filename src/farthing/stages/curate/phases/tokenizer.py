"""The tokenizer of a corpus: learned from the counts of all pieces, taken over, or plain bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from farthing.execution.work import PieceResult
from farthing.kernels.split_counts import PieceCounts
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.phases.finish import COUNTS_NAME
from farthing.text.bpe import add_up
from farthing.text.tokenizer import Tokenizer, bpe_from_counts, byte_vocabulary


def make_tokenizer(config: CurateConfig, finished: Sequence[PieceResult]) -> Tokenizer:
    """The tokenizer that the settings ask for.

    Held-out text stays unseen: a vocabulary fitted to it would lower its bits per byte.
    """
    if config.tokenizer == "bytes":
        return byte_vocabulary()
    counts = add_up(_counts(result.directory / COUNTS_NAME) for result in finished)
    return bpe_from_counts(counts, config.vocab_size)


def _counts(path: Path) -> PieceCounts:
    with np.load(path, allow_pickle=False) as stored:
        return PieceCounts(**{name: stored[name] for name in PieceCounts._fields})
