"""From the cells of a comparison to what they say: losses, elastic tax, cost ratios, a verdict.

Everything is paired by seed. A cost is counted in FLOPs (model and optimizer) and in
device-seconds; money and energy are device-seconds times one price on both sides, so their ratios
are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from farthing.artifacts.cost_curve import EndPoint, bpb_at_cost, cost_to_reach
from farthing.studies.compare.results import CellResult, RunCost, Scored
from farthing.studies.statistics import Ratio, Sample, mean_over, paired

Unit = Literal["flops", "device_seconds"]
# What of a scored model is compared.
Measure = Callable[[Scored], float]
UNITS: tuple[Unit, ...] = ("flops", "device_seconds")
# The length of a run that takes the recipe's steps.
_WHOLE = 1.0


def mean_bpb(scored: Scored) -> float:
    """Bits per byte, mean over the domains."""
    return scored.score.mean_bpb


def spent(run: RunCost, unit: Unit) -> float:
    """What a training run used, optimizer included."""
    if unit == "flops":
        return run.flops + run.optimizer_flops
    return run.device_seconds


@dataclass(frozen=True)
class Cells:
    """All results, and how to find some of them."""

    every: tuple[CellResult, ...]
    seeds: tuple[int, ...]
    members: tuple[str, ...]

    def of(self, arm: str) -> list[CellResult]:
        """The cells of one arm, in the order of the seeds."""
        found = [cell for cell in self.every if cell.arm == arm]
        return sorted(found, key=lambda cell: (cell.name, cell.length, cell.seed))

    def scores(self, arm: str, member: str, measure: Measure = mean_bpb) -> list[float] | None:
        """A measure of a member by seed, from whole runs of the arm; None without."""
        cells = self._whole(arm, member)
        if len(cells) < len(self.seeds):
            return None
        return [measure(score_of(cells[seed], member)) for seed in self.seeds]

    def total(self, arm: str, unit: Unit) -> list[float] | None:
        """What an arm's training runs used together, by seed; of several lengths, the whole."""
        cells = {cell.seed: cell for cell in self.of(arm) if cell.length == _WHOLE}
        if len(cells) < len(self.seeds):
            return None
        return [sum(spent(run, unit) for run in cells[seed].runs) for seed in self.seeds]

    def end_points(
        self, arm: str, seed: int, unit: Unit, member: str | None, measure: Measure = mean_bpb
    ) -> list[EndPoint]:
        """Finished runs of an arm with one seed: all of them, or those of one member's size."""
        points = []
        for cell in self.of(arm):
            for scored in cell.scored if cell.seed == seed else ():
                if member in (None, scored.member):
                    own = next(run for run in cell.runs if run.input_key == scored.runs[-1])
                    # A plain run of another length is the same model.
                    model = cell.name if arm == "baseline" else scored.member
                    points.append(EndPoint(model, spent(own, unit), measure(scored)))
        return points

    def _whole(self, arm: str, member: str) -> dict[int, CellResult]:
        """The cells of the recipe's own length in which a member was scored, by seed."""
        return {
            cell.seed: cell
            for cell in self.of(arm)
            if cell.length == _WHOLE and any(scored.member == member for scored in cell.scored)
        }


def score_of(cell: CellResult, member: str) -> Scored:
    """The place of a member in a cell."""
    return next(scored for scored in cell.scored if scored.member == member)


@dataclass(frozen=True)
class Against:
    """One arm against the elastic one.

    Attributes:
        members: by label, the arm's bits per byte by seed.
        differences: by label, elastic less the arm, seed by seed: below zero, elastic is better.
        mean_difference: over the members, seed by seed.
        cost: the arm's training over the elastic run's, by unit.
    """

    arm: str
    members: dict[str, Sample]
    differences: dict[str, Sample]
    mean_difference: Sample
    cost: dict[Unit, Ratio]


@dataclass(frozen=True)
class Tax:
    """What elasticity costs the full shape, against the plain run.

    Attributes:
        basis: equal steps, equal FLOPs or equal device-seconds.
        percent: of the plain run's bits per byte; above zero elasticity costs something. None
            where no plain run was as short or as long.
        compute: the plain run's cost to reach the elastic run's loss over the elastic run's cost;
            below one, elasticity wasted the rest. None where that loss is outside of the plain
            runs' end points.
    """

    basis: str
    percent: Sample | None
    compute: Ratio | None = None


@dataclass(frozen=True)
class FamilyRatio:
    """What the family cost over what a baseline's models of the same quality cost.

    Attributes:
        baseline: which one.
        unit: of the cost.
        members: labels of the members that the baseline reaches with every seed.
        unreached: those that with some seed no run of it reaches: neither for nor against.
        unbounded: those that with some seed its shortest runs already reach: what they would cost
            at the least is not known, so they are left out too.
        fully_loaded: parent and members over the sum of the baseline's runs.
        bound: the smallest that it could be, with a parent as cheap as the dearest single run.
        efficiency: the parent over that dearest run.
        overheads: all that was spent over the parent's training.
        amortised: by member, with its share of the parent by active FLOPs.
    """

    baseline: str
    unit: Unit
    members: tuple[str, ...]
    unreached: tuple[str, ...]
    unbounded: tuple[str, ...]
    fully_loaded: Ratio
    bound: Ratio
    efficiency: Ratio
    overheads: Ratio
    amortised: dict[str, Ratio] = field(default_factory=dict)


@dataclass(frozen=True)
class Unmatched:
    """A baseline none of whose models can be set against a member; fields as `FamilyRatio` has."""

    baseline: str
    unit: Unit
    unreached: tuple[str, ...]
    unbounded: tuple[str, ...]


def against(cells: Cells, arm: str) -> Against | None:
    """How an arm does, member by member; None if it lacks a seed or has no member in common."""
    elastic: dict[str, list[float]] = {}
    other: dict[str, list[float]] = {}
    for member in cells.members:
        ours, theirs = cells.scores("elastic", member), cells.scores(arm, member)
        if ours is not None and theirs is not None:
            elastic[member], other[member] = ours, theirs
    if not other:
        return None
    differences = {member: paired(elastic[member], other[member]) for member in other}
    costs = {}
    # Models from scratch are many runs, none of which makes a family.
    for unit in UNITS if arm != "scratch" else ():
        ours, theirs = cells.total("elastic", unit), cells.total(arm, unit)
        if ours is not None and theirs is not None:
            costs[unit] = Ratio.of(theirs, ours)
    return Against(
        arm=arm,
        members={member: Sample(tuple(values)) for member, values in other.items()},
        differences=differences,
        mean_difference=mean_over(each.values for each in differences.values()),
        cost=costs,
    )


def elastic_taxes(cells: Cells) -> list[Tax]:
    """At equal steps, at equal FLOPs and at equal device-seconds."""
    full = cells.members[0]
    ours = cells.scores("elastic", full)
    theirs = cells.scores("plain", full)
    if ours is None or theirs is None:
        return []
    taxes = [Tax("equal steps", percent(ours, theirs))]
    names: dict[Unit, str] = {"flops": "equal FLOPs", "device_seconds": "equal device-seconds"}
    for unit, name in names.items():
        costs = cells.total("elastic", unit)
        assert costs is not None
        curves = [cells.end_points("plain", seed, unit, full) for seed in cells.seeds]
        at_cost = [bpb_at_cost(cost, curve) for cost, curve in zip(costs, curves, strict=True)]
        known = [bpb for bpb in at_cost if bpb is not None]
        difference = percent(ours, known) if len(known) == len(costs) else None
        reached = [cost_to_reach(bpb, curve) for bpb, curve in zip(ours, curves, strict=True)]
        inside = [each.spent for each in reached if each is not None and each.exact]
        compute = Ratio.of(inside, costs) if len(inside) == len(costs) else None
        taxes.append(Tax(name, difference, compute))
    return taxes


def family_ratio(
    cells: Cells, baseline: str, unit: Unit, measure: Measure = mean_bpb
) -> FamilyRatio | Unmatched | None:
    """The family against one family of baselines; None before every seed has an elastic run.

    Args:
        cells: all results.
        baseline: a name without the part behind its '/'; `scratch` for the runs from scratch.
        unit: of the cost.
        measure: of quality, in bits per byte: of one domain, say.
    """
    arm = "scratch" if baseline == "scratch" else "baseline"
    wanted = None if baseline == "scratch" else baseline
    theirs: dict[str, list[float]] = {}
    unreached: list[str] = []
    unbounded: list[str] = []
    for member in cells.members:
        scores = cells.scores("elastic", member, measure)
        if scores is None:
            return None
        costs = [
            cost_to_reach(bpb, _points(cells, arm, wanted, seed, unit, measure))
            for bpb, seed in zip(scores, cells.seeds, strict=True)
        ]
        known = [cost for cost in costs if cost is not None]
        if len(known) < len(cells.seeds):
            unreached.append(member)
        elif not all(cost.exact for cost in known):
            unbounded.append(member)
        else:
            theirs[member] = [cost.spent for cost in known]
    parent = cells.total("elastic", unit)
    if parent is None:
        return None
    if not theirs:
        return Unmatched(baseline, unit, tuple(unreached), tuple(unbounded))
    sums = [sum(column) for column in zip(*theirs.values(), strict=True)]
    dearest = [max(column) for column in zip(*theirs.values(), strict=True)]
    # On our side only: the baselines' own curation and evaluation are left out.
    beside = {cell.seed: getattr(cell.beside, unit) for cell in cells.of("elastic")}
    extra = [beside[seed] for seed in cells.seeds]
    whole = [cost + more for cost, more in zip(parent, extra, strict=True)]
    return FamilyRatio(
        baseline=baseline,
        unit=unit,
        members=tuple(theirs),
        unreached=tuple(unreached),
        unbounded=tuple(unbounded),
        fully_loaded=Ratio.of(whole, sums),
        bound=Ratio.of(dearest, sums),
        efficiency=Ratio.of(parent, dearest),
        overheads=Ratio.of(whole, parent),
        amortised=_amortised(cells, whole, theirs),
    )


def _amortised(
    cells: Cells, whole: Sequence[float], theirs: dict[str, list[float]]
) -> dict[str, Ratio]:
    """Each member with its share of all that was spent: by active FLOPs, as plans register it."""
    first = cells.of("elastic")[0]
    flops = {scored.member: scored.score.flops_per_token for scored in first.scored}
    everything = sum(flops.values())
    return {
        member: Ratio.of([flops[member] / everything * cost for cost in whole], costs)
        for member, costs in theirs.items()
    }


def _points(
    cells: Cells, arm: str, baseline: str | None, seed: int, unit: Unit, measure: Measure
) -> Iterable[EndPoint]:
    points = cells.end_points(arm, seed, unit, None, measure)
    if baseline is None:
        # The plain run is the full size from scratch.
        return [*points, *cells.end_points("plain", seed, unit, cells.members[0], measure)]
    return [point for point in points if point.model.partition("/")[0] == baseline]


def percent(ours: Sequence[float], theirs: Sequence[float]) -> Sample:
    """By how many per cent ours are above theirs, seed by seed."""
    return Sample(tuple(100 * (a / b - 1) for a, b in zip(ours, theirs, strict=True)))
