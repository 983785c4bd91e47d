"""JSON lines: one object a line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import orjson

from farthing.documents.readers.lines import TooLong, bounded_lines
from farthing.documents.readers.options import Reading
from farthing.documents.readers.piece import Span
from farthing.documents.readers.rows import Row
from farthing.documents.readers.streams import opened_at
from farthing.documents.refusals import Refuse

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


# Of lists and objects of one record, and of what stands in them: each takes some hundred bytes.
_MOST_VALUES = 1 << 21
_OPENS_OR_PARTS = (b"{", b"[", b",")


def json_rows(span: Span, reading: Reading, refuse: Refuse) -> Iterator[tuple[int, Row, int]]:
    """(line, object, bytes) of every line of a span that holds one; blank lines are passed over.

    Raises:
        CorpusError: the file is damaged or cannot be read; or `refuse` raises it.
    """
    most = reading.most_document_bytes
    with opened_at(span.file, span.first) as opened:
        for number, line in bounded_lines(opened.read, span.last - span.first, span.record, most):
            if isinstance(line, TooLong):
                refuse(number, "too_long", f"{line.size} bytes", line.size)
                continue
            if number == 1:
                line = line.removeprefix(_BYTE_ORDER_MARK)
            if len(line) > _MOST_VALUES and _is_too_wide(line):
                refuse(number, "too_wide", f"more than {_MOST_VALUES} values", len(line))
                continue
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                if line.strip():
                    refuse(number, *_why(line, error), len(line))
                continue
            if isinstance(row, dict):
                yield number, row, len(line)
            else:
                refuse(number, "not_object", f"{line[:60]!r}", len(line))


def _is_too_wide(line: bytes) -> bool:
    """Whether a line holds more values than are taken apart; what stands in strings is none."""
    if sum(map(line.count, _OPENS_OR_PARTS)) <= _MOST_VALUES:
        return False
    bare = line.replace(b"\\\\", b"").replace(b'\\"', b"")
    codes = np.frombuffer(bare, dtype=np.uint8)
    outside = ~np.bitwise_xor.accumulate(codes == ord('"'))
    return (
        sum(int(np.count_nonzero(outside & (codes == ord(each)))) for each in _OPENS_OR_PARTS)
        > _MOST_VALUES
    )


def _why(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    """Reason and detail for a line that is not JSON."""
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return "not_utf8", f"byte {wrong.start} of the line is 0x{line[wrong.start]:02x}"
    if "surrogate" in error.msg:
        return "lone_surrogate", f"at character {error.pos}"
    return "not_json", f"{error}: {line[:60]!r}"
