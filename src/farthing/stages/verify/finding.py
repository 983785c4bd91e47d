"""The outcome of one check: what every level of verification hands back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was checked.
        ok: whether it held.
        where: the file and, in a chain, the line.
        detail: what was found.
        level: of a claim's verification, 0 to 4; 0 in a workspace.
    """

    check: str
    ok: bool
    where: str
    detail: str
    level: int = 0
