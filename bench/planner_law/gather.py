"""Gather the shipped points of the scaling law from the cells of farthing's own studies.

    python bench/planner_law/gather.py

Reads docs/results/{elastic,headstart}; writes src/farthing/predict/data/points.csv. Taken are
models that one run trained from random weights on the embedded sample with the recipes' own
mixture: the members of elastic runs, and shapes trained alone. Left out: pruned, mixed and
continued models (several runs), baselines of other makes, the screening (another recipe each),
mixtures of one kind of text, and runs of under 100 steps.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from farthing.artifacts.config import parse_config
from farthing.cost.parameters import count_parameters
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.predict.points import SAMPLE, Point, smallest_active, write_points

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
TARGET = ROOT / "src" / "farthing" / "predict" / "data" / "points.csv"
STUDIES = ("elastic/compare-sample", "elastic/compare-0.3m", "elastic/compare-1m")
# Model, batch and rates of compare-sample, so one recipe with it: a law that is asked for one must
# not have seen the other. Its elastic runs are those of compare-sample.
HEADSTART, ITS_RECIPE = "headstart/headstart-sample", "compare-sample"
FEWEST_STEPS = 100
# Arms whose shapes are members of the recipe's own supernet.
_OF_THE_FAMILY = ("elastic", "plain", "variant")


def gathered() -> list[Point]:
    """All points, by study in the order of size."""
    points = []
    for study in STUDIES:
        points += points_of(study, ("elastic", "plain", "scratch"))
    longer = points_of(HEADSTART, ("scratch",))
    return points + [replace(point, recipe=ITS_RECIPE) for point in longer]


def points_of(
    study: str, arms: tuple[str, ...], *, fewest_steps: int = FEWEST_STEPS, only: str = ""
) -> list[Point]:
    """The points of some arms of one study, means over its seeds.

    Args:
        study: folder under docs/results that has `cells.json`.
        arms: which arms.
        fewest_steps: of a run that counts.
        only: of the arms, those whose name begins so.
    """
    read = json.loads((RESULTS / study / "cells.json").read_text(encoding="utf-8"))
    settings = read["settings"]
    groups: dict[tuple[Any, ...], list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for cell, score in _scores(read["cells"], arms):
        key = (cell["arm"], cell["name"], cell["length"], score["label"])
        if not cell["name"].startswith(only):
            continue
        groups.setdefault(key, []).append((cell["runs"][-1], score))
    points = [_point(settings, key, group) for key, group in groups.items()]
    return [point for point in points if point.steps >= fewest_steps]


def _scores(
    cells: list[dict[str, Any]], arms: tuple[str, ...]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for cell in cells:
        if cell["arm"] in arms and len(cell["runs"]) == 1:
            for scored in cell["scored"]:
                yield cell, scored["score"]


def _point(
    settings: dict[str, Any],
    key: tuple[Any, ...],
    group: list[tuple[dict[str, Any], dict[str, Any]]],
) -> Point:
    model = parse_config(ModelConfig, settings["model"], where="cells.json")
    arm, _, _, label = key
    shape = Shape.parse(group[0][1]["shape"], model) if arm in _OF_THE_FAMILY else None
    active, total = (int(group[0][1][name]) for name in ("active_non_embedding", "non_embedding"))
    if shape is not None:
        count = count_parameters(model, 0, shape)
        assert (count.active_non_embedding, count.non_embedding) == (active, total)
    elastic = settings["train"]["elastic"] if arm in ("elastic", "variant") else None
    tokens = statistics.fmean(run["tokens"] for run, _ in group)
    steps = statistics.fmean(run["steps"] for run, _ in group)
    return Point(
        recipe=settings["name"],
        corpus=SAMPLE,
        label=label,
        width=model.hidden_dim,
        active=active,
        total=total,
        smallest=smallest_active(model, elastic) if elastic else active,
        tokens=tokens,
        steps=steps,
        batch_tokens=round(tokens / steps),
        share=_share(elastic, label) if elastic else 1.0,
        bpb=statistics.fmean(score["mean_bpb"] for _, score in group),
        seeds=len(group),
    )


def _share(elastic: dict[str, Any], label: str) -> float:
    if not elastic.get("sizes"):
        return 0.0
    full = float(elastic["full_probability"])
    return (1 - full) / len(elastic["sizes"]) if label in elastic["sizes"] else full


if __name__ == "__main__":
    found = gathered()
    write_points(found, TARGET)
    print(f"{len(found)} points: {TARGET.relative_to(ROOT)}")
