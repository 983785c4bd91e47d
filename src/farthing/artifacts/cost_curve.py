"""What it costs to reach a loss: between finished runs, never in the middle of one.

A run's loss in the middle of its schedule says nothing about what a run of that length would have
reached: the learning rate had not come down. So only end points count, and between two of one
model's the loss is taken as a straight line over the logarithm of the cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise


@dataclass(frozen=True)
class EndPoint:
    """A run that was finished.

    Attributes:
        model: the same for runs that differ in length only.
        spent: what it cost, in any unit, the same for all.
        bpb: what it reached.
        name: which run it was, for whoever asks afterwards.
    """

    model: str
    spent: float
    bpb: float
    name: str = ""


@dataclass(frozen=True)
class Reached:
    """What it costs to reach a loss.

    Attributes:
        spent: in the unit of the points.
        exact: False where the cheapest model's shortest run is already that good: a still shorter
            one might do, so the figure is the most that it can cost, and no basis for a ratio.
    """

    spent: float
    exact: bool


@dataclass(frozen=True)
class Way:
    """How one model reaches a loss.

    Attributes:
        before: its next shorter run, which does not reach it; None where the shortest run does.
        point: the shortest run that reaches it.
        share: how far between the two the loss lies, in the logarithm of the cost; 1 is at `point`.
        reached: what it costs.
    """

    before: EndPoint | None
    point: EndPoint
    share: float
    reached: Reached


def cost_to_reach(bpb: float, points: Iterable[EndPoint]) -> Reached | None:
    """The cost of the cheapest run of any model that reaches `bpb`; None if none does."""
    way = cheapest_way(bpb, points)
    return way.reached if way is not None else None


def cheapest_way(bpb: float, points: Iterable[EndPoint]) -> Way | None:
    """The same, with the runs that the figure lies between."""
    ways = []
    ordered = sorted(points, key=lambda point: (point.model, point.spent))
    for _, group in groupby(ordered, key=lambda point: point.model):
        way = _way_of_one_model(bpb, list(group))
        if way is not None:
            ways.append(way)
    return min(ways, key=lambda way: (way.reached.spent, way.reached.exact), default=None)


def between(before: float, after: float, share: float) -> float:
    """A cost that far between two others, in its logarithm; the higher end where one is nothing."""
    if before <= 0 or after <= 0:
        return max(before, after)
    return float(before * (after / before) ** share)


def bpb_at_cost(cost: float, points: Iterable[EndPoint]) -> float | None:
    """The loss of one model at `cost`, between two of its end points; None outside of them."""
    ordered = sorted(points, key=lambda point: point.spent)
    for point in ordered:
        if math.isclose(point.spent, cost, rel_tol=1e-9):
            return point.bpb
    for before, after in pairwise(ordered):
        if before.spent < cost < after.spent:
            share = math.log(cost / before.spent) / math.log(after.spent / before.spent)
            return before.bpb + share * (after.bpb - before.bpb)
    return None


def _way_of_one_model(bpb: float, ordered: list[EndPoint]) -> Way | None:
    """Between the first run that reaches it and the one before, which does not."""
    for place, point in enumerate(ordered):
        if point.bpb > bpb:
            continue
        if place == 0:
            return Way(None, point, 1.0, Reached(point.spent, exact=point.bpb == bpb))
        before = ordered[place - 1]
        share = (before.bpb - bpb) / (before.bpb - point.bpb)
        spent = between(before.spent, point.spent, share)
        return Way(before, point, share, Reached(spent, exact=True))
    return None
