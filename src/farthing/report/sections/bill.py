"""The bill: sums by purpose, every run, what is unknown and left out; and members three ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from farthing.artifacts.settings import BASES, Basis
from farthing.charts.bar import Part, draw_bar
from farthing.charts.rows import Row, RowsDrawing, Value, draw_rows
from farthing.charts.visible import first_line
from farthing.ledger.bill import BASELINE, Bill
from farthing.ledger.figures import Figures
from farthing.quantity import Quantity
from farthing.report.facts.gather import ReportFacts
from farthing.report.numbers import (
    carbon_unit,
    energy_unit,
    money,
    percent,
    plain,
    short,
    tick,
)
from farthing.report.sections.overview import basis_name
from farthing.report.shown import Shown, show, show_carbon

_VIEWS = ("marginal", "amortised", "fully_loaded")
_VIEW_NAMES = ("marginal", "amortised", "fully loaded")
# From the smallest to the largest figure: beyond this, a linear axis shows two heaps.
_LOG_FROM_RATIO = 20.0


@dataclass(frozen=True)
class SumRow:
    """One purpose, or the total: a figure under each heading."""

    name: str
    figures: tuple[Shown, ...]
    is_total: bool


@dataclass(frozen=True)
class RunRow:
    """One run of the book, or an expense, whose number is empty."""

    number: str
    what: str
    status: str
    reason: str
    figures: tuple[Shown, ...]


@dataclass(frozen=True)
class MemberRow:
    """One registered member: its share, and figures of each view under each unit."""

    name: str
    share: str
    figures: tuple[Shown, ...]


@dataclass(frozen=True)
class BillSection:
    """What the template needs; every figure carries its kind and its range.

    `inherited` is the part of `parent` that earlier families cost, whose weights this one began
    with; empty where it began with random ones.
    """

    bar: Markup
    bar_legend: tuple[Part, ...]
    has_waste: bool
    headings: tuple[str, ...]
    sums: tuple[SumRow, ...]
    run_headings: tuple[str, ...]
    runs: tuple[RunRow, ...]
    baseline: str
    member_units: tuple[str, ...]
    parent: tuple[Shown, ...]
    inherited: tuple[Shown, ...]
    members: tuple[MemberRow, ...]
    members_wide: Markup
    members_narrow: Markup
    chart_unit: str
    is_whole_workspace: bool


def bill_section(facts: ReportFacts) -> BillSection:
    """The section."""
    bill = facts.bill
    parts = _bar_parts(bill)
    columns = _columns(bill, [basis for basis in BASES if bill.total.usd[basis] is not None])
    sums = [SumRow(name, _row(columns, each), False) for name, each in bill.sums.items()]
    run_columns = _columns(bill, [facts.money.basis] if facts.money else [])
    units = _member_columns(facts)
    family = facts.family
    members = family.members if family else ()
    return BillSection(
        bar=Markup(draw_bar(parts, "bill-bar", "Device-hours by purpose")) if parts else Markup(),
        bar_legend=parts,
        has_waste=any("waste" in part.kind for part in parts),
        headings=tuple(columns),
        sums=(*sums, SumRow("total", _row(columns, bill.total), True)),
        run_headings=tuple(run_columns),
        runs=_run_rows(bill, run_columns),
        baseline=BASELINE,
        member_units=tuple(units),
        parent=_row(units, family.parent) if family else (),
        inherited=_row(units, family.inherited) if family and family.inherited else (),
        members=tuple(
            MemberRow(
                facts.labels[member.shape],
                f"{100 * member.share:.1f} %",
                tuple(write(getattr(member, view)) for write in units.values() for view in _VIEWS),
            )
            for member in members
        ),
        members_wide=_members_chart(facts, "wide", 920.0),
        members_narrow=_members_chart(facts, "narrow", 360.0),
        chart_unit=_chart_unit(facts),
        is_whole_workspace=_same(facts.cost.device_hours, bill.total.device_hours),
    )


Column = Callable[[Figures], Shown]


def _columns(bill: Bill, bases: list[Basis]) -> dict[str, Column]:
    """A heading with its unit, and how to read that figure from a cost vector."""
    power, energy = energy_unit(bill.total.kwh.value if bill.total.kwh else 1.0)
    bounds = bill.total.kg_co2e_range
    known = bill.total.kg_co2e.value if bill.total.kg_co2e else 1.0
    mass, carbon = carbon_unit(bounds[1] if bounds else known)
    columns: dict[str, Column] = {
        "wall hours": lambda each: show(each.wall_hours),
        "device-hours": lambda each: show(each.device_hours),
        "tokens": lambda each: show(each.tokens, short),
        "FLOPs": lambda each: show(each.flops),
        f"energy, {energy}": lambda each: _energy(each, power),
    }
    for basis in bases:
        columns[f"USD, {basis_name(basis)}"] = _usd(basis)
    columns[f"CO₂e, {carbon}"] = lambda each: show_carbon(each, mass)
    return columns


def _energy(figures: Figures, factor: float) -> Shown:
    return show(
        figures.kwh,
        lambda kwh: plain(kwh * factor),
        write_end=lambda kwh: plain(kwh * factor, 2),
    )


def _usd(basis: Basis) -> Column:
    return lambda each: show(each.usd[basis], money)


def _row(columns: dict[str, Column], figures: Figures) -> tuple[Shown, ...]:
    return tuple(write(figures) for write in columns.values())


def _run_rows(bill: Bill, columns: dict[str, Column]) -> tuple[RunRow, ...]:
    return tuple(
        RunRow(
            number="" if line.run is None else str(line.run),
            what=line.what
            + (f", attempt {line.attempt}" if line.attempt and line.attempt > 1 else ""),
            status=line.status or line.category,
            reason="" if line.status == "completed" else first_line(line.reason or ""),
            figures=_row(columns, line.figures),
        )
        for line in bill.all_lines
    )


def _bar_parts(bill: Bill) -> tuple[Part, ...]:
    """Device-hours by purpose, work that came to nothing apart; empty if some are unknown."""
    parts: dict[tuple[str, bool], float] = {}
    held = [
        *((line.purpose, line.status == "completed", line.figures) for line in bill.lines),
        *((line.category, True, line.figures) for line in bill.expenses),
    ]
    for name, done, figures in held:
        if figures.device_hours is None:
            return ()
        if figures.device_hours.value or name in bill.purposes:
            parts[name, done] = parts.get((name, done), 0.0) + figures.device_hours.value
    whole = sum(parts.values())
    if not whole:
        return ()
    return tuple(
        Part(
            size=hours,
            words=f"{purpose if done else f'{purpose}, not completed'}  {percent(hours / whole)}",
            tip=f"{purpose if done else f'{purpose}, failed, killed or open'}: "
            f"{plain(hours)} device-hours, {percent(hours / whole)}",
            kind=purpose if done else f"{purpose} waste",
        )
        for (purpose, done), hours in parts.items()
    )


def _member_columns(facts: ReportFacts) -> dict[str, Column]:
    every = _columns(facts.bill, [facts.money.basis] if facts.money else [])
    wanted = ("device-hours", "energy", "USD")
    return {name: write for name, write in every.items() if name.startswith(wanted)}


def _chart_unit(facts: ReportFacts) -> str:
    if facts.money:
        return f"US dollars, {basis_name(facts.money.basis)}"
    return "device-hours, because no price is set"


def _members_chart(facts: ReportFacts, kind: str, width: float) -> Markup:
    """Three dots per member, in dollars or else device-hours; empty where those are unknown."""
    rows = []
    for member in facts.family.members if facts.family else ():
        values = []
        for view, name in zip(_VIEWS, _VIEW_NAMES, strict=True):
            amount = _amount(facts, getattr(member, view))
            if amount is None:
                return Markup()
            written = money(amount.value) if facts.money else f"{plain(amount.value)} device-hours"
            label = facts.labels[member.shape]
            values.append(Value(amount.value, f"{label}, {name}: {written}", view))
        rows.append(Row(facts.labels[member.shape], tuple(values), joined=True))
    amounts = [value.x for row in rows for value in row.values if value.x > 0]
    if not amounts:
        return Markup()
    drawing = RowsDrawing(
        identity=f"member-costs-{kind}",
        title="What each member costs, three ways",
        description="Per member: marginal, amortised and fully loaded. The table below has "
        "the figures.",
        width=width,
        axis_name=_chart_unit(facts),
        write=(lambda usd: f"${tick(usd)}") if facts.money else tick,
        log=max(amounts) / min(amounts) > _LOG_FROM_RATIO,
    )
    return Markup(draw_rows(rows, drawing))


def _amount(facts: ReportFacts, figures: Figures) -> Quantity | None:
    return figures.usd[facts.money.basis] if facts.money else figures.device_hours


def _same(one: Quantity | None, other: Quantity | None) -> bool:
    """Sums of the same parts in another order."""
    if one is None or other is None:
        return one is other
    return abs(one.value - other.value) <= 1e-9 * max(abs(one.value), abs(other.value))
