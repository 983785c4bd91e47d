"""Finishing: repeated lines and passages go, training text that repeats held-out text goes.

What is left is the text of the corpus. Its pieces of words are counted on the way, so that the
tokenizer needs no reading of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from farthing.artifacts.canonical import sha256_hex
from farthing.documents.batch import SCHEMA, text_bytes
from farthing.execution.work import Laps
from farthing.kernels.split_counts import PieceCounter
from farthing.kernels.words import split_words
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.duplicates.lines import SHORT_REASON, RepeatedLines
from farthing.stages.curate.duplicates.passages import passages, without_passages
from farthing.stages.curate.near_duplicates import NearDuplicates
from farthing.stages.curate.phases.columns import WRITING, Columns
from farthing.stages.curate.phases.repeats import keeps_lines
from farthing.stages.curate.phases.sides import TRAIN

FINAL_NAME = "final.parquet"
FATES_NAME = "fates.npy"
SIZES_NAME = "sizes.npy"
COUNTS_NAME = "counts.npz"
FINAL_SCHEMA = pa.schema([*SCHEMA, pa.field("ordinal", pa.int64()), pa.field("side", pa.int8())])

# What becomes of a document here, as codes; the reasons stand beside the step that drops.
STAYS, TOO_SHORT, REPEATS = range(3)
FATES = {TOO_SHORT: ("lines", SHORT_REASON), REPEATS: ("split", "train_near_duplicate_of_held_out")}


@dataclass(frozen=True)
class MeasuredPiece:
    """A piece with what was decided of its documents.

    Attributes:
        number: of the piece.
        folder: of what was measured.
        digest: of what lies there.
        first: ordinal of its first document.
        sides: int8 (documents of the piece), place in `SPLITS`; -1 for documents that are out.
        protected: bool (documents of the piece): nothing is taken out of their text.
        learned: bool (documents of the piece), training text that the tokenizer learns from.
        repeated: bool (passages of the piece), which stood before; None where nobody looked.
    """

    number: int
    folder: Path
    digest: str
    first: int
    sides: npt.NDArray[np.int8]
    protected: npt.NDArray[np.bool_]
    learned: npt.NDArray[np.bool_]
    repeated: npt.NDArray[np.bool_] | None

    @property
    def identity(self) -> list[Any]:
        """What decides the result."""
        arrays = [self.sides, self.protected, self.learned, self.repeated]
        return [
            self.digest,
            self.first,
            *(None if array is None else sha256_hex(array.tobytes()) for array in arrays),
        ]


@dataclass(frozen=True)
class Finishing:
    """What finishing any piece needs to know.

    Attributes:
        config: the settings.
        lines: uint64, hashes of the lines that are taken out.
        held_out: folder with the index of the text that is held out.
    """

    config: CurateConfig
    lines: npt.NDArray[np.uint64]
    held_out: Path

    @cached_property
    def near_duplicates(self) -> NearDuplicates:
        """The index, mapped."""
        return NearDuplicates.open(self.held_out, share=self.config.near_duplicate_share)

    @cached_property
    def repeated_lines(self) -> RepeatedLines:
        """The lines, ready to be looked up."""
        duplicates = self.config.duplicates
        return RepeatedLines(
            self.lines, least_bytes=duplicates.line_bytes, least_left=duplicates.least_left_bytes
        )


def finish_piece(
    piece: MeasuredPiece, directory: Path, context: Finishing, laps: Laps
) -> dict[str, Any]:
    """Write the final texts of a piece, what became of its documents, and counts of words.

    Returns:
        How many bytes went from documents that stay: {"changed_bytes": ...}.
    """
    columns = Columns([piece.folder])
    fates = np.zeros(len(piece.sides), dtype=np.int8)
    sizes = np.zeros(len(piece.sides), dtype=np.int64)
    counter = PieceCounter()
    changed = 0
    with pq.ParquetWriter(directory / FINAL_NAME, FINAL_SCHEMA, **WRITING) as writer:
        for rows, batch in columns.rows(np.flatnonzero(piece.sides >= 0), SCHEMA.names):
            laps("read")
            texts = _shortened(rows, batch, piece, context)
            laps("lines")
            training = piece.sides[rows] == TRAIN
            fates[rows[texts.too_short & training]] = TOO_SHORT
            asked = training & ~texts.too_short & ~piece.protected[rows]
            repeats = context.near_duplicates.which_repeat(texts.data, texts.offsets, asked)
            fates[rows[repeats]] = REPEATS
            laps("split")
            sizes[rows] = np.diff(texts.offsets)
            stays = fates[rows] == STAYS
            changed += int(texts.removed[stays].sum())
            final = _final(batch, texts, stays, rows, piece)
            writer.write_batch(final)
            laps("write")
            learned = final.column("text").filter(pa.array(piece.learned[rows[stays]]))
            if context.config.tokenizer == "bpe" and context.config.held_out_from is None:
                counter.add(*text_bytes(learned))
            laps("tokenizer")
    np.save(directory / FATES_NAME, fates)
    np.save(directory / SIZES_NAME, sizes)
    np.savez(directory / COUNTS_NAME, **counter.counts()._asdict())
    return {"changed_bytes": changed}


@dataclass(frozen=True)
class _Texts:
    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    removed: npt.NDArray[np.int64]
    too_short: npt.NDArray[np.bool_]


def _shortened(
    rows: npt.NDArray[np.int64], batch: pa.RecordBatch, piece: MeasuredPiece, context: Finishing
) -> _Texts:
    """The texts without what stands elsewhere too; held-out and protected ones as they are."""
    duplicates = context.config.duplicates
    data, offsets = text_bytes(batch.column("text"))
    before = np.diff(offsets)
    profiles = Columns([piece.folder]).gather("profile", rows)
    stays = keeps_lines(profiles, context.config)
    spared = stays | (piece.sides[rows] != TRAIN) | piece.protected[rows]
    if piece.repeated is not None:
        data, offsets = _without_passages(data, offsets, rows, spared, piece)
    data, offsets = np.asarray(data), np.asarray(offsets)
    shortened = context.repeated_lines.remove(data, offsets, spared)
    removed = before - np.diff(shortened.offsets)
    short = (removed > 0) & (np.diff(shortened.offsets) < duplicates.least_left_bytes)
    return _Texts(shortened.data, shortened.offsets, removed, short)


def _without_passages(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    spared: npt.NDArray[np.bool_],
    piece: MeasuredPiece,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    assert piece.repeated is not None
    words = split_words(data, offsets)
    found = passages(words)
    _, ends = Columns([piece.folder]).ragged("passages", 0)
    again = np.concatenate(
        [
            piece.repeated[ends[row] : ends[row + 1]] & (not spare)
            for row, spare in zip(rows, spared, strict=True)
        ]
    )
    return without_passages(data, offsets, words, found.bounds[again])


def _final(
    batch: pa.RecordBatch,
    texts: _Texts,
    stays: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.int64],
    piece: MeasuredPiece,
) -> pa.RecordBatch:
    """The rows that stay, with their texts as they are now."""
    buffers = [None, pa.py_buffer(texts.offsets), pa.py_buffer(texts.data)]
    column = pa.Array.from_buffers(pa.large_string(), len(batch), buffers)
    arrays = {name: batch.column(name) for name in SCHEMA.names} | {
        "text": column,
        "ordinal": pa.array(rows + piece.first),
        "side": pa.array(piece.sides[rows]),
    }
    whole = pa.RecordBatch.from_arrays(
        [arrays[name] for name in FINAL_SCHEMA.names], schema=FINAL_SCHEMA
    )
    return whole.filter(pa.array(stays))
