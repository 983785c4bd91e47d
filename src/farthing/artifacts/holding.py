"""An entry about the time for which a machine was paid, whether anything ran on it or not."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from farthing.artifacts.body import Body
from farthing.artifacts.dates import UtcTime


class Holding(Body):
    """A machine was paid for from one moment to another.

    What the runs of the book did not hold of it was idle, and is billed as such.

    Attributes:
        since: the first moment, UTC.
        until: the end, UTC.
        devices: how many were paid for, of the kind that runs on this machine count.
        machine: its id, as the starts of runs name it; None for that of all runs of the book.
        source: where that can be looked up, such as the number of an invoice; None where nobody
            has said.
    """

    kind_name: ClassVar[str] = "held"

    since: UtcTime
    until: UtcTime
    devices: int = Field(ge=1)
    machine: str | None = Field(default=None, min_length=1)
    source: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _lasts(self) -> Holding:
        if self.until <= self.since:
            raise ValueError("until: the end is not after the beginning")
        return self

    @property
    def seconds(self) -> float:
        """How long it was held."""
        return (self.until - self.since).total_seconds()

    def overlaps(self, other: Holding) -> bool:
        """Whether some time of some machine is in both."""
        one_machine = None in (self.machine, other.machine) or self.machine == other.machine
        return one_machine and self.since < other.until and other.since < self.until
