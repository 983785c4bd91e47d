"""Rows of any format to record batches: every field checked, bad rows refused with a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from farthing.documents.batch import SCHEMA, UNDETERMINED, UNSTATED
from farthing.documents.readers.files import SourceFile
from farthing.documents.readers.html import TOO_DEEP, page_of
from farthing.documents.readers.options import USUAL_NAMES, Reading
from farthing.documents.refusals import Refusals

BATCH_BYTES = 2 << 20
BATCH_ROWS = 8192

_MOST_ID_BYTES = 512
# A domain names a folder of the corpus and a column of every table.
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TEXT = SCHEMA.names.index("text")

Row = Mapping[str, Any]


class BatchBuilder:
    """Collects rows into batches of `SCHEMA`, of at most `BATCH_BYTES` of text or one document."""

    _file: SourceFile

    def __init__(self, reading: Reading, refusals: Refusals) -> None:
        self._reading = reading
        self._refusals = refusals
        self._names = {column: reading.names(column) for column in USUAL_NAMES}
        self._needs_id = "id" in reading.columns
        self._domains = {UNDETERMINED}  # that were found to be well-formed
        self._kept = 0
        self._size = 0
        self._rows: list[tuple[Any, ...]] = []

    def begin(self, file: SourceFile) -> None:
        """The rows that follow stand in `file`."""
        self._file = file
        self._kept = 0

    def end(self) -> int:
        """Number of rows that were kept since `begin`."""
        return self._kept

    def refuse(self, record: int, reason: str, detail: str = "", size: int = 0) -> None:
        """Count a record of the current file, of `size` bytes, that cannot be read.

        Raises:
            CorpusError: if reading is strict.
        """
        self._refusals.add(reason, self._file, record, detail, size)

    def add(self, record: int, row: Row, raw_bytes: int) -> pa.RecordBatch | None:
        """Take a row; returns the batch that was complete before it, if this one did not fit.

        Args:
            record: its place in the file.
            row: its fields.
            raw_bytes: of it in the file, unpacked.

        Raises:
            CorpusError: the row is refused, and reading is strict.
            MissingExtraError: the row holds HTML, and `farthing[web]` is not installed.
        """
        try:
            values = self._checked(record, row)
        except _Refused as refused:
            self.refuse(record, refused.reason, refused.detail, raw_bytes)
            return None
        size = len(values[_TEXT])
        if size > self._reading.most_document_bytes:
            self.refuse(record, "too_long", f"{size} bytes", raw_bytes)
            return None
        fits = self._size + size <= BATCH_BYTES and len(self._rows) < BATCH_ROWS
        full = None if fits else self.take()
        self._kept += 1
        self._size += size
        self._rows.append(values)
        return full

    def take(self) -> pa.RecordBatch | None:
        """The rows since the last batch; None if there are none."""
        if not self._rows:
            return None
        columns = [
            _text_array(values) if field.name == "text" else pa.array(values, field.type)
            for field, values in zip(SCHEMA, zip(*self._rows, strict=True), strict=True)
        ]
        self._rows, self._size = [], 0
        return pa.record_batch(columns, schema=SCHEMA)

    def _checked(self, record: int, row: Row) -> tuple[Any, ...]:
        """The values of a row in the order of `SCHEMA`, its text as UTF-8.

        Raises:
            _Refused: one of them is not what it has to be.
        """
        text = self._text(row)
        form = self._string(row, "format", "text")
        language = self._string(row, "language", "")
        licence = self._licence(row)
        if form == "html":
            page = page_of(text)
            if page is None:
                raise _Refused("too_deep", TOO_DEEP)
            text, language = page.text, language or page.language
            licence = licence or page.licence
        if not text or text.isspace():
            raise _Refused("empty_text")
        identifier = self._identifier(row, record)
        language = language or UNDETERMINED
        return (
            identifier,
            _encoded(text),
            self._string(row, "source", UNSTATED),
            licence or UNSTATED,
            language,
            self._domain(row, language),
            self._string(row, "work", identifier),
            form,
            self._parents(row),
            self._file.number,
            record,
        )

    def _string(self, row: Row, column: str, default: str) -> str:
        for name in self._names[column]:
            if value := row.get(name):
                if value.__class__ is str:
                    return value
                raise _Refused(f"bad_{column}", f"{value!r:.80} is not a string")
        return default

    def _text(self, row: Row) -> str:
        for name in self._names["text"]:
            value = row.get(name)
            if isinstance(value, str):
                return value
            if isinstance(value, bytes):
                return _decoded(value)
            if value is not None:
                raise _Refused("not_text", f"{name!r} is {value!r:.80}")
        raise _Refused("no_text", f"there are: {', '.join(map(str, row))}")

    def _identifier(self, row: Row, record: int) -> str:
        value = row.get(self._names["id"][0])
        if value is None:
            if self._needs_id:
                raise _Refused("no_id", f"there are: {', '.join(map(str, row))}")
            return f"{self._file.name}:{record}"
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not 0 < len(value.encode()) <= _MOST_ID_BYTES:
            raise _Refused("bad_id", f"{value!r:.80} is not a short string")
        return value

    def _domain(self, row: Row, language: str) -> str:
        """As stated, else the language; a language whose tag cannot name a folder names none."""
        stated = self._string(row, "domain", "")
        domain = stated or language
        if domain in self._domains:
            return domain
        if _DOMAIN.fullmatch(domain):
            self._domains.add(domain)
            return domain
        if stated:
            raise _Refused("bad_domain", repr(stated[:80]))
        return UNDETERMINED

    def _licence(self, row: Row) -> str:
        """As stated; several, as some corpora list them, in one string."""
        for name in self._names["licence"]:
            if value := row.get(name):
                if isinstance(value, str):
                    return value
                if isinstance(value, list) and all(isinstance(one, str) for one in value):
                    return "; ".join(value)
                raise _Refused("bad_licence", f"{value!r:.80} is not a string")
        return ""

    def _parents(self, row: Row) -> Sequence[str]:
        value = row.get(self._names["parents"][0])
        if value is None:
            return ()
        parents = [value] if isinstance(value, str) else value
        if not isinstance(parents, list) or not all(isinstance(one, str) for one in parents):
            raise _Refused("bad_parents", f"{value!r:.80} is not a list of strings")
        return parents


class _Refused(Exception):  # noqa: N818 - an answer, not an error
    """Why a row is no document."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def _text_array(texts: Sequence[bytes]) -> pa.LargeStringArray:
    """Texts that are UTF-8 already."""
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    data = pa.py_buffer(b"".join(texts))
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(offsets), data)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _Refused("lone_surrogate", f"at character {error.start}") from error


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} is 0x{data[error.start]:02x}"
        raise _Refused("not_utf8", detail) from error
