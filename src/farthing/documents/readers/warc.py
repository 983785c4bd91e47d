"""WARC archives of the web: pages that were answered with 200, as HTML or plain text.

Needs fastwarc (`farthing[web]`), which is loaded when the first archive comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

from farthing.documents.readers.files import SourceFile
from farthing.documents.readers.html import BAD_CHARSET, decoded
from farthing.documents.readers.marks import Marks
from farthing.documents.readers.options import Reading
from farthing.documents.readers.piece import Span
from farthing.documents.readers.streams import BLOCK_BYTES, OpenFile, opened_at
from farthing.documents.refusals import Refuse
from farthing.errors import CorpusError, MissingExtraError

_HTML = ("text/html", "application/xhtml+xml")
_OK = 200


def record_marks(file: SourceFile, step: int) -> Marks:
    """The first record that begins at or behind each multiple of `step` unpacked bytes.

    Raises:
        CorpusError: this is no WARC file, or it is damaged.
        MissingExtraError: `farthing[web]` is not installed.
    """
    marks = Marks()
    number, target, whole = 0, step, True
    with opened_at(file, 0) as opened:
        for number, record in enumerate(_records(opened, None, parse_http=False), start=1):
            if record.stream_pos >= target:
                marks.places.append((record.stream_pos, number))
                target = record.stream_pos - record.stream_pos % step + step
            marks.end = record.stream_pos
            whole = record.reader.consume() == record.content_length
        while opened.read(BLOCK_BYTES):
            pass
        marks.truncated, marks.trailing = opened.truncated or not whole, opened.trailing
        if not marks.truncated:
            marks.end = opened.position
    return marks


def warc_rows(
    span: Span, reading: Reading, refuse: Refuse
) -> Iterator[tuple[int, dict[str, Any], int]]:
    """(record, row, bytes) of the pages of a span; records of every type count, from 1 in the file.

    Requests, pictures and the like are no documents: `refuse` counts answers other than 200 and
    other types than text under reasons of their own.

    Raises:
        CorpusError: the file is damaged; or `refuse` raises it.
        MissingExtraError: `farthing[web]` is not installed.
    """
    own = {column: reading.names(column)[0] for column in ("id", "text", "source", "format")}
    most = reading.most_document_bytes
    with opened_at(span.file, span.first) as opened:
        records = _records(opened, span.last, parse_http=True)
        for number, record in enumerate(records, start=span.record):
            form = _form(record)
            if form is None:
                continue
            if form not in ("html", "text"):
                reason, _, detail = form.partition(":")
                refuse(number, reason, detail, record.content_length)
            elif record.content_length > most:
                size = record.content_length
                refuse(number, "too_long", f"{size} bytes", size)
            elif len(data := record.reader.read(most + 1)) > most:
                # Packed by the server: it unpacks to more than the record's length.
                refuse(number, "too_long", f"more than {most} bytes", len(data))
            elif (text := decoded(data, record.http_charset)) is None:
                refuse(number, "bad_charset", BAD_CHARSET, len(data))
            else:
                address = record.headers.get("WARC-Target-URI") or ""
                values = (record.record_id, text, address, form)
                yield number, dict(zip(own.values(), values, strict=True)), len(data)


def _form(record: Any) -> str | None:  # noqa: ANN401 - of an untyped library
    """What a record holds: html, text, why neither as REASON:DETAIL; None if it is no answer."""
    kinds = _fastwarc().WarcRecordType
    if record.record_type not in (kinds.response, kinds.resource, kinds.conversion):
        return None
    if record.is_http_parsed:
        status = record.http_headers.status_code
        if status != _OK:
            return f"http_status:{status}"
        kind = record.http_content_type or ""
    else:
        kind = record.headers.get("Content-Type") or ""
    kind = kind.partition(";")[0].strip().lower()
    if kind in _HTML:
        return "html"
    return "text" if kind == "text/plain" else f"not_html:{kind or 'no type is stated'}"


def _records(opened: OpenFile, last: int | None, *, parse_http: bool) -> Iterator[Any]:
    """Records from where the file is open up to `last`, or to its end."""
    window = _Window(opened, last)
    try:
        yield from _fastwarc().ArchiveIterator(
            window, parse_http=parse_http, auto_decode="all", stream_detect=False
        )
    except (OSError, ValueError) as error:
        if window.failed is None:
            raise CorpusError(
                f"{opened.file.path} is not a WARC file before byte {opened.position} of what it "
                f"unpacks to ({error})",
                remedy="the file is damaged or of another kind; fetch it again",
            ) from error
    if window.failed is not None:
        raise window.failed


class _Window:
    """The part of an open file up to a place, as the library wants it.

    The library may stop the program at an error of a stream: it is kept here, and raised later.
    """

    def __init__(self, opened: OpenFile, last: int | None) -> None:
        self._opened, self._last, self._first = opened, last, opened.position
        self.failed: CorpusError | None = None

    def read(self, size: int) -> bytes:
        left = size if self._last is None else min(size, self._last - self._opened.position)
        if left <= 0 or self.failed is not None:
            return b""
        try:
            return self._opened.read(left)
        except CorpusError as error:
            self.failed = error
            return b""

    def tell(self) -> int:
        return self._opened.position - self._first

    def close(self) -> None:
        """Nothing: the file stays open for the next span."""


@cache
def _fastwarc() -> SimpleNamespace:
    try:
        from fastwarc.warc import ArchiveIterator, WarcRecordType
    except ImportError as error:
        raise MissingExtraError("reading WARC archives", extra="web") from error
    return SimpleNamespace(ArchiveIterator=ArchiveIterator, WarcRecordType=WarcRecordType)
