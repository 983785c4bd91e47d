"""`Point`: one measured loss of one model. Laws are fitted on points, and moved by them.

    points = shipped_points()                        # farthing's own studies
    mine = booked_points(workspace, book.records)    # what this workspace has trained and scored

Losses are bits per byte of dev text, the mean over its domains, at the end of a schedule: a loss
in the middle of one lies higher and says nothing about a shorter run (arXiv 2203.15556).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from farthing.artifacts.config import parse_config
from farthing.artifacts.entries import Evaluation, Plan, Record
from farthing.artifacts.workspace import Workspace
from farthing.cost.parameters import count_parameters
from farthing.errors import ConfigError
from farthing.ledger.accounts import collect_runs
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

SAMPLE = "sample"

_DATA = Path(__file__).parent / "data" / "points.csv"
_TRAINED = ("training", "baseline", "ablation", "tuning")
_INTEGERS = ("width", "active", "total", "smallest", "batch_tokens", "seeds")
_WORDS = ("recipe", "corpus", "label")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One model and how well it reads dev text; a mean where several seeds were trained.

    Attributes:
        recipe: name of the recipe.
        corpus: `sample` for the embedded text, else the corpus's digest.
        label: the shape.
        width: of the residual stream.
        active, total: parameters that a token visits, and all; both without embedding and output
            matrices.
        smallest: `active` of the smallest shape that the run trained: the model's own where the
            run trained it alone.
        tokens, steps: of the run, the same for all members of a family.
        batch_tokens: of one step.
        share: how often a step trained this very shape, 0 to 1; 1 for a model of its own.
        bpb: bits per byte.
        seeds: how many runs `bpb` is the mean of.
    """

    recipe: str
    corpus: str
    label: str
    width: int
    active: int
    total: int
    smallest: int
    tokens: float
    steps: float
    batch_tokens: int
    share: float
    bpb: float
    seeds: int = 1


@cache
def shipped_points() -> tuple[Point, ...]:
    """What farthing's own studies measured (`bench/planner_law/gather.py` writes the file)."""
    with _DATA.open(newline="", encoding="utf-8") as file:
        return tuple(_read(row) for row in csv.DictReader(file))


def booked_points(workspace: Workspace, records: Sequence[Record]) -> tuple[Point, ...]:
    """The members that this workspace has scored on dev text, each by its latest score.

    Left out are runs that did not finish, models that were trained on from another one, whose
    tokens are not all that they have seen, and shapes smaller than any that the run trained.

    Args:
        workspace: where the book is.
        records: the book's.

    Raises:
        BookError: a journal of the book is damaged.
    """
    plans = {
        record.entry.digest: record.body for record in records if isinstance(record.body, Plan)
    }
    trained: dict[str, _Trained] = {}
    for run in collect_runs(workspace, records):
        plan = plans.get(run.start.plan or "")
        if plan is None or plan.parent is not None or run.artifact_digest is None:
            continue
        found = _trained(plan) if run.start.purpose in _TRAINED else None
        if found is not None and run.status == "completed":
            trained[run.artifact_digest] = found
    points: dict[tuple[str, str], Point] = {}
    for body in (record.body for record in records):
        if isinstance(body, Evaluation) and body.split == "dev" and body.supernet in trained:
            point = _booked(trained[body.supernet], body)
            if point.active >= point.smallest:
                points[body.supernet, body.shape] = point
    return tuple(points.values())


def write_points(points: Sequence[Point], path: Path) -> None:
    """Write `points` in the form of the shipped file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Point)])
        for point in points:
            writer.writerow([_shown(getattr(point, field.name)) for field in fields(Point)])


def _shown(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _read(row: Mapping[str, str]) -> Point:
    values: dict[str, Any] = {
        name: text if name in _WORDS else int(text) if name in _INTEGERS else float(text)
        for name, text in row.items()
    }
    return Point(**values)


@dataclass(frozen=True)
class _Trained:
    """What a plan says of the run that made a supernet."""

    plan: Plan
    model: ModelConfig
    steps: int
    batch_sequences: int
    elastic: Mapping[str, Any] | None
    corpus: str


def _trained(plan: Plan) -> _Trained | None:
    """Read a plan; None for one of a version whose settings are not today's."""
    try:
        model = parse_config(ModelConfig, plan.recipe["model"], where=f"plan of {plan.name}")
        train, sources = plan.recipe["train"], plan.recipe["corpus"]["sources"]
        return _Trained(
            plan=plan,
            model=model,
            steps=int(train["steps"]),
            batch_sequences=int(train["batch_sequences"]),
            elastic=train["elastic"],
            corpus=SAMPLE if sources is None else plan.corpus_digest or "",
        )
    except (ConfigError, KeyError, TypeError):
        return None


def _booked(trained: _Trained, scored: Evaluation) -> Point:
    model = trained.model
    shape = Shape.parse(scored.shape, model)
    count = count_parameters(model, 0, shape)
    batch = trained.batch_sequences * model.context
    return Point(
        recipe=trained.plan.name,
        corpus=trained.corpus,
        label=shape.label(model),
        width=model.hidden_dim,
        active=count.active_non_embedding,
        total=count.non_embedding,
        smallest=smallest_active(model, trained.elastic),
        tokens=float(trained.steps * batch),
        steps=float(trained.steps),
        batch_tokens=batch,
        share=_share(model, trained.elastic, shape),
        bpb=sum(scored.scores.values()) / len(scored.scores),
    )


def smallest_active(model: ModelConfig, elastic: Mapping[str, Any] | None) -> int:
    """Active parameters, embeddings left out, of the smallest shape that a recipe's run trains.

    Args:
        model: the supernet.
        elastic: the recipe's `train.elastic` as JSON values; None for none.
    """
    return min(count_parameters(model, 0, s).active_non_embedding for s in _drawn(model, elastic))


def _drawn(model: ModelConfig, elastic: Mapping[str, Any] | None) -> Iterator[Shape]:
    """The full shape, the recipe's whole sizes, and the smallest that its axes reach together."""
    yield Shape.full(model)
    if elastic is None:
        return
    for size in elastic.get("sizes", ()):
        yield Shape.parse(size, model)
    depth = min(elastic.get("depths") or (model.num_layers,))
    experts = min(elastic.get("expert_counts") or (model.num_experts,))
    top_k = min(elastic.get("top_ks") or (model.top_k,))
    yield Shape.uniform(model, depth, experts, min(top_k, experts))


def _share(model: ModelConfig, elastic: Mapping[str, Any] | None, shape: Shape) -> float:
    if elastic is None:
        return 1.0 if shape == Shape.full(model) else 0.0
    sizes = [Shape.parse(size, model) for size in elastic.get("sizes", ())]
    full = elastic.get("full_probability")
    if not sizes or full is None:
        # Drawn axis by axis: nearly every step trains another shape.
        return 0.0
    if shape == Shape.full(model):
        return float(full)
    weights = elastic.get("size_weights") or [1.0] * len(sizes)
    of_this = sum(w for size, w in zip(sizes, weights, strict=True) if size == shape)
    return float((1 - full) * of_this / sum(weights))
