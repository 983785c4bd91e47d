"""What is printed of questions other than one run: lines, and the same as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        lines: in 80 columns.
        values: the same as plain JSON values.
        ledger: memory and time of a rank, line by line.
        explained: where each figure comes from: name, kind, source.
    """

    lines: tuple[str, ...]
    values: dict[str, Any]
    ledger: tuple[str, ...] = ()
    explained: tuple[tuple[str, str, str], ...] = ()
