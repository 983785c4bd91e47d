"""Costs beside the runs, which stand in the total and are shared out by the hours of the runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from farthing.ledger.categories import Category
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Figures
from farthing.ledger.parts import Part
from farthing.ledger.rates import Pricing


@dataclass(frozen=True)
class SharedCost(ABC):
    """A cost of the book that no single run is.

    Attributes:
        entry: which entry names it.
        seconds: wall time of the runs that caused it, by run: it is shared out in proportion.
    """

    entry: EntryRef
    seconds: dict[int, float]

    @property
    @abstractmethod
    def category(self) -> Category:
        """In the words of a bill."""

    @property
    @abstractmethod
    def what(self) -> str:
        """What it is, in words."""

    @abstractmethod
    def figures(self, share: float, pricing: Pricing, run: int) -> Figures:
        """A share of it as a cost vector.

        Args:
            share: from 0 to 1.
            pricing: the rates of every run.
            run: one of those that caused it.
        """

    def entries(self, pricing: Pricing) -> tuple[EntryRef, ...]:  # noqa: ARG002 - see below
        """The entries from which it can be reckoned again; of some, the rates among them."""
        return (self.entry,)

    def share_of(self, part: Part) -> float:
        """The share that a part of a run caused; zero where nobody can say who did."""
        number, whole = part.run.start.run, sum(self.seconds.values())
        if number not in self.seconds or not whole:
            return 0.0
        return part.wall_seconds / whole
