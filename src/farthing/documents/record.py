"""One raw document with its provenance, where single documents are handled: tests, samples, tools.

Curation itself works on whole record batches (`documents.batch`), a column at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Document:
    """One text with its provenance: one row of a batch.

    Attributes:
        id: unique in a corpus; NAME:RECORD of its file where the data give none.
        text: never blank; always encodable as UTF-8.
        source: where it came from, or "unstated".
        licence: SPDX-like name, or "unstated".
        language: BCP 47 tag, or "und".
        domain: what it is mixed and scored as; the language unless the data say otherwise.
        work: the cluster that stays on one side of the train/dev/test split: chapters, versions
            and translations of one work share it; the id unless the data say otherwise.
        format: "text" or "html", as it was read; the text of "html" is what was extracted.
        parents: digests or ids of what it was made from.
        file: number of the file it was read from.
        record: its line or row in that file, from 1.
    """

    id: str
    text: str
    source: str
    licence: str
    language: str
    domain: str
    work: str
    format: str = "text"
    parents: tuple[str, ...] = ()
    file: int = 0
    record: int = 1

    @property
    def size(self) -> int:
        """Bytes of the text in UTF-8."""
        return len(self.text.encode())


def documents_of(batch: pa.RecordBatch) -> Iterator[Document]:
    """The rows of a batch, one by one: a slow way, for few of them."""
    for row in batch.to_pylist():
        yield Document(**{**row, "parents": tuple(row["parents"])})
