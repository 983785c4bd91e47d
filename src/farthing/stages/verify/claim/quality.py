"""Level 1, quality: scores from the book, means and bounds over the seeds, what a baseline pays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from farthing.artifacts.claims.entries import Basis, ClaimDraft, Target
from farthing.artifacts.claims.statement import Claim, Reached
from farthing.artifacts.work import SENSORS
from farthing.stages.verify.claim.amounts import Total, close, method_of
from farthing.stages.verify.claim.book import ClaimBook
from farthing.stages.verify.claim.student import reach
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding

_CHECK = "quality"


@dataclass(frozen=True)
class Scored:
    """A training with what its model scored, and what it cost.

    Attributes:
        training: of the claim.
        bpb: shape -> mean over the domains, of every registered member.
        total: of the attempts that the model rests on.
    """

    training: Training
    bpb: Mapping[str, float]
    total: Total

    def cost(self, basis: Basis) -> float | None:
        """In a unit, or None where nobody knows."""
        return cost_in(basis, self.total)


def cost_in(basis: Basis, total: Total) -> float | None:
    """What a sum costs; None where it is unknown, and for energy that no single sensor read."""
    if basis == "kwh":
        return total.kwh if method_of(total) in SENSORS else None
    if basis == "device_hours":
        return total.device_hours
    return total.flops + total.optimizer_flops


def scores_of(training: Training, split: str, book: ClaimBook) -> dict[str, float]:
    """What a model scored: of each registered member the latest entry, each domain counted once.

    Args:
        training: that made the model.
        split: of the corpus.
        book: of the claim.
    """
    members = training.registered.recipe.get("evaluate", {}).get("members", ())
    found = {}
    for _, score in book.evaluations:
        own = (score.supernet, score.split) == (training.model, split)
        if own and score.shape in members and score.scores:
            found[score.shape] = math.fsum(score.scores.values()) / len(score.scores)
    return {shape: found[shape] for shape in members if shape in found}


def check_quality(
    claim: Claim, draft: ClaimDraft, methods: Sequence[Scored], baselines: Sequence[Scored]
) -> Iterator[Finding]:
    """Every registered member: by seed, mean, bound, and what the baseline pays for the target.

    Args:
        claim: what is said.
        draft: what was registered.
        methods: of the method, by seed.
        baselines: of the baseline, by length and seed.
    """
    problems = 0
    for place, (said, target) in enumerate(zip(claim.reached, draft.targets, strict=True)):
        where = f"claim.json, reached[{place}]"
        counted = expected_reach(target, draft.basis, methods, baselines)
        if isinstance(counted, str):
            yield Finding(_CHECK, False, where, counted, 1)
            problems += 1
            continue
        for problem in _differences(said, counted):
            yield Finding(_CHECK, False, where, problem, 1)
            problems += 1
    if not problems:
        counted_members = sum(each.counted for each in claim.reached)
        detail = (
            f"{counted_members} of {len(claim.reached)} members reach their targets and are "
            f"reached by the baseline; scores, means and bounds over {len(claim.seeds)} seeds "
            "come out again"
        )
        yield Finding(_CHECK, True, "claim.json, reached", detail, 1)


def expected_reach(
    target: Target, basis: Basis, methods: Sequence[Scored], baselines: Sequence[Scored]
) -> Reached | str:
    """What a claim must say of a member, or what is missing for it."""
    lacking = [each.training.name for each in methods if target.shape not in each.bpb]
    if lacking:
        return f"{lacking[0]}: {target.shape} was not scored on the registered split"
    bpb = tuple(each.bpb[target.shape] for each in methods)
    mean = math.fsum(bpb) / len(bpb)
    upper = mean + reach(bpb)
    cost = tuple(
        baseline_cost(baselines, each.training.seed, target.bpb, basis) for each in methods
    )
    reached = upper <= target.bpb
    return Reached(
        shape=target.shape,
        target=target.bpb,
        bpb=bpb,
        mean=mean,
        upper95=upper,
        reached=reached,
        baseline_cost=cost,
        counted=reached and None not in cost,
    )


def baseline_cost(
    baselines: Sequence[Scored], seed: int, target: float, basis: Basis
) -> float | None:
    """What the baseline pays for a loss with one seed; None where no length reaches it.

    The shortest length that reaches the target, and the one before it: linear in bits per byte and
    in the logarithm of the cost.

    Args:
        baselines: shortest first.
        seed: whose.
        target: bits per byte.
        basis: of the cost.
    """
    points = [
        (each.cost(basis), next(iter(each.bpb.values())))
        for each in baselines
        if each.training.seed == seed and len(each.bpb) == 1
    ]
    for place, (cost, bpb) in enumerate(points):
        if bpb > target:
            continue
        if place == 0 or cost is None:
            return cost
        shorter, worse = points[place - 1]
        if shorter is None:
            return None
        share = (worse - target) / (worse - bpb)
        return math.exp(math.log(shorter) + share * (math.log(cost) - math.log(shorter)))
    return None


def _differences(said: Reached, counted: Reached) -> Iterator[str]:
    for name in ("bpb", "baseline_cost"):
        its, mine = getattr(said, name), getattr(counted, name)
        if len(its) != len(mine) or not all(map(_same, its, mine)):
            yield f"{name}: {list(its)}; the book gives {list(mine)}"
    for name in ("mean", "upper95"):
        if not _same(getattr(said, name), getattr(counted, name)):
            yield f"{name}: {getattr(said, name)}; the book gives {getattr(counted, name)}"
    # A bound that meets its target to the last digit is on neither side of it.
    if close(counted.upper95, counted.target):
        return
    for name in ("reached", "counted"):
        if getattr(said, name) != getattr(counted, name):
            yield f"{name}: {getattr(said, name)}; the book gives {getattr(counted, name)}"


def _same(said: float | None, counted: float | None) -> bool:
    if said is None or counted is None:
        return said is counted
    return close(said, counted)
