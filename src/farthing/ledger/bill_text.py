"""The bill as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from farthing.artifacts.settings import BASES, Basis
from farthing.ledger.bill import BASELINE, Bill
from farthing.ledger.figures import Figures
from farthing.ledger.lineage import FamilyCost
from farthing.quantity import MARKS_EXPLAINED, Quantity, marked, marked_with_range


def print_bill(bill: Bill, console: Console) -> None:
    """Write the whole bill: runs, sums, members, basis, what is unknown and left out, the head."""
    _print_runs(bill, console)
    console.print(_sums_table(bill))
    for family in bill.families:
        console.print(_family_table(family, _shown_basis(bill)))
    _print_list(console, "Basis", (*bill.basis, f"baseline: {BASELINE}"))
    _print_list(console, "Unknown", bill.unknown)
    _print_list(console, "Notes", bill.notes)
    _print_list(console, "Not in this bill", bill.left_out)
    console.print(MARKS_EXPLAINED, highlight=False)
    console.print(
        f"Book {bill.project}: {bill.head.count} entries, head {bill.head.digest}. "
        "Store both elsewhere: with them, a cut tail shows.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _print_runs(bill: Bill, console: Console) -> None:
    basis = _shown_basis(bill)
    table = _table("Runs", "run", "what", "ended", "wall h", "tokens", *_short_headings(basis))
    for line in bill.lines:
        attempt = f" (attempt {line.attempt})" if line.attempt > 1 else ""
        table.add_row(
            str(line.run),
            escape(f"{line.purpose} {line.name}{attempt}"),
            line.status,
            marked(line.figures.wall_hours),
            _count(line.figures.tokens),
            *_cells(line.figures, basis),
        )
    console.print(table)
    for line in bill.lines:
        if line.status != "completed" and line.reason:
            reason = line.reason.splitlines()[0]
            console.print(
                f"  run {line.run} {line.status}: {reason}", highlight=False, markup=False
            )


def _sums_table(bill: Bill) -> Table:
    columns = [*bill.purposes.values(), bill.total]
    table = _table("Sums, with the range each figure may lie in", "", *bill.purposes, "total")
    table.add_row("wall h", *(marked_with_range(each.wall_hours) for each in columns))
    table.add_row("device-h", *(marked_with_range(each.device_hours) for each in columns))
    table.add_row("CPU-h", *(marked_with_range(each.cpu_hours) for each in columns))
    table.add_row("tokens", *(_count(each.tokens) for each in columns))
    table.add_row("FLOP, model", *(_count(each.flops) for each in columns))
    table.add_row("FLOP, optimizer", *(_count(each.optimizer_flops) for each in columns))
    table.add_row("kWh", *(marked_with_range(each.kwh) for each in columns))
    for basis in BASES:
        table.add_row(f"USD {basis}", *(marked_with_range(each.usd[basis]) for each in columns))
    table.add_row(
        "kg CO2e", *(carbon_text(each, marked_with_range(each.kg_co2e)) for each in columns)
    )
    return table


def _family_table(family: FamilyCost, basis: Basis) -> Table:
    """One row per member; every amount three ways: no single number says what a member costs."""
    views = ("marginal", "amort.", "loaded")
    table = _table(
        f"Members of {escape(family.name)}: marginal (parent excluded), amortised (plus the share "
        f"of the parent), fully loaded (plus the whole parent); USD {basis}",
        "member",
        "share",
        *(f"{unit}\n{view}" for unit in ("device-h", "kWh", "USD") for view in views),
    )
    table.columns[0].no_wrap = True
    parent = family.parent
    table.add_row(
        "(parent: everything else)",
        "",
        *_three(parent.device_hours),
        *_three(parent.kwh),
        *_three(parent.usd[basis]),
    )
    if family.inherited is not None:
        table.add_row(
            "(of which inherited)",
            "",
            *_three(family.inherited.device_hours),
            *_three(family.inherited.kwh),
            *_three(family.inherited.usd[basis]),
        )
    table.add_section()
    for member in family.members:
        ways = (member.marginal, member.amortised, member.fully_loaded)
        table.add_row(
            escape(member.shape),
            f"{member.share:.3f}",
            *(marked(way.device_hours) for way in ways),
            *(marked(way.kwh) for way in ways),
            *(marked(way.usd[basis]) for way in ways),
        )
    return table


def _three(value: Quantity | None) -> tuple[str, str, str]:
    """The parent's own figure stands once, under the last view."""
    return "", "", marked(value)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _cells(figures: Figures, basis: Basis) -> tuple[str, ...]:
    """The figures under the headings `_short_headings`."""
    return (
        marked(figures.device_hours),
        _count(figures.flops),
        marked(figures.kwh),
        marked(figures.usd[basis]),
        carbon_text(figures, marked(figures.kg_co2e)),
    )


def _short_headings(basis: Basis) -> tuple[str, ...]:
    return ("device-h", "FLOP", "kWh", f"USD {basis}", "kg CO2e")


def _shown_basis(bill: Bill) -> Basis:
    """The first basis that has a price: tables have room for one, the sums show all four."""
    priced = [basis for basis in BASES if bill.total.usd[basis] is not None]
    return priced[0] if priced else BASES[0]


def carbon_text(figures: Figures, text: str) -> str:
    """`text`, or the range over all grids where no grid is set."""
    if figures.kg_co2e_range is None:
        return text
    low, high = figures.kg_co2e_range
    return f"{low:.1g} .. {high:.1g}"


def _count(value: Quantity | None) -> str:
    if value is None:
        return "unknown"
    return f"{value.value:,.0f}" if value.value < 1e6 else f"{value.value:.3e}"


def _print_list(console: Console, title: str, items: Sequence[str]) -> None:
    if items:
        console.print(title, style="bold")
        for item in items:
            console.print(f"  - {item}", highlight=False, markup=False)
