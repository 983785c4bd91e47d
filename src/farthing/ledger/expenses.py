"""Money that was spent beside the hours of devices, shared out by the hours of who caused it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from farthing.artifacts.entries import Record
from farthing.artifacts.expense import Expense
from farthing.artifacts.settings import BASES
from farthing.ledger.accounts import RunAccount
from farthing.ledger.categories import Category
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Figures, expense_figures
from farthing.ledger.parts import held_seconds
from farthing.ledger.rates import Pricing
from farthing.ledger.shared_costs import SharedCost
from farthing.ledger.withdrawals import standing
from farthing.quantity import assumed


@dataclass(frozen=True)
class BookedExpense(SharedCost):
    """One expense of the book; `body` is what the entry says."""

    body: Expense

    @property
    def category(self) -> Category:
        """Always that of expenses."""
        return "expense"

    @property
    def what(self) -> str:
        """What the money was spent on."""
        return self.body.what

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
    for record in standing(records):
        body = record.body
        if isinstance(body, Expense):
            causes = [run for run in every if _caused(run, body)]
            seconds = {run.start.run: held_seconds(run) for run in causes}
            found.append(BookedExpense(EntryRef.of(record), seconds, body))
    return tuple(found)


def _caused(run: RunAccount, expense: Expense) -> bool:
    if expense.runs:
        return run.start.run in expense.runs
    return expense.plan is None or run.start.plan == expense.plan
