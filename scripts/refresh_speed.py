"""Write docs/results/speed.md and speed.json from what the benchmarks against rivals measured.

    make results-speed

Reads FOLDER/*.json (`bench/rivals/run_all.py --results FOLDER`; the format stands in
bench/rivals/measure.py). A benchmark that was skipped keeps the figures that speed.json holds.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "rivals"))

from measure import show  # noqa: E402
from run_all import BENCHES  # noqa: E402

PAGE = ROOT / "docs" / "results" / "speed.md"
ACCELERATOR_BENCHES = ROOT / "bench" / "gpu"
UNMEASURED = "not measured yet"


def main() -> None:
    """Merge what was measured into speed.json, then write the page from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "speed")
    folder: Path = parser.parse_args().results
    stored = PAGE.with_suffix(".json")
    found = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        found[data["bench"]] = data
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    stored.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)} and {stored.name}, with {', '.join(sorted(found))}")


def page(found: dict[str, dict[str, Any]]) -> str:
    """The whole page."""
    order = [*BENCHES, *sorted(set(found) - set(BENCHES))]
    parts = [
        "# Speed, side by side with rivals\n",
        "Written by `scripts/refresh_speed.py` (`make results-speed`) from "
        "[speed.json](speed.json), which has every value by seed. `make bench NANOGPT=CHECKOUT "
        "TINYSHAKESPEARE=FILE` measures all of it again; without one of them it leaves out what "
        "needs it and says where to get it. A figure is the mean over the seeds ± the sample "
        "standard deviation; CPU-seconds are user and system time of one pinned thread, both sides "
        "in turn in the same run.\n",
        "## Targets\n",
        targets(found, order),
        *(section(found[name]) for name in order if name in found),
        "## Accelerators\n",
        accelerators(),
    ]
    return "\n".join(parts).rstrip() + "\n"


def targets(found: dict[str, dict[str, Any]], order: list[str]) -> str:
    """One row per target."""
    rows = []
    for name in order:
        for target in found.get(name, {}).get("targets", []):
            rows.append(
                [
                    target["what"],
                    f"{target['relation']} {target['wanted']:.3g}",
                    show(target["measured"]),
                    "met" if target["met"] else "**not met**",
                ]
            )
        if name not in found:
            rows.append([f"`bench/rivals/{name}.py`", "", UNMEASURED, ""])
    return markdown(["target", "wanted", "measured", ""], rows)


def section(data: dict[str, Any]) -> str:
    """One benchmark: where, how, its tables."""
    machine, versions = data["machine"], data["versions"]
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [
        f"## {data['title']}\n",
        f"`{data['command']}`, seeds {', '.join(map(str, data['seeds']))}\n",
        f"{machine['processor']} ({machine['instructions']}, {machine['hardware_threads']} "
        f"hardware threads, one used; load average before: {data['load_average']}); {named}.\n",
        *(f"- {line}" for line in data["setting"]),
        *(f"- {line}" for line in data["notes"]),
        "",
    ]
    for table in data["tables"]:
        rows = [[show(cell) for cell in row] for row in table["rows"]]
        lines += [f"{table['title']}\n", markdown(table["columns"], rows)]
    return "\n".join(lines)


def accelerators() -> str:
    """How to measure there: figures come with the commands of bench/gpu, as they are printed."""
    asked = []
    for path in sorted(ACCELERATOR_BENCHES.glob("*.py")):
        described = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines = [line.strip() for line in described.splitlines()]
        asked += [f"- `{line}`" for line in lines if line.startswith("python bench/gpu/")]
    return "\n".join(["No figure was measured on an accelerator yet. With one at hand:\n", *asked])


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A table; numbers to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
