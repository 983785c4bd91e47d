"""How a bill names an entry of the book: by its number and by its digest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from farthing.artifacts.entries import Record


@dataclass(frozen=True, order=True)
class EntryRef:
    """One entry: its position from 0 and the SHA-256 of its line."""

    number: int
    digest: str

    @classmethod
    def of(cls, record: Record) -> EntryRef:
        """The name of an entry that was read or written."""
        return cls(record.entry.number, record.entry.digest)


def numbers_text(numbers: Iterable[int]) -> str:
    """Numbers of runs or of entries in few words: `0-4, 7`."""
    parts: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][1] + 1:
            parts[-1] = parts[-1][0], number
        else:
            parts.append((number, number))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
