"""Write docs/results/curation.md and curation.json from what the races of curation measured.

    make results-curation

Reads FOLDER/*.json (`bench/curation/run_races.py --results FOLDER`; the format stands in
bench/rivals/measure.py). A race that was skipped keeps the figures that curation.json holds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench" / "curation"), str(ROOT / "bench" / "rivals")]

from measure import show  # noqa: E402
from run_races import PIPELINES, RACES  # noqa: E402

PAGE = ROOT / "docs" / "results" / "curation.md"
UNMEASURED = "not measured yet"
_SHARE_DIGITS = 4
INTRODUCTION = (
    "Written by `scripts/refresh_curation.py` (`make results-curation TEXT=FOLDER "
    "PUBLISHED=FOLDER`) from [curation.json](curation.json), which has every value. `make "
    "bench-curation` with the same variables measures all of it again, in an environment of its "
    "own; without TEXT on the embedded sample, without the whole pipeline. MB are 10^6 bytes of "
    "UTF-8, CPU-seconds user and system time of one pinned thread with its children; all programs "
    "of a race work on the same documents, in turn, in the same run. A figure is the mean over the "
    "rounds ± the sample standard deviation; ratios are taken round by round. What each program "
    "is asked to do stands at the head of the script that its section names."
)
LEFT_OUT = (
    "Operators that need a model which has to be downloaded (perplexity, fastText and transformer "
    "classifiers of data-juicer and datatrove); datatrove's index of benchmarks, which wants "
    "lighteval and so torch: its file is written by the race; several threads or machines; "
    "deduplication on disk, which datatrove and data-juicer have and race_near leaves out. "
    "daft and py-data-juicer are installed without what they ask for, and run with newer versions "
    "of it (`bench/curation/requirements-alone.txt`)."
)


def main() -> None:
    """Merge what was measured into curation.json, then write the page from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "curation")
    folder: Path = parser.parse_args().results
    stored = PAGE.with_suffix(".json")
    found = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        found[data["bench"]] = data
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    stored.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)} and {stored.name}, with {', '.join(sorted(found))}")


def page(found: dict[str, dict[str, Any]]) -> str:
    """The whole page."""
    order = [*RACES, *PIPELINES]
    parts = [
        "# Curation, side by side with rivals\n",
        INTRODUCTION + "\n",
        "## Targets\n",
        targets(found, order),
        *(section(found[name]) for name in order if name in found),
        "## Left out\n",
        LEFT_OUT,
    ]
    return "\n".join(parts).rstrip() + "\n"


def targets(found: dict[str, dict[str, Any]], order: list[str]) -> str:
    """A row a target, and one for each race that was never run."""
    rows = []
    for name in order:
        for target in found.get(name, {}).get("targets", []):
            wanted = f"{target['relation']} {target['wanted']:,.4g}"
            verdict = "met" if target["met"] else "**not met**"
            rows.append([target["what"], wanted, cell(target["measured"]), verdict])
        if name not in found:
            rows.append([f"`{name}`", "", UNMEASURED, ""])
    return markdown(["target", "wanted", "measured", ""], rows)


def section(data: dict[str, Any]) -> str:
    """One race: where, how, its tables."""
    machine = data["machine"]
    named = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    lines = [
        f"## {data['title']}\n",
        f"`{data['command']}`, {len(data['seeds'])} rounds\n"
        if len(data["seeds"]) > 1
        else f"`{data['command']}`\n",
        f"{machine['processor']} ({machine['instructions']}, {machine['hardware_threads']} "
        f"hardware threads; load average before: {data['load_average']}); {named}.\n",
        *(f"- {line}" for line in data["setting"]),
        *(f"- {line}" for line in data["notes"]),
        "",
    ]
    for table in data["tables"]:
        rows = [[cell(each) for each in row] for row in table["rows"]]
        lines += [f"{table['title']}\n", markdown(table["columns"], rows)]
    return "\n".join(lines)


def cell(value: Any) -> str:  # noqa: ANN401
    """As `show`; one value alone has no spread."""
    if isinstance(value, str) or len(value["values"]) > 1:
        return str(show(value))
    only = value["values"][0]
    return f"{only:.{_SHARE_DIGITS}f}" if 0 <= only <= 1 else f"{only:,.4g}"


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A table; what is not text to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
