"""One piece to record batches: the only way in for the steps of curation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from farthing.documents.readers.cut import cut
from farthing.documents.readers.files import find_files
from farthing.documents.readers.json_lines import json_rows
from farthing.documents.readers.options import Reading
from farthing.documents.readers.parquet import parquet_rows
from farthing.documents.readers.piece import Piece, Span
from farthing.documents.readers.rows import BatchBuilder, Row
from farthing.documents.readers.warc import warc_rows
from farthing.documents.readers.whole import whole_rows
from farthing.documents.record import Document, documents_of
from farthing.documents.refusals import Refusals


def read_piece(
    piece: Piece, reading: Reading, refusals: Refusals | None = None
) -> Iterator[pa.RecordBatch]:
    """The documents of a piece in order, in batches of `documents.batch.SCHEMA`.

    A batch holds at most 2 MiB of text, or one document. No more than one batch, one block and one
    record of at most `most_document_bytes` are in memory at a time.

    Args:
        piece: from `cut`.
        reading: names of columns, limits.
        refusals: counts the records seen, and those left out with their reasons; complete when
            the last batch was taken. Its `strict` is that of `reading`.

    Raises:
        CorpusError: a file is damaged, has no text at all by its schema, or changed since it was
            found; the first refused record, if reading is strict.
        MissingExtraError: there is HTML or WARC, and `farthing[web]` is not installed.
    """
    refusals = Refusals() if refusals is None else refusals
    refusals.strict = reading.strict
    builder = BatchBuilder(reading, refusals)
    for span in piece.spans:
        builder.begin(span.file)
        for record, row, size in _rows(span, reading, builder):
            if (batch := builder.add(record, row, size)) is not None:
                yield batch
        refusals.records[span.file.number] += builder.end()
        if span.truncated:
            builder.refuse(0, "truncated_file", f"behind byte {span.last} of what it unpacks to")
        if span.trailing:
            builder.refuse(0, "trailing_bytes", "behind the last member of the gzip file")
        span.file.check_unchanged()
    if (batch := builder.take()) is not None:
        yield batch


def read_documents(paths: Sequence[str | Path]) -> Iterator[Document]:
    """Every document under `paths`, one by one: for samples and tools, not for a large pile.

    Raises:
        CorpusError: as `find_files` and `cut`; the first record that is refused.
        MissingExtraError: there is HTML or WARC, and `farthing[web]` is not installed.
    """
    for piece in cut(find_files(paths)):
        for batch in read_piece(piece, Reading(strict=True)):
            yield from documents_of(batch)


def _rows(span: Span, reading: Reading, builder: BatchBuilder) -> Iterator[tuple[int, Row, int]]:
    """(place, fields, bytes in the file) of every record of a span."""
    if span.size == 0:
        if not span.truncated:
            builder.refuse(0, "empty_file")
    elif span.file.kind == "json_lines":
        yield from json_rows(span, reading, builder.refuse)
    elif span.file.kind == "parquet":
        yield from parquet_rows(span, reading, builder.refuse)
    elif span.file.kind == "warc":
        yield from warc_rows(span, reading, builder.refuse)
    else:
        yield from whole_rows(span, reading, builder.refuse)
