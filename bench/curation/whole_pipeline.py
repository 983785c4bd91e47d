"""`farthing curate` from raw text to token shards: MB a CPU-second, peak memory, ten times over.

    python bench/curation/whole_pipeline.py --text FOLDER [--repeat 10] [--set corpus.workers=1] ...

In a workspace of its own, which is deleted. The second run reads the same files so many times (as
links under other names), so all but the first of each document are duplicates: its memory should
be that of the first run. MB are those of the text as it was read, UTF-8, before anything is
dropped. Compiled kernels are in the cache by then: the smallest of the files is curated first,
for nothing else, so it does not matter if it alone is too small for a corpus.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pile import files_of
from races import Figure, Outcome, version_of
from tree import Used, run

WANTED_SPEED = 5.0
WANTED_BYTES = 2 << 30
# Peak with the input repeated over the peak without.
WANTED_FLAT = 1.15


@dataclass(frozen=True)
class Curated:
    """One run.

    Attributes:
        used: by the whole command.
        read_bytes: of UTF-8 text.
        steps: of the corpus' funnel.
        cpu_seconds: by step, as the book has them.
    """

    used: Used
    read_bytes: int
    steps: list[dict[str, Any]]
    cpu_seconds: dict[str, float]

    @property
    def speed(self) -> float:
        """MB a CPU-second."""
        return self.read_bytes / 1e6 / self.used.cpu_seconds


def links(files: Sequence[Path], folder: Path, times: int) -> Path:
    """A folder that holds every file so many times, as hard links where the disk can."""
    for number in range(times):
        inside = folder / f"{number:03d}"
        inside.mkdir(parents=True)
        for file in files:
            try:
                os.link(file.resolve(), inside / file.name)
            except OSError:
                shutil.copyfile(file, inside / file.name)
    return folder


def curate(folder: Path, place: Path, recipe: str, changes: Sequence[str]) -> Curated:
    """Curate a folder into a new workspace under `place`."""
    place.mkdir(parents=True)
    begin = "from farthing.cli.main import main; raise SystemExit(main())"
    command = [sys.executable, "-c", begin, "curate", "--recipe", recipe, "--json"]
    command += ["--workspace", str(place / "workspace"), "--set", f"corpus.sources=[{folder}]"]
    for change in changes:
        command += ["--set", change]
    used = run(command, {"FARTHING_HOME": str(place / "home")}, place / "log")
    (corpus,) = (place / "workspace" / "corpora").glob("[!.]*")
    steps = json.loads((corpus / "funnel.json").read_bytes())["steps"]
    seconds: dict[str, float] = {}
    for line in (place / "workspace" / "book.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry["kind"] == "curation.step":
            body = entry["body"]
            seconds[body["step"]] = seconds.get(body["step"], 0.0) + body["cpu_seconds"]
    return Curated(used, int(steps[0]["entered"]["bytes"]), steps, seconds)


def main() -> int:
    """Curate once and so many times over; 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", nargs="+", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=10, help="1: leave the second run out")
    parser.add_argument("--recipe", default="quickstart", help="whose section corpus is taken")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--scratch", type=Path, help="where the workspaces stand meanwhile")
    parser.add_argument("--json", type=Path, help="also write what was found to this file")
    asked = parser.parse_args()
    files = files_of(asked.text)
    runs: dict[str, Curated] = {}
    with tempfile.TemporaryDirectory(dir=asked.scratch) as name:
        scratch = Path(name)
        smallest = [min(files, key=lambda each: each.stat().st_size)]
        with suppress(RuntimeError):
            folder = links(smallest, scratch / "first" / "text", 1)
            curate(folder, scratch / "first" / "run", asked.recipe, asked.changes)
        titles = {"once": 1} | ({f"{asked.repeat} times": asked.repeat} if asked.repeat > 1 else {})
        for title, times in titles.items():
            folder = links(files, scratch / title / "text", times)
            place = scratch / title / "run"
            runs[title] = curate(folder, place, asked.recipe, asked.changes)
            shutil.rmtree(scratch / title)
    report(asked, runs)
    return 0


def report(asked: argparse.Namespace, runs: dict[str, Curated]) -> None:
    """The tables, the targets, and the JSON."""
    outcome = Outcome(
        "whole_pipeline",
        "farthing curate, raw text to token shards",
        [0],
        [f"recipe {asked.recipe}" + "".join(f", {change}" for change in asked.changes)],
    )
    rows = [
        [
            title,
            f"{each.read_bytes / 1e6:,.1f}",
            f"{each.used.cpu_seconds:,.1f}",
            f"{each.used.wall_seconds:,.1f}",
            f"{each.speed:.2f}",
            f"{each.used.peak_bytes / 2**20:,.0f}",
        ]
        for title, each in runs.items()
    ]
    columns = ["input", "MB read", "CPU-s", "wall s", "MB/CPU-s", "peak PSS, MiB"]
    outcome.table("Runs", columns, rows)
    first = runs["once"]
    outcome.table(
        "Steps of the first",
        ["step", "documents in", "documents out", "MB out", "CPU-s", "MB/CPU-s"],
        [_step_row(step, first.cpu_seconds.pop(step["name"], 0.0)) for step in first.steps],
    )
    rest = [[name, f"{seconds:,.2f}"] for name, seconds in first.cpu_seconds.items()]
    outcome.table("Further CPU-seconds of the first", ["step", "CPU-s"], rest or [["", ""]])
    speed, peak = Figure.of([first.speed]), Figure.of([first.used.peak_bytes / 2**20])
    outcome.target("MB of raw text for each CPU-second", ">=", WANTED_SPEED, speed)
    outcome.target("peak memory, MiB", "<=", WANTED_BYTES / 2**20, peak)
    for title, each in runs.items():
        if each is not first:
            growth = Figure.of([each.used.peak_bytes / first.used.peak_bytes])
            outcome.target(f"peak with the input {title}, over once", "<=", WANTED_FLAT, growth)
    outcome.versions = version_of("numba", "pyarrow", "orjson", "zstandard")
    outcome.close(asked.json)


def _step_row(step: dict[str, Any], seconds: float) -> list[str]:
    entered = step["entered"]
    return [
        step["name"],
        f"{entered['documents']:,}",
        f"{step['left']['documents']:,}",
        f"{step['left']['bytes'] / 1e6:,.1f}",
        f"{seconds:,.2f}",
        f"{entered['bytes'] / 1e6 / seconds:,.1f}" if seconds else "",
    ]


if __name__ == "__main__":
    sys.exit(main())
