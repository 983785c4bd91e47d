"""How good the scaling law and the seconds of a step are: docs/results/planner_law.json.

    python bench/planner_law/check.py [--seconds seconds.json]

Everything is counted from results that are kept in docs/results; nothing is measured here. Sections
for `scripts/refresh_planner.py`, which puts them into docs/results/planner.md. `seconds.json` is
what `seconds.py` wrote; without it the section that is there stays.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gather import HEADSTART, RESULTS, STUDIES, points_of
from step_times import fitted, measured

from farthing.cost.parameters import count_parameters
from farthing.flow.config import RunConfig
from farthing.model.shape import Shape
from farthing.predict.curve import NAMES, curve, models_of
from farthing.predict.fit import leave_one_out
from farthing.predict.law import Law, shaped_law, shipped_law
from farthing.predict.points import Point, shipped_points, smallest_active
from farthing.recipes.loader import load_recipe

TARGET = RESULTS / "planner_law.json"
SECONDS = "Seconds of a quick start, foreseen and taken"
COMMAND = "`python bench/planner_law/check.py`"

Section = dict[str, Any]


def main() -> None:
    """Write the sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=Path, default=None)
    seconds: Path | None = parser.parse_args().seconds
    kept = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else []
    if seconds is None:
        timed = [each for each in kept if each["title"] == SECONDS]
    else:
        timed = [{"title": SECONDS, **json.loads(seconds.read_text(encoding="utf-8"))}]
    sections = [coefficients(), left_out(), quickstart(), further(), step_seconds(), *timed]
    text = json.dumps(sections, indent=1, ensure_ascii=False)
    TARGET.write_text(text + "\n", encoding="utf-8")
    for section in sections:
        print(f"\n{section['title']}\n  {section['before']}")
        for row in [section["columns"], *section["rows"]]:
            print("  " + " | ".join(row))
        print("\n".join(f"  {line}" for line in section["after"]))


def coefficients() -> Section:
    """The fit and what its bootstrap leaves open."""
    law = shipped_law()
    by_active = [replace(point, total=point.active) for point in shipped_points()]
    errors = [100 * abs(e) for left in leave_one_out(by_active) for e in left.errors]
    median, most = statistics.median(errors), max(errors)
    low, high = np.quantile(law.rows[1:], [0.1, 0.9], axis=0)
    rows = [
        [f"`{name}`", f"{value:.4g}", f"{a:.3g} to {b:.3g}"]
        for name, value, a, b in zip(NAMES, law.rows[0], low, high, strict=True)
    ]
    return {
        "title": "The scaling law of small models",
        "before": "Bits per byte = level (floor + bend ln(1 + x / bend)), x = A / N^alpha + "
        "B / D^beta: the form and the meaning of each figure stand in "
        f"`farthing.predict.curve`. {len(shipped_points())} points of three recipes on the "
        "embedded sample; floor, alpha and beta are those of arXiv 2404.10102.",
        "columns": ["coefficient", "fit", "p10 to p90 of the bootstrap"],
        "rows": rows,
        "after": [
            "Eleven forms were tried on the same points; left were, with a larger mean square on "
            "recipes left out: no warming up, or one counted in steps alone, or in tokens whatever "
            "the model's size; "
            "a power of x instead of the logarithm; a floor and two powers fitted freely. Warming "
            f"up by active instead of all parameters does as well (median {median:.2f} %, largest "
            f"{most:.2f} %).",
            f"Made by {COMMAND}; the fit itself by `bench/planner_law/fit.py`.",
        ],
    }


def left_out() -> Section:
    """Each recipe predicted from the others."""
    rows, inside, errors = [], 0, []
    for left in leave_one_out(shipped_points(), replicates=100):
        known = [point for point in shipped_points() if point.recipe != left.recipe]
        law = shaped_law(left.rows, known, spread=shipped_law().spread)
        covered = sum(_covers(law, point) for point in left.points)
        of_this = [100 * error for error in left.errors]
        rows.append(
            [
                left.recipe,
                str(len(left.points)),
                _span(point.active for point in left.points),
                _span(point.tokens for point in left.points),
                f"{statistics.fmean(of_this):+.2f} %",
                f"{statistics.median(map(abs, of_this)):.2f} %",
                f"{max(map(abs, of_this)):.2f} %",
                f"{covered} of {len(left.points)}",
            ]
        )
        inside += covered
        errors += [abs(error) for error in of_this]
    columns = ["recipe left out", "points", "active parameters", "tokens", "mean error"]
    return {
        "title": "The scaling law on recipes that it has not seen",
        "before": "The law is fitted on two of three recipes and asked for all points of the "
        "third.",
        "columns": [*columns, "median error", "largest", "inside p10 to p90"],
        "rows": rows,
        "after": [
            f"Over all {len(errors)} points: median {statistics.median(errors):.2f} %, largest "
            f"{max(errors):.2f} %; {inside} inside the range, which is as wide as errors of "
            "recipes left out (so of these) and the seeds make it.",
            "`compare-sample` with the longer runs of `headstart-sample`, which are of its model "
            "and rates. The form was chosen by these errors; the quick start below was not read.",
        ],
    }


def quickstart() -> Section:
    """The members of the shipped quick start, on which nothing was fitted."""
    law, rows, errors = shipped_law(), [], []
    for label, bpb, point in quickstart_points():
        found = law.bpb(
            active=point.active,
            total=point.total,
            tokens=point.tokens,
            steps=point.steps,
            smallest=point.smallest,
        )
        errors.append(100 * (found.value / bpb - 1))
        span = f"{found.low:.3f} to {found.high:.3f}"
        rows.append([label, f"{bpb:.3f}", f"{found.value:.3f}", span, f"{errors[-1]:+.2f} %"])
    return {
        "title": "Bits per byte of the quick start, which the law was not fitted on",
        "before": "Measured: docs/results/quickstart.md, one run of one seed.",
        "columns": ["member", "measured", "predicted", "p10 to p90", "error"],
        "rows": rows,
        "after": [
            f"Mean error {statistics.fmean(errors):+.2f} %, largest {max(map(abs, errors)):.2f} % "
            "(asked: 3 %)."
        ],
    }


def quickstart_points() -> list[tuple[str, float, Point]]:
    """Label, measured bits per byte and what the law is asked, from the page and the recipe."""
    run = load_recipe("quickstart", [], RunConfig)
    page = (RESULTS / "quickstart.md").read_text(encoding="utf-8")
    smallest = smallest_active(run.model, run.train.model_dump(mode="json")["elastic"])
    batch = run.train.batch_sequences * run.model.context
    found = []
    for label in run.evaluate.members:
        line = re.search(rf"^│ {re.escape(label)} +│(.*)│[^│]*│$", page, re.MULTILINE)
        assert line is not None, f"{label} is not in docs/results/quickstart.md"
        bpb = float(line[1].split("│")[-1])
        count = count_parameters(run.model, 0, Shape.parse(label, run.model))
        point = replace(
            shipped_points()[0],
            recipe="quickstart",
            label=label,
            active=count.active_non_embedding,
            total=count.non_embedding,
            smallest=smallest,
            tokens=float(run.train.steps * batch),
            steps=float(run.train.steps),
            bpb=bpb,
        )
        found.append((label, bpb, point))
    return found


def further() -> Section:
    """What the law was not made for, to see where it ends."""
    short = [p for p in points_of(HEADSTART, ("scratch",), fewest_steps=1) if p.steps < 100]
    groups = {
        "runs of 11 to 91 steps": short,
        "seven tenths of Chinese, alone and as a family": points_of(
            "elastic/compare-sample-chinese", ("plain", "elastic")
        ),
        "six tenths of code, alone and as a family": points_of(
            "elastic/compare-sample-code", ("plain", "elastic")
        ),
        "rates twice as high, no family": points_of("elastic/screening", ("plain",)),
        "families of other recipes (the screening)": points_of("elastic/screening", ("variant",)),
    }
    for study in STUDIES:
        title = f"dense baseline (nanochat's recipe), {study.removeprefix('elastic/')}"
        groups[title] = points_of(study, ("baseline",), only="nanochat")
    rows = []
    for title, points in groups.items():
        found = curve(shipped_law().rows[:1], models_of(points))[0]
        errors = [100 * (f / p.bpb - 1) for f, p in zip(found, points, strict=True)]
        mean, most = statistics.fmean(errors), max(errors, key=abs)
        rows.append([title, str(len(points)), f"{mean:+.1f} %", f"{most:+.1f} %"])
    return {
        "title": "The scaling law where it was not fitted",
        "before": "Other mixtures of the sample's text, other rates, other architectures: what a "
        "prediction may be off when a recipe leaves those of the law.",
        "columns": ["runs", "points", "mean error", "largest"],
        "rows": rows,
        "after": [],
    }


def step_seconds() -> Section:
    """Seconds of a training step on the reference thread: the sum against the studies."""
    rows = measured()
    found = fitted(rows)
    errors = {label: 100 * error for label, error in found.errors}
    shown = []
    for study in ("compare-sample", "compare-0.3m", "compare-1m"):
        of_study = [abs(e) for label, e in errors.items() if label.startswith(f"{study} ")]
        median, most = statistics.median(of_study), max(of_study)
        shown.append([study, str(len(of_study)), f"{median:.1f} %", f"{most:.1f} %"])
    return {
        "title": "Seconds of a training step on one thread",
        "before": "CPU-seconds a token of farthing's studies against the sum of six costs "
        "(`farthing.predict.local`) that were fitted on them: medians over seeds of each arm and "
        "length, dense and sparse, 64 and 112 wide, with other work on the machine.",
        "columns": ["study", "arms and lengths", "median error", "largest"],
        "rows": shown,
        "after": [
            f"Over all {len(errors)}: median {statistics.median(map(abs, errors.values())):.1f} %."
        ],
    }


def _covers(law: Law, point: Point) -> bool:
    found = law.bpb(
        active=point.active,
        total=point.total,
        tokens=point.tokens,
        steps=point.steps,
        smallest=point.smallest if point.share < 1 else None,
    )
    return found.low <= point.bpb <= found.high


def _span(values: Any) -> str:  # noqa: ANN401 - any numbers
    every = list(values)
    return f"{min(every) / 1e6:.2g} to {max(every) / 1e6:.2g} million"


if __name__ == "__main__":
    main()
