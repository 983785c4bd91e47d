"""JSON lines: one object a line."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from farthing.documents.readers.lines import TooLong, bounded_lines
from farthing.documents.readers.options import Reading
from farthing.documents.readers.piece import Span
from farthing.documents.readers.rows import Row
from farthing.documents.readers.streams import opened_at
from farthing.documents.refusals import Refuse

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def json_rows(span: Span, reading: Reading, refuse: Refuse) -> Iterator[tuple[int, Row]]:
    """(line, object) of every line of a span that holds one; blank lines are passed over.

    Raises:
        CorpusError: the file is damaged or cannot be read; or `refuse` raises it.
    """
    most = reading.most_document_bytes
    with opened_at(span.file, span.first) as opened:
        for number, line in bounded_lines(opened.read, span.last - span.first, span.record, most):
            if isinstance(line, TooLong):
                refuse(number, "too_long", f"{line.size} bytes")
                continue
            if number == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if line.strip():
                    refuse(number, *_why(line, error))
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                refuse(number, "not_object", f"{line[:60]!r}")


def _why(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    """Reason and detail for a line that is not JSON."""
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return "not_utf8", f"byte {wrong.start} of the line is 0x{line[wrong.start]:02x}"
    if "surrogate" in error.msg:
        return "lone_surrogate", f"at character {error.pos}"
    return "not_json", f"{error}: {line[:60]!r}"
