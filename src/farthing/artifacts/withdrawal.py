"""An entry that takes back an earlier one: a book is never edited."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from farthing.artifacts.body import Body


class Withdrawal(Body):
    """What somebody entered by hand was wrong; both entries stay, and bills leave the first out.

    What a run's own meters entered cannot be taken back.

    Attributes:
        entry: digest of the expense, the reading or the holding.
        reason: why, in words.
    """

    kind_name: ClassVar[str] = "withdrawn"

    entry: str = Field(min_length=1)
    reason: str = Field(min_length=1)
