"""Fit the shipped scaling law: src/farthing/predict/data/law.csv and law.yaml.

    python bench/planner_law/gather.py     # first, where a study was run again
    python bench/planner_law/fit.py

The quick start's own losses are not read: they are what `check.py` holds the law against.
"""

from __future__ import annotations

import csv
import json
import math
import statistics
from pathlib import Path

from farthing.predict.curve import NAMES
from farthing.predict.fit import REPLICATES, fit_law
from farthing.predict.points import shipped_points

ROOT = Path(__file__).parents[2]
DATA = ROOT / "src" / "farthing" / "predict" / "data"
WORTH = ROOT / "docs" / "results" / "worth" / "cells.json"


def text_spread() -> float:
    """Standard deviation of the logarithm of bits per byte over the domains of `worth-small`.

    One model, one length, thirteen kinds of text: how much a level says of a text not yet read.
    """
    cells = json.loads(WORTH.read_text(encoding="utf-8"))["cells"]
    finished = [cell["bpb"] for cell in cells if cell["arm"] == "mixed"]
    means = [statistics.fmean(bpb[name] for bpb in finished) for name in finished[0]]
    return statistics.stdev(math.log(mean) for mean in means)


def main() -> None:
    """Write both files."""
    rows, spread = fit_law(shipped_points())
    with (DATA / "law.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(NAMES)
        writer.writerows([f"{value:.6g}" for value in row] for row in rows)
    (DATA / "law.yaml").write_text(
        "# Written by bench/planner_law/fit.py, which says what it reads. Both are standard\n"
        "# deviations of logarithms of bits per byte.\n"
        f"# of recipes that a law of the others predicts; law.csv: the fit, {REPLICATES} draws\n"
        f"spread: {spread:.4f}\n"
        "# over the domains of docs/results/worth.md, one model at one length\n"
        f"text_spread: {text_spread():.4f}\n",
        encoding="utf-8",
    )
    for name, value in zip(NAMES, rows[0], strict=True):
        print(f"{name:12} {value:.5g}")
    print(f"spread       {spread:.4f}")


if __name__ == "__main__":
    main()
