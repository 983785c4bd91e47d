"""Fit what a training step costs on one thread: the constants of `farthing.predict.local`.

    python bench/planner_law/step_times.py

Reads the CPU-seconds of farthing's studies (docs/results/elastic), all on one thread of the machine
that they name; prints the constants and how far they are off.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from farthing.artifacts.config import parse_config
from farthing.cost.architecture import architecture_of
from farthing.flow.config import RunConfig
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.predict.local import COSTS, cost_features
from farthing.recipes.loader import load_recipe

ROOT = Path(__file__).parents[2]
STUDIES = ("compare-sample", "compare-0.3m", "compare-1m")
ARMS = ("elastic", "plain", "scratch", "baseline")


def measured() -> list[tuple[str, dict[str, float], float]]:
    """Label, features and median CPU-seconds per token of each arm and length."""
    found = []
    for study in STUDIES:
        read = json.loads(
            (ROOT / "docs/results/elastic" / study / "cells.json").read_text(encoding="utf-8")
        )
        model = parse_config(ModelConfig, read["settings"]["model"], where=study)
        vocabulary = int(read["settings"]["corpus"]["vocab_size"])
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for cell in read["cells"]:
            if cell["arm"] in ARMS:
                key = (cell["arm"], cell["name"], cell["length"])
                groups.setdefault(key, []).append(cell["runs"][0])
        for key, runs in groups.items():
            sizes = _trained_alone(read["settings"], key[1]) if key[0] == "baseline" else model
            shape = Shape.parse(key[1], model) if key[0] == "scratch" else Shape.full(sizes)
            full = architecture_of(sizes, vocabulary, shape)
            flops = statistics.fmean(run["flops"] / run["tokens"] for run in runs)
            seconds = statistics.median(run["cpu_seconds"] / run["tokens"] for run in runs)
            label = f"{study} {key[0]} {key[1]} {key[2]:g}"
            found.append((label, cost_features(full, flops), seconds))
    return found


def _trained_alone(settings: dict[str, Any], name: str) -> ModelConfig:
    baseline = settings["compare"]["baselines"][name]
    return load_recipe(baseline["recipe"], baseline["changes"], RunConfig).model


@dataclass(frozen=True)
class Fitted:
    """Seconds of each cost, and each label's error: predicted over measured, less one."""

    costs: dict[str, float]
    errors: list[tuple[str, float]]


def fitted(rows: list[tuple[str, dict[str, float], float]]) -> Fitted:
    """Least squares of relative errors; no cost below zero."""
    names = list(rows[0][1])
    features = np.array([[row[1][name] for name in names] for row in rows])
    seconds = np.array([row[2] for row in rows])
    found, _ = nnls(features / seconds[:, None], np.ones(len(rows)))
    errors = features @ found / seconds - 1
    labels = [row[0] for row in rows]
    return Fitted(
        dict(zip(names, map(float, found), strict=True)),
        list(zip(labels, map(float, errors), strict=True)),
    )


def main() -> None:
    """Fit, and print."""
    found = fitted(measured())
    for name, value in found.costs.items():
        print(f"{name:14} {value:.3g}  (in use: {COSTS[name]:.3g})")
    for label, error in found.errors:
        print(f"{error:+7.1%}  {label}")
    print(f"median {statistics.median(abs(error) for _, error in found.errors):.1%}")


if __name__ == "__main__":
    main()
