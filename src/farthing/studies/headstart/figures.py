"""From the cells of the study to what they say; everything is paired by seed.

Only ends of schedules count: each length is a run of its own, never a look into a longer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from farthing.artifacts.cost_curve import EndPoint, bpb_at_cost
from farthing.studies.compare.figures import UNITS, Unit, spent
from farthing.studies.compare.results import CellResult
from farthing.studies.headstart.config import HeadstartSettings
from farthing.studies.statistics import Ratio, Sample, mean_over, paired

# What of the elastic run is charged to the member, beside what training it on cost: nothing, its
# share by active FLOPs (as plans register it), or all of it.
Basis = Literal["extra", "amortised", "total"]
BASES: tuple[Basis, ...] = ("extra", "amortised", "total")


@dataclass(frozen=True)
class End:
    """Finished runs of one length, with every seed; differences are below zero where these win.

    Attributes:
        length: share of the elastic run's FLOPs that was planned.
        steps: of a run.
        spent: by unit, on average, without what came before.
        bpb: bits per byte on dev text, mean over its domains.
    """

    length: float
    steps: int
    spent: dict[Unit, float]
    bpb: Sample


@dataclass(frozen=True)
class Continued(End):
    """A member trained on.

    Attributes:
        since_cut: less the member as it was cut out.
        over_first: less the first way to train on, of the same length; None for that one.
        over_scratch: by unit and basis, less the same size from random weights at equal cost; None
            outside of those runs.
    """

    since_cut: Sample
    over_first: Sample | None
    over_scratch: dict[Unit, dict[Basis, Sample | None]]


@dataclass(frozen=True)
class Curves:
    """All about one member.

    Attributes:
        member: its label.
        parent: by unit, what the elastic run cost, on average.
        share: of the elastic run, by active FLOPs among the members scored.
        cut: bits per byte of the member as it was cut out.
        ways: by name, each way to train on, ends by length.
        scratch: its size from random weights, by length.
        scratch_at_total: by unit, what that gives for the elastic run's cost and so much more:
            pairs of the extra cost and bits per byte, between finished runs.
    """

    member: str
    parent: dict[Unit, float]
    share: float
    cut: Sample
    ways: dict[str, tuple[Continued, ...]]
    scratch: tuple[End, ...]
    scratch_at_total: dict[Unit, tuple[tuple[float, Sample], ...]]


@dataclass(frozen=True)
class Grown:
    """A grown supernet against the one that began with random weights.

    Attributes:
        name: of the growth.
        members: by label, bits per byte.
        differences: by label, less the elastic run's: below zero, growing is better.
        mean_difference: over the members.
        cost: by unit, smaller model and grown run over the elastic run.
        steps: of the smaller model and of the grown run.
    """

    name: str
    members: dict[str, Sample]
    differences: dict[str, Sample]
    mean_difference: Sample
    cost: dict[Unit, Ratio]
    steps: tuple[int, int]


@dataclass(frozen=True)
class Study:
    """All figures.

    Attributes:
        cells: what they rest on.
        seeds: of every cell.
        members: trained on.
        grown: in the order of the settings.
    """

    cells: tuple[CellResult, ...]
    seeds: tuple[int, ...]
    members: tuple[Curves, ...]
    grown: tuple[Grown, ...]


_BySeed = dict[int, CellResult]


def read_study(cells: Sequence[CellResult], settings: HeadstartSettings) -> Study:
    """Work out what `cells` say; a run that lacks a seed is left out.

    Args:
        cells: in any order.
        settings: the seeds, and the order of ways and growths.
    """
    every, seeds = tuple(cells), settings.seeds
    whole: dict[tuple[str, str, float], _BySeed] = {}
    for cell in every:
        if cell.scored:
            whole.setdefault((cell.arm, cell.name, cell.length), {})[cell.seed] = cell
    whole = {key: found for key, found in whole.items() if found.keys() >= set(seeds)}
    elastic = whole.get(("elastic", "", 1.0))
    if elastic is None:
        return Study(every, seeds, (), ())
    names = dict.fromkeys(name for arm, name, _ in whole if arm == "scratch")
    found = _Found(whole, elastic, seeds)
    return Study(
        every,
        seeds,
        tuple(found.curves(name, tuple(settings.ways)) for name in names),
        tuple(found.growth(name) for name in settings.grow if ("grown", name, 1.0) in whole),
    )


class _Found:
    """Complete cells, and how to make figures of them."""

    def __init__(
        self,
        whole: dict[tuple[str, str, float], _BySeed],
        elastic: _BySeed,
        seeds: tuple[int, ...],
    ) -> None:
        self._whole = whole
        self._elastic = elastic
        self._seeds = seeds

    def curves(self, member: str, names: Sequence[str]) -> Curves:
        scratch = self._of("scratch", member)
        cut = [_bpb(self._elastic[seed], member) for seed in self._seeds]
        parent = {unit: self._spent(self._elastic, unit) for unit in UNITS}
        share = self._share(member)
        ways: dict[str, tuple[Continued, ...]] = {}
        for way in names:
            first = next(iter(ways.values()), ())
            runs = self._of("continued", f"{member}/{way}")
            ends = [
                self._continued(length, runs[length], cut, share, scratch, first) for length in runs
            ]
            if ends:
                ways[way] = tuple(ends)
        at_total = {unit: self._at_total(unit, scratch, ways) for unit in UNITS}
        return Curves(
            member,
            {unit: _mean(costs) for unit, costs in parent.items()},
            share,
            Sample(tuple(cut)),
            ways,
            tuple(self._end(length, runs) for length, runs in scratch.items()),
            at_total,
        )

    def growth(self, name: str) -> Grown:
        runs = self._whole[("grown", name, 1.0)]
        labels = [scored.member for scored in self._elastic[self._seeds[0]].scored]
        members = {label: [_bpb(runs[seed], label) for seed in self._seeds] for label in labels}
        differences = {
            label: paired(ours, [_bpb(self._elastic[seed], label) for seed in self._seeds])
            for label, ours in members.items()
        }
        cost = {
            unit: Ratio.of(
                [sum(spent(run, unit) for run in runs[seed].runs) for seed in self._seeds],
                self._spent(self._elastic, unit),
            )
            for unit in UNITS
        }
        small, large = runs[self._seeds[0]].runs
        return Grown(
            name,
            {label: Sample(tuple(values)) for label, values in members.items()},
            differences,
            mean_over(each.values for each in differences.values()),
            cost,
            (small.steps, large.steps),
        )

    def _of(self, arm: str, name: str) -> dict[float, _BySeed]:
        """By length, the shortest first."""
        lengths = sorted(length for a, n, length in self._whole if (a, n) == (arm, name))
        return {length: self._whole[(arm, name, length)] for length in lengths}

    def _spent(self, runs: _BySeed, unit: Unit) -> list[float]:
        """By the last run of each cell."""
        return [spent(runs[seed].runs[-1], unit) for seed in self._seeds]

    def _end(self, length: float, runs: _BySeed) -> End:
        return End(
            length,
            runs[self._seeds[0]].runs[-1].steps,
            {unit: _mean(self._spent(runs, unit)) for unit in UNITS},
            self._only(runs),
        )

    def _only(self, runs: _BySeed) -> Sample:
        """Of cells with one model."""
        return Sample(tuple(runs[seed].scored[0].score.mean_bpb for seed in self._seeds))

    def _continued(
        self,
        length: float,
        runs: _BySeed,
        cut: Sequence[float],
        share: float,
        scratch: dict[float, _BySeed],
        first: Sequence[Continued],
    ) -> Continued:
        end = self._end(length, runs)
        ours = end.bpb.values
        other = next((each for each in first if each.length == length), None)
        charged: dict[Basis, float] = {"extra": 0.0, "amortised": share, "total": 1.0}
        over: dict[Unit, dict[Basis, Sample | None]] = {}
        for unit in UNITS:
            costs, before = self._spent(runs, unit), self._spent(self._elastic, unit)
            over[unit] = {}
            for basis, part in charged.items():
                sums = [part * cost + more for cost, more in zip(before, costs, strict=True)]
                over[unit][basis] = _less(ours, self._scratch_at(sums, scratch, unit))
        if length in scratch:
            # Planned for the same FLOPs: no need to look between two runs.
            over["flops"]["extra"] = paired(ours, self._only(scratch[length]).values)
        return Continued(
            end.length,
            end.steps,
            end.spent,
            end.bpb,
            paired(ours, cut),
            paired(ours, other.bpb.values) if other is not None else None,
            over,
        )

    def _at_total(
        self,
        unit: Unit,
        scratch: dict[float, _BySeed],
        ways: dict[str, tuple[Continued, ...]],
    ) -> tuple[tuple[float, Sample], ...]:
        """At the extra costs of the first way."""
        points = []
        before = self._spent(self._elastic, unit)
        for end in next(iter(ways.values()), ()):
            found = self._scratch_at([cost + end.spent[unit] for cost in before], scratch, unit)
            if found is not None:
                points.append((end.spent[unit], Sample(tuple(found))))
        return tuple(points)

    def _scratch_at(
        self, costs: Sequence[float], scratch: dict[float, _BySeed], unit: Unit
    ) -> list[float] | None:
        """Of each seed at its cost; None where one lies outside of its finished runs."""
        found = []
        for seed, cost in zip(self._seeds, costs, strict=True):
            points = [
                EndPoint(
                    "",
                    spent(runs[seed].runs[-1], unit),
                    runs[seed].scored[0].score.mean_bpb,
                )
                for runs in scratch.values()
            ]
            found.append(bpb_at_cost(cost, points))
        known = [bpb for bpb in found if bpb is not None]
        return known if len(known) == len(found) else None

    def _share(self, member: str) -> float:
        """Of a member, by active FLOPs."""
        scored = self._elastic[self._seeds[0]].scored
        flops = {each.member: each.score.flops_per_token for each in scored}
        return flops[member] / sum(flops.values())


def _less(ours: Sequence[float], theirs: Sequence[float] | None) -> Sample | None:
    return paired(ours, theirs) if theirs is not None else None


def _bpb(cell: CellResult, member: str) -> float:
    return next(s.score.mean_bpb for s in cell.scored if s.member == member)


def _mean(values: Sequence[float]) -> float:
    return Sample(tuple(values)).mean
