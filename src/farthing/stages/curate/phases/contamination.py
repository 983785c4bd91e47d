"""Evaluation items in the text: documents with enough rare n-grams of one are compared in full."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from farthing.documents.batch import text_bytes
from farthing.kernels.words import split_words
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.contamination.hits import GramHits, candidates, gram_weights
from farthing.stages.curate.contamination.index import ItemIndex
from farthing.stages.curate.contamination.judge import CONTAMINATED, Match, judge
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions


@dataclass(frozen=True)
class FoundItem:
    """An item in the document with this ordinal."""

    ordinal: int
    match: Match


def drop_contaminated(
    columns: Columns, config: CurateConfig, decisions: Decisions, index: ItemIndex
) -> list[FoundItem]:
    """Look for every item in every document that is still in, and drop by the settings.

    Returns:
        Everything found, in order of the documents.
    """
    with decisions.timed("contamination"):
        weights = gram_weights(
            (_of_kept(columns, number, decisions.kept).grams for number in _pieces(columns)),
            int(np.count_nonzero(decisions.kept)),
            index,
        )
        found = [
            each
            for number in _pieces(columns)
            for each in _in_piece(columns, number, decisions.kept, weights, index, config)
        ]
    contaminated = np.zeros(len(columns), dtype=np.bool_)
    asked = np.zeros(len(columns), dtype=np.bool_)
    for each in found:
        (contaminated if each.match.verdict == CONTAMINATED else asked)[each.ordinal] = True
    if config.contamination.drop != "nothing":
        decisions.drop("contamination", "contaminated", contaminated)
    if config.contamination.drop == "question":
        decisions.drop("contamination", "question_only", asked)
    return found


def _pieces(columns: Columns) -> range:
    return range(len(columns.folders))


def _of_kept(columns: Columns, number: int, kept: npt.NDArray[np.bool_]) -> GramHits:
    """The hits of a piece, without those of documents that are out."""
    grams, ends = columns.ragged("grams", number)
    lengths = np.diff(ends)
    inside = kept[columns.piece(number)]
    left = np.concatenate([[0], np.cumsum(np.where(inside, lengths, 0))])
    return GramHits(left.astype(np.int64), grams[np.repeat(inside, lengths)].astype(np.int32))


def _in_piece(
    columns: Columns,
    number: int,
    kept: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.int64],
    index: ItemIndex,
    config: CurateConfig,
) -> list[FoundItem]:
    pairs = candidates(_of_kept(columns, number, kept), weights, index, config.contamination)
    pairs[:, 0] += columns.piece(number).start
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    found = []
    for ordinals, batch in columns.rows(np.unique(pairs[:, 0]), ["text"]):
        data, offsets = text_bytes(batch.column("text"))
        mine = pairs[np.isin(pairs[:, 0], ordinals)]
        rows = np.stack([np.searchsorted(ordinals, mine[:, 0]), mine[:, 1]], axis=1)
        for match in judge(
            data, split_words(data, offsets), rows, weights, index, config.contamination
        ):
            found.append(FoundItem(int(ordinals[match.row]), replace(match, row=0)))
    return found
