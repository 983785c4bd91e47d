"""What the members reached, and what the baseline would have paid for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from farthing.artifacts.claims.entries import Basis, Target
from farthing.artifacts.claims.statement import Amounts, RatioFigure, Reached
from farthing.studies.claim.amounts import cost_in
from farthing.studies.statistics import Ratio, Sample

BASES: tuple[Basis, ...] = ("flops", "device_hours", "kwh")
_SHARED_LINES = ("repeated", "curation", "tuning")


@dataclass(frozen=True)
class Model:
    """A claimed model: bits per byte by shape, and what it rests on."""

    bpb: Mapping[str, float]
    amounts: Amounts

    @property
    def only_bpb(self) -> float:
        """Of a model with a single shape."""
        (bpb,) = self.bpb.values()
        return bpb


@dataclass(frozen=True)
class Evidence:
    """All that the figures of a claim follow from; everything by seed, in the order of the seeds.

    Attributes:
        targets: registered.
        methods: the method's model.
        baselines: the baseline's models, shortest first.
        evaluation: what scoring the method's model used.
        lines: the cost lines by name.
    """

    targets: Sequence[Target]
    methods: Sequence[Model]
    baselines: Sequence[Sequence[Model]]
    evaluation: Sequence[Amounts]
    lines: Mapping[str, Amounts]

    def reached(self, basis: Basis) -> tuple[Reached, ...]:
        """Every target, in their order, with the baseline's cost in a basis."""
        return tuple(self._reached(target, basis) for target in self.targets)

    def ratios(self, first: Basis) -> tuple[RatioFigure, ...]:
        """In every basis that both sides know, `first` before the others."""
        ordered = [first, *(basis for basis in BASES if basis != first)]
        found = []
        for basis in ordered:
            for scope in ("training", "loaded"):
                figure = self._ratio(basis, scope)
                found += [figure] if figure else []
        return tuple(found)

    def _reached(self, target: Target, basis: Basis) -> Reached:
        bpb = tuple(model.bpb[target.shape] for model in self.methods)
        sample = Sample(bpb)
        upper = sample.upper
        assert upper is not None, "a claim has several seeds"
        costs = tuple(cost_of_target(models, target.bpb, basis) for models in self.baselines)
        reached = upper <= target.bpb
        return Reached(
            shape=target.shape,
            target=target.bpb,
            bpb=bpb,
            mean=sample.mean,
            upper95=upper,
            reached=reached,
            baseline_cost=costs,
            counted=reached and None not in costs,
        )

    def _ratio(self, basis: Basis, scope: Literal["training", "loaded"]) -> RatioFigure | None:
        counted = [each for each in self.reached(basis) if each.counted]
        theirs = [
            [cost for each in counted if (cost := each.baseline_cost[seed]) is not None]
            for seed in range(len(self.methods))
        ]
        ours = [self._method_cost(seed, basis, scope) for seed in range(len(self.methods))]
        known = [cost for cost in ours if cost is not None]
        if not counted or len(known) < len(ours) or min(known) <= 0:
            return None
        ratio = Ratio.of([sum(costs) for costs in theirs], known)
        lower = ratio.lower
        assert lower is not None, "a claim has several seeds"
        return RatioFigure(
            basis=basis,
            scope=scope,
            by_seed=tuple(math.exp(value) for value in ratio.logarithms.values),
            point=ratio.mean,
            lower95=lower,
        )

    def _method_cost(
        self, seed: int, basis: Basis, scope: Literal["training", "loaded"]
    ) -> float | None:
        training = cost_in(basis, self.methods[seed].amounts)
        if scope == "training" or training is None:
            return training
        shared = [_cost_or_nothing(basis, self.lines[line]) for line in _SHARED_LINES]
        own = _cost_or_nothing(basis, self.evaluation[seed])
        known = [cost for cost in shared if cost is not None]
        if own is None or len(known) < len(shared):
            return None
        return training + sum(known) / len(self.methods) + own


def cost_of_target(models: Sequence[Model], target: float, basis: Basis) -> float | None:
    """What a baseline pays for a target: read between two lengths, on the logarithm of the cost.

    Args:
        models: of one seed, shortest first.
        target: bits per byte.
        basis: of the cost.

    Returns:
        The shortest length's cost where that one reaches it; None where no length does, or where
        a cost is unknown in this basis.
    """
    for place, model in enumerate(models):
        if model.only_bpb > target:
            continue
        cost = cost_in(basis, model.amounts)
        if place == 0 or cost is None:
            return cost
        worse = models[place - 1]
        less = cost_in(basis, worse.amounts)
        if less is None:
            return None
        share = (worse.only_bpb - target) / (worse.only_bpb - model.only_bpb)
        return math.exp((1 - share) * math.log(less) + share * math.log(cost))
    return None


def _cost_or_nothing(basis: Basis, amounts: Amounts) -> float | None:
    """Of a line that may be empty: no time held costs nothing, whatever nobody metered."""
    return cost_in(basis, amounts) if amounts.device_hours else 0.0
