"""Parquet files: rows in row groups, read some hundred at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from farthing.documents.readers.files import SourceFile
from farthing.documents.readers.options import USUAL_NAMES, Reading
from farthing.documents.readers.piece import Span
from farthing.errors import CorpusError

_BATCH_BYTES = 2 << 20
_MOST_ROWS = 4096
_BUFFER_BYTES = 1 << 20
_BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}


def row_groups(file: SourceFile) -> list[tuple[int, int]]:
    """(rows, unpacked bytes) of each row group.

    Raises:
        CorpusError: this is no Parquet file, or it was cut short.
    """
    with _opened(file) as parquet:
        groups = (parquet.metadata.row_group(i) for i in range(parquet.num_row_groups))
        # A group without rows has bytes of its own, and nothing to read.
        return [(g.num_rows, g.total_byte_size if g.num_rows else 0) for g in groups]


def parquet_rows(span: Span, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row, its columns by name) of every row of a span; rows count from 1 in the file.

    Raises:
        CorpusError: no column holds text, or the file is damaged.
    """
    with _opened(span.file) as parquet:
        groups = list(range(span.first, span.last))
        columns = _columns(span.file, parquet.schema_arrow, reading)
        rows = sum(parquet.metadata.row_group(i).num_rows for i in groups)
        fitting = max(1, min(_MOST_ROWS, _BATCH_BYTES * max(rows, 1) // max(span.size, 1)))
        record = span.record
        for batch in parquet.iter_batches(
            fitting, row_groups=groups, columns=columns, use_threads=False
        ):
            cells = [_cells(column) for column in batch.columns]
            for values in zip(*cells, strict=True):
                yield record, dict(zip(batch.schema.names, values, strict=True))
                record += 1


def _columns(file: SourceFile, schema: pa.Schema, reading: Reading) -> list[str]:
    """Names of the columns to read; the one with the text is there and holds strings."""
    wanted = [name for column in USUAL_NAMES for name in reading.names(column)]
    texts = [name for name in reading.names("text") if name in schema.names]
    if not texts or not _holds_strings(schema.field(texts[0]).type):
        here = ", ".join(f"{field.name}: {field.type}" for field in schema)
        raise CorpusError(
            f"{file.path} has no column {reading.names('text')[0]!r} with strings; it has {here}",
            remedy="name the column that holds the text under `columns` of the reading settings",
        )
    return [name for name in dict.fromkeys(wanted) if name in schema.names]


def _holds_strings(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _holds_strings(kind.value_type)
    return kind in _BYTES or kind in _BYTES.values()


def _cells(column: pa.Array) -> list[Any]:
    """The values of a column; as bytes where they are strings that are not UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        cells: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        if column.type not in _BYTES:
            return [_cell(value) for value in column]
        cells = column.view(_BYTES[column.type]).to_pylist()
    return cells


def _cell(value: pa.Scalar) -> Any:  # noqa: ANN401 - whatever the data hold
    """A list or structure; bytes, which no field may be, where something in it is not UTF-8."""
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return b"not UTF-8"


@contextmanager
def _opened(file: SourceFile) -> Iterator[pq.ParquetFile]:
    try:
        # Buffered: else the whole column chunk of a row group is read at once.
        parquet = pq.ParquetFile(file.path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        with parquet:
            yield parquet
    except pa.ArrowException as error:
        raise CorpusError(
            f"{file.path} is not a whole Parquet file: {error}", remedy="fetch it again"
        ) from error
    except OSError as error:
        raise CorpusError(
            f"{file.path} cannot be read: {error}", remedy="the file is damaged; fetch it again"
        ) from error
