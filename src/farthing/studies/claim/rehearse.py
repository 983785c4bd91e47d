"""A segment replayed by its owner before it is handed out."""

from __future__ import annotations

from pathlib import Path

from farthing.artifacts.claims.entries import ClaimDraft
from farthing.artifacts.entries import Segment
from farthing.errors import ClaimError, ConfigError
from farthing.stages.train.checkpoint import load_checkpoint
from farthing.stages.train.replay import replay, state_digest
from farthing.stages.train.routes import RouteLog
from farthing.studies.claim.pinned import check_software, software_here
from farthing.studies.claim.registered import run_of
from farthing.studies.claim.trainings import Training
from farthing.text.corpus import Corpus


def rehearse(
    draft: ClaimDraft,
    training: Training,
    segment: Segment,
    corpus: Corpus,
    *,
    begin: Path | None,
    end: Path,
) -> RouteLog | None:
    """Take the steps of a segment again and note its expert choices.

    Args:
        draft: of the claim.
        training: that the segment is part of.
        segment: the steps.
        corpus: that the training read.
        begin: checkpoint before it; None where it begins with what the seed makes.
        end: checkpoint after it, as the book names it.

    Returns:
        The choices; None of a model without experts, and of compiled layers, which cannot be
        listened to.

    Raises:
        ClaimError: the state after the steps is another than the book's.
        CheckpointError: a checkpoint is damaged.
    """
    run, key = run_of(training.registered, training.seed), training.last.start.input_key
    listens = bool(run.model.num_experts) and run.train.compile == "off"
    log = RouteLog() if listens else None
    # What the run chose at its start stands in every checkpoint.
    chosen = load_checkpoint(end, input_key=key).progress
    replayed = replay(
        run.train,
        run.model,
        corpus,
        begin=begin,
        input_key=key,
        steps=range(segment.first_step, segment.last_step + 1),
        note=log,
        threads=chosen.threads,
        precision=chosen.precision,
    )
    if state_digest(replayed, input_key=key) != segment.checkpoint_digest:
        raise ClaimError(
            f"{training.title}: steps {segment.first_step} to {segment.last_step} of run "
            f"{segment.run} do not replay to the bits that the book has{_why(draft)}",
            remedy="answer on the machine that ran them, with the code, packages and number of "
            "threads of then; on an accelerator, train with train.deterministic=true",
        )
    return log if log is not None and log.picks() else None


def _why(draft: ClaimDraft) -> str:
    try:
        check_software(draft, software_here())
    except ConfigError as error:
        return f" ({error.what})"
    return ""
