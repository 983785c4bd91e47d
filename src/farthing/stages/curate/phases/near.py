"""Exact and near duplicates: candidates from columns, then the texts of the candidates alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.documents.batch import text_bytes
from farthing.kernels.words import split_words
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.duplicates.candidates import candidate_pairs
from farthing.stages.curate.duplicates.clusters import (
    EXACT_DUPLICATE,
    NEAR_DUPLICATE,
    Clusters,
    settle,
)
from farthing.stages.curate.duplicates.exact import first_copies
from farthing.stages.curate.duplicates.verify import ShingleSets, joined, sets_of, similar_pairs
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions


def drop_duplicates(
    columns: Columns,
    config: CurateConfig,
    decisions: Decisions,
    quality: npt.NDArray[np.float32] | None,
) -> Clusters:
    """Of documents with equal or nearly equal text all but one go.

    Args:
        columns: of the measuring phase.
        config: the settings.
        decisions: changed.
        quality: float32 (documents); of near duplicates the best one stays; None for the first.
    """
    documents = np.flatnonzero(decisions.kept)
    with decisions.timed("exact"):
        copies = documents
        if config.duplicates.exact:
            copies = first_copies(columns.numbers("text"), documents)
    with decisions.timed("near"):
        similar = np.zeros((0, 2), dtype=np.int64)
        if config.duplicates.near:
            similar = _similar(columns, config, documents[copies == documents])
        worth = None if quality is None else quality.astype(np.float64)
        clusters = settle(documents, copies, similar, worth, count=len(columns))
    decisions.drop("exact", "exact_duplicate", clusters.reasons == EXACT_DUPLICATE)
    decisions.drop("near", "near_duplicate", clusters.reasons == NEAR_DUPLICATE)
    return clusters


def _similar(
    columns: Columns, config: CurateConfig, documents: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    settings = config.duplicates
    pairs = candidate_pairs(
        (columns.part("bands", band) for band in range(settings.bands)),
        lambda rows: columns.gather("low_bytes", rows),
        documents,
        similarity=settings.similarity,
    )
    wanted = np.unique(pairs)
    return similar_pairs(pairs, shingles_of(columns, wanted), similarity=settings.similarity)


def shingles_of(columns: Columns, wanted: npt.NDArray[np.int64]) -> ShingleSets:
    """The shingles of some documents, ascending."""
    parts = [
        sets_of(split_words(*text_bytes(batch.column("text"))), ordinals, wanted)
        for ordinals, batch in columns.rows(wanted, ["text"])
    ]
    return joined(parts)
