"""A bill written out: as text, JSON, CSV or one HTML page that needs nothing else."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from markupsafe import Markup
from rich.console import Console

from farthing.artifacts.settings import BASES
from farthing.artifacts.storage import write_atomic
from farthing.errors import UsageError, WorkspaceError
from farthing.ledger.artifact_bill import ArtifactBill
from farthing.ledger.bill import BASELINE, Bill
from farthing.ledger.bill_csv import csv_text
from farthing.ledger.bill_text import print_artifact_bill, print_bill
from farthing.ledger.figures import Figures
from farthing.ledger.lines import RELATIONS, VIEWS, BillLine
from farthing.ledger.sci import sci_text
from farthing.report.numbers import plain
from farthing.report.rendering import asset, content_hash, page_environment
from farthing.report.shown import Shown, show, show_carbon

Format = Literal["text", "json", "csv", "html"]

_PIPE_WIDTH = 80


@dataclass(frozen=True)
class ShownLine:
    """One line of a bill as the page shows it; `entries` are numbers of the book."""

    run: str
    what: str
    category: str
    relation: str
    status: str
    share: str
    figures: tuple[Shown, ...]
    entries: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class ShownSum:
    """A named cost vector as the page shows it."""

    name: str
    figures: tuple[Shown, ...]


def write_bill(bill: Bill | ArtifactBill, form: Format, out: Path | None) -> None:
    """Write a bill to a file, or to stdout.

    Args:
        bill: of a workspace or of one artifact.
        form: how.
        out: the file, which must not be there; None for stdout.

    Raises:
        UsageError: the file is there already.
        WorkspaceError: it cannot be written.
    """
    if out is None and form == "text":
        # A terminal keeps its colours.
        _print(bill, Console(soft_wrap=False))
        return
    text = _text(bill, form)
    if out is None:
        print(text, end="")  # noqa: T201 - the verb's result
        return
    if out.exists():
        raise UsageError(f"{out} is there already", remedy="name another file with --out")
    try:
        write_atomic(out, text.encode("utf-8", "replace"))
    except (OSError, WorkspaceError) as error:
        raise WorkspaceError(
            f"{out} cannot be written: {getattr(error, 'what', error)}",
            remedy="name a file elsewhere with --out",
        ) from error


def bill_page(bill: Bill | ArtifactBill) -> str:
    """The bill as one HTML page with nothing outside it; whatever others wrote is escaped."""
    lines = bill.lines if isinstance(bill, ArtifactBill) else bill.all_lines
    style = asset("page.css")
    return (
        page_environment()
        .get_template("bill.html.j2")
        .render(
            style=Markup(style),
            style_hash=content_hash(style),
            bill=bill,
            of_artifact=isinstance(bill, ArtifactBill),
            title=bill.what if isinstance(bill, ArtifactBill) else bill.project,
            view=VIEWS[bill.view] if isinstance(bill, ArtifactBill) else "",
            headings=_HEADINGS,
            lines=[_line(line) for line in lines],
            total=_figures(bill.total),
            sums=_sums(bill),
            baseline=BASELINE,
            intensity=sci_text(bill.sci) if isinstance(bill, ArtifactBill) else (),
        )
    )


def _text(bill: Bill | ArtifactBill, form: Format) -> str:
    if form == "html":
        return bill_page(bill)
    if form == "csv":
        return csv_text(bill)
    if form == "json":
        return json.dumps(bill.to_json(), ensure_ascii=False, indent=1) + "\n"
    file = io.StringIO()
    _print(bill, Console(file=file, width=_PIPE_WIDTH))
    return file.getvalue()


def _print(bill: Bill | ArtifactBill, console: Console) -> None:
    if isinstance(bill, ArtifactBill):
        print_artifact_bill(bill, console)
    else:
        print_bill(bill, console)


_HEADINGS = (
    *("wall h", "device-h", "CPU-h", "tokens", "FLOP", "FLOP, optimizer", "kWh"),
    *(f"USD, {basis.replace('_', ' ')}" for basis in BASES),
    *("kg CO₂e, operational", "kg CO₂e, embodied", "litres of water"),
)


def _figures(figures: Figures) -> tuple[Shown, ...]:
    return tuple(
        show_carbon(figures, 1.0) if name == "kg_co2e" else show(value, plain)
        for name, _, value in figures.amounts()
    )


def _line(line: BillLine) -> ShownLine:
    attempt = f" (attempt {line.attempt})" if line.attempt and line.attempt > 1 else ""
    reason = (line.reason or "").splitlines()[:1] if line.status != "completed" else []
    return ShownLine(
        run="" if line.run is None else str(line.run),
        what=": ".join([f"{line.what}{attempt}", *reason]),
        category=line.category,
        relation=RELATIONS[line.relation],
        status=line.status or "",
        share=f"{line.share:.4g}",
        figures=_figures(line.figures),
        entries=tuple((entry.number, entry.digest) for entry in line.entries),
    )


def _sums(bill: Bill | ArtifactBill) -> list[ShownSum]:
    """What the lines add up to otherwise: by view of an artifact, by purpose and by member."""
    sums: dict[str, Figures] = {}
    if isinstance(bill, ArtifactBill):
        sums = {VIEWS[view]: figures for view, figures in bill.views.items()}
    else:
        sums.update(bill.sums)
        if bill.lost is not None:
            sums["of all runs: failed, killed, stopped or not ended"] = bill.lost
        sums.update((f"phase: {name}", each) for name, each in bill.phases.sums().items())
        sums.update(
            (f"run {line.run}, of which {line.step}", line.figures) for line in bill.steps.lines
        )
        for family in bill.families:
            sums[f"{family.name}: parent (everything else)"] = family.parent
            for shape, figures in family.unregistered.items():
                sums[f"{family.name}: of which {shape}, never registered"] = figures
            for member in family.members:
                name = f"{family.name}: {member.shape}"
                sums[f"{name}, marginal"] = member.marginal
                sums[f"{name}, amortised"] = member.amortised
                sums[f"{name}, fully loaded"] = member.fully_loaded
    return [ShownSum(name, _figures(figures)) for name, figures in sums.items()]
