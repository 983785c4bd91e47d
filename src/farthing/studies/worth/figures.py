"""From the cells of the study to what each step saved.

Everything is paired by seed. What a step saved is read off the curve of the raw text: by how much
longer a run on raw text has to be to become as good. Beyond that curve there is only a bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farthing.artifacts.cost_curve import EndPoint, Reached, cost_to_reach
from farthing.studies.statistics import Ratio, Sample, paired
from farthing.studies.worth.cells import CellResult
from farthing.studies.worth.config import Arm

Cost = Callable[[CellResult], float]


def training_flops(cell: CellResult) -> float:
    """FLOPs of the training run, optimizer included."""
    return cell.run.flops + cell.run.optimizer_flops


def cpu_seconds(cell: CellResult) -> float:
    """CPU-seconds of the training run and of making its text."""
    return cell.run.cpu_seconds + cell.curation_cpu_seconds


@dataclass(frozen=True)
class Saving:
    """The cost of raw text for the same loss, over the arm's cost.

    Attributes:
        ratio: over all seeds; None where it lies beyond the curve with some of them.
        at_least: where no raw run is as good, with some seed: the least that it can be, as the mean
            over all seeds with those at the longest raw run; else None.
        at_most: where even the shortest raw run is as good, with some seed: the most that it can
            be, in the same way; else None.
        inside: seeds for which it is known.
        seeds: all of them.
    """

    ratio: Ratio | None
    at_least: float | None
    at_most: float | None
    inside: int
    seeds: int


@dataclass(frozen=True)
class ArmWorth:
    """One arm.

    Attributes:
        arm: which.
        bpb: mean over the domains, by seed.
        domains: by domain, bits per byte by seed.
        less_raw: the arm less raw, seed by seed: below zero, the arm is better.
        less_before: the arm less the one before it; None of the first after raw, whose `less_raw`
            says it.
        domains_less_raw: the same by domain.
        saving: in training FLOPs, against raw.
        step_saving: against the arm before; None where one of the two is beyond the curve.
        saving_with_curation: in CPU-seconds of training and curation together.
    """

    arm: Arm
    bpb: Sample
    domains: dict[str, Sample]
    less_raw: Sample
    less_before: Sample | None
    domains_less_raw: dict[str, Sample]
    saving: Saving
    step_saving: Ratio | None
    saving_with_curation: Saving


@dataclass(frozen=True)
class Worth:
    """The whole study: raw, and every arm whose seeds are all there, in the order of the steps."""

    seeds: tuple[int, ...]
    raw: Sample
    raw_domains: dict[str, Sample]
    arms: tuple[ArmWorth, ...]


def worth_of(cells: Sequence[CellResult], seeds: Sequence[int], arms: Sequence[Arm]) -> Worth:
    """What the cells say.

    Args:
        cells: results of all arms, seeds and lengths.
        seeds: that were asked for.
        arms: in the order of the steps, raw first.

    Raises:
        ValueError: the raw arm is not there with every seed.
    """
    table = _Table(cells, tuple(seeds))
    raw = table.whole("raw")
    if raw is None:
        raise ValueError("there is no run on raw text with every seed")
    found: list[ArmWorth] = []
    for arm in arms[1:]:
        own = table.whole(arm)
        if own is not None:
            found.append(_arm_worth(table, arm, own, raw, found[-1] if found else None))
    return Worth(tuple(seeds), _mean(raw), _by_domain(raw), tuple(found))


class _Table:
    """The cells by arm, seed and length."""

    def __init__(self, cells: Sequence[CellResult], seeds: tuple[int, ...]) -> None:
        self._cells = cells
        self.seeds = seeds

    def whole(self, arm: Arm) -> list[CellResult] | None:
        """Of the recipe's own length, by seed; None where one is missing."""
        found = {c.seed: c for c in self._cells if (c.arm, c.length) == (arm, 1.0)}
        if any(seed not in found for seed in self.seeds):
            return None
        return [found[seed] for seed in self.seeds]

    def curve(self, seed: int, cost: Cost) -> list[EndPoint]:
        """The finished runs on raw text with one seed."""
        return [
            EndPoint("raw", cost(cell), cell.mean_bpb)
            for cell in self._cells
            if cell.arm == "raw" and cell.seed == seed
        ]


def _arm_worth(
    table: _Table,
    arm: Arm,
    own: list[CellResult],
    raw: list[CellResult],
    before: ArmWorth | None,
) -> ArmWorth:
    bpb, domains, raw_domains = _mean(own), _by_domain(own), _by_domain(raw)
    saving = _saving(table, own, training_flops)
    step = None
    if before is None:
        step = saving.ratio
    elif saving.ratio is not None and before.saving.ratio is not None:
        ours, theirs = saving.ratio.logarithms, before.saving.ratio.logarithms
        step = Ratio(paired(ours.values, theirs.values))
    return ArmWorth(
        arm=arm,
        bpb=bpb,
        domains=domains,
        less_raw=paired(bpb.values, _mean(raw).values),
        less_before=paired(bpb.values, before.bpb.values) if before else None,
        domains_less_raw={
            name: paired(each.values, raw_domains[name].values) for name, each in domains.items()
        },
        saving=saving,
        step_saving=step,
        saving_with_curation=_saving(table, own, cpu_seconds),
    )


def _saving(table: _Table, own: list[CellResult], cost: Cost) -> Saving:
    ratios: list[float] = []
    beyond = short = 0
    for cell in own:
        curve = table.curve(cell.seed, cost)
        reached = cost_to_reach(cell.mean_bpb, curve)
        if reached is None:
            beyond += 1
            reached = Reached(max(point.spent for point in curve), exact=False)
        elif not reached.exact:
            short += 1
        ratios.append(reached.spent / cost(cell))
    logarithms = Sample(tuple(math.log(each) for each in ratios))
    inside = len(own) - beyond - short
    mean = Ratio(logarithms).mean
    return Saving(
        ratio=Ratio(logarithms) if inside == len(own) else None,
        # Bounds in both directions at once say nothing.
        at_least=mean if beyond and not short else None,
        at_most=mean if short and not beyond else None,
        inside=inside,
        seeds=len(own),
    )


def _mean(cells: Sequence[CellResult]) -> Sample:
    return Sample(tuple(cell.mean_bpb for cell in cells))


def _by_domain(cells: Sequence[CellResult]) -> dict[str, Sample]:
    return {name: Sample(tuple(cell.bpb[name] for cell in cells)) for name in sorted(cells[0].bpb)}
