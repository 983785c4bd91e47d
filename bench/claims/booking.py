"""What booking adds to a training as a claim runs it, beside and with the checkpoints.

    python bench/claims/booking.py [--only quickstart] [--pairs 6] [--pair-steps 8]

Timed directly: processor time of the training's own thread inside everything that booking does, and
of the meter's sampler, over that of the steps alone, in one real training. With each step: digest
of its batch, heartbeat, line of metrics. With each segment: digests, entries in journal and book.
Checkpoints are apart. In pairs, of the recipe quickstart: blocks of the same steps by turns with
nothing but the steps and with all but the checkpoints, processor time of the whole process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from unittest.mock import patch

import torch
import yaml
from booked_run import (
    EACH_SEGMENT,
    EACH_STEP,
    HASHING,
    SAVING,
    SEGMENTS,
    BookedRun,
    claim_recipe,
    make_corpus,
    make_meter,
    train_booked,
)
from result_files import RESULTS, Row, Target, write_result

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.workspace import Workspace
from farthing.bench.clock import Lap, Neighbours, lap
from farthing.bench.overhead import median_interval
from farthing.bench.subject import Subject, make_subject
from farthing.flow import RunConfig
from farthing.ledger.book import Book
from farthing.ledger.journal import RunRecorder, SegmentDigests
from farthing.ledger.phases import CHECKPOINT
from farthing.recipes.loader import load_recipe
from farthing.stages.train.metrics import MetricsFile
from farthing.stages.train.run import _Biller, segment_batches
from farthing.stages.train.step import StepResult
from farthing.text.batches import Batch

WANTED = 0.01
CPU = torch.device("cpu")
WARM_UP = 3
PAIRED = "quickstart"
CLAIM = Path(__file__).resolve().parents[2] / "claims" / "quickstart" / "claim.yaml"


@dataclass(frozen=True)
class Timed:
    """A training that is timed directly: seconds of a processor.

    Attributes:
        name: in the figures.
        recipe, changes: of it, as `--set` takes them.
        segments, length: how many, and the steps of each.
        own: the steps of a segment where nobody says otherwise.
        claimed: whether the target is about it: steps of `smoke` are no tenth of a second long.
    """

    name: str
    recipe: str
    changes: tuple[str, ...]
    segments: int
    length: int
    own: int
    claimed: bool


def subjects() -> list[Timed]:
    """The default recipe, the method of the small claim, and the smallest recipe that there is."""
    method = yaml.safe_load(CLAIM.read_text(encoding="utf-8"))["method"]
    changes = tuple(method["changes"])
    length = load_recipe(method["recipe"], changes, RunConfig).train.checkpoint_every
    own = {name: load_recipe(name, (), RunConfig).train.checkpoint_every for name in _RECIPES}
    return [
        Timed(PAIRED, PAIRED, (), 3, 10, own[PAIRED], claimed=True),
        Timed("claims/quickstart", method["recipe"], changes, 5, length, length, claimed=True),
        Timed("smoke", "smoke", (), 60, own["smoke"], own["smoke"], claimed=False),
    ]


_RECIPES = (PAIRED, "smoke")


def shares(run: BookedRun, segment_steps: int) -> tuple[float, float]:
    """Of the steps alone: booking, and checkpoints, where a segment has so many steps."""
    cpu, steps = run.parts.cpu_seconds, run.run.train.steps
    step, count = run.bare_seconds / steps, len(run.segments)
    each_step = sum(cpu[part] for part in EACH_STEP) / steps
    each_segment = sum(cpu[part] for part in EACH_SEGMENT) / count
    saving = cpu[SAVING] / count
    return (
        (each_step + each_segment / segment_steps) / step,
        saving / segment_steps / step,
    )


def direct(subject: Timed) -> tuple[list[Row], float]:
    """Rows of one training, and booking's share with segments of its own length."""
    name, segments, length = subject.name, subject.segments, subject.length
    recipe = claim_recipe(
        subject.recipe, segments=segments, segment_steps=length, changes=subject.changes
    )
    with tempfile.TemporaryDirectory() as folder:
        run = train_booked(recipe, Path(folder))
        size = sum(file.stat().st_size for file in newest(run.place).iterdir())
    cpu, steps = run.parts.cpu_seconds, run.run.train.steps
    named = [(part, steps, "of a step") for part in EACH_STEP]
    named += [(part, segments, "of a segment") for part in (*EACH_SEGMENT, SAVING, HASHING)]
    wall = 1e3 * run.parts.wall_seconds[SEGMENTS] / segments
    rows = [
        Row(f"{name}: a step alone", round(1e3 * run.bare_seconds / steps, 2), "CPU-ms"),
        *(
            Row(f"{name}: {part}, {of}", round(1e3 * cpu[part] / count, 3), "CPU-ms")
            for part, count, of in named
        ),
        Row(f"{name}: {SEGMENTS}, with waiting for the disk", round(wall, 1), "ms by the clock"),
        Row(f"{name}: a checkpoint", round(size / 1e6, 2), "MB"),
    ]
    for said, each in (("", length), ("derived: ", subject.own)):
        if said and each == length:
            continue
        booking, saving = shares(run, each)
        rows += [
            Row(f"{said}{name}: booking, segments of {each} steps", round(100 * booking, 3), "%"),
            Row(f"{said}{name}: checkpoints, segments of {each}", round(100 * saving, 3), "%"),
        ]
    return rows, shares(run, subject.own)[0]


def newest(place: Path) -> Path:
    """The last checkpoint of a run."""
    return max((place / "checkpoints").iterdir())


def bare(subject: Subject, steps: int) -> Lap:
    """Steps whose batches are not even digested."""
    nothing = cached_property(lambda _batch: "")
    nothing.__set_name__(Batch, "digest")
    with patch.object(Batch, "digest", nothing), lap(CPU) as timed:
        for number in range(steps):
            subject.made.step.run(number, subject.guard)
    return timed


def booked(subject: Subject, steps: int, recorder: RunRecorder, metrics: MetricsFile) -> Lap:
    """The same steps as training takes them, and the segment that they make."""
    biller, results = _Biller(recorder, subject.run.train), []
    with lap(CPU) as timed:
        for number in range(steps):
            result = subject.made.step.run(number, subject.guard)
            metrics.write(result, biller.bill(result))
            results.append(result)
        recorder.enter(CHECKPOINT)
        recorder.segment(0, steps - 1, sum(each.tokens for each in results), digests_of(results))
    return timed


def digests_of(results: Iterable[StepResult]) -> SegmentDigests:
    """As training makes them of a segment; no checkpoint."""
    losses = [result.loss for result in results]
    return SegmentDigests(
        loss_sum=sum(losses),
        loss_digest=digest_json(losses),
        batch_digest=segment_batches(result.batch_digest for result in results),
        checkpoint_digest=None,
    )


def pairs(recipe: str, steps: int, count: int) -> list[Row]:
    """Blocks by turns; the first pair's order is the other way round in the second."""
    run = load_recipe(recipe, (), RunConfig)
    found: list[float] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        subject = make_subject(run, make_corpus(run, folder), CPU)
        bare(subject, WARM_UP)
        book, meter = Book.open(Workspace(folder / "workspace")), make_meter()
        for number in range(count):
            laps: dict[str, Lap] = {}
            for name in ("bare", "booked") if number % 2 else ("booked", "bare"):
                if name == "bare":
                    laps[name] = bare(subject, steps)
                    continue
                with (
                    book.start_run(
                        "tuning", "booking", input_key=f"pair-{number}", meter=meter
                    ) as recorder,
                    MetricsFile(folder, number) as metrics,
                ):
                    laps[name] = booked(subject, steps, recorder, metrics)
                    recorder.end()
            found.append(laps["booked"].cpu_seconds / laps["bare"].cpu_seconds - 1)
    interval = median_interval(found)
    title = f"{recipe}: in {count} pairs of {steps} steps, booking added"
    return [
        Row(f"{title}, median", round(100 * statistics.median(found), 2), "%"),
        Row(f"{title}, low end of the median's interval", round(100 * interval.low, 2), "%"),
        Row(f"{title}, high end of the median's interval", round(100 * interval.high, 2), "%"),
        Row(f"{title}, confidence of that interval", round(100 * interval.confidence, 1), "%"),
    ]


def main() -> None:
    """Measure, and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="names of trainings; without it all")
    parser.add_argument("--pairs", type=int, default=6, help="0 for none")
    parser.add_argument("--pair-steps", type=int, default=8)
    parser.add_argument("--to", type=Path, default=RESULTS / "booking.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    neighbours, timed = Neighbours(), subjects()
    wanted = set(asked.only or [subject.name for subject in timed])
    if unknown := wanted - {subject.name for subject in timed}:
        parser.error(f"--only {unknown.pop()}: there is {', '.join(each.name for each in timed)}")
    timed = [subject for subject in timed if subject.name in wanted]
    rows: list[Row] = []
    found, met = [], True
    for subject in timed:
        more, share = direct(subject)
        rows += more
        found.append(f"{subject.name} {share:.2%} (segments of {subject.own} steps)")
        met = met and (share < WANTED or not subject.claimed)
    if asked.pairs:
        rows += pairs(PAIRED, asked.pair_steps, asked.pairs)
    named = " and ".join(subject.name for subject in timed if subject.claimed) or "none"
    target = Target(
        f"booking, checkpoints apart, adds less than 1 % to the steps of {named}",
        f"{', '.join(found)}, timed directly",
        met,
    )
    write_result(asked.to, "What booking adds to a training", rows, target, neighbours)


if __name__ == "__main__":
    main()
