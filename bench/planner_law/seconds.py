"""Foresee the time of a quick start on this machine, run it, and compare.

    python bench/planner_law/seconds.py WORKSPACE --json seconds.json [--set train.steps=90 ...]
    python bench/planner_law/check.py --seconds seconds.json

On one thread, in CPU-seconds: other work on the machine disturbs those least. The forecast rests on
steps that are timed after curation and before the rest (`farthing.flow.pace`). A workspace that
this script has finished before is compared again, not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from farthing.artifacts.entries import read_book
from farthing.artifacts.workspace import Workspace
from farthing.flow.config import RunConfig
from farthing.ledger.accounts import RunAccount, collect_runs
from farthing.model.shape import distinct_shapes
from farthing.predict.law import shipped_law
from farthing.predict.local import REFERENCE, Probe, QuickstartWork, forecast_quickstart
from farthing.predict.points import booked_points
from farthing.recipes.loader import load_recipe
from farthing.stages.train.elastic_expectation import expected_step_flops
from farthing.text.corpus import Corpus

PROBE = "probe.json"
PURPOSES = ("training", "evaluation", "extraction")


def main() -> None:
    """Run what is not there yet, compare, write a section for `check.py`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    run = load_recipe("quickstart", given.changes, RunConfig)
    workspace = Workspace(given.workspace)
    probe = _probe(run, given.workspace, given.changes)
    corpus = _corpus(given.workspace)
    runs = collect_runs(workspace, read_book(workspace.book_file).records)
    work = QuickstartWork(
        model=run.model,
        vocab_size=corpus.vocab_size,
        steps=run.train.steps,
        batch_tokens=run.train.batch_sequences * run.model.context,
        flops_per_step=expected_step_flops(run.train, run.model, corpus.vocab_size),
        text_bytes=0,
        members=tuple(distinct_shapes(run.evaluate.members, run.model)),
        scored_tokens=_scored(runs) // len(run.evaluate.members),
        extracted=sum(one.start.purpose == "extraction" for one in runs),
    )
    section = _section(work, probe, runs, given.changes)
    section["after"].append(_losses(workspace))
    given.json.write_text(json.dumps(section, indent=1) + "\n", encoding="utf-8")
    for row in section["rows"]:
        print(" | ".join(row))


def _probe(run: RunConfig, folder: Path, changes: list[str]) -> Probe:
    kept = folder / PROBE
    if not kept.exists():
        from farthing.flow.pace import measure_pace

        _farthing("curate", "--recipe", "quickstart", "--workspace", str(folder))
        probe = measure_pace(run, _corpus(folder), clock=time.process_time)
        assert probe is not None
        sets = [word for change in changes for word in ("--set", change)]
        _farthing("quickstart", "--workspace", str(folder), *sets)
        kept.write_text(json.dumps(asdict(probe)), encoding="utf-8")
    return Probe(**json.loads(kept.read_text(encoding="utf-8")))


def _farthing(*words: str) -> None:
    start = "from farthing.cli.main import main; raise SystemExit(main())"
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", start, *words], check=True, env=one_thread)


def _corpus(folder: Path) -> Corpus:
    return Corpus.open(next((folder / "corpora").glob("[!.]*")), verify=False)


def _scored(runs: list[RunAccount]) -> int:
    return sum(one.work.tokens for one in runs if one.start.purpose == "evaluation")


def _section(
    work: QuickstartWork, probe: Probe, runs: list[RunAccount], changes: list[str]
) -> dict[str, Any]:
    foreseen = forecast_quickstart(work, probe)
    rows, sums = [], [0.0, 0.0, 0.0, 0.0]
    for purpose in PURPOSES:
        taken = sum(one.work.cpu_seconds for one in runs if one.start.purpose == purpose)
        found = foreseen[purpose]
        rows.append(_row(purpose, found.value, found.low, found.high, taken))
        amounts = (found.value, found.low, found.high, taken)
        sums = [total + each for total, each in zip(sums, amounts, strict=True)]
    rows.append(_row("together", *sums))
    changed = ", ".join(f"`{change}`" for change in changes) or "nothing"
    cpu = runs[0].start.environment.cpu
    return {
        "before": f"The quick start with {changed} changed, on one thread of: {cpu}. CPU-seconds, "
        f"foreseen from steps timed beforehand: {probe.pace:.2f} times those of {REFERENCE}.",
        "columns": ["runs", "foreseen", "p10 to p90", "taken", "error"],
        "rows": rows,
        "after": [
            "Made by `python bench/planner_law/seconds.py`, with other work on the machine. What a "
            "slow machine takes for Python's part was set after this run; without it the sum was "
            "10 % too high."
        ],
    }


def _losses(workspace: Workspace) -> str:
    law, said = shipped_law(), []
    for point in booked_points(workspace, read_book(workspace.book_file).records):
        found = law.bpb(
            active=point.active,
            total=point.total,
            tokens=point.tokens,
            steps=point.steps,
            smallest=point.smallest,
        )
        said.append(f"{point.label} {found.value:.3f} ({found.value / point.bpb - 1:+.1%})")
    return f"Its bits per byte by the law, and how far off they are: {', '.join(said)}."


def _row(name: str, value: float, low: float, high: float, taken: float) -> list[str]:
    error = f"{value / taken - 1:+.0%}"
    return [name, f"{value:.0f} s", f"{low:.0f} to {high:.0f}", f"{taken:.0f} s", error]


if __name__ == "__main__":
    main()
