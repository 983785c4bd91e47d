"""Quality against cost over all finished runs of the workspace, and the front that none beats."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from farthing.artifacts.settings import BASES
from farthing.charts.pareto import Member, draw_pareto
from farthing.report.facts.frontier import SPLIT, CostTo, Frontier, Point
from farthing.report.facts.gather import ReportFacts
from farthing.report.numbers import money, plain, tick
from farthing.report.sections.overview import basis_name
from farthing.report.shown import Shown, show

_KWH, _HOURS = "kWh", "device-hours"
# Side by side.
_PICTURES = 2


@dataclass(frozen=True)
class FrontierRow:
    """One finished run, by its best member.

    Attributes:
        run, member: which.
        bpb: mean bits per byte.
        figures: fully loaded cost, one for each heading.
        on_front: no other run is as good for as little.
        cheapest: how to reach this loss for the least, in words; "" where this run is the way.
        is_own: it is the family of this page.
    """

    run: str
    member: str
    bpb: float
    figures: tuple[Shown, ...]
    on_front: bool
    cheapest: str
    is_own: bool


@dataclass(frozen=True)
class FrontierSection:
    """What the template needs.

    Attributes:
        charts: one for each unit that matters, with its name; empty where there is one run only.
        headings: of the figures.
        rows: the best first.
        split: which text was read.
        elsewhere: how many runs were scored on other text.
        not_counted: what is no point, and why.
    """

    charts: tuple[tuple[str, Markup], ...]
    headings: tuple[str, ...]
    rows: tuple[FrontierRow, ...]
    split: str
    elsewhere: int
    not_counted: tuple[str, ...]


def frontier_section(facts: ReportFacts) -> FrontierSection | None:
    """The section; None where no finished run was scored on this family's text."""
    frontier = facts.frontiers.of(facts.scores.corpus)
    if frontier is None:
        return None
    unit = _leading_unit(frontier)
    known = [each for each in (unit, _KWH, _HOURS) if frontier.known(each)]
    units = tuple(dict.fromkeys(known))
    rows = tuple(
        _row(point, on_front, frontier, units, facts) for point, on_front in frontier.runs(unit)
    )
    others = (text for text in facts.frontiers.texts if text is not frontier)
    return FrontierSection(
        charts=tuple(
            (_name(each), _picture(frontier, each, facts))
            for each in units[:_PICTURES]
            if len(frontier.runs(each)) > 1
        ),
        headings=tuple(_name(each) for each in units),
        rows=rows,
        split=SPLIT,
        elsewhere=sum(len({point.supernet for point in text.points}) for text in others),
        not_counted=facts.frontiers.not_counted,
    )


def _leading_unit(frontier: Frontier) -> str:
    """Dollars on the first basis that has a price; device-hours without any."""
    priced = (f"USD {basis}" for basis in BASES)
    return next((unit for unit in priced if frontier.known(unit)), _HOURS)


def _name(unit: str) -> str:
    for basis in BASES:
        if unit == f"USD {basis}":
            return f"US dollars, {basis_name(basis)}"
    return unit


def _row(
    point: Point, on_front: bool, frontier: Frontier, units: tuple[str, ...], facts: ReportFacts
) -> FrontierRow:
    ways = {cost.unit: cost for cost in frontier.cost_to(point.bpb)}
    return FrontierRow(
        run=point.run,
        member=point.member,
        bpb=point.bpb,
        figures=tuple(
            show(point.spent(unit), money if unit.startswith("USD") else plain) for unit in units
        ),
        on_front=on_front,
        cheapest=_cheapest(ways[units[0]], point),
        is_own=point.supernet == facts.supernet,
    )


def _cheapest(way: CostTo, point: Point) -> str:
    if way.run == point.run and way.longer_than is None:
        return ""
    write = money if way.unit.startswith("USD") else plain
    bound = "" if way.exact else "at most "
    between = f", between {way.longer_than} and it" if way.longer_than else ""
    return f"{bound}{write(way.cost.value)}: {way.member} of {way.run}{between}"


def _picture(frontier: Frontier, unit: str, facts: ReportFacts) -> Markup:
    write = (lambda usd: f"${tick(usd)}") if unit.startswith("USD") else tick
    members = []
    for point, on_front in frontier.runs(unit):
        spent = point.spent(unit)
        if spent is not None:
            members.append(
                Member(
                    x=spent.value,
                    y=point.bpb,
                    label=point.run,
                    tip=f"{point.run}\n{point.bpb:.3f} bits per byte by its best member, "
                    f"{point.member}\n{write(spent.value)} {_name(unit)}, fully loaded",
                    on_front=on_front,
                    ringed=point.supernet == facts.supernet,
                )
            )
    title = f"Bits per byte against {_name(unit)}, run by run"
    identity = f"frontier-{unit.replace(' ', '-').lower()}"
    return Markup(draw_pareto(members, _name(unit), write, identity, title, "runs"))
