"""The segments of a claim as the selection sees them."""

from __future__ import annotations

from farthing.artifacts.claims.selection import SegmentFacts
from farthing.artifacts.entries import Segment
from farthing.studies.claim.gather import Gathered
from farthing.studies.claim.trainings import BookView, Training


def claimed_segments(view: BookView, gathered: Gathered) -> list[tuple[Training, Segment]]:
    """Every segment that a claimed model rests on, in the order of the book, with its training."""
    owner = {
        (segment.run, segment.first_step): training
        for training in gathered.trainings
        for segment in training.segments
    }
    return [
        (owner[each.run, each.first_step], each)
        for each in view.segments
        if (each.run, each.first_step) in owner
    ]


def facts_of(training: Training, segment: Segment) -> SegmentFacts:
    """What the selection asks of a segment."""
    steps = range(segment.first_step, segment.last_step + 1)
    (start,) = (run.start for run in training.runs if run.start.run == segment.run)
    return SegmentFacts(
        training=training.title,
        run=segment.run,
        first_step=segment.first_step,
        last_step=segment.last_step,
        resumed=start.resumed_from_step == segment.first_step,
        bends=any(bend in steps for bend in _bends(training)),
        mean_loss=segment.loss_sum / len(steps),
    )


def _bends(training: Training) -> list[int]:
    """The first step at the full rate after a rise, and the first of the fall, if there are such.

    The rise is over at the first step s with s + 1 >= warmup_share * steps, the fall begins at the
    first one with steps - s <= decay_share * steps.
    """
    schedule, count = training.registered.recipe["train"]["schedule"], training.steps
    rise, fall = schedule["warmup_share"] * count, schedule["decay_share"] * count
    steps = range(count)
    found = [next((step for step in steps if step + 1 >= rise), None)]
    found += [next((step for step in steps if count - step <= fall), None)]
    return [step for step in found if step]
