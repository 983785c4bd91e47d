"""Files cut into pieces of work, by the input alone: neither workers nor settings move a cut.

JSON lines are cut at the first line that begins at or behind each multiple of `piece_bytes`,
counted in unpacked bytes; Parquet between row groups; WARC between records; what is one document
is not cut. Small spans of files that follow one another share a piece, so a folder of a million
small files is no million pieces of work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from farthing.documents.readers import parquet, warc
from farthing.documents.readers.files import SourceFile
from farthing.documents.readers.marks import Marks, line_marks
from farthing.documents.readers.options import PIECE_BYTES
from farthing.documents.readers.piece import Piece, Span


def cut(files: Sequence[SourceFile], piece_bytes: int = PIECE_BYTES) -> tuple[Piece, ...]:
    """Cut files into pieces of about `piece_bytes`; every record is in exactly one.

    Reads and unpacks every file of lines or of WARC records once, to find where lines begin (a
    gigabyte in about 2 s); nothing is held.

    Raises:
        CorpusError: a file is damaged, or not of the kind that its name says.
        MissingExtraError: a WARC file, and `farthing[web]` is not installed.
    """
    pieces: list[Piece] = []
    spans: list[Span] = []
    size = 0
    for span in (span for file in files for span in _spans(file, piece_bytes)):
        if spans and size + span.size > piece_bytes:
            pieces.append(Piece(len(pieces), tuple(spans)))
            spans, size = [], 0
        size += span.size
        if spans and spans[-1].file == span.file:
            spans[-1] = _joined(spans[-1], span)
        else:
            spans.append(span)
    if spans:
        pieces.append(Piece(len(pieces), tuple(spans)))
    return tuple(pieces)


def _joined(before: Span, after: Span) -> Span:
    """Two spans of one file that follow one another, as one."""
    size = before.size + after.size
    return replace(after, first=before.first, record=before.record, size=size)


def _spans(file: SourceFile, step: int) -> Iterator[Span]:
    """The parts that a file may be divided into; at least one, so that an empty file is seen."""
    if file.kind == "parquet":
        record = 1
        groups = parquet.row_groups(file)
        for number, (rows, size) in enumerate(groups):
            yield Span(file, number, number + 1, record, size)
            record += rows
        if not groups:
            yield Span(file, 0, 0, 1, 0)
    elif file.kind == "json_lines":
        yield from _between(file, line_marks(file, step))
    elif file.kind == "warc":
        yield from _between(file, warc.record_marks(file, step))
    else:
        yield Span(file, 0, file.size, 1, file.size)
    file.check_unchanged()


def _between(file: SourceFile, marks: Marks) -> Iterator[Span]:
    places = [place for place in marks.places if place[0] < marks.end] or [(0, 1)]
    ends = [*(position for position, _ in places[1:]), marks.end]
    for (first, record), last in zip(places, ends, strict=True):
        is_last = last == marks.end
        cut_short, trailing = marks.truncated and is_last, marks.trailing and is_last
        yield Span(file, first, last, record, last - first, cut_short, trailing)
