"""The figures of the synthetic claim: means, bounds and ratios over three seeds, by hand."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise
from typing import Any

from synthetic_numbers import amounts

# Student's t with two degrees of freedom, one-sided 95 %: closed form for n = 2,
# t = (2p - 1) sqrt(2) / sqrt(1 - (2p - 1)**2).
_SIDE = 2 * 0.95 - 1
T_TWO = _SIDE * math.sqrt(2) / math.sqrt(1 - _SIDE**2)
_BASES = ("flops", "device_hours")


def figures(story: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:  # noqa: ANN401
    """`reached` and `ratio` of a claim.

    Args:
        story: told already.
    """
    by_basis = {basis: _reached(story, basis) for basis in _BASES}
    ratio = []
    for basis in _BASES:
        counted = [each for each in by_basis[basis] if each["counted"]]
        for scope in ("training", "loaded"):
            if counted:
                ratio.append(_ratio(story, basis, scope, counted))
    return by_basis["flops"], ratio


def _reached(story: Any, basis: str) -> list[dict[str, Any]]:  # noqa: ANN401
    found = []
    for target in story.targets:
        bpb = [model["bpb"][target["shape"]] for model in story.models if model["arm"] == "method"]
        upper = statistics.fmean(bpb) + T_TWO * statistics.stdev(bpb) / math.sqrt(3)
        paid = [_paid(story, seed, target["bpb"], basis) for seed in story.seeds]
        reached = upper <= target["bpb"]
        found.append(
            {
                **{"shape": target["shape"], "target": target["bpb"], "bpb": bpb},
                **{"mean": statistics.fmean(bpb), "upper95": upper, "reached": reached},
                **{"baseline_cost": paid, "counted": reached and None not in paid},
            }
        )
    return found


def _paid(story: Any, seed: int, target: float, basis: str) -> float | None:  # noqa: ANN401
    curve = [
        (next(iter(model["bpb"].values())), cost(model["amounts"], basis))
        for model in story.models
        if model["arm"] == "baseline" and model["seed"] == seed
    ]
    if curve[0][0] <= target:
        return curve[0][1]
    for (worse, less), (better, more) in pairwise(curve):
        if better <= target:
            return less * (more / less) ** ((worse - target) / (worse - better))
    return None


def _ratio(
    story: Any,  # noqa: ANN401
    basis: str,
    scope: str,
    counted: list[dict[str, Any]],
) -> dict[str, Any]:
    quotients = []
    methods = [model for model in story.models if model["arm"] == "method"]
    for place, model in enumerate(methods):
        spent = cost(model["amounts"], basis)
        if scope == "loaded":
            for line in ("repeated", "curation", "tuning"):
                spent += cost(amounts(story.cost[line]), basis) / 3
            spent += cost(amounts([(story.scoring[model["model"]], True)]), basis)
        quotients.append(sum(each["baseline_cost"][place] for each in counted) / spent)
    logs = [math.log(each) for each in quotients]
    lower = statistics.fmean(logs) - T_TWO * statistics.stdev(logs) / math.sqrt(3)
    point = math.exp(statistics.fmean(logs))
    return {
        **{"basis": basis, "scope": scope, "by_seed": quotients, "point": point},
        "lower95": math.exp(lower),
    }


def cost(amounts: dict[str, Any], basis: str) -> float:
    """In a unit."""
    if basis == "flops":
        return float(amounts["flops"] + amounts["optimizer_flops"])
    return float(amounts[basis])
