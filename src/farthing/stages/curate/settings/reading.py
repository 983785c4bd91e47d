"""Settings of reading: names of columns, limits, and how much may be wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farthing.artifacts.config import Config
from farthing.documents.readers.options import MOST_DOCUMENT_BYTES, PIECE_BYTES, Reading

Column = Literal[
    "id", "text", "source", "licence", "language", "domain", "work", "format", "parents"
]


class ReadingConfig(Config):
    """How files become documents, and which of them may be refused."""

    columns: dict[Column, str] = Field(
        default_factory=dict,
        description="own name: name in the data, such as text: content, where the data call it "
        "otherwise. Without an id of their own, documents are called FILE:RECORD",
    )
    most_document_bytes: int = Field(
        default=MOST_DOCUMENT_BYTES,
        ge=1024,
        description="a longer line, page or text is refused (too_long), and never held in memory",
    )
    most_refused: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="a larger share of malformed records in one file ends the run: it has another "
        "schema than expected",
    )
    strict: bool = Field(
        default=False,
        description="true: the first record that is refused ends the run, with its file and line",
    )
    piece_bytes: int = Field(
        default=PIECE_BYTES,
        ge=1 << 16,
        description="size of a unit of work, unpacked: what a worker that is killed has to do "
        "again; it changes no result",
    )

    def reading(self) -> Reading:
        """What the readers need to know of this."""
        return Reading(
            columns={str(own): name for own, name in self.columns.items()},
            most_document_bytes=self.most_document_bytes,
            strict=self.strict,
        )
