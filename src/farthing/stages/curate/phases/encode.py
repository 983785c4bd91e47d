"""Encoding: final texts to token shards, with all that was found out about each document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from farthing.artifacts.canonical import sha256_hex
from farthing.documents.batch import UNDETERMINED
from farthing.documents.language.identify import LANGUAGES
from farthing.execution.work import Laps
from farthing.stages.curate.encode import encode_piece
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.finish import FINAL_NAME
from farthing.stages.curate.phases.streams import stream_name
from farthing.stages.curate.privacy.mask import KINDS
from farthing.text.corpus import SPLITS
from farthing.text.tokenizer import Tokenizer

_MASKS = pa.map_(pa.string(), pa.int32())
_NOT_KEPT = ("text", "format", "ordinal", "side")


@dataclass(frozen=True)
class FinishedPiece:
    """A piece with its final texts, and what is known of its documents.

    Attributes:
        number: of the piece.
        measured: folder of what was measured.
        finished: folder of the final texts.
        digest: of what lies in both.
        first: ordinal of its first document.
        quality: float32 (documents of the piece), their scores; None where there are none.
        clusters: int64 (documents of the piece), first document of the cluster of each.
        cluster_sizes: int32 (documents of the piece), documents of that cluster.
        buckets: int8 (documents of the piece), as `Streams.buckets`; None where nothing is divided.
    """

    number: int
    measured: Path
    finished: Path
    digest: str
    first: int
    quality: npt.NDArray[np.float32] | None
    clusters: npt.NDArray[np.int64] | None
    cluster_sizes: npt.NDArray[np.int32] | None
    buckets: npt.NDArray[np.int8] | None

    @property
    def identity(self) -> list[Any]:
        """What decides the result."""
        arrays = (self.quality, self.clusters, self.cluster_sizes, self.buckets)
        found = [None if array is None else sha256_hex(array.tobytes()) for array in arrays]
        return [self.digest, self.first, *found]


@dataclass(frozen=True)
class Encoding:
    """What encoding any piece needs to know.

    Attributes:
        tokenizer_json: the tokenizer's file.
        profiles: names of the profiles.
    """

    tokenizer_json: str
    profiles: tuple[str, ...]


def encode_finished(
    piece: FinishedPiece, directory: Path, context: Encoding, laps: Laps
) -> dict[str, Any]:
    """Write shards and provenance of a piece (`encode.encode_piece`)."""
    encode_piece(_batches(piece, context), _tokenizer(context.tokenizer_json), directory)
    laps("tokenise")
    return {}


@lru_cache(maxsize=1)
def _tokenizer(json_text: str) -> Tokenizer:
    """One for all pieces of a process: what it has met before it need not merge again."""
    return Tokenizer(json_text)


def _batches(piece: FinishedPiece, context: Encoding) -> Iterator[pa.RecordBatch]:
    columns = Columns([piece.measured])
    with pq.ParquetFile(piece.finished / FINAL_NAME) as file:
        if not file.metadata.num_rows:
            return
        known = {name: columns.numbers(name) for name in ("profile", "language", "masks")}
        for group in range(file.num_row_groups):
            # One batch, or none where no document of the group is left.
            for batch in file.read_row_group(group).combine_chunks().to_batches():
                rows = batch.column("ordinal").to_numpy() - piece.first
                yield _completed(batch, rows, known, piece, context)


def _completed(
    batch: pa.RecordBatch,
    rows: npt.NDArray[np.int64],
    known: dict[str, npt.NDArray[Any]],
    piece: FinishedPiece,
    context: Encoding,
) -> pa.RecordBatch:
    columns: dict[str, Any] = {
        name: batch.column(name) for name in batch.schema.names if name not in _NOT_KEPT
    }
    columns["text"] = batch.column("text")
    if piece.buckets is not None:
        buckets = piece.buckets[rows].tolist()
        domains = columns["domain"].to_pylist()
        columns["domain"] = pa.array(map(stream_name, domains, buckets), pa.string())
    sides = np.array(SPLITS)[batch.column("side").to_numpy()]
    columns["split"] = pa.array(sides.tolist(), pa.string())
    names = (*context.profiles, None)  # the last is that of -1
    profiles = [names[code] for code in known["profile"][rows].tolist()]
    columns["profile"] = pa.array(profiles, pa.string())
    # As stated, and where nothing was stated, as the text tells.
    told = [LANGUAGES[code] for code in known["language"][rows].tolist()]
    stated = columns["language"].to_pylist()
    languages = [t if s == UNDETERMINED else s for s, t in zip(stated, told, strict=True)]
    columns["language"] = pa.array(languages, pa.string())
    if piece.quality is not None:
        columns["quality"] = pa.array(piece.quality[rows])
    if piece.clusters is not None and piece.cluster_sizes is not None:
        columns["cluster"] = pa.array(piece.clusters[rows])
        columns["cluster_size"] = pa.array(piece.cluster_sizes[rows].astype(np.int64))
    masks = [
        [(kind, int(count)) for kind, count in zip(KINDS, row, strict=True) if count]
        for row in known["masks"][rows].tolist()
    ]
    columns["masked"] = pa.array(masks, _MASKS)
    return pa.RecordBatch.from_pydict(columns)
