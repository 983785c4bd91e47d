"""How records are read: what the reader needs to know besides the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_DOCUMENT_BYTES = 64 << 20
PIECE_BYTES = 16 << 20

# Column of a batch -> the names that its value goes by where nothing else is said.
USUAL_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "text": ("text",),
    "source": ("source",),
    "licence": ("licence", "license"),
    "language": ("language", "lang"),
    "domain": ("domain",),
    "work": ("work",),
    "format": ("format",),
    "parents": ("parents",),
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Options of reading.

    Attributes:
        columns: own name -> the name of a key or column in the data that holds it instead.
        most_document_bytes: longer records are refused without being held in memory.
        strict: the first refused record ends the run.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    most_document_bytes: int = MOST_DOCUMENT_BYTES
    strict: bool = False

    def names(self, column: str) -> tuple[str, ...]:
        """The keys under which a record may hold `column`."""
        return (self.columns[column],) if column in self.columns else USUAL_NAMES[column]
