"""The bill as tables for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from farthing.artifacts.settings import BASES, Basis
from farthing.charts.visible import visible
from farthing.ledger.artifact_bill import ArtifactBill
from farthing.ledger.bill import BASELINE, Bill
from farthing.ledger.categories import CATEGORIES
from farthing.ledger.entry_ref import EntryRef, numbers_text
from farthing.ledger.figures import Figures
from farthing.ledger.lineage import FamilyCost
from farthing.ledger.lines import (
    RELATIONS,
    VIEWS,
    BillLine,
    entries_of,
    kind_of,
    kinds_of,
    sums_by_category,
)
from farthing.ledger.sci import sci_text
from farthing.quantity import MARKS_EXPLAINED, Quantity, marked, marked_with_range

_WIDTH = 80
# Below a line, under its words.
_IN = " " * 6


def print_bill(bill: Bill, console: Console) -> None:
    """Write the whole bill: runs, sums, members, basis, what is unknown and left out, the head."""
    basis = _shown_basis(bill.total)
    _print_runs(bill, basis, console)
    _print_table(_sums_table(bill, basis), console)
    _print_table(bill.phases.table(basis), console)
    if bill.steps.lines:
        _print_table(bill.steps.table(basis), console)
    _print_table(_total_table("Total of the book", bill.total), console)
    for family in bill.families:
        _print_family(family, basis, console)
    _print_foot(bill, console)


def print_artifact_bill(bill: ArtifactBill, console: Console) -> None:
    """Write an artifact's bill: its lines by category, its sums, the three views, and the rest."""
    basis = _shown_basis(bill.views["fully_loaded"])
    _say(console, f"Bill of {bill.what}", f"{bill.artifact}", VIEWS[bill.view])
    for (relation, category), figures in sums_by_category(bill.lines).items():
        key = relation, category
        lines = [each for each in bill.lines if (each.relation, each.category) == key]
        console.print()
        _say(console, f"{category}: {CATEGORIES[category]}", f"({RELATIONS[relation]})")
        _print_lines(lines, basis, console)
        if len(lines) > 1:
            _print_row(console, "      sum", _amounts(figures, basis), width=50)
    console.print()
    _print_table(_total_table(f"Total, {bill.view.replace('_', ' ')}", bill.total), console)
    table = _table(f"The three views; USD {basis}", "view", *_SHORT, "kind of USD")
    for view, sums in bill.views.items():
        table.add_row(view.replace("_", " "), *_short(sums, basis), kind_of(sums.usd[basis]))
    _print_table(table, console)
    _say(console, "Software carbon intensity (ISO/IEC 21031):", *sci_text(bill.sci))
    console.print()
    _print_list(console, "Excluded", bill.excluded)
    _print_foot(bill, console)


def carbon_text(figures: Figures, text: str) -> str:
    """`text`, or the range over all grids where no grid is set."""
    if figures.kg_co2e_range is None:
        return text
    low, high = figures.kg_co2e_range
    return f"{low:.1g} .. {high:.1g}"


# Headings of the short form of a cost vector: a table has room for one basis, the sums show all.
_SHORT = ("device-h", "kWh", "USD", "kg CO2e")


def _short(figures: Figures, basis: Basis) -> tuple[str, ...]:
    return (
        marked(figures.device_hours),
        marked(figures.kwh),
        marked(figures.usd[basis]),
        carbon_text(figures, marked(figures.kg_co2e)),
    )


def _print_runs(bill: Bill, basis: Basis, console: Console) -> None:
    console.print("Every run and expense", style="italic")
    _print_lines(bill.all_lines, basis, console)
    console.print()


def _print_lines(lines: Iterable[BillLine], basis: Basis, console: Console) -> None:
    """Each line with, below it, how sure its figures are and the entries behind them."""
    heading = f"{'run':>4}  {'what':<33} {'ended':<10}"
    _print_row(console, heading, ("device-h", "kWh", _heading(basis)), width=50)
    for line in lines:
        attempt = f" (attempt {line.attempt})" if line.attempt and line.attempt > 1 else ""
        words = textwrap.wrap(f"{line.what}{attempt}", 33) or [""]
        run = "" if line.run is None else str(line.run)
        first = f"{run:>4}  {words[0]:<33} {line.status or '':<10}"
        _print_row(console, first, _amounts(line.figures, basis), width=50)
        notes = []
        if line.status not in (None, "completed") and line.reason:
            notes.append(line.reason.splitlines()[0])
        if line.share != 1.0:
            notes.append(f"{line.share:.4g} of it")
        notes.append(f"{_kinds_text(line.figures)}; {_entries_text(line.entries)}")
        for note in (*words[1:], *notes):
            _say(console, *textwrap.wrap(note, _WIDTH, initial_indent=_IN, subsequent_indent=_IN))


def _print_row(console: Console, label: str, cells: Iterable[str], *, width: int) -> None:
    """A label, on a line of its own where it is too long, and figures in columns of ten."""
    if len(label) > width:
        _say(console, label)
        label = ""
    _say(console, f"{label:<{width}}" + "".join(f"{cell:>10}" for cell in cells))


def _amounts(figures: Figures, basis: Basis) -> tuple[str, ...]:
    return marked(figures.device_hours), marked(figures.kwh), marked(figures.usd[basis])


def _heading(basis: Basis) -> str:
    """Of a column of ten."""
    return f"$ {basis}".replace("on_demand", "demand")


def _kinds_text(figures: Figures) -> str:
    """How sure the figures are, in words: those of one kind together."""
    by_kind: dict[str, list[str]] = {}
    for name, kind in kinds_of(figures).items():
        by_kind.setdefault(kind, []).append(name)
    return ", ".join(f"{' and '.join(names)} {kind}" for kind, names in by_kind.items())


def _entries_text(entries: Sequence[EntryRef]) -> str:
    word = "entry" if len(entries) == 1 else "entries"
    return f"{word} {numbers_text(each.number for each in entries)}"


def _sums_table(bill: Bill, basis: Basis) -> Table:
    table = _table(f"Sums by purpose; USD {basis}", "", *_SHORT)
    for name, figures in bill.sums.items():
        table.add_row(name, *_short(figures, basis))
    table.add_section()
    table.add_row("total", *_short(bill.total, basis))
    if bill.lost is not None:
        table.add_row("of it lost", *_short(bill.lost, basis))
        table.caption = "lost: runs that failed, were killed or stopped, or have not ended"
        table.caption_justify = "left"
    return table


def _total_table(title: str, figures: Figures) -> Table:
    table = _table(f"{title}, with the range each figure may lie in", "", "", "kind")
    rows = {
        "wall h": figures.wall_hours,
        "device-h": figures.device_hours,
        "CPU-h": figures.cpu_hours,
        "kWh": figures.kwh,
        **{f"USD {basis}": figures.usd[basis] for basis in BASES},
    }
    for name, value in rows.items():
        table.add_row(name, marked_with_range(value), kind_of(value))
    carbon = carbon_text(figures, marked_with_range(figures.kg_co2e))
    # Only the ends are known where no grid is set: an estimate, and no figure.
    bounds = "bounds only" if figures.kg_co2e_range else kind_of(figures.kg_co2e)
    table.add_row("kg CO2e, operational", carbon, bounds)
    others = {"kg CO2e, embodied": figures.kg_embodied, "litres of water": figures.litres}
    for name, value in others.items():
        table.add_row(name, marked_with_range(value), kind_of(value))
    counts = {
        "tokens": figures.tokens,
        "FLOP, model": figures.flops,
        "FLOP, optimizer": figures.optimizer_flops,
    }
    for name, value in counts.items():
        table.add_row(name, _count(value), kind_of(value))
    return table


def _print_family(family: FamilyCost, basis: Basis, console: Console) -> None:
    """Every amount three ways: no single number says what a member costs."""
    _say(
        console,
        f"Members of {family.name}:",
        "marginal (parent excluded), amortised (plus the share of the parent),",
        f"fully loaded (plus the whole parent); USD {basis}",
    )
    _print_row(console, "", ("device-h", "kWh", _heading(basis), "kind of $"), width=40)
    parents = {"(parent: everything else)": family.parent}
    if family.inherited is not None:
        parents["(of which inherited)"] = family.inherited
    for shape, figures in family.unregistered.items():
        parents[f"(of which {shape}, never registered)"] = figures
    for name, figures in parents.items():
        _print_row(console, name, _four(figures, basis), width=40)
    for member in family.members:
        _say(console, f"{member.shape}, share {member.share:.3f}")
        ways = {
            "  marginal": member.marginal,
            "  amortised": member.amortised,
            "  fully loaded": member.fully_loaded,
        }
        for view, figures in ways.items():
            _print_row(console, view, _four(figures, basis), width=40)
    console.print()


def _four(figures: Figures, basis: Basis) -> tuple[str, ...]:
    return (*_amounts(figures, basis), kind_of(figures.usd[basis]))


def _print_foot(bill: Bill | ArtifactBill, console: Console) -> None:
    _print_list(console, "Basis", (*bill.basis, f"baseline: {BASELINE}"))
    _print_list(console, "Unknown", bill.unknown)
    _print_list(console, "Notes", bill.notes)
    _print_list(console, "Not in this bill", bill.left_out)
    if isinstance(bill, ArtifactBill):
        used = len(entries_of(bill.lines))
        _say(console, f"The lines rest on {used} of the {bill.head.count} entries of the book.")
    _say(
        console,
        MARKS_EXPLAINED,
        f"Book {bill.project}: {bill.head.count} entries, head",
        bill.head.digest,
        "Store both elsewhere: with them, a cut tail shows.",
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _print_table(table: Table, console: Console) -> None:
    console.print(table, width=min(_WIDTH, console.width))


def _shown_basis(figures: Figures) -> Basis:
    """The first basis that has a price: tables have room for one, the sums show all four."""
    priced = [basis for basis in BASES if figures.usd[basis] is not None]
    return priced[0] if priced else BASES[0]


def _count(value: Quantity | None) -> str:
    if value is None:
        return "unknown"
    return f"{value.value:,.0f}" if value.value < 1e6 else f"{value.value:.3e}"


def _say(console: Console, *lines: str) -> None:
    """Lines whose words may be anybody's: names and reasons command no terminal."""
    for line in map(visible, lines):
        console.print(line, highlight=False, markup=False, width=min(_WIDTH, console.width))


def _print_list(console: Console, title: str, items: Sequence[str]) -> None:
    if items:
        console.print(title, style="bold")
        _say(console, *(f"  - {item}" for item in items))
