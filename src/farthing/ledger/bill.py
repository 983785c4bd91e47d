"""The bill: what the book adds up to, per run, per purpose, per member, and what is not in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.chain import Head
from farthing.artifacts.entries import Genesis, Purpose, read_book
from farthing.artifacts.settings import BASES, WorkspaceSettings
from farthing.artifacts.workspace import Workspace
from farthing.ledger.accounts import RunAccount, collect_runs
from farthing.ledger.figures import Figures, Rates, add_figures, make_rates
from farthing.ledger.lineage import FamilyCost, family_costs

BASELINE = "none: this is a bill, not a comparison"

_ALWAYS_LEFT_OUT = (
    "staff time",
    "installation and downloads",
    "interactive generation and serving",
    "idle time between commands, and what a command does after its last run has ended",
    "network and storage",
    "memory, disks, fans and power supplies beyond what the energy method covers",
    "embodied carbon of the hardware, and water",
    "work outside this workspace: the book covers logged work only",
)


@dataclass(frozen=True)
class RunLine:
    """One run on the bill."""

    run: int
    name: str
    attempt: int
    purpose: Purpose
    status: str
    reason: str | None
    started: str
    machine: str
    figures: Figures

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**{k: v for k, v in vars(self).items() if k != "figures"}, **self.figures.to_json()}


@dataclass(frozen=True, kw_only=True)
class Bill:
    """All runs of a workspace, their sums, the members' three views, and what is missing.

    Attributes:
        project: the book's name for itself.
        lines: every run, failed, aborted and open ones included.
        purposes: sums per purpose.
        total: the sum of all lines.
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
    purposes: dict[Purpose, Figures]
    total: Figures
    families: tuple[FamilyCost, ...]
    basis: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    head: Head
    key: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null is unknown."""
        return {
            "project": self.project,
            "runs": [line.to_json() for line in self.lines],
            "purposes": {name: figures.to_json() for name, figures in self.purposes.items()},
            "total": self.total.to_json(),
            "families": [family.to_json() for family in self.families],
            "basis": list(self.basis),
            "baseline": BASELINE,
            "unknown": list(self.unknown),
            "notes": list(self.notes),
            "left_out": list(self.left_out),
            "book": {"count": self.head.count, "head": self.head.digest, "key": self.key},
        }


def make_bill(workspace: Workspace, settings: WorkspaceSettings) -> Bill:
    """Verify the book and add it up.

    Raises:
        BookError: there is no book, or it does not verify.
        UnknownHardwareError: `farthing.yaml` names a grid that the catalogue lacks.
    """
    book = read_book(workspace.book_file)
    records = book.records
    rates = make_rates(settings)
    runs = collect_runs(workspace, records)
    lines = tuple(_line(run, rates) for run in runs)
    purposes: dict[Purpose, Figures] = {}
    for purpose in dict.fromkeys(line.purpose for line in lines):
        purposes[purpose] = add_figures(line.figures for line in lines if line.purpose == purpose)
    genesis = records[0].body
    assert isinstance(genesis, Genesis)  # the reader takes the key from it
    families = family_costs(records, runs, rates)
    left_out = list(_ALWAYS_LEFT_OUT)
    if rates.pue is None:
        left_out.append("cooling and power distribution: this is IT energy only, PUE is not set")
    return Bill(
        project=genesis.project,
        lines=lines,
        purposes=purposes,
        total=add_figures(line.figures for line in lines),
        families=families,
        basis=_basis(rates),
        unknown=(*_unknown(rates, runs, lines), *_from_outside(families)),
        notes=_notes(book.torn_bytes, runs),
        left_out=tuple(left_out),
        head=records[-1].entry.head,
        key=sha256_hex(bytes.fromhex(genesis.public_key)),
    )


def _line(run: RunAccount, rates: Rates) -> RunLine:
    start = run.start
    return RunLine(
        run=start.run,
        name=start.name,
        attempt=start.attempt,
        purpose=start.purpose,
        status=run.status,
        reason=run.reason,
        started=run.started,
        machine=f"{start.machine.devices} x {start.machine.device}, {start.machine.name}",
        figures=run.figures(rates),
    )


def _basis(rates: Rates) -> tuple[str, ...]:
    notes = ["time is wall time held, start-up, idle and failed work included"]
    for basis, price in rates.usd_per_device_hour.items():
        if price is not None:
            notes.append(f"{basis}: {price.value:g} USD per device-hour ({price.source})")
    if rates.pue is None:
        notes.append("energy: IT energy only, PUE not set")
    else:
        notes.append(f"energy: IT energy x PUE {rates.pue.value:g} ({rates.pue.source})")
    if rates.grams_per_kwh is not None:
        grams = rates.grams_per_kwh
        notes.append(f"carbon: operational, {grams.value:g} g/kWh ({grams.source})")
    return tuple(notes)


def _unknown(rates: Rates, runs: Sequence[RunAccount], lines: Sequence[RunLine]) -> tuple[str, ...]:
    notes = []
    missing = [basis for basis in BASES if rates.usd_per_device_hour[basis] is None]
    if missing:
        notes.append(f"USD ({', '.join(missing)}): unknown (set prices in farthing.yaml)")
    if rates.grams_per_kwh is None:
        low, high = rates.grams_range
        notes.append(
            "kg CO2e: the grid is not set (set grid in farthing.yaml); the range shown runs from "
            f"the catalogue's cleanest grid ({low.value:g} g/kWh) to its dirtiest "
            f"({high.value:g} g/kWh)"
        )
    blind = {
        run.start.machine.name
        for run, line in zip(runs, lines, strict=True)
        if line.figures.kwh is None and line.figures.wall_hours is not None
    }
    if blind:
        notes.append(
            f"energy on {', '.join(sorted(blind))}: the catalogue has no watts for it (add "
            "hardware: {name, watts_per_device, source} to farthing.yaml; watts_per_device is the "
            "processor's TDP divided by its hardware threads)"
        )
    notes += [_lost_journal(run) for run in runs if run.evidence == "clock"]
    return tuple(notes)


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
        return f"{least}; how much more, nobody knows until the next run closes it"
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
