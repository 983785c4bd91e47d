"""A unit of work: which records of which files it covers."""

from __future__ import annotations

from dataclasses import dataclass

from farthing.documents.readers.files import SourceFile


@dataclass(frozen=True)
class Span:
    """Consecutive records of one file.

    Attributes:
        file: that they stand in.
        first: where the span begins, and
        last: where it ends (exclusive): unpacked bytes; row groups of a Parquet file.
        record: line, row or WARC record that it begins with, from 1.
        size: unpacked bytes.
        truncated: the file was cut short behind this span.
        trailing: behind the packed bytes of the file stands something else.
    """

    file: SourceFile
    first: int
    last: int
    record: int
    size: int
    truncated: bool = False
    trailing: bool = False


@dataclass(frozen=True)
class Piece:
    """One unit of work: some hundred or thousand records.

    Attributes:
        number: its place among the pieces of the run, from 0.
        spans: what is read, in order; never empty.
    """

    number: int
    spans: tuple[Span, ...]

    @property
    def size(self) -> int:
        """Unpacked bytes."""
        return sum(span.size for span in self.spans)

    @property
    def identity(self) -> list[list[str | int]]:
        """What decides the result of reading it: names, digests and places, no paths."""
        return [[s.file.number, *s.file.identity, s.first, s.last] for s in self.spans]
