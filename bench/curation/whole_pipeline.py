"""`farthing curate` from raw text to token shards: MB a CPU-second, peak memory, ten times over.

    python bench/curation/whole_pipeline.py --text FOLDER [--rounds 3] [--set corpus.workers=1] ...
    python bench/curation/whole_pipeline.py --text FOLDER --repeat 10 ...

In a workspace of its own, which is deleted. Of several rounds the one with the fewest CPU-seconds
counts. With --repeat a second run reads the same files so many times (as links under other names),
so all but the first of each document are duplicates: its memory should be that of the first run.
MB are those of the text as it was read, UTF-8, before anything is dropped; of HTML, those that its
extraction leaves. Compiled kernels are in the cache by then: the embedded sample is curated first,
for nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
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
ONCE = "once"


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
    parser.add_argument("--rounds", type=int, default=1, help="runs on the input once")
    parser.add_argument("--repeat", type=int, default=1, help="also so many times over")
    parser.add_argument("--recipe", default="pile", help="whose section corpus is taken")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--scratch", type=Path, help="where the workspaces stand meanwhile")
    parser.add_argument("--json", type=Path, help="also write what was found to this file")
    asked = parser.parse_args()
    files = files_of(asked.text)
    runs: dict[str, Curated] = {}
    with tempfile.TemporaryDirectory(dir=asked.scratch) as name:
        scratch = Path(name)
        folder = links(files_of(None), scratch / "first" / "text", 1)
        curate(folder, scratch / "first" / "run", asked.recipe, asked.changes)
        titles = {ONCE: 1} | {f"{ONCE}, round {n + 1}": 1 for n in range(1, asked.rounds)}
        titles |= {f"{asked.repeat} times": asked.repeat} if asked.repeat > 1 else {}
        for number, (title, times) in enumerate(titles.items()):
            place = scratch / str(number)
            folder = links(files, place / "text", times)
            runs[title] = curate(folder, place / "run", asked.recipe, asked.changes)
            shutil.rmtree(place)
    report(asked, runs)
    return 0


def report(asked: argparse.Namespace, runs: dict[str, Curated]) -> None:
    """The tables, the targets, and the JSON."""
    once = [each for title, each in runs.items() if title.startswith(ONCE)]
    repeated = {title: each for title, each in runs.items() if not title.startswith(ONCE)}
    first = min(once, key=lambda each: each.used.cpu_seconds)
    outcome = Outcome(
        "whole_pipeline_repeated" if repeated else "whole_pipeline",
        "farthing curate, raw text to token shards" + "".join(f", {name}" for name in repeated),
        list(range(len(once))),
        [f"recipe {asked.recipe}" + "".join(f", {change}" for change in asked.changes)],
    )
    columns = ["input", "MB read", "CPU-s", "wall s", "MB/CPU-s", "peak PSS, MiB"]
    outcome.table("Runs", columns, [_run_row(title, each) for title, each in runs.items()])
    peak = Figure.of([max(each.used.peak_bytes for each in runs.values()) / 2**20])
    if not repeated:
        seconds = dict(first.cpu_seconds)
        rows = [_step_row(step, seconds.pop(step["name"], 0.0)) for step in first.steps]
        rows += [[name, "", "", "", f"{some:,.2f}", ""] for name, some in seconds.items()]
        rest = first.used.cpu_seconds - sum(first.cpu_seconds.values())
        rows.append(["in no step", "", "", "", f"{rest:,.2f}", ""])
        columns = ["step", "documents in", "documents out", "MB out", "CPU-s", "MB/CPU-s"]
        outcome.table("Steps of the run with the fewest CPU-seconds", columns, rows)
        speed = Figure.of([first.speed])
        outcome.target("MB of raw text for each CPU-second", ">=", WANTED_SPEED, speed)
    for title, each in repeated.items():
        growth = Figure.of([each.used.peak_bytes / first.used.peak_bytes])
        outcome.target(f"peak with the input {title}, over once", "<=", WANTED_FLAT, growth)
    outcome.target("peak memory, MiB", "<=", WANTED_BYTES / 2**20, peak)
    outcome.versions = version_of("numba", "pyarrow", "orjson", "zstandard")
    outcome.close(asked.json)


def _run_row(title: str, each: Curated) -> list[str]:
    return [
        title,
        f"{each.read_bytes / 1e6:,.1f}",
        f"{each.used.cpu_seconds:,.1f}",
        f"{each.used.wall_seconds:,.1f}",
        f"{each.speed:.2f}",
        f"{each.used.peak_bytes / 2**20:,.0f}",
    ]


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
