"""Quality: documents that are still in are scored, and the best share of them stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farthing.documents.batch import text_bytes
from farthing.documents.readers.cut import cut
from farthing.documents.readers.files import find_files
from farthing.documents.readers.read import read_piece
from farthing.kernels.words import split_words
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.duplicates.exact import text_digests
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions
from farthing.stages.curate.quality.by_model import Scorer, score_by_model
from farthing.stages.curate.quality.classifier import Classifier, learn
from farthing.stages.curate.quality.examples import draw_examples
from farthing.stages.curate.quality.shares import keep_best

# Of the text itself, so many times the examples that are wanted are offered to the draw.
_OFFERED = 4


@dataclass(frozen=True)
class Scores:
    """What was found out.

    Attributes:
        of: float32 (documents), higher is better; NaN for documents that were out already.
        examples: bool (documents), texts that the classifier has learned from as good ones.
        detail: for the manifest: by what, and how well it tells held-out examples apart.
    """

    of: npt.NDArray[np.float32]
    examples: npt.NDArray[np.bool_]
    detail: dict[str, Any]


def score_documents(
    columns: Columns, config: CurateConfig, decisions: Decisions, scorer: Scorer | None
) -> Scores | None:
    """Score everything that is still in; None where the settings ask for no scores.

    Raises:
        CorpusError: too few examples.
    """
    quality = config.quality
    if quality.by is None:
        return None
    with decisions.timed("quality"):
        scores = np.full(len(columns), np.nan, dtype=np.float32)
        kept = np.flatnonzero(decisions.kept)
        examples = np.zeros(len(columns), dtype=np.bool_)
        if quality.by == "model":
            assert scorer is not None, "flow hands the model in"
            for ordinals, batch in columns.rows(kept, ["text"]):
                scores[ordinals] = score_by_model(
                    batch.column("text"), scorer, most_bytes=quality.model_bytes
                )
            return Scores(scores, examples, {"by": "model"})
        classifier, detail = _learned(columns, config, kept)
        examples = _is_example(columns, config)
        for ordinals, batch in columns.rows(kept, ["text"]):
            data, offsets = text_bytes(batch.column("text"))
            scores[ordinals] = classifier.score(split_words(data, offsets), data, offsets)
    return Scores(scores, examples, detail)


def drop_by_quality(
    columns: Columns, config: CurateConfig, decisions: Decisions, scores: Scores | None
) -> None:
    """Keep the best share of every group."""
    share = config.quality.keep_share
    if scores is None or share is None:
        return
    with decisions.timed("quality"):
        kept = np.flatnonzero(decisions.kept)
        stays = keep_best(
            scores.of[kept],
            columns.numbers("bytes")[kept],
            _groups(columns, config)[kept],
            share,
            ~scores.examples[kept],
        )
        low = np.zeros(len(columns), dtype=np.bool_)
        low[kept[~stays]] = True
    decisions.drop("quality", "low_quality", low)


def _groups(columns: Columns, config: CurateConfig) -> npt.NDArray[np.integer[Any]]:
    if config.quality.within == "domain":
        return columns.strings("domain")[0]
    if config.quality.within == "language":
        return columns.numbers("language")
    return np.zeros(len(columns), dtype=np.int8)


def _learned(
    columns: Columns, config: CurateConfig, kept: npt.NDArray[np.int64]
) -> tuple[Classifier, dict[str, Any]]:
    quality = config.quality
    ordinary = (
        _texts(quality.ordinary, config) if quality.ordinary else _some(columns, config, kept)
    )
    examples = draw_examples(
        _texts(quality.good, config), ordinary, most=quality.most_examples, seed=quality.seed
    )
    learned = learn(examples, seed=quality.seed)
    detail = {
        "by": "classifier",
        "good": learned.good,
        "ordinary": learned.ordinary,
        "held_out_auc": round(learned.auc, 6),
        "digest": learned.classifier.digest,
    }
    return learned.classifier, detail


def _texts(paths: tuple[str, ...], config: CurateConfig) -> Iterator[pa.LargeStringArray]:
    for piece in cut(find_files([Path(path) for path in paths])):
        for batch in read_piece(piece, config.reading.reading()):
            yield batch.column("text")


def _some(
    columns: Columns, config: CurateConfig, kept: npt.NDArray[np.int64]
) -> Iterator[pa.LargeStringArray]:
    """Documents of the text itself, drawn by the digests of their ids."""
    ranks = columns.numbers("id")[kept, 0]
    drawn = kept[np.argsort(ranks, kind="stable")[: _OFFERED * config.quality.most_examples]]
    for _, batch in columns.rows(np.sort(drawn), ["text"]):
        yield batch.column("text")


def _is_example(columns: Columns, config: CurateConfig) -> npt.NDArray[np.bool_]:
    digests = [text_digests(*text_bytes(texts)) for texts in _texts(config.quality.good, config)]
    known = np.unique(np.concatenate(digests)[:, 0])
    return np.isin(columns.numbers("text")[:, 0], known)
