"""Which segments a verifier looks at: some always, others drawn by the nonce.

Always: the first and last of every training, what follows a resumption, where the learning rate
begins to fall or ends its rise, and where the loss fell most: an attacker's likely places. The
others by a permutation that the claimant could not foresee. If a share f of all segments is
forged, k drawn ones miss them all with a chance below (1 - f)**k.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# 1 - 0.9**29 > 0.95: a tenth forged is found nineteen times out of twenty.
DRAWN = 29
_STEEPEST = 3


@dataclass(frozen=True)
class SegmentFacts:
    """A segment as the book and the recipe tell of it.

    Attributes:
        training: the model that it is part of: all attempts of one registered run and seed.
        run: of the book.
        first_step, last_step: both included.
        resumed: whether its run went on from a checkpoint at `first_step`.
        bends: whether the learning rate ends its rise or begins to fall in it.
        mean_loss: nats.
    """

    training: str
    run: int
    first_step: int
    last_step: int
    resumed: bool
    bends: bool
    mean_loss: float


@dataclass(frozen=True)
class Chosen:
    """A segment to look at, and why: `first`, `last`, `resumed`, `bend`, `steepest`, `drawn`."""

    segment: SegmentFacts
    why: tuple[str, ...]


def choose(
    segments: Sequence[SegmentFacts], *, claim: str, nonce: str, drawn: int = DRAWN
) -> tuple[Chosen, ...]:
    """The segments to look at, in the order given.

    Args:
        segments: all of a claim, in the order of the book.
        claim: digest of the claim's statement.
        nonce: hexadecimal, of the verifier.
        drawn: how many are drawn beside those that are always looked at (all, if there are fewer).
    """
    why: dict[int, list[str]] = defaultdict(list)
    by_training: dict[str, list[int]] = defaultdict(list)
    for place, segment in enumerate(segments):
        by_training[segment.training].append(place)
    for places in by_training.values():
        ordered = sorted(places, key=lambda place: segments[place].first_step)
        why[ordered[0]].append("first")
        why[ordered[-1]].append("last")
        for place in ordered:
            if segments[place].resumed:
                why[place].append("resumed")
            if segments[place].bends:
                why[place].append("bend")
        falls = {
            after: segments[before].mean_loss - segments[after].mean_loss
            for before, after in pairwise(ordered)
        }
        steepest = sorted(falls, key=lambda place: (-falls[place], place))[:_STEEPEST]
        for place in steepest:
            why[place].append("steepest")
    left = [place for place in range(len(segments)) if place not in why]
    left.sort(key=lambda place: _draw(nonce, claim, place))
    for place in left[:drawn]:
        why[place].append("drawn")
    return tuple(Chosen(segments[place], tuple(why[place])) for place in sorted(why))


def _draw(nonce: str, claim: str, place: int) -> bytes:
    message = f"farthing segment {claim} {place}".encode()
    return hmac.digest(bytes.fromhex(nonce), message, hashlib.sha256)
