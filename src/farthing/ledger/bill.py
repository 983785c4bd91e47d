"""The bill: what the book adds up to, per run, per purpose, per member, and what is not in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.chain import Head
from farthing.artifacts.entries import Genesis, Purpose, read_book
from farthing.artifacts.settings import WorkspaceSettings
from farthing.artifacts.workspace import Workspace
from farthing.ledger.accounts import RunAccount, collect_runs
from farthing.ledger.carried import expense_line
from farthing.ledger.categories import Category, category_of
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.expenses import booked_expenses
from farthing.ledger.figures import Figures, add_figures
from farthing.ledger.holdings import booked_holdings
from farthing.ledger.hourly import by_the_hour
from farthing.ledger.left_out import left_out
from farthing.ledger.lineage import FamilyCost, family_costs
from farthing.ledger.lines import BillLine
from farthing.ledger.notes import book_notes, lost_journal, shared_notes, unread_idle, unshared
from farthing.ledger.phase_lines import PhaseSplit, split_by_phase
from farthing.ledger.rates import Pricing, make_pricing, other_rates
from farthing.ledger.rates_text import missing_rates, rates_notes, several_devices
from farthing.ledger.reading_notes import reading_notes
from farthing.ledger.shared_costs import SharedCost
from farthing.ledger.step_lines import StepEntries, StepSplit, split_by_step, steps_in
from farthing.ledger.tree import CostTree
from farthing.ledger.unknown_energy import unknown_energy

BASELINE = "none: this is a bill, not a comparison"


@dataclass(frozen=True)
class RunLine:
    """One run on the bill; `entries` are those of the book from which it can be reckoned again."""

    run: int
    name: str
    attempt: int
    purpose: Purpose
    status: str
    reason: str | None
    started: str
    machine: str
    figures: Figures
    category: Category
    entries: tuple[EntryRef, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = {k: v for k, v in vars(self).items() if k not in ("figures", "entries")}
        return {
            **plain,
            **self.figures.to_json(),
            "entries": [vars(entry) for entry in self.entries],
        }

    @property
    def line(self) -> BillLine:
        """The same as a line beside those of other bills."""
        return BillLine(
            category=self.category,
            relation="own",
            what=f"{self.purpose} {self.name}",
            run=self.run,
            attempt=self.attempt,
            status=self.status,
            reason=self.reason,
            share=1.0,
            figures=self.figures,
            entries=self.entries,
        )


@dataclass(frozen=True, kw_only=True)
class Bill:
    """All runs of a workspace, their sums, the members' three views, and what is missing.

    Attributes:
        project: the book's name for itself.
        lines: every run, failed, aborted and open ones included.
        expenses: money beside the hours of devices, and idle time.
        purposes: sums of the runs per purpose.
        phases: the runs by what they were doing.
        steps: curations by their steps.
        total: the sum of all lines and expenses.
        families: the members of every plan, three ways.
        basis: on what the figures rest (prices, PUE, grid), in words.
        unknown: figures that nobody has given, with how to give them, and runs whose journal was
            lost.
        notes: what is odd about the book itself.
        left_out: what no figure contains.
        head: count and digest of the book's last entry; store it elsewhere.
        key: fingerprint (SHA-256 of the raw public key) of the key that signed the book, as every
            entry names it.
    """

    project: str
    lines: tuple[RunLine, ...]
    expenses: tuple[BillLine, ...]
    purposes: dict[Purpose, Figures]
    phases: PhaseSplit
    steps: StepSplit
    total: Figures
    families: tuple[FamilyCost, ...]
    basis: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    head: Head
    key: str

    @property
    def all_lines(self) -> tuple[BillLine, ...]:
        """Runs and expenses; they add up to `total`."""
        return (*(line.line for line in self.lines), *self.expenses)

    @property
    def sums(self) -> dict[str, Figures]:
        """What adds up to `total`: the runs by purpose, idle time, expenses."""
        parts: dict[str, list[Figures]] = {name: [each] for name, each in self.purposes.items()}
        for line in self.expenses:
            parts.setdefault(line.category, []).append(line.figures)
        return {name: add_figures(each) for name, each in parts.items()}

    @property
    def lost(self) -> Figures | None:
        """The part of the runs that did not end well, whatever it was for; None without any."""
        lost = [line.figures for line in self.lines if line.category == "failed"]
        return add_figures(lost) if lost else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null is unknown."""
        return {
            "project": self.project,
            "runs": [line.to_json() for line in self.lines],
            "expenses": [line.to_json() for line in self.expenses],
            "purposes": {name: figures.to_json() for name, figures in self.purposes.items()},
            "sums": {name: figures.to_json() for name, figures in self.sums.items()},
            "lost": self.lost.to_json() if self.lost else None,
            "phases": self.phases.to_json(),
            "steps": self.steps.to_json(),
            "total": self.total.to_json(),
            "families": [family.to_json() for family in self.families],
            "basis": list(self.basis),
            "baseline": BASELINE,
            "unknown": list(self.unknown),
            "notes": list(self.notes),
            "left_out": list(self.left_out),
            "book": {"count": self.head.count, "head": self.head.digest, "key": self.key},
        }


@dataclass(frozen=True)
class Accounts:
    """A verified book, added up as far as every bill needs it.

    Attributes:
        project: the book's name for itself.
        tree: its artifacts and runs.
        pricing: the rates of each run.
        steps: what the book says of the steps of each curation.
        expenses: money beside the hours of devices, and idle time.
        unknown: carbon that no series by the hour says any more, in words.
        left_out: what no figure contains.
        notes: what is odd about the book itself.
        head: count and digest of its last entry.
        key: fingerprint of the key that signed it.
    """

    project: str
    tree: CostTree
    pricing: Pricing
    steps: dict[int, tuple[StepEntries, ...]]
    expenses: tuple[SharedCost, ...]
    unknown: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    head: Head
    key: str


def read_accounts(
    workspace: Workspace,
    settings: WorkspaceSettings,
    *,
    book_only: bool = False,
    hours_may_lack: bool = False,
) -> Accounts:
    """Verify the book and read out of it what bills need.

    Args:
        workspace: whose book it is.
        settings: rates that the book lacks.
        book_only: take no rate from `settings`.
        hours_may_lack: whether carbon whose hours a series lacks is unknown, and said, rather than
            an error.

    Raises:
        BookError: there is no book, or it does not verify.
        UnknownHardwareError: `farthing.yaml` names a grid or a site that the catalogue lacks, or
            its carbon by the hour lacks hours in which runs worked.
        ConfigError: that series, or what the user added to the catalogue, is wrong.
    """
    book = read_book(workspace.book_file)
    records = book.records
    runs = collect_runs(workspace, records)
    declared = make_pricing(records, settings, workspace.root, book_only=book_only)
    pricing, unknown = by_the_hour(
        declared, records, runs, workspace.root, hours_may_lack=hours_may_lack
    )
    genesis = records[0].body
    assert isinstance(genesis, Genesis)  # the reader takes the key from it
    tree = CostTree(records, runs)
    expenses = (*booked_expenses(records, runs), *booked_holdings(records, runs))
    odd = (
        *reading_notes(records),
        *other_rates(pricing, len(runs)),
        *several_devices(pricing, len(runs)),
        *tree.oversubscribed(),
    )
    return Accounts(
        project=genesis.project,
        tree=tree,
        pricing=pricing,
        steps=steps_in(records),
        expenses=expenses,
        unknown=unknown,
        left_out=left_out(pricing, runs, settings, workspace.root),
        notes=(*book_notes(workspace, book, runs), *shared_notes(expenses, pricing), *odd),
        head=records[-1].entry.head,
        key=sha256_hex(bytes.fromhex(genesis.public_key)),
    )


def make_bill(
    workspace: Workspace,
    settings: WorkspaceSettings,
    *,
    book_only: bool = False,
    hours_may_lack: bool = False,
) -> Bill:
    """Verify the book and add it up.

    Args:
        workspace: whose book it is.
        settings: rates that the book lacks.
        book_only: take no rate from `settings`: what the book lacks is unknown.
        hours_may_lack: whether carbon whose hours a series lacks is unknown, and said, rather than
            an error.

    Raises:
        BookError: there is no book, or it does not verify.
        UnknownHardwareError: `farthing.yaml` names a grid or a site that the catalogue lacks, or
            its carbon by the hour lacks hours in which runs worked.
        ConfigError: that series, or what the user added to the catalogue, is wrong.
    """
    accounts = read_accounts(
        workspace, settings, book_only=book_only, hours_may_lack=hours_may_lack
    )
    runs, pricing = accounts.tree.runs, accounts.pricing
    lines = tuple(_line(run, pricing) for run in runs)
    expenses = tuple(
        expense_line(each, "own", 1.0, pricing, min(each.seconds, default=0))
        for each in accounts.expenses
    )
    purposes: dict[Purpose, Figures] = {}
    for purpose in dict.fromkeys(line.purpose for line in lines):
        purposes[purpose] = add_figures(line.figures for line in lines if line.purpose == purpose)
    families = family_costs(accounts.tree, pricing, accounts.expenses)
    return Bill(
        project=accounts.project,
        lines=lines,
        expenses=expenses,
        purposes=purposes,
        phases=split_by_phase(runs, pricing),
        steps=split_by_step(accounts.steps, runs, pricing),
        total=add_figures([line.figures for line in lines] + [line.figures for line in expenses]),
        families=families,
        basis=rates_notes(pricing, len(runs)),
        unknown=(*unknown_figures(accounts), *_from_outside(families)),
        notes=(*accounts.notes, *unshared(accounts.expenses)),
        left_out=accounts.left_out,
        head=accounts.head,
        key=accounts.key,
    )


def unknown_figures(accounts: Accounts) -> tuple[str, ...]:
    """Figures that nobody has given, with how to give them, and runs that lost their journal."""
    runs, pricing = accounts.tree.runs, accounts.pricing
    notes = [*missing_rates(pricing, len(runs)), *accounts.unknown]
    notes += unknown_energy(runs, pricing)
    notes += [lost_journal(run) for run in runs if run.evidence == "clock"]
    notes += unread_idle(accounts.expenses)
    return tuple(notes)


def _line(run: RunAccount, pricing: Pricing) -> RunLine:
    start = run.start
    rates = pricing.entry_of(start.run)
    return RunLine(
        run=start.run,
        name=start.name,
        attempt=start.attempt,
        purpose=start.purpose,
        status=run.status,
        reason=run.reason,
        started=run.started,
        machine=f"{start.machine.devices} x {start.machine.device}, {start.machine.name}",
        figures=run.figures(pricing.of(start.run)),
        category=category_of(run),
        entries=tuple(sorted({*run.entries, *((rates,) if rates else ())})),
    )


def _from_outside(families: Sequence[FamilyCost]) -> list[str]:
    return [
        f"{family.name} starts from the supernet {family.outside}, which no run of this book made: "
        "what that one cost is not in this bill (the bill of its own workspace says it)"
        for family in families
        if family.outside is not None
    ]
