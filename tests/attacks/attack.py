"""What an attack is, and where it is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Attack:
    """A way to cheat.

    Attributes:
        level: that catches it first; None if none does.
        words: of the sentence that says so; `docs/threats.md` quotes them.
        make: writes the claim of the cheat into a folder, where it is made by hand.
        shown: whether it is told to the verifier and no fault by itself.
    """

    level: int | None
    words: str
    make: Callable[[Path], Path] | None = None
    shown: bool = False


def listed(*tables: dict[str, Any]) -> dict[str, Any]:
    """All tables as one; an attack that stands in two is an error."""
    found: dict[str, Any] = {}
    for table in tables:
        twice = found.keys() & table.keys()
        assert not twice, twice
        found |= table
    return found
