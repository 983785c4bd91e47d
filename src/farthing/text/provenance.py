"""What is known about the documents of a corpus besides their text, in Parquet.

    documents.parquet   one row a document, in the order of the shards
    sources.parquet     one row a file that was read, with its digest

Parquet, so that any tool reads them and a column can be read without the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from farthing.errors import ArtifactError

DOCUMENTS_NAME = "documents.parquet"
SOURCES_NAME = "sources.parquet"
# In its place in older corpora.
_OLD_DOCUMENTS_NAME = "documents.jsonl"

# Rows of a group of the file. Groups are cut by rows alone: the file is the same however the rows
# arrived, and a reader never holds more than one.
_GROUP_ROWS = 1 << 15

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")

_MASKS = pa.map_(pa.string(), pa.int32())

DOCUMENTS_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("licence", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("work", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("digest", pa.string()),
        pa.field("parents", pa.list_(pa.string())),
        pa.field("file", pa.int32()),
        pa.field("record", pa.int64()),
        pa.field("profile", pa.string()),
        pa.field("quality", pa.float32()),
        pa.field("cluster", pa.int64()),
        pa.field("cluster_size", pa.int64()),
        pa.field("masked", _MASKS),
    ]
)

SOURCES_SCHEMA = pa.schema(
    [
        pa.field("file", pa.int32(), nullable=False),  # the number that documents name
        pa.field("name", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("documents", pa.int64()),  # kept; null where nobody counted
        pa.field("licences", pa.list_(pa.string())),  # of the kept documents, sorted
    ]
)


class DocumentRecord(BaseModel):
    """One row of `documents.parquet`; what is None is not known.

    Attributes:
        id, source, licence, language, domain, work: as the document states them.
        split: its side.
        bytes: of its text, in UTF-8.
        tokens: with the `end_of_text` that opens it.
        digest: SHA-256 of its text as it was tokenised.
        parents: digests or ids of what it was made from.
        file: number of the file in `sources.parquet`.
        record: line or row in that file, from 1.
        profile: the rules of quality that it was held against.
        quality: its score.
        cluster: number of its group of near-duplicates, of which it is the one that stayed.
        cluster_size: documents of that group.
        masked: kind of personal data -> how many were masked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    source: str
    licence: str
    language: str
    domain: str
    work: str
    split: Split
    bytes: int
    tokens: int
    digest: str | None = None
    parents: tuple[str, ...] | None = None
    file: int | None = None
    record: int | None = None
    profile: str | None = None
    quality: float | None = None
    cluster: int | None = None
    cluster_size: int | None = None
    masked: dict[str, int] | None = None


class DocumentsWriter:
    """Writes `documents.parquet` batch by batch; a context manager."""

    def __init__(self, directory: Path) -> None:
        self._writer = pq.ParquetWriter(
            directory / DOCUMENTS_NAME, DOCUMENTS_SCHEMA, compression="zstd"
        )
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows; columns of the schema that `batch` lacks become null, others are left out.

        Args:
            batch: with every column of DOCUMENTS_SCHEMA that may not be null.
        """
        columns = [
            batch.column(field.name).cast(field.type)
            if field.name in batch.schema.names
            else pa.nulls(len(batch), field.type)
            for field in DOCUMENTS_SCHEMA
        ]
        self._waiting.append(pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS_SCHEMA))
        self._rows += len(batch)
        while self._rows >= _GROUP_ROWS:
            self._write(_GROUP_ROWS)

    def _write(self, rows: int) -> None:
        table = pa.Table.from_batches(self._waiting, DOCUMENTS_SCHEMA)
        # Whole arrays, so that neither pages nor dictionaries depend on how the rows arrived.
        self._writer.write_table(table.slice(0, rows).combine_chunks(), row_group_size=_GROUP_ROWS)
        self._waiting = table.slice(rows).to_batches()
        self._rows -= rows

    def __enter__(self) -> DocumentsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rows:
            self._write(self._rows)
        self._writer.close()


def write_sources(directory: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write `sources.parquet`: rows with the names of SOURCES_SCHEMA."""
    table = pa.Table.from_pylist(list(rows), SOURCES_SCHEMA)
    pq.write_table(table, directory / SOURCES_NAME, compression="zstd")


def document_batches(
    directory: Path, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of `documents.parquet`, some tens of thousands at a time, in order.

    Args:
        directory: of the corpus.
        columns: to be read; None for all.

    Raises:
        ArtifactError: the file is missing or damaged, or the corpus is of an older version.
    """
    path = directory / DOCUMENTS_NAME
    if not path.exists() and (directory / _OLD_DOCUMENTS_NAME).exists():
        raise ArtifactError(
            f"{directory} was made by an older version: it has {_OLD_DOCUMENTS_NAME} in place of "
            f"{DOCUMENTS_NAME}",
            remedy="make the corpus again with `farthing curate` and the recipe it was made with",
        )
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(DOCUMENTS_SCHEMA):
                raise ArtifactError(
                    f"{path} has other columns than a corpus of this version",
                    remedy="make the corpus again",
                )
            yield from file.iter_batches(_GROUP_ROWS, columns=columns and list(columns))
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}", remedy="restore it, or make the corpus again"
        ) from error


def records_of(batch: pa.RecordBatch) -> Iterator[DocumentRecord]:
    """The rows of a batch with all columns as records."""
    for row in batch.to_pylist():
        masked = row.pop("masked")
        parents = row.pop("parents")
        yield DocumentRecord(
            **row,
            parents=None if parents is None else tuple(parents),
            masked=None if masked is None else dict(masked),
        )
