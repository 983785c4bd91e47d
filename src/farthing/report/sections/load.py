"""Expert load: which experts the tokens of each domain visit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from farthing.charts.heat import DEAD, LOAD_BOUNDS, HeatRow, draw_heat, load_class
from farthing.report.facts.gather import ReportFacts
from farthing.report.facts.load import DomainLoad, LoadFacts
from farthing.report.numbers import percent

# Some value inside each colour of the legend.
_LEGEND = (0.1, 0.3, 0.6, 1.0, 1.5, 3.0, 5.0)


@dataclass(frozen=True)
class LoadView:
    """One domain: its picture and its figures."""

    load: DomainLoad
    chart: Markup
    entropy: str
    least_entropy: str


@dataclass(frozen=True)
class LoadSection:
    """What the template needs; `legend` pairs colour classes with words."""

    facts: LoadFacts
    views: tuple[LoadView, ...]
    legend: tuple[tuple[str, str], ...]
    slots: int


def load_section(facts: ReportFacts) -> LoadSection | None:
    """The section; None where no load was recorded."""
    if facts.load is None:
        return None
    load = facts.load
    return LoadSection(
        facts=load,
        views=tuple(_view(domain, place) for place, domain in enumerate(load.domains)),
        legend=_legend(),
        slots=load.num_experts,
    )


def _view(domain: DomainLoad, place: int) -> LoadView:
    rows = [HeatRow(str(layer.layer), layer.times_uniform) for layer in domain.layers]
    description = (
        f"{len(rows)} layers down, experts across. Mean normalised entropy "
        f"{domain.entropy:.3f}, {domain.dead} experts without a visit, the busiest "
        f"{domain.busiest:.2f} times an equal share."
    )
    title = f"Expert load on {domain.domain} text"
    return LoadView(
        load=domain,
        chart=Markup(draw_heat(rows, f"load-{place}", title, description)),
        entropy=percent(domain.entropy),
        least_entropy=percent(min(layer.entropy for layer in domain.layers)),
    )


def _legend() -> tuple[tuple[str, str], ...]:
    ends = [f"{bound:g}" for bound in LOAD_BOUNDS]
    words = [f"under {ends[0]}", *(f"{a} to {b}" for a, b in pairwise(ends))]
    names = [load_class(value) for value in _LEGEND]
    return ((DEAD, "no visit"), *zip(names, [*words, f"{ends[-1]} and more"], strict=True))
