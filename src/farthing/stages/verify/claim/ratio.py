"""Level 1, the ratio: what the baseline pays over what the method paid, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from farthing.artifacts.claims.entries import Basis, ClaimDraft
from farthing.artifacts.claims.statement import Claim, RatioFigure
from farthing.stages.verify.claim.amounts import close
from farthing.stages.verify.claim.cost import Costs
from farthing.stages.verify.claim.quality import Scored, cost_in, expected_reach
from farthing.stages.verify.claim.student import reach
from farthing.stages.verify.finding import Finding

_CHECK = "ratio"
_BASES: tuple[Basis, ...] = ("flops", "device_hours", "kwh")
_SCOPES: tuple[Literal["training", "loaded"], ...] = ("training", "loaded")
_SHARED = ("repeated", "curation", "tuning")


def check_ratio(
    claim: Claim,
    draft: ClaimDraft,
    methods: Sequence[Scored],
    baselines: Sequence[Scored],
    costs: Costs,
) -> Iterator[Finding]:
    """Every basis and scope that both sides know, and no other.

    Args:
        claim: what is said.
        draft: what was registered.
        methods: of the method, by seed.
        baselines: shortest first, by seed.
        costs: of the book.
    """
    expected = {}
    for basis in _BASES:
        paid = _baseline_paid(draft, basis, methods, baselines)
        for scope in _SCOPES:
            spent = [_spent(each, basis, scope, costs, len(methods)) for each in methods]
            known = [cost for cost in spent if cost is not None]
            if paid is not None and len(known) == len(spent) and min(known) > 0:
                expected[basis, scope] = [a / b for a, b in zip(paid, known, strict=True)]
    said = {(each.basis, each.scope): each for each in claim.ratio}
    if len(said) < len(claim.ratio) or set(said) != set(expected):
        there = ", ".join(f"{scope} {basis}" for basis, scope in sorted(said)) or "none"
        due = ", ".join(f"{scope} {basis}" for basis, scope in sorted(expected)) or "none"
        detail = f"the claim states {there}; from the book follow {due}"
        yield Finding(_CHECK, False, "claim.json, ratio", detail, 1)
        return
    problems = 0
    for (basis, scope), quotients in expected.items():
        for problem in _differences(said[basis, scope], quotients):
            problems += 1
            where = f"claim.json, ratio, {scope} {basis}"
            yield Finding(_CHECK, False, where, problem, 1)
    if not problems:
        figures = "; ".join(
            f"{each.scope} {each.basis} {each.point:.4g} (lower 95 %: {each.lower95:.4g})"
            for each in claim.ratio
        )
        detail = figures or "no member counts, so there is no ratio"
        yield Finding(_CHECK, True, "claim.json, ratio", detail, 1)


def _baseline_paid(
    draft: ClaimDraft, basis: Basis, methods: Sequence[Scored], baselines: Sequence[Scored]
) -> list[float] | None:
    """By seed, for all members that count in this basis; None where none does."""
    members = [expected_reach(each, basis, methods, baselines) for each in draft.targets]
    counted = [each for each in members if not isinstance(each, str) and each.counted]
    if not counted:
        return None
    return [
        math.fsum(each.baseline_cost[place] or 0.0 for each in counted)
        for place in range(len(methods))
    ]


def _spent(
    method: Scored,
    basis: Basis,
    scope: Literal["training", "loaded"],
    costs: Costs,
    seeds: int,
) -> float | None:
    """What the method's run of a seed paid: alone, or with its part of all that stands with it."""
    own = method.cost(basis)
    if scope == "training" or own is None:
        return own
    parts = [own]
    for name in _SHARED:
        shared = cost_in(basis, costs.line(name)) if costs.parts[name] else 0.0
        if shared is None:
            return None
        parts.append(shared / seeds)
    scoring = costs.evaluation(method.training)
    scored = cost_in(basis, scoring) if scoring.runs else 0.0
    return None if scored is None else math.fsum([*parts, scored])


def _differences(said: RatioFigure, quotients: Sequence[float]) -> Iterator[str]:
    logarithms = [math.log(each) for each in quotients]
    mean = math.fsum(logarithms) / len(logarithms)
    lower = mean - reach(logarithms)
    same = len(said.by_seed) == len(quotients)
    if not same or not all(map(close, said.by_seed, quotients)):
        yield f"by_seed: {list(said.by_seed)}; the book gives {list(quotients)}"
    for name, value in (("point", math.exp(mean)), ("lower95", math.exp(lower))):
        if not close(getattr(said, name), value):
            yield f"{name}: {getattr(said, name)}; the book gives {value}"
