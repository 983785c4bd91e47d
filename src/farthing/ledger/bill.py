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
from farthing.ledger.clocks import clock_notes
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.expenses import BookedExpense, booked_expenses
from farthing.ledger.figures import Figures, add_figures
from farthing.ledger.lineage import FamilyCost, family_costs
from farthing.ledger.lines import BillLine
from farthing.ledger.phase_lines import PhaseSplit, split_by_phase
from farthing.ledger.rates import Pricing, make_pricing, other_rates
from farthing.ledger.rates_text import missing_rates, rates_notes
from farthing.ledger.tree import CostTree

BASELINE = "none: this is a bill, not a comparison"

_ALWAYS_LEFT_OUT = (
    "staff time",
    "installation and downloads",
    "interactive generation and serving",
    "idle time between commands, and what a command does after its last run has ended",
    "network and storage, but for what an expense of the book names",
    "memory, disks, fans and power supplies beyond what the energy method covers",
    "embodied carbon of the hardware, and water",
    "prior research, and other work outside this workspace: the book covers logged work only",
)


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
        expenses: money beside the hours of devices.
        purposes: sums of the runs per purpose.
        phases: the runs by what they were doing.
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

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null is unknown."""
        return {
            "project": self.project,
            "runs": [line.to_json() for line in self.lines],
            "expenses": [line.to_json() for line in self.expenses],
            "purposes": {name: figures.to_json() for name, figures in self.purposes.items()},
            "phases": self.phases.to_json(),
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
        expenses: money beside the hours of devices.
        notes: what is odd about the book itself.
        head: count and digest of its last entry.
        key: fingerprint of the key that signed it.
    """

    project: str
    tree: CostTree
    pricing: Pricing
    expenses: tuple[BookedExpense, ...]
    notes: tuple[str, ...]
    head: Head
    key: str


def read_accounts(
    workspace: Workspace, settings: WorkspaceSettings, *, book_only: bool = False
) -> Accounts:
    """Verify the book and read out of it what bills need.

    Args:
        workspace: whose book it is.
        settings: rates that the book lacks.
        book_only: take no rate from `settings`.

    Raises:
        BookError: there is no book, or it does not verify.
        UnknownHardwareError: `farthing.yaml` names a grid that the catalogue lacks.
    """
    book = read_book(workspace.book_file)
    records = book.records
    pricing = make_pricing(records, settings, book_only=book_only)
    runs = collect_runs(workspace, records)
    genesis = records[0].body
    assert isinstance(genesis, Genesis)  # the reader takes the key from it
    tree = CostTree(records, runs)
    odd = (*other_rates(pricing, len(runs)), *tree.oversubscribed(), *clock_notes(records))
    return Accounts(
        project=genesis.project,
        tree=tree,
        pricing=pricing,
        expenses=booked_expenses(records, runs),
        notes=(*_notes(book.torn_bytes, runs), *odd),
        head=records[-1].entry.head,
        key=sha256_hex(bytes.fromhex(genesis.public_key)),
    )


def make_bill(
    workspace: Workspace, settings: WorkspaceSettings, *, book_only: bool = False
) -> Bill:
    """Verify the book and add it up.

    Args:
        workspace: whose book it is.
        settings: rates that the book lacks.
        book_only: take no rate from `settings`: what the book lacks is unknown.

    Raises:
        BookError: there is no book, or it does not verify.
        UnknownHardwareError: `farthing.yaml` names a grid that the catalogue lacks.
    """
    accounts = read_accounts(workspace, settings, book_only=book_only)
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
        total=add_figures([line.figures for line in lines] + [line.figures for line in expenses]),
        families=families,
        basis=rates_notes(pricing, len(runs)),
        unknown=(*unknown_figures(accounts), *_from_outside(families)),
        notes=(*accounts.notes, *_unshared(accounts)),
        left_out=left_out(pricing, len(runs)),
        head=accounts.head,
        key=accounts.key,
    )


def left_out(pricing: Pricing, runs: int) -> tuple[str, ...]:
    """What no figure of a bill of this book contains."""
    if all(rates.pue is not None for _, rates, _ in pricing.spans(runs)):
        return _ALWAYS_LEFT_OUT
    said = "cooling and power distribution: this is IT energy only, PUE is not set"
    return (*_ALWAYS_LEFT_OUT, said)


def unknown_figures(accounts: Accounts) -> tuple[str, ...]:
    """Figures that nobody has given, with how to give them, and runs that lost their journal."""
    runs, pricing = accounts.tree.runs, accounts.pricing
    notes = list(missing_rates(pricing, len(runs)))
    blind = {
        run.start.machine.name
        for run in runs
        if (figures := run.figures(pricing.of(run.start.run))).kwh is None
        and figures.wall_hours is not None
    }
    if blind:
        notes.append(
            f"energy on {', '.join(sorted(blind))}: the catalogue has no watts for it (add "
            "hardware: {name, watts_per_device, source} to farthing.yaml; watts_per_device is the "
            "processor's TDP divided by its hardware threads)"
        )
    notes += [_lost_journal(run) for run in runs if run.evidence == "clock"]
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


def _unshared(accounts: Accounts) -> list[str]:
    """Expenses that stand in the total and on no artifact's bill."""
    return [
        f"the expense {each.body.what!r} names a cause that held nothing: it is in the total, and "
        "on the bill of no artifact"
        for each in accounts.expenses
        if not sum(each.seconds.values())
    ]


def _from_outside(families: Sequence[FamilyCost]) -> list[str]:
    return [
        f"{family.name} starts from the supernet {family.outside}, which no run of this book made: "
        "what that one cost is not in this bill (the bill of its own workspace says it)"
        for family in families
        if family.outside is not None
    ]


def _lost_journal(run: RunAccount) -> str:
    least = f"run {run.start.run}: {run.reason}. It held the machine for at least "
    least += f"{run.work.wall_seconds:.0f} s"
    if run.most_seconds is None:
        how = "since the clock was set back" if run.status != "open" else "until a run closes it"
        return f"{least}; how much more, nobody knows {how}"
    return (
        f"{least} and, from its start to the entry that closed it, for {run.most_seconds:.0f} s at "
        "most, which is what is billed; how many tokens and FLOPs it did is unknown"
    )


def _notes(torn_bytes: int, runs: Sequence[RunAccount]) -> tuple[str, ...]:
    notes = []
    if torn_bytes:
        notes.append(
            f"the last {torn_bytes} bytes of the book are no whole entry: a write was cut off, or "
            "somebody is writing just now"
        )
    for run in runs:
        if run.raised:
            notes.append(
                f"run {run.start.run}: its journal lost its end; billed is at least what its "
                f"{len(run.members)} evaluation and extraction entries add up to "
                f"({run.work.wall_seconds:.3f} s held)"
            )
    return tuple(notes)
