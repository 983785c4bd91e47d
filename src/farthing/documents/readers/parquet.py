"""Parquet files: rows in row groups, read some at a time.

A column may unpack to far more than its group states: one long value in a dictionary, and a
thousand rows that name it. So the longest value is looked up before rows are read, and decides how
many of them come at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from farthing.documents.readers.files import SourceFile
from farthing.documents.readers.options import USUAL_NAMES, Reading
from farthing.documents.readers.piece import Span
from farthing.documents.refusals import Refuse
from farthing.errors import CorpusError

_BATCH_BYTES = 2 << 20
_MOST_ROWS = 64  # more at a time are read no faster
_WIDEST_BATCH_BYTES = 32 << 20
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


def parquet_rows(
    span: Span, reading: Reading, refuse: Refuse
) -> Iterator[tuple[int, dict[str, Any], int]]:
    """(row, its columns by name, bytes of its text) of a span; rows count from 1 in the file.

    Raises:
        CorpusError: no column holds text, or the file is damaged.
    """
    with _opened(span.file) as parquet:
        groups = list(range(span.first, span.last))
        columns = _columns(span.file, parquet.schema_arrow, reading)
        text = next(name for name in reading.names("text") if name in columns)
        record = span.record
        for batch in _batches(span.file, parquet, groups, columns):
            sizes = _sizes(batch.column(text))
            fitting = sizes <= reading.most_document_bytes
            chosen = batch if fitting.all() else batch.filter(pa.array(fitting))
            cells = zip(*map(_cells, chosen.columns), strict=True)
            for size, fits in zip(sizes.tolist(), fitting.tolist(), strict=True):
                if fits:
                    yield record, dict(zip(batch.schema.names, next(cells), strict=True)), size
                else:
                    refuse(record, "too_long", f"{size} bytes", size)
                record += 1


def _batches(
    file: SourceFile, parquet: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of some groups in batches that take little memory."""
    for number in groups:
        group = parquet.metadata.row_group(number)
        if not group.num_rows:
            continue
        mean = group.total_byte_size // group.num_rows
        rows = max(1, min(_MOST_ROWS, _BATCH_BYTES // max(mean, 1)))
        if rows > 1 and (longest := _longest_row(file, parquet, number, columns)):
            rows = max(1, min(rows, _WIDEST_BATCH_BYTES // longest))
        yield from parquet.iter_batches(
            rows, row_groups=[number], columns=columns, use_threads=False
        )


def _longest_row(
    file: SourceFile, parquet: pq.ParquetFile, group: int, columns: Sequence[str]
) -> int:
    """Bytes that a row of a group may unpack to in columns that are smaller packed; 0 without any.

    Lists and structures are not looked at.
    """
    metadata = parquet.metadata.row_group(group)
    chunks = [metadata.column(place) for place in range(metadata.num_columns)]
    longest = 0
    for chunk in chunks:
        size = chunk.total_uncompressed_size
        if chunk.path_in_schema not in columns or chunk.physical_type != "BYTE_ARRAY":
            continue
        if "DELTA_BYTE_ARRAY" in chunk.encodings:
            longest += size
        elif chunk.has_dictionary_page:
            small = size * _MOST_ROWS <= _WIDEST_BATCH_BYTES
            longest += size if small else _longest_named(file, parquet, group, chunk)
    return longest


def _longest_named(
    file: SourceFile, parquet: pq.ParquetFile, group: int, chunk: pq.ColumnChunkMetaData
) -> int:
    """Bytes of the longest value in the dictionary of a column, which stands before its rows."""
    name = chunk.path_in_schema
    named = pq.ParquetFile(
        file.path,
        metadata=parquet.metadata,
        read_dictionary=[name],
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,
    )
    with named:
        first = next(named.iter_batches(1, row_groups=[group], columns=[name], use_threads=False))
        return int(_sizes(first.column(name).dictionary).max(initial=0))


def _sizes(column: pa.Array) -> npt.NDArray[np.int64]:
    """Bytes of each string, int64; 0 of those that are not there."""
    if pa.types.is_dictionary(column.type):
        sizes = _sizes(column.dictionary)
        places = pc.fill_null(column.indices, len(sizes)).to_numpy(zero_copy_only=False)
        named: npt.NDArray[np.int64] = np.append(sizes, 0)[places]
        return named
    lengths = pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
    return np.asarray(lengths, dtype=np.int64)


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
