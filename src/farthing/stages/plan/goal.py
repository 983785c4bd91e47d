"""The cheapest family that reaches a quality: of all sizes the one of the fewest hours."""

from __future__ import annotations

import math

from farthing.errors import PlanError
from farthing.predict.law import REACH, SHRINK
from farthing.predict.sizes import MOST_EPOCHS, batch_sequences, family_of, tokens_for
from farthing.stages.plan.limits import Limit
from farthing.stages.plan.sizing import SizedRun, World, sized, smallest_active

_SIZES = 36
_ROUNDS = 2


def least_for(world: World, bpb: float, *, beyond: bool) -> tuple[SizedRun, str]:
    """The family whose supernet reaches `bpb` bits per byte in the fewest hours.

    Args:
        world: what sizing asks.
        bpb: the goal.
        beyond: whether sizes and tokens outside of the law's range count.

    Raises:
        PlanError: none does within the law's range, or with the text that there is.
    """
    found: list[SizedRun] = []
    refused: list[PlanError] = []
    for active in _sizes(world):
        try:
            found.append(_reaching(world, active, bpb, beyond))
        except PlanError as error:
            refused.append(error)
    if not found:
        raise refused[-1]
    best = min(found, key=lambda run: run.hours.value)
    ratio = best.tokens / best.family.active
    return best, (
        f"{ratio:,.0f} tokens for each active parameter: of {len(found)} sizes that reach the "
        "goal by the law the one that takes the fewest hours"
    )


def check_within(run: SizedRun, limits: tuple[Limit, ...], bpb: float) -> None:
    """Whether a goal can be had within the limits.

    Raises:
        PlanError: it takes more than the tightest allows.
    """
    if limits and run.hours.value > limits[0].hours:
        tightest = limits[0]
        raise PlanError(
            f"{bpb:g} bits per byte take {run.hours.value:.3g} h of the devices, but the "
            f"{tightest.name} ({tightest.words}) leaves {tightest.hours:.3g}",
            remedy=f"allow {run.hours.value / tightest.hours:.2g} times as much, ask for more bits "
            "per byte, or take faster or cheaper devices",
        )


def _sizes(world: World) -> list[float]:
    if world.family is not None:
        return [float(world.family.active)]
    low = math.log(max(2.1e4, world.law.least_active / SHRINK))
    high = math.log(world.law.most_active * REACH)
    step = (high - low) / (_SIZES - 1)
    return [math.exp(low + place * step) for place in range(_SIZES)]


def _reaching(world: World, active: float, bpb: float, beyond: bool) -> SizedRun:
    family = world.family or family_of(
        active, members=world.members, vocabulary=world.vocabulary, context=world.context
    )
    count = family.count(family.members[0])
    tokens = tokens_for(family.active)
    for _ in range(_ROUNDS):
        # The law counts steps too, and how long the run is says how large they are.
        batch = batch_sequences(tokens, family.model.context) * family.model.context
        tokens = world.law.tokens_for(
            bpb,
            active=count.active_non_embedding,
            total=count.non_embedding,
            batch_tokens=batch,
            smallest=smallest_active(family),
            beyond=beyond,
        ).value
    if world.most_tokens is not None and tokens > world.most_tokens:
        raise PlanError(
            f"{bpb:g} bits per byte take {tokens:.3g} tokens, and the text has "
            f"{world.text_tokens:.3g}, worth reading {MOST_EPOCHS} times",
            remedy="find more text, or ask for more bits per byte",
        )
    return sized(world, family, tokens)
