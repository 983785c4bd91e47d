"""Write docs/results/metering.md: what metering adds to a training step on this machine.

python scripts/refresh_metering.py [--recipe quickstart] [--steps 10] [--repeats 15]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from farthing import __version__
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
    PAGE.write_text(page(rows, neighbours.busy_threads()), encoding="utf-8")
    print(f"written: {PAGE}")


def page(rows: list[tuple[str, Overhead]], busy_threads: float) -> str:
    """The whole page."""
    machine = detect_machine()
    lines = [
        "# What metering adds to a training step\n",
        "Written by `scripts/refresh_metering.py`. The same steps with and without a run's meter, "
        "sampler and journal, in turns; processor time of the whole process on one thread. "
        "`In heartbeats` is what the step's own thread spends there, timed directly. The "
        "range is the middle half of the pairs. Target: below "
        f"{TARGET:.1%}. Where steps take a few milliseconds, heartbeats are shared once writing "
        "them has taken 0.2 s and a thousandth of the run's time.\n",
        f"farthing {__version__}, torch {torch.__version__}, {machine.processor.name}; other "
        f"processes kept {busy_threads:.1f} hardware threads busy meanwhile.\n",
        "| recipe | step, CPU-s | pairs x steps | in heartbeats | pairs: added | range | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for recipe, found in rows:
        low, high = found.range
        verdict = "below" if high < TARGET else "above" if low > TARGET else "too noisy to say"
        lines.append(
            f"| {recipe} | {found.step_seconds:.4f} | {len(found.bare)} x {found.steps} | "
            f"{found.beat_share:.2%} | "
            f"{found.share:+.2%} | {low:+.2%} to {high:+.2%} | {verdict} |"
        )
    lines.append("\nOn an accelerator: not measured yet.\n")
    return "\n".join(lines)


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
