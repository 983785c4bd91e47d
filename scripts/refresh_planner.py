"""Write docs/results/planner.md and the coefficients that predictions of speed ship with.

    python scripts/refresh_planner.py

Everything is counted from src/farthing/predict/data/published_runs.yaml; nothing is measured. The
fit goes to src/farthing/predict/data/throughput.yaml. docs/results/planner_law.json, written by
bench/planner_law, adds its own sections: [{"title": ..., "before": ..., "columns": [...],
"rows": [[...], ...], "after": [...]}, ...].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench" / "planner"), str(ROOT / "bench" / "cost")]

from published import sections  # noqa: E402
from tables import Table, markdown  # noqa: E402

from farthing.predict.runs import published_runs  # noqa: E402
from farthing.predict.throughput import SHIPPED, fit  # noqa: E402

PAGE = ROOT / "docs" / "results" / "planner.md"
LAW = PAGE.with_name("planner_law.json")
HEAD = (
    "# What a plan predicts, against what was published and measured\n\n"
    "Written by `scripts/refresh_planner.py` (`make results-planner`). Published hours, with "
    "sources and grades, stand in `src/farthing/predict/data/published_runs.yaml`; the runs' FLOPs "
    "are counted by `farthing.cost` from their sizes. An error of hours is predicted over "
    "published, less one.\n"
)
FIT_HEAD = (
    "# Written by scripts/refresh_planner.py: the fit of predict/throughput.py to all runs of\n"
    "# published_runs.yaml. Not to be edited: a test fits again and compares.\n\n"
)


def main() -> None:
    """Fit, write the coefficients, write the page."""
    model = fit(published_runs()).model_dump(mode="json")
    SHIPPED.write_text(FIT_HEAD + yaml.safe_dump(model, sort_keys=False), encoding="utf-8")
    parts = [HEAD]
    for title, table in [*sections(), *law_sections()]:
        parts += [f"## {title}\n", markdown(table)]
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    for path in (SHIPPED, PAGE):
        print(f"written: {path.relative_to(ROOT)}")


def law_sections() -> list[tuple[str, Table]]:
    """What bench/planner_law found; nothing where it was not run."""
    if not LAW.exists():
        return []
    found = json.loads(LAW.read_text(encoding="utf-8"))
    return [
        (each["title"], Table(each["before"], each["columns"], each["rows"], each["after"]))
        for each in found
    ]


if __name__ == "__main__":
    main()
