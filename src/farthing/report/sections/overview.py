"""The head of the page: what was made, what it cost, how good it is, and what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.artifacts.settings import BASES, Basis
from farthing.report.facts.gather import ReportFacts
from farthing.report.numbers import carbon_unit, duration, energy_unit, money, plain, short
from farthing.report.shown import UNKNOWN, Shown, show, show_carbon

_BASIS_NAMES: dict[Basis, str] = {
    "on_demand": "on demand",
    "spot": "spot",
    "reserved": "reserved",
    "owned": "owned",
}


@dataclass(frozen=True)
class Tile:
    """One large figure: what it is, the figure, and a line below."""

    name: str
    figure: Shown
    note: str


@dataclass(frozen=True)
class Missing:
    """Something that the page cannot say, and what to do about it."""

    what: str
    how: str


@dataclass(frozen=True)
class Overview:
    """Lede, tiles and gaps."""

    lede: str
    tiles: tuple[Tile, ...]
    missing: tuple[Missing, ...]


def basis_name(basis: Basis) -> str:
    """A cost basis in words."""
    return _BASIS_NAMES[basis]


def overview(facts: ReportFacts) -> Overview:
    """The head of the page."""
    return Overview(_lede(facts), _tiles(facts), tuple(_missing(facts)))


def _lede(facts: ReportFacts) -> str:
    members = facts.scores.members
    small, large = min(m.total for m in members), max(m.total for m in members)
    domains = _listed(list(facts.scores.held_out_bytes))
    size = f"{short(large)} parameters"
    if len(members) > 1:
        size = f"{short(small)} to {short(large)} parameters"
    elastic = "elastic training run" if facts.config.train.elastic else "training run"
    kind = "sparse (mixture-of-experts)" if facts.config.model.num_experts else "dense"
    return (
        f"One {elastic} of a {kind} transformer: {facts.steps:,} steps, {short(facts.tokens)} "
        f"tokens of {domains}. {_members(len(members))}, of {size}, "
        f"{'were' if len(members) > 1 else 'was'} scored on {facts.scores.split} text that no "
        "training step has seen."
    )


def _members(count: int) -> str:
    return "One member of its family" if count == 1 else f"{count} members of its family"


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _tiles(facts: ReportFacts) -> tuple[Tile, ...]:
    cost, members = facts.cost, facts.scores.members
    wall = cost.wall_hours
    held = f"{duration(wall.value)} of wall time held" if wall else "wall time unknown"
    factor, unit = energy_unit(cost.kwh.value if cost.kwh else 1.0)
    energy = show(
        cost.kwh, lambda kwh: plain(kwh * factor), unit, lambda kwh: plain(kwh * factor, 2)
    )
    best = min(members, key=lambda member: member.mean_bpb)
    front = sum(member.best_for_size for member in members)
    scored = {member.shape for member in members}
    extracted = len(scored & {each.shape for each in facts.extracted})
    return (
        _money_tile(facts),
        Tile("Device-hours", show(cost.device_hours), held),
        Tile("Energy", energy, f"{energy.extent} {unit}" if energy.extent else ""),
        _carbon_tile(facts),
        *_apart_tiles(facts),
        Tile(
            "Best bits per byte",
            Shown(f"{best.mean_bpb:.3f}", "measured", "", ""),
            f"{best.label}, mean of {len(best.bpb)} domains, {facts.scores.split} text",
        ),
        Tile(
            "Members scored",
            Shown(f"{len(members)}", "measured", "", ""),
            f"{front} that no smaller one equals; {extracted} extracted",
        ),
    )


def _money_tile(facts: ReportFacts) -> Tile:
    """The first basis that has a price, large; the others below."""
    if facts.money is None:
        return Tile("US dollars", UNKNOWN, "no price is set in farthing.yaml")
    others = []
    for basis in BASES:
        value = facts.cost.usd[basis]
        if basis != facts.money.basis and value is not None:
            shown = show(value, money)
            others.append(f"{basis_name(basis)} {shown.mark}{shown.text}")
    unknown = [basis_name(basis) for basis in BASES if facts.cost.usd[basis] is None]
    if unknown:
        others.append(f"{', '.join(unknown)} unknown")
    figure = show(facts.cost.usd[facts.money.basis], money)
    return Tile(f"US dollars, {basis_name(facts.money.basis)}", figure, "; ".join(others))


def _carbon_tile(facts: ReportFacts) -> Tile:
    cost = facts.cost
    if cost.kg_co2e_range is not None:
        factor, unit = carbon_unit(cost.kg_co2e_range[1])
        note = "no grid is set: from the catalogue's cleanest to its dirtiest"
    elif cost.kg_co2e is None:
        factor, unit = carbon_unit(1.0)
        note = "the bill below says why"
    else:
        factor, unit = carbon_unit(cost.kg_co2e.value)
        note = "operational: of the electricity used"
    return Tile("CO₂ equivalent", show_carbon(cost, factor, unit), note)


def _apart_tiles(facts: ReportFacts) -> list[Tile]:
    """Embodied carbon and water, each where somebody has given what it rests on."""
    tiles = []
    made, litres = facts.cost.kg_embodied, facts.cost.litres
    if made is not None:
        factor, unit = carbon_unit(made.value)
        figure = show(made, lambda kg: plain(kg * factor), unit, lambda kg: plain(kg * factor, 2))
        note = "of making the hardware, by the hours held; not in the figure before"
        tiles.append(Tile("CO₂ equivalent, embodied", figure, _extent(figure, unit, note)))
    if litres is not None:
        figure = show(litres, plain, "L", lambda value: plain(value, 2))
        note = "at the site and for the electricity"
        tiles.append(Tile("Water", figure, _extent(figure, "L", note)))
    return tiles


def _extent(figure: Shown, unit: str, note: str) -> str:
    return f"{note}; {figure.extent} {unit}" if figure.extent else note


def _missing(facts: ReportFacts) -> list[Missing]:
    gaps = []
    if facts.money is None:
        gaps.append(Missing("Dollars are unknown.", "Set prices in farthing.yaml."))
    if facts.cost.kg_co2e is None and facts.cost.kg_co2e_range is not None:
        gaps.append(Missing("The grid is unknown.", "Set grid in farthing.yaml."))
    elif facts.cost.kg_co2e is None:
        gaps.append(Missing("Carbon is unknown.", "The bill below says why, and how to tell."))
    if facts.cost.kwh is None:
        gaps.append(Missing("Energy is unknown.", "Set hardware in farthing.yaml."))
    if facts.benchmarks is None:
        how = "Ask some: farthing evaluate --benchmarks sample."
        gaps.append(Missing("No benchmark has been asked.", how))
    if facts.load is None and facts.config.model.num_experts:
        how = "Score again: farthing evaluate --rerun."
        gaps.append(Missing("No expert load was recorded.", how))
    if facts.data is None:
        how = f"Make the corpus again: farthing curate ({facts.data_problem})."
        gaps.append(Missing("The data cannot be described.", how))
    if facts.family is None:
        gaps.append(
            Missing("The book holds no plan for this family.", "Members' shares are unknown.")
        )
    return gaps
