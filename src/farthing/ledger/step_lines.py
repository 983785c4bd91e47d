"""The steps of curations on a bill: what filtering, deduplication and the rest cost.

The same runs as on the lines of the bill, cut another way: they are never added to those. A step
has the part of its run's cost that it has of the run's processor time, which is all that can be
told apart, so its hours, energy and money are estimates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table

from farthing.artifacts.curation_step import CurationStep
from farthing.artifacts.entries import Record
from farthing.artifacts.settings import Basis
from farthing.charts.visible import visible
from farthing.ledger.accounts import RunAccount
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Figures
from farthing.ledger.rates import Pricing
from farthing.quantity import Provenance, Quantity, marked, measured

REST = "in no step"
_SECONDS_PER_HOUR = 3600.0
_SOURCE = "by the share of the run's CPU-seconds"


@dataclass(frozen=True)
class StepEntries:
    """A step of one run: what its entries say together, and which they are."""

    said: CurationStep
    entries: tuple[EntryRef, ...]


@dataclass(frozen=True)
class StepLine:
    """What one step of one run cost.

    Attributes:
        run: its number.
        said: the step's amounts of text and processor time; None for what is in no step (starting
            processes, waiting for them, reading what was finished before).
        share: of the run's processor time.
        figures: that share of the run's cost, as estimates.
        entries: of the book.
    """

    run: int
    said: CurationStep | None
    share: float
    figures: Figures
    entries: tuple[EntryRef, ...]

    @property
    def step(self) -> str:
        """Its name."""
        return self.said.step if self.said is not None else REST

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        said = self.said.model_dump(mode="json", exclude={"run", "step"}) if self.said else None
        return {
            "run": self.run,
            "step": self.step,
            "share": self.share,
            "text": said,
            **self.figures.to_json(),
            "entries": [vars(entry) for entry in self.entries],
        }


@dataclass(frozen=True)
class StepSplit:
    """The steps of all curations of a bill, in the order of the runs and of the book."""

    lines: tuple[StepLine, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Plain JSON values."""
        return [line.to_json() for line in self.lines]

    def table(self, basis: Basis) -> Table:
        """For a terminal; money on one basis."""
        title = f"Of which, by steps of curation; USD {basis}"
        table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
        for name in ("run", "step", "documents out", "MB out", "CPU-s", "kWh", "USD"):
            table.add_column(name, overflow="fold")
        for line in self.lines:
            each, said = line.figures, line.said
            text = (f"{said.documents_out:,}", f"{said.bytes_out / 1e6:,.1f}") if said else ("", "")
            seconds = each.cpu_hours.scaled(_SECONDS_PER_HOUR) if each.cpu_hours else None
            cost = map(marked, (seconds, each.kwh, each.usd[basis]))
            table.add_row(str(line.run), visible(line.step), *text, *cost)
        return table


def steps_in(records: Iterable[Record]) -> dict[int, tuple[StepEntries, ...]]:
    """The steps of each run, several entries of one step together, in the order of the book."""
    found: dict[int, dict[str, StepEntries]] = {}
    for record in records:
        body = record.body
        if isinstance(body, CurationStep):
            steps = found.setdefault(body.run, {})
            before = steps.get(body.step)
            steps[body.step] = _joined(before, body, EntryRef.of(record))
    return {run: tuple(steps.values()) for run, steps in found.items()}


def split_by_step(
    steps: dict[int, tuple[StepEntries, ...]], runs: Iterable[RunAccount], pricing: Pricing
) -> StepSplit:
    """The steps of runs, each by the rates of its run; runs without any are left out."""
    lines: list[StepLine] = []
    for run in runs:
        own = steps.get(run.start.run, ())
        if not own:
            continue
        told = sum(each.said.cpu_seconds for each in own)
        # Clocks of threads and of processes differ in the last digits; the whole stays the run's.
        whole = max(told, run.work.cpu_seconds) or 1.0
        figures = run.figures(pricing.of(run.start.run))
        for each in own:
            share = each.said.cpu_seconds / whole
            part = _part(figures, share, each.said.cpu_seconds, each.said.tokens)
            lines.append(StepLine(run.start.run, each.said, share, part, each.entries))
        rest = _part(figures, 1 - told / whole, whole - told, 0)
        lines.append(StepLine(run.start.run, None, 1 - told / whole, rest, run.entries))
    return StepSplit(tuple(lines))


def _joined(before: StepEntries | None, said: CurationStep, entry: EntryRef) -> StepEntries:
    """Two entries of one step: the text of the later one, the time of both."""
    if before is None:
        return StepEntries(said, (entry,))
    seconds = before.said.cpu_seconds + said.cpu_seconds
    text = said.model_copy(update={"cpu_seconds": seconds})
    return StepEntries(text, (*before.entries, entry))


def _part(whole: Figures, share: float, cpu_seconds: float, tokens: int | None) -> Figures:
    """A share of a run's cost, none of it measured but the step's own counts."""
    part = whole.scaled(share)
    cpu = measured(cpu_seconds / _SECONDS_PER_HOUR, "h", "kernel's accounting, by thread")
    return replace(
        part,
        wall_hours=_estimated(part.wall_hours),
        device_hours=_estimated(part.device_hours),
        cpu_hours=cpu,
        tokens=None if tokens is None else measured(tokens, "tokens", "counted"),
        kwh=_estimated(part.kwh),
        usd={basis: _estimated(value) for basis, value in part.usd.items()},
        kg_co2e=_estimated(part.kg_co2e),
        kg_embodied=_estimated(part.kg_embodied),
        litres=_estimated(part.litres),
    )


def _estimated(value: Quantity | None) -> Quantity | None:
    if value is None:
        return None
    sure = max(value.provenance, Provenance.ESTIMATED)
    return replace(value, provenance=sure, source=f"{value.source}; {_SOURCE}")
