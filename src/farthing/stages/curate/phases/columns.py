"""What the measuring phase keeps of its documents: numbers in columns, texts in Parquet.

    PHASE/000017/
    ├── staged.parquet   the texts that are still in, with where they came from
    └── NAME.npy         one number or one row of numbers a document, or a ragged list

Documents are numbered across the pieces in order: their *ordinal*. Decisions read single columns
of all documents; a text is read again only where a phase needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

STAGED_NAME = "staged.parquet"

# Files that are read some times and then removed: fast before small, no dictionary of texts.
WRITING: dict[str, Any] = {
    "compression": "lz4",
    "use_dictionary": ["source", "licence", "language", "domain", "format"],
    "write_statistics": False,
}


class Columns:
    """The columns of all pieces of a phase, in the order of the pieces."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Look at what lies in `folders`, one a piece; only the number of rows is read."""
        self.folders = tuple(folders)
        sizes = [pq.ParquetFile(folder / STAGED_NAME).metadata.num_rows for folder in folders]
        self.firsts: npt.NDArray[np.int64] = np.concatenate([[0], np.cumsum(sizes)]).astype(
            np.int64
        )

    def __len__(self) -> int:
        return int(self.firsts[-1])

    @property
    def _filled(self) -> list[Path]:
        """The pieces that hold documents; others have no columns."""
        sizes = np.diff(self.firsts)
        return [folder for folder, size in zip(self.folders, sizes, strict=True) if size]

    def piece(self, number: int) -> slice:
        """The ordinals of the documents of piece `number`."""
        return slice(int(self.firsts[number]), int(self.firsts[number + 1]))

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """The whole column `name`, in memory."""
        return np.concatenate([self._map(folder, name) for folder in self._filled])

    def part(self, name: str, index: int) -> npt.NDArray[Any]:
        """Column `index` of the rows of `name`, without the others."""
        return np.concatenate([self._map(folder, name)[:, index] for folder in self._filled])

    def gather(self, name: str, ordinals: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Rows (ordinals, ...) of a column (documents, ...), which stays on the disk."""
        pieces = np.searchsorted(self.firsts, ordinals, side="right") - 1
        out: npt.NDArray[Any] | None = None
        for number in np.unique(pieces):
            mapped = self._map(self.folders[number], name)
            mine = pieces == number
            if out is None:
                out = np.empty((len(ordinals), *mapped.shape[1:]), dtype=mapped.dtype)
            out[mine] = mapped[ordinals[mine] - self.firsts[number]]
        return np.zeros(0) if out is None else out

    def ragged(self, name: str, number: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """A column of piece `number` with any number of rows a document.

        Returns:
            rows, and ends: int64 (documents + 1); document d has `rows[ends[d]:ends[d + 1]]`.
        """
        folder = self.folders[number]
        if self.firsts[number] == self.firsts[number + 1]:
            return np.zeros(0, dtype=np.uint64), np.zeros(1, dtype=np.int64)
        return self._map(folder, name), self._map(folder, f"{name}_ends")

    def strings(self, name: str) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
        """A column of names that repeat: a code for each document, and what the codes stand for."""
        whole = pa.concat_tables([self._read(folder, name) for folder in self.folders])
        encoded = whole.column(0).combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        return codes, tuple(encoded.dictionary.to_pylist())

    def rows(
        self, ordinals: npt.NDArray[np.int64], columns: Sequence[str]
    ) -> Iterator[tuple[npt.NDArray[np.int64], pa.RecordBatch]]:
        """The staged rows of some documents, a few megabytes at a time.

        Args:
            ordinals: int64, ascending; parts of files without any of them are not read.
            columns: names in `staged.parquet`.
        """
        for number, folder in enumerate(self.folders):
            piece = self.piece(number)
            mine = ordinals[np.searchsorted(ordinals, piece.start) :]
            mine = mine[: np.searchsorted(mine, piece.stop)] - piece.start
            if not len(mine):
                continue
            file, first = pq.ParquetFile(folder / STAGED_NAME), 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                inside = mine[(mine >= first) & (mine < first + size)]
                if len(inside):
                    table = file.read_row_group(group, columns=list(columns))
                    if len(inside) < size:
                        table = table.take(pa.array(inside - first))
                    yield inside + piece.start, table.combine_chunks().to_batches()[0]
                first += size

    def _read(self, folder: Path, name: str) -> pa.Table:
        return pq.read_table(folder / STAGED_NAME, columns=[name])

    @staticmethod
    def _map(folder: Path, name: str) -> npt.NDArray[Any]:
        mapped: npt.NDArray[Any] = np.load(
            folder / f"{name}.npy", mmap_mode="r", allow_pickle=False
        )
        return mapped


class ColumnsWriter:
    """Gathers the columns of a piece batch by batch, and writes them at the end."""

    def __init__(self, directory: Path, schema: pa.Schema) -> None:
        self._directory = directory
        self._writer = pq.ParquetWriter(directory / STAGED_NAME, schema, **WRITING)
        self._parts: dict[str, list[npt.NDArray[Any]]] = {}
        self._axes: dict[str, int] = {}

    def add(self, batch: pa.RecordBatch, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Append the rows of a batch; each array has one entry a document along its first axis."""
        self._writer.write_batch(batch)
        for name, values in columns.items():
            assert len(values) == len(batch), name
            self._parts.setdefault(name, []).append(values)

    def add_ragged(self, name: str, rows: npt.NDArray[Any], ends: npt.NDArray[np.int64]) -> None:
        """Append a column with any number of rows a document; `ends` int64 (documents + 1)."""
        self._parts.setdefault(name, []).append(rows)
        lengths = self._parts.setdefault(f"{name}_ends", [np.zeros(1, dtype=np.int64)])
        lengths.append(np.diff(ends))

    def close(self) -> None:
        """Write everything."""
        self._writer.close()
        for name, parts in self._parts.items():
            whole = np.concatenate(parts)
            if name.endswith("_ends"):
                whole = np.cumsum(whole)
            np.save(self._directory / f"{name}.npy", whole, allow_pickle=False)
