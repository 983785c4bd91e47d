"""What it cost to reach a loss: the finished runs of a workspace, as end points with their bills.

A point is a member of a supernet that a booked run trained to the end of its schedule, with what it
cost fully loaded: everything that its family's bill holds, failed attempts, curation and search
included. Only points that were scored on the very same text stand in one frontier. What a
checkpoint in the middle of a schedule scored says nothing about the cost of that loss, and a run
that diverged made no model: neither is a point, however good its figures look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.cost_curve import EndPoint, between, cheapest_way
from farthing.artifacts.entries import Evaluation, Plan, Record, RunEnd, RunStart, Segment
from farthing.artifacts.family import scores_of
from farthing.artifacts.pareto import pareto_front
from farthing.artifacts.settings import BASES
from farthing.artifacts.workspace import Workspace
from farthing.ledger.figures import Figures
from farthing.ledger.lineage import FamilyCost
from farthing.quantity import Provenance, Quantity

# The test split is read once, for a claim: nothing is steered by it.
SPLIT = "dev"
UNITS = (*(f"USD {basis}" for basis in BASES), "kWh", "device-hours")

# What of a recipe may differ between two runs of one model: its length, and what never changes it.
_LENGTH = {"steps", "checkpoint_every", "keep_checkpoints"}
_OUTSIDE = {"name", "evaluate"}
_SHORT = 10


@dataclass(frozen=True)
class Point:
    """A scored member of a finished run.

    Attributes:
        model: the same for runs that differ in length only, member by member.
        run: the run's name and the start of its supernet's digest.
        supernet: that digest.
        member: short name.
        bpb: mean bits per byte over the domains.
        cost: fully loaded.
    """

    model: str
    run: str
    supernet: str
    member: str
    bpb: float
    cost: Figures

    def spent(self, unit: str) -> Quantity | None:
        """What it cost in one of `UNITS`; None is unknown."""
        if unit == "kWh":
            return self.cost.kwh
        if unit == "device-hours":
            return self.cost.device_hours
        return next(self.cost.usd.get(basis) for basis in BASES if unit == f"USD {basis}")


@dataclass(frozen=True)
class CostTo:
    """What it costs to reach a loss, in one unit.

    Attributes:
        unit: one of `UNITS`.
        cost: the figure; between two runs it is an estimate.
        exact: False where the shortest run of its model is better than asked for: a still shorter
            one might do, so the figure is the most that it costs.
        run, member: the run that reaches it.
        longer_than: the shorter run of that model, which does not; None without one.
    """

    unit: str
    cost: Quantity
    exact: bool
    run: str
    member: str
    longer_than: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self), "cost": self.cost.to_json()}


@dataclass(frozen=True)
class Frontier:
    """All points that were scored on the same text.

    Attributes:
        corpus: content digest of the corpus that the text was held out of.
        held_out_bytes: of it, by domain.
        points: the best first.
    """

    corpus: str
    held_out_bytes: dict[str, int]
    points: tuple[Point, ...]

    def cost_to(self, bpb: float) -> tuple[CostTo, ...]:
        """What it costs to reach `bpb`, in each unit that is known; empty if no run reached it."""
        found = (self._cost_in(unit, bpb) for unit in UNITS)
        return tuple(each for each in found if each is not None)

    def known(self, unit: str) -> tuple[Point, ...]:
        """The points whose cost in `unit` somebody knows."""
        return tuple(point for point in self.points if point.spent(unit) is not None)

    def runs(self, unit: str) -> tuple[tuple[Point, bool], ...]:
        """The best member of each run, and whether no other run is as good for as little."""
        best: dict[str, Point] = {}
        for point in self.known(unit):
            best.setdefault(point.supernet, point)
        points = tuple(best.values())
        places = [(_value(point, unit), point.bpb) for point in points]
        return tuple(zip(points, pareto_front(places), strict=True))

    def _cost_in(self, unit: str, bpb: float) -> CostTo | None:
        points = {str(place): point for place, point in enumerate(self.known(unit))}
        way = cheapest_way(
            bpb,
            (
                EndPoint(point.model, _value(point, unit), point.bpb, name)
                for name, point in points.items()
            ),
        )
        if way is None:
            return None
        point = points[way.point.name]
        cost = point.spent(unit)
        assert cost is not None  # `known` left the others out
        before = points[way.before.name] if way.before is not None else None
        start = before.spent(unit) if before is not None else None
        if start is not None and way.share < 1:
            cost = _between(start, cost, way.share)
        return CostTo(
            unit=unit,
            cost=cost,
            exact=way.reached.exact,
            run=point.run,
            member=point.member,
            longer_than=before.run if before is not None else None,
        )


@dataclass(frozen=True)
class Frontiers:
    """Every text on which finished runs were scored.

    Attributes:
        texts: the one with the most points first; figures of two of them never compare.
        not_counted: what was scored or trained and is no point, and why.
    """

    texts: tuple[Frontier, ...]
    not_counted: tuple[str, ...]

    def of(self, corpus: str) -> Frontier | None:
        """The one of a corpus (its digest) with the most points; None without."""
        return next((each for each in self.texts if each.corpus == corpus), None)


def read_frontiers(
    workspace: Workspace, families: Sequence[FamilyCost], records: Sequence[Record]
) -> Frontiers:
    """All end points of a workspace.

    Args:
        workspace: where the scores are.
        families: their costs, as the bill has them.
        records: of the book.

    Raises:
        ArtifactError: a score matrix is damaged.
        BookError: the book does not verify.
    """
    ends = _Ends(records)
    texts: dict[str, tuple[str, dict[str, int], list[Point]]] = {}
    problems: list[str] = []
    for family in families:
        for supernet in family.supernets:
            name = _run_name(family, supernet)
            problem = ends.problem(family.plan, supernet)
            matrix = None if problem else scores_of(workspace, supernet, SPLIT)
            if matrix is None:
                problems.append(f"{name}: {problem or f'not scored on {SPLIT} text'}")
                continue
            text = digest_json([matrix.corpus, matrix.held_out_bytes])
            held = texts.setdefault(text, (matrix.corpus, matrix.held_out_bytes, []))
            held[2].extend(
                Point(
                    model=f"{ends.model(family.plan)} {member.shape}",
                    run=name,
                    supernet=supernet,
                    member=member.label,
                    bpb=member.mean_bpb,
                    cost=_fully_loaded(family, member.shape),
                )
                for member in matrix.members
            )
    frontiers = [
        Frontier(corpus, held_out, tuple(sorted(points, key=lambda point: point.bpb)))
        for corpus, held_out, points in texts.values()
    ]
    frontiers.sort(key=lambda each: -len(each.points))
    known = {supernet for family in families for supernet in family.supernets}
    return Frontiers(tuple(frontiers), (*problems, *ends.scored_otherwise(known)))


class _Ends:
    """What the book says about where each training run ended."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._recipes = {
            record.entry.digest: record.body.recipe
            for record in records
            if isinstance(record.body, Plan)
        }
        bodies = [record.body for record in records]
        self._keys = {body.run: body.input_key for body in bodies if isinstance(body, RunStart)}
        self._makers = {
            body.artifact.digest: body.run
            for body in bodies
            if isinstance(body, RunEnd) and body.artifact is not None
        }
        self._steps: dict[str, int] = {}
        for body in bodies:
            if isinstance(body, Segment):
                key = self._keys[body.run]
                self._steps[key] = max(self._steps.get(key, 0), body.last_step + 1)
        self._scored = dict.fromkeys(
            body.supernet for body in bodies if isinstance(body, Evaluation) and body.split == SPLIT
        )

    def model(self, plan: str) -> str:
        """The plan's recipe without its length, as a digest."""
        recipe = {key: value for key, value in self._recipes[plan].items() if key not in _OUTSIDE}
        train = recipe.get("train", {})
        recipe["train"] = {key: value for key, value in train.items() if key not in _LENGTH}
        return digest_json(recipe)

    def problem(self, plan: str, supernet: str) -> str:
        """Why a supernet is no end point, or ""."""
        wanted = self._recipes[plan].get("train", {}).get("steps")
        done = self._steps.get(self._keys[self._makers[supernet]])
        if wanted is None or done is None:
            return "the book does not say at which step of its schedule it ended"
        if done < wanted:
            return f"step {done} of {wanted} is in the middle of its schedule"
        return ""

    def scored_otherwise(self, known: set[str]) -> list[str]:
        """Models that were scored though no finished training run of the book made them."""
        return [
            f"{supernet[:_SHORT]}: scored, but no run of the book trained it to its end"
            for supernet in self._scored
            if supernet not in known
        ]


def _fully_loaded(family: FamilyCost, shape: str) -> Figures:
    """A member that nobody registered has no part of its own: its evaluation is in the parent."""
    registered = {member.shape: member.fully_loaded for member in family.members}
    return registered.get(shape, family.parent)


def _run_name(family: FamilyCost, supernet: str) -> str:
    return f"{family.name} {supernet[:_SHORT]}"


def _value(point: Point, unit: str) -> float:
    spent = point.spent(unit)
    assert spent is not None  # `known` left the others out
    return spent.value


def _between(start: Quantity, end: Quantity, share: float) -> Quantity:
    """A figure that nobody has paid: an estimate, between those of two runs."""
    low, middle, high = sorted(
        (
            between(start.low, end.low, share),
            between(start.value, end.value, share),
            between(start.high, end.high, share),
        )
    )
    return Quantity(
        value=middle,
        unit=end.unit,
        provenance=max(start.provenance, end.provenance, Provenance.ESTIMATED),
        source=f"between two finished runs; {end.source}",
        low=low,
        high=high,
    )
