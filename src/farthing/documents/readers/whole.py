"""Files that are one document each: plain text and HTML pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farthing.documents.readers.html import BAD_CHARSET, decoded
from farthing.documents.readers.options import Reading
from farthing.documents.readers.piece import Span
from farthing.documents.readers.streams import OpenFile
from farthing.documents.refusals import Refuse

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def whole_rows(
    span: Span, reading: Reading, refuse: Refuse
) -> Iterator[tuple[int, dict[str, Any], int]]:
    """(1, row, bytes) of the file, whose id is the file's name.

    A refusal for bytes that are not UTF-8 names the line that they stand in.

    Raises:
        CorpusError: the file cannot be read; or `refuse` raises it.
        MissingExtraError: it is a page, and `farthing[web]` is not installed.
    """
    file = span.file
    if file.size > reading.most_document_bytes:
        refuse(1, "too_long", f"{file.size} bytes", file.size)
        return
    data = _content(span)
    own = {column: reading.names(column)[0] for column in ("id", "text", "format")}
    if file.kind == "html":
        html = decoded(data)
        if html is None:
            refuse(1, "bad_charset", BAD_CHARSET, file.size)
        else:
            yield 1, {own["id"]: file.name, own["text"]: html, own["format"]: "html"}, file.size
        return
    text = data.removeprefix(_BYTE_ORDER_MARK)
    try:
        yield 1, {own["id"]: file.name, own["text"]: text.decode()}, file.size
    except UnicodeDecodeError as error:
        at = error.start + len(data) - len(text)
        line = data.count(b"\n", 0, at) + 1
        refuse(line, "not_utf8", f"byte {at} of the file is 0x{data[at]:02x}", file.size)


def _content(span: Span) -> bytes:
    opened = OpenFile(span.file)
    try:
        blocks = []
        while block := opened.read(max(span.file.size, 1)):
            blocks.append(block)
        return b"".join(blocks)
    finally:
        opened.close()
