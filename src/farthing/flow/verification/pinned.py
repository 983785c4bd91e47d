"""Level 2, pinned: the released models, scored again on the text that the draft committed to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from farthing.artifacts.entries import Evaluation
from farthing.errors import ClaimError
from farthing.flow.verification.gates import MOST_SCORE_SHARE
from farthing.flow.verification.released import Released, guarded
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.stages.evaluate.bits_per_byte import bits_per_byte
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding
from farthing.text.corpus import Corpus

LEVEL = 2
_CHECK = "scores"
# Tokens are decoded this many at a time, to count the bytes of a text.
_DECODED = 1 << 20


def reevaluate(released: Released) -> list[Finding]:
    """Score every claimed model again, in every shape that the book has scores of.

    Args:
        released: the answer's files.
    """
    found = guarded("held-out text", "corpus", LEVEL, lambda: _check_bytes(released))
    for training in released.trainings:
        found += guarded(
            _CHECK,
            f"models/{training.attempts[-1].number}",
            LEVEL,
            partial(_scores, released, training),
        )
    return found


def score(
    supernet: Supernet, shape: Shape, corpus: Corpus, split: str, batch_sequences: int
) -> dict[str, float]:
    """Bits per byte of one shape on every domain of a split."""
    assert split in ("dev", "test")
    return {
        domain: bits_per_byte(
            supernet.model,
            shape,
            corpus.shard("dev" if split == "dev" else "test", domain),
            text_bytes=corpus.bytes("dev" if split == "dev" else "test", domain),
            batch_sequences=batch_sequences,
        )
        for domain in corpus.held_out_domains
    }


def _check_bytes(released: Released) -> Iterator[Finding]:
    """The bytes that scores are divided by: a corpus that names too many flatters every model."""
    corpus, split = released.corpus, released.draft.split
    for domain in corpus.held_out_domains:
        shard = corpus.shard(split, domain)
        ids = np.asarray(shard.tokens)
        ids = ids[ids != corpus.tokenizer.end_of_text]
        counted = sum(
            len(corpus.tokenizer.decode_bytes(ids[at : at + _DECODED].tolist()))
            for at in range(0, len(ids), _DECODED)
        )
        stated = corpus.bytes(split, domain)
        ok = counted == stated == int(shard.byte_counts.sum())
        detail = f"{counted:,} bytes in the tokens, {stated:,} in the manifest"
        yield Finding("held-out text", ok, f"corpus/{split}/{domain}", detail, LEVEL)


def _scores(released: Released, training: Training) -> Iterator[Finding]:
    run = released.recipe(training)
    supernet = released.model(training)
    booked = _booked(released, training)
    if not booked:
        raise ClaimError(
            f"the book has no scores of {training.name}", remedy="score it: farthing evaluate"
        )
    for text, scores in booked.items():
        shape = Shape.parse(text, supernet.model.config)
        ours = score(
            supernet, shape, released.corpus, released.draft.split, run.evaluate.batch_sequences
        )
        yield _compare(training, text, ours, scores)


def _booked(released: Released, training: Training) -> dict[str, dict[str, float]]:
    """Shape -> scores by domain: the latest that the book has of a model on the claim's split."""
    found: dict[str, dict[str, float]] = {}
    for _, entry in released.book.evaluations:
        assert isinstance(entry, Evaluation)
        if entry.supernet == training.model and entry.split == released.draft.split:
            found[entry.shape] = entry.scores
    return found


def _compare(
    training: Training, shape: str, ours: dict[str, float], theirs: dict[str, float]
) -> Finding:
    where = f"models/{training.attempts[-1].number}, {shape}"
    if ours.keys() != theirs.keys():
        detail = f"the book scores {sorted(theirs)}, the corpus holds out {sorted(ours)}"
        return Finding(_CHECK, False, where, detail, LEVEL)
    worst = max(ours, key=lambda domain: _apart(ours[domain], theirs[domain]))
    share = _apart(ours[worst], theirs[worst])
    how = (
        "to the last bit"
        if share == 0
        else f"{share:.1e} apart in {worst} (at most {MOST_SCORE_SHARE:g})"
    )
    detail = (
        f"{training.name}: {sum(ours.values()) / len(ours):.4f} bits per byte here, "
        f"{sum(theirs.values()) / len(theirs):.4f} in the book, {how}"
    )
    return Finding(_CHECK, share <= MOST_SCORE_SHARE, where, detail, LEVEL)


def _apart(ours: float, theirs: float) -> float:
    """Relative; a figure that is no number is infinitely far from any."""
    share = abs(ours - theirs) / abs(ours) if ours else math.inf
    return share if math.isfinite(share) else math.inf
