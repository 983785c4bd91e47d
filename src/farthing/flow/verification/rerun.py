"""Level 4: one seed of the method and one of a baseline's length, trained again from nothing.

What it proves: that this code, text and seed make these models. What it does not: that the other
seeds do; the nonce that chose them was not known when the claim was made.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from farthing.flow.verification.here import on_its_device, other_here
from farthing.flow.verification.pinned import score
from farthing.flow.verification.released import Released, guarded
from farthing.flow.verification.segments import ends_as
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.stages.train.replay import Replayed, replay, state_digest
from farthing.stages.train.run import rank_experts
from farthing.stages.verify.claim.student import quantile
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding

LEVEL = 4
_CHECK = "rerun"
# One more seed lies in this share of all cases within the bounds that the others give.
_PREDICTED = 0.975


def rerun(released: Released, *, say: Callable[[str], None] = lambda _line: None) -> list[Finding]:
    """Train again what the verifier's nonce chooses, and compare with the released models.

    In the environment of the run every bit must come out. Elsewhere the scores of the model must
    lie where those of one more seed would (Student's t, 95 %).

    Args:
        released: the answer's files.
        say: is told of each training before it begins.
    """
    found = []
    for training in chosen_trainings(released.trainings, released.answer.nonce):
        say(f"train     {training.name}, {training.steps:,} steps from its seed")
        found += guarded(
            _CHECK,
            training.name,
            LEVEL,
            partial(_look, released, training),
        )
    return found


def chosen_trainings(trainings: Sequence[Training], nonce: str) -> list[Training]:
    """One of the method's trainings and one of the baseline's, by the nonce."""
    found = []
    for arm in ("method", "baseline"):
        ones = [each for each in trainings if each.registered.arm == arm]
        drawn = hmac.digest(bytes.fromhex(nonce), f"farthing rerun {arm}".encode(), hashlib.sha256)
        found.append(ones[int.from_bytes(drawn[:8]) % len(ones)])
    return found


def _look(released: Released, training: Training) -> Iterator[Finding]:
    run, key = released.recipe(training), training.attempts[-1].start.input_key
    last = training.segments[-1]
    supernet = released.model(training)
    # What the run chose at its start stands in its last checkpoint, which is always released.
    (end,) = (
        each.end
        for each in released.answer.segments
        if (each.run, each.last_step) == (last.run, last.last_step)
    )
    folder = released.checkpoint(end, last.checkpoint_digest, training)
    progress = released.loaded(folder, training).progress
    replayed = replay(
        on_its_device(run, training),
        run.model,
        released.corpus,
        begin=None,
        input_key=key,
        steps=range(training.steps),
        threads=progress.threads,
        precision=progress.precision,
    )
    if state_digest(replayed, input_key=key) == last.checkpoint_digest:
        detail = f"{training.steps:,} steps from the seed end in the state of the book"
        yield Finding(_CHECK, True, training.name, detail, LEVEL)
        yield ends_as(supernet.model, replayed.tensors, run, training.name, LEVEL)
        return
    elsewhere = other_here(training, run, released.corpus)
    if not elsewhere:
        detail = "another state than the book's, in the environment of the run"
        yield Finding(_CHECK, False, training.name, detail, LEVEL)
        return
    yield from _near(released, training, supernet, replayed, "; ".join(elsewhere))


def _near(
    released: Released,
    training: Training,
    supernet: Supernet,
    replayed: Replayed,
    elsewhere: str,
) -> Iterator[Finding]:
    """Scores of a model that was trained elsewhere, against those of all seeds."""
    run = released.recipe(training)
    rank_experts(replayed.model, run.train, None)
    again = Supernet(supernet.directory, supernet.manifest, replayed.model.eval(), supernet.origin)
    split, size = released.draft.split, run.evaluate.batch_sequences
    arm, label = training.registered.arm, training.registered.label
    alike = [each for each in released.claim.runs if (each.arm, each.label) == (arm, label)]
    for text in alike[0].bpb:
        shape = Shape.parse(text, supernet.model.config)
        scores = score(again, shape, released.corpus, split, size)
        found = sum(scores.values()) / len(scores)
        low, high = predicted([each.bpb[text] for each in alike])
        detail = (
            f"trained elsewhere ({elsewhere}): {found:.4f} bits per byte, where one more seed "
            f"would have {low:.4f} to {high:.4f}"
        )
        where = f"{training.name}, {text}"
        yield Finding(_CHECK, low <= found <= high, where, detail, LEVEL)


def predicted(values: Sequence[float]) -> tuple[float, float]:
    """Between which bounds one more value lies in 95 of 100 cases; at least two values."""
    count = len(values)
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    far = quantile(count - 1, _PREDICTED) * math.sqrt(variance * (1 + 1 / count))
    return mean - far, mean + far
