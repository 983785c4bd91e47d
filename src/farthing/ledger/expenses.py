"""Money that was spent beside the hours of devices, shared out by the hours of who caused it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from farthing.artifacts.entries import Record
from farthing.artifacts.expense import Expense
from farthing.artifacts.settings import BASES
from farthing.ledger.accounts import RunAccount
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Figures, expense_figures
from farthing.ledger.parts import Part, held_seconds
from farthing.ledger.rates import Pricing
from farthing.quantity import assumed


@dataclass(frozen=True)
class BookedExpense:
    """One expense of the book.

    Attributes:
        body: what the entry says.
        entry: which one it is.
        seconds: wall time of the runs that caused it, by run: it is shared out in proportion.
    """

    body: Expense
    entry: EntryRef
    seconds: dict[int, float]

    def share_of(self, part: Part) -> float:
        """The share that a part of a run caused; zero where nobody can say who did."""
        number, whole = part.run.start.run, sum(self.seconds.values())
        if number not in self.seconds or not whole:
            return 0.0
        return part.wall_seconds / whole

    def figures(self, share: float, pricing: Pricing, run: int = 0) -> Figures:
        """A share of it as a cost vector that has money alone."""
        body = self.body
        source = f"expense: {body.what}, {body.source}, {body.date}"
        usd = {
            basis: assumed(body.usd * share if body.basis in (None, basis) else 0.0, "USD", source)
            for basis in BASES
        }
        return expense_figures(dict(usd), pricing.of(run))


def booked_expenses(
    records: Iterable[Record], runs: Iterable[RunAccount]
) -> tuple[BookedExpense, ...]:
    """The expenses of a book with the runs that caused each.

    An expense that names neither runs nor a plan was caused by all.
    """
    every = list(runs)
    found = []
    for record in records:
        body = record.body
        if isinstance(body, Expense):
            causes = [run for run in every if _caused(run, body)]
            seconds = {run.start.run: held_seconds(run) for run in causes}
            found.append(BookedExpense(body, EntryRef.of(record), seconds))
    return tuple(found)


def _caused(run: RunAccount, expense: Expense) -> bool:
    if expense.runs:
        return run.start.run in expense.runs
    return expense.plan is None or run.start.plan == expense.plan
