"""Write docs/results/metering.md: what metering adds to a training step on this machine.

python scripts/refresh_metering.py [--recipe quickstart] [--steps 10] [--repeats 15]
"""

from __future__ import annotations

import argparse
import platform
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import torch

from farthing import __version__
from farthing.artifacts.measurement import Basis
from farthing.artifacts.workspace import Workspace
from farthing.bench.clock import Neighbours
from farthing.bench.overhead import Overhead, measure_overhead
from farthing.bench.subject import make_subject
from farthing.bench.text import sample_corpus
from farthing.flow import RunConfig
from farthing.hardware.machine import detect_machine
from farthing.hardware.sensors.boards import visible_boards
from farthing.hardware.sensors.find import find_loads
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter
from farthing.model.device import choose_device
from farthing.recipes.loader import load_recipe

PAGE = Path(__file__).resolve().parent.parent / "docs" / "results" / "metering.md"
TARGET = 0.005
WARM_UP = 4
BASES: tuple[Basis, ...] = ("processor time", "wall clock")


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", action="append", default=None)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    neighbours = Neighbours()
    rows = [
        (recipe, _measured(recipe, asked.steps, asked.repeats))
        for recipe in asked.recipe or ["quickstart"]
    ]
    text = page(rows, neighbours.busy_threads(), shlex.join(["python", *sys.argv]))
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    print(f"written: {PAGE}")


def page(rows: list[tuple[str, Overhead]], busy_threads: float, command: str) -> str:
    """The whole page."""
    machine = detect_machine()
    lines = [
        "# What metering adds to a training step\n",
        "Written by `scripts/refresh_metering.py`. The same steps with and without a run's meter, "
        "recorder and sampler, in pairs of blocks whose order changes from pair to pair, on one "
        "thread. *Timed directly* is the processor time that the two threads spent in heartbeats "
        "and sampling, over that of the bare steps: neighbours do not disturb it. *Pairs* is the "
        "whole process: the median over the pairs of what metering added, and the interval of "
        "that median by the sign test. Target: below "
        f"{TARGET:.1%} of a step. Every step of these blocks has a heartbeat of its own. In a "
        "run that goes on, short steps share them once writing them has taken 0.2 s and a "
        "thousandth of the run's time.\n",
        f"`{command}`, {datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')}; farthing {__version__}, "
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.platform()}; "
        f"{machine.processor.name}, {machine.processor.threads} hardware threads for it; "
        f"other processes kept {busy_threads:.1f} busy meanwhile.\n",
        "| recipe | clock | bare step, s | pairs x steps | timed directly | pairs: added "
        "| interval | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(recipe, found, basis) for recipe, found in rows for basis in BASES]
    lines.append("\nOn an accelerator: not measured yet.\n")
    return "\n".join(lines)


def _row(recipe: str, found: Overhead, basis: Basis) -> str:
    between = found.interval(basis)
    verdict = "below the target" if between.high < TARGET else "above the target"
    if between.low <= TARGET <= between.high:
        verdict = "too noisy to say"
    direct = f"{found.direct_share:.3%}" if basis == "processor time" else ""
    return (
        f"| {recipe} | {basis} | {found.step_seconds(basis):.4f} | "
        f"{len(found.bare)} x {found.steps} | {direct} | {found.share(basis):+.2%} | "
        f"{between.low:+.2%} to {between.high:+.2%} ({between.confidence:.1%}) | {verdict} |"
    )


def _measured(recipe: str, steps: int, repeats: int) -> Overhead:
    run = load_recipe(recipe, [], RunConfig)
    device = choose_device(run.train.device)
    with tempfile.TemporaryDirectory() as folder:
        corpus = sample_corpus(run.corpus, run.model.context, Path(folder) / "corpus")
        subject = make_subject(run, corpus, device)
        for step in range(WARM_UP):
            subject.whole_step(step)
        boards = visible_boards()
        machine = detect_machine(boards=boards)
        meter = Meter(machine, find_loads(machine, boards=boards), from_process_start=False)
        return measure_overhead(
            subject.whole_step,
            Book.open(Workspace(Path(folder) / "workspace")),
            meter,
            device=device,
            steps=steps,
            repeats=repeats,
        )


if __name__ == "__main__":
    main()
