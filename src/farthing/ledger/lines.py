"""The lines of a bill: what, its cost, how sure each figure is, and the entries behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from farthing.ledger.categories import Category
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Figures, add_figures
from farthing.quantity import Provenance, Quantity

Relation = Literal["own", "parent", "inherited"]
View = Literal["marginal", "amortised", "fully_loaded"]

RELATIONS: dict[Relation, str] = {
    "own": "own work",
    "parent": "work that it shares with its family",
    "inherited": "work of earlier models that the family builds on",
}
VIEWS: dict[View, str] = {
    "marginal": "marginal: its own work, parent excluded",
    "amortised": "amortised: its own work and the signed share of its parents'",
    "fully_loaded": "fully loaded: its own work and all of its parents'",
}


@dataclass(frozen=True, kw_only=True)
class BillLine:
    """One line.

    Attributes:
        category: what the work was for.
        relation: to the artifact that is billed; `own` on the bill of a whole workspace.
        what: it was, in words.
        run: its number; None for an expense.
        attempt: at the same thing, from 1; None for an expense.
        status: how the run ended; None for an expense.
        reason: why it did not end well, or None.
        share: the part of the cost that this line carries, from 0 to 1.
        figures: the cost, the share applied.
        entries: of the book, from which the line can be reckoned again: the run's start and end,
            the members' parts, readings, the rates, and the plan that signed the share.
        shape: the member's, where the line is the part of a run that it caused.
    """

    category: Category
    relation: Relation
    what: str
    run: int | None
    attempt: int | None
    status: str | None
    reason: str | None
    share: float
    figures: Figures
    entries: tuple[EntryRef, ...]
    shape: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = {k: v for k, v in vars(self).items() if k not in ("figures", "entries")}
        return {
            **plain,
            **self.figures.to_json(),
            "entries": [vars(entry) for entry in self.entries],
        }


def kind_of(value: Quantity | None) -> str:
    """How a figure came to be: `measured`, `estimated`, `assumed` or `unknown`."""
    return "unknown" if value is None else str(value.provenance)


def kinds_of(figures: Figures) -> dict[str, str]:
    """The kinds of hours, energy, money, carbon and water, in the words of a bill.

    The kind of the money is that of all bases that have a price; they rest on the same hours.
    Embodied carbon and water have one where they are known.
    """
    priced = [value for value in figures.usd.values() if value is not None]
    money = max((value.provenance for value in priced), default=None)
    return {
        "hours": kind_of(figures.wall_hours),
        "kWh": kind_of(figures.kwh),
        "USD": "unknown" if money is None else str(Provenance(money)),
        "kg CO2e": kind_of(figures.kg_co2e),
        **({"embodied": kind_of(figures.kg_embodied)} if figures.kg_embodied else {}),
        **({"water": kind_of(figures.litres)} if figures.litres else {}),
    }


def sums_by_category(lines: Sequence[BillLine]) -> dict[tuple[Relation, Category], Figures]:
    """The sum of the lines of each relation and category, in the order in which they come."""
    keys = dict.fromkeys((line.relation, line.category) for line in lines)
    return {
        key: add_figures(line.figures for line in lines if (line.relation, line.category) == key)
        for key in keys
    }


def entries_of(lines: Iterable[BillLine]) -> tuple[EntryRef, ...]:
    """The entries that some lines rest on, each once, in the order of the book."""
    return tuple(sorted({entry for line in lines for entry in line.entries}))
