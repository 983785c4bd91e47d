"""Level 0, the checkpoints: one root over all that a nonce may ask for, before it is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

from farthing.artifacts.canonical import canonical_json
from farthing.artifacts.claims import merkle
from farthing.artifacts.claims.selection import SegmentFacts
from farthing.artifacts.claims.statement import Claim
from farthing.artifacts.entries import Segment
from farthing.stages.verify.claim.book import ClaimBook
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding

_CHECK = "checkpoints"


def kept_segments(
    book: ClaimBook, trainings: Sequence[Training]
) -> tuple[tuple[Training, Segment], ...]:
    """The segments that the claim's models rest on, in the order of the book."""
    owners = {
        (segment.run, segment.first_step): training
        for training in trainings
        for segment in training.segments
    }
    return tuple(
        (owners[segment.run, segment.first_step], segment)
        for _, segment in book.of_kind(Segment)
        if (segment.run, segment.first_step) in owners
    )


def check_checkpoints(claim: Claim, book: ClaimBook, trainings: Sequence[Training]) -> Finding:
    """Root and number of the checkpoints, from the segments of the book.

    Args:
        claim: what is said.
        book: of the claim.
        trainings: of the claim.
    """
    where = "claim.json, checkpoints"
    segments = [segment for _, segment in kept_segments(book, trainings)]
    lacking = [segment for segment in segments if segment.checkpoint_digest is None]
    if lacking:
        told = f"run {lacking[0].run}, step {lacking[0].last_step}"
        return Finding(_CHECK, False, where, f"{told}: no checkpoint was saved there")
    leaves = [
        canonical_json([each.run, each.first_step, each.last_step, each.checkpoint_digest])
        for each in segments
    ]
    root = merkle.root(leaves)
    if (root, len(leaves)) != (claim.checkpoints.root, claim.checkpoints.segments):
        detail = (
            f"{claim.checkpoints.segments} under {claim.checkpoints.root[:16]}; the book has "
            f"{len(leaves)} under {root[:16]}"
        )
        return Finding(_CHECK, False, where, detail)
    return Finding(_CHECK, True, where, f"{len(leaves)} checkpoints under one root")


def segment_facts(book: ClaimBook, trainings: Sequence[Training]) -> tuple[SegmentFacts, ...]:
    """What the nonce chooses from, in the order of the book."""
    found = []
    resumed = {
        (run.number, run.start.resumed_from_step)
        for training in trainings
        for run in training.attempts
        if run.start.resumed_from_step is not None
    }
    for training, segment in kept_segments(book, trainings):
        steps = segment.last_step - segment.first_step + 1
        found.append(
            SegmentFacts(
                training=training.name,
                run=segment.run,
                first_step=segment.first_step,
                last_step=segment.last_step,
                resumed=(segment.run, segment.first_step) in resumed,
                bends=_bends(training, segment),
                mean_loss=segment.loss_sum / steps,
            )
        )
    return tuple(found)


def _bends(training: Training, segment: Segment) -> bool:
    """Whether the learning rate ends its rise or begins to fall in one of the segment's steps.

    The first step s at the full rate has s + 1 >= warmup_share x steps, the first of the fall has
    steps - s <= decay_share x steps; neither counts where it is the first step of all.
    """
    schedule, steps = training.plan.recipe["train"]["schedule"], training.steps
    risen = math.ceil(schedule["warmup_share"] * steps) - 1
    falling = steps - math.floor(schedule["decay_share"] * steps)
    return any(
        segment.first_step <= bend <= segment.last_step for bend in (risen, falling) if bend > 0
    )
