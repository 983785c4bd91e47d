"""Everything that a claim rests on, found in book and workspace; or a list of what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from farthing.studies.claim.lines import evaluations_of
from farthing.studies.claim.places import checkpoint_of, place_of
from farthing.studies.claim.registered import title
from farthing.studies.claim.run import corpus_with
from farthing.studies.claim.standing import Standing
from farthing.studies.claim.steps import steps_by_run
from farthing.studies.claim.trainings import BookView, Training, find_training
from farthing.text.corpus import Corpus


@dataclass(frozen=True)
class Gathered:
    """What was found.

    Attributes:
        trainings: the method's by seed, then the baseline's by length and seed.
        bpb: bits per byte by model and shape, of all registered shapes.
        places: folder of the run by model.
        corpus: that all of them read.
        missing: what a claim would need and is not there, in words; empty if nothing is.
    """

    trainings: tuple[Training, ...]
    bpb: Mapping[str, Mapping[str, float]]
    places: Mapping[str, Path]
    corpus: Corpus
    missing: tuple[str, ...]


def gather(view: BookView, standing: Standing) -> Gathered:
    """Find the trainings, their scores and their checkpoints.

    Raises:
        ConfigError: the draft has no nonce yet.
        ArtifactError: the corpus is gone or damaged.
    """
    trainings: list[Training] = []
    bpb: dict[str, dict[str, float]] = {}
    places: dict[str, Path] = {}
    missing: list[str] = [*_runs_missing(view), *_tuned_too_much(view, standing)]
    for registered in standing.draft.runs:
        for seed in standing.seeds:
            training = find_training(view, standing, registered, seed)
            if training is None:
                missing.append(f"{title(registered, seed)}: no completed training")
                continue
            trainings.append(training)
            scores = view.scores(training.model, standing.draft.split)
            bpb[training.model] = {
                shape: scores[shape]
                for shape in registered.recipe["evaluate"]["members"]
                if shape in scores
            }
            missing += _of_training(view, standing, training, bpb[training.model])
            place = place_of(training, view.workspace)
            if place is None:
                missing.append(f"{training.title}: the model {training.model[:16]} is gone")
                continue
            places[training.model] = place
            missing += [*_checkpoints_missing(training, place), *_steps_missing(training, place)]
    corpus = corpus_with(standing.draft.corpus_digest, view.workspace)
    return Gathered(tuple(trainings), bpb, places, corpus, tuple(missing))


def _runs_missing(view: BookView) -> Iterator[str]:
    """Of every run: a bill that a stranger can check needs its end and its journal."""
    for run in view.runs:
        number = run.start.run
        if run.status == "open":
            yield f"run {number} ({run.start.purpose} {run.start.name}) is still going on"
        elif not (view.workspace.root / run.start.journal).exists():
            yield f"{run.start.journal}: without it nobody can check what run {number} used"


def _tuned_too_much(view: BookView, standing: Standing) -> Iterator[str]:
    tuning = standing.draft.tuning
    allowed = tuning.method_runs + tuning.baseline_runs
    # What was tuned before the draft stands in its words, and in the cost lines all the same.
    found = sum(
        run.start.purpose == "tuning" and view.starts[run.start.run] > standing.entry
        for run in view.runs
    )
    if found > allowed:
        yield f"the draft allows {allowed} runs of tuning after it, the book holds {found}"


def _of_training(
    view: BookView, standing: Standing, training: Training, bpb: Mapping[str, float]
) -> Iterator[str]:
    shapes = training.registered.recipe["evaluate"]["members"]
    if lacking := [shape for shape in shapes if shape not in bpb]:
        text = standing.draft.split
        yield f"{training.title}: {len(lacking)} of {len(shapes)} members not scored on {text}"
    elif not any(run.status == "completed" for run in evaluations_of(view, training.model)):
        yield f"{training.title}: its evaluation was not finished"
    if (gap := training.uncovered) is not None:
        yield f"{training.title}: steps {gap.start} to {gap.stop - 1} are in no segment, or in two"


def _checkpoints_missing(training: Training, place: Path) -> Iterator[str]:
    gone = [each for each in training.segments if checkpoint_of(place, each) is None]
    if gone:
        steps = ", ".join(str(each.last_step + 1) for each in gone[:5])
        more = ", ..." if len(gone) > len(gone[:5]) else ""
        yield (
            f"{training.title}: checkpoints after {steps}{more} steps are gone from {place} or "
            "are not those of the book"
        )


def _steps_missing(training: Training, place: Path) -> Iterator[str]:
    """Every segment's steps must be logged by its own run, each once."""
    logged = steps_by_run(place)
    for segment in training.segments:
        steps = [json.loads(line)["step"] for line in logged.get(segment.run, b"").splitlines()]
        wanted = range(segment.first_step, segment.last_step + 1)
        if [step for step in steps if step in wanted] != list(wanted):
            yield (
                f"{training.title}: metrics.jsonl in {place} lacks steps {wanted[0]} to "
                f"{wanted[-1]} of run {segment.run}"
            )
