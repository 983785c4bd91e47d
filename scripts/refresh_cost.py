"""Write docs/results/cost.md: counts beside published figures, and predictions beside measurements.

    python bench/cost/memory.py    # minutes; leave it out to keep what was measured before
    python scripts/refresh_cost.py

Sections that are only counted are written anew each time. What was measured (bench/cost/memory.py
writes build/cost/memory.json) is kept in cost.json beside the page; a section without figures says
that it was not measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "cost"))

from footprints import carbon_table, energy_table  # noqa: E402
from tables import (  # noqa: E402
    Table,
    cache_table,
    flops_table,
    markdown,
    parameters_table,
)

PAGE = ROOT / "docs" / "results" / "cost.md"
UNMEASURED = "Not measured yet.\n"

Found = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Merge what was measured into cost.json, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "cost")
    folder: Path = parser.parse_args().results
    stored = PAGE.with_suffix(".json")
    found: Found = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
    for path in sorted(folder.glob("*.json")):
        found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    stored.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")


def page(found: Found) -> str:
    """The whole page."""
    parts = [
        "# What things cost: counts against published figures\n",
        "Written by `scripts/refresh_cost.py`. Sizes, published figures and "
        "their sources stand in `src/farthing/cost/data/published.yaml`, whose first lines explain "
        "the grades; `tests/cost` holds the bounds.\n",
    ]
    for title, write in SECTIONS:
        parts += [f"## {title}\n", write(found)]
    return "\n".join(parts).rstrip() + "\n"


def memory(found: Found) -> str:
    """Predicted and measured peak memory."""
    rows = found.get("memory", [])
    if not rows:
        return UNMEASURED
    shown = [
        [
            row["case"],
            f"{row['device']}, freed memory {row['freed_memory']}",
            f"{row['measured_bytes'] / 1e6:.0f}",
            f"{row['predicted_bytes'] / 1e6:.0f}",
            f"{100 * row['error']:+.1f} %" + ("" if abs(row["error"]) <= 0.1 else " **off**"),
            row["phase"],
        ]
        for row in rows
    ]
    within = sum(abs(row["error"]) <= 0.1 for row in rows)
    devices = sorted({row["device"] for row in rows})
    table = Table(
        before=f"Peak of real training steps in a process of its own (`bench/cost/memory.py`), in "
        f"MB: {within} of {len(rows)} within 10 %. Given back, a process holds its tensors "
        "(`MemoryBytes.peak`); training keeps what it frees, and the holes between blocks are "
        "estimated (`MemoryBytes.resident`: a tenth more, chosen after the first "
        "four cases were measured, so that only the last one checks it; they held 3 to 21 % more, "
        "and two measurements of one case differ by up to 5 %). Beside torch's allocator, of "
        "tensors only, tests hold eight kinds of step to 8 %.",
        columns=["case", "how", "measured", "predicted", "error", "highest phase"],
        rows=shown,
        after=[] if devices != ["cpu"] else ["accelerators: not measured yet"],
    )
    return markdown(table)


SECTIONS: tuple[tuple[str, Callable[[Found], str]], ...] = (
    ("Parameters (T0)", lambda _: markdown(parameters_table())),
    ("Training FLOPs (T1)", lambda _: markdown(flops_table())),
    ("Decoding cache", lambda _: markdown(cache_table())),
    ("Peak memory", memory),
    ("Energy (T5)", lambda _: markdown(energy_table())),
    ("Operational carbon (T6)", lambda _: markdown(carbon_table())),
)


if __name__ == "__main__":
    main()
