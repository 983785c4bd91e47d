"""The family that so many hours of a pool train: the size for which the rules leave none over.

What a step computes, how long it takes and how good a member becomes is handed in, so that this
knows neither devices nor schedules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from farthing.errors import PlanError
from farthing.predict.law import Law
from farthing.predict.sizes import (
    MOST_EPOCHS,
    Family,
    batch_sequences,
    family_of,
    tokens_for,
)
from farthing.quantity import Quantity

_SECONDS_PER_HOUR = 3600.0
# Where no run is worth starting, and where nobody has trained: the search stays between.
_LEAST_ACTIVE, _MOST_ACTIVE = 2.1e4, 4e12
_HALVINGS = 17
# A size that is known for other hours narrows the search to this factor either way.
_NEAR, _NEAR_HALVINGS = 4.0, 11
_LEAST_STEPS = 100
_HELD = "the devices' memory holds no larger family"
_ROUNDS = 2
# Sizes beside that of the rule, which the law may prefer.
_BESIDE = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


@dataclass(frozen=True)
class StepFlops:
    """FLOPs of a mean step: of its passes with their teaching, and of the optimizer's products."""

    passes: float
    optimizer: float

    @property
    def total(self) -> float:
        """Both."""
        return self.passes + self.optimizer


@dataclass(frozen=True)
class SizedRun:
    """A family, and how long it trains.

    Attributes:
        family: supernet and members.
        steps: of the run.
        batch_sequences: of a step.
        mean_step: FLOPs of a mean step.
        step_seconds: of one step on the whole pool.
    """

    family: Family
    steps: int
    batch_sequences: int
    mean_step: StepFlops
    step_seconds: Quantity

    @property
    def batch_tokens(self) -> int:
        """Tokens of a step."""
        return self.batch_sequences * self.family.model.context

    @property
    def tokens(self) -> float:
        """Tokens of the run."""
        return float(self.steps * self.batch_tokens)

    @property
    def flops(self) -> float:
        """FLOPs of the run."""
        return self.steps * self.mean_step.total

    @property
    def hours(self) -> Quantity:
        """Wall-clock hours of training."""
        return self.step_seconds.scaled(self.steps / _SECONDS_PER_HOUR, "h")


@dataclass(frozen=True)
class World:
    """What sizing asks.

    Attributes:
        step_flops: of a mean step of a family at so many steps and sequences a step.
        step_seconds: of that step on the whole pool, of a family, at so many sequences and FLOPs.
        law: of quality.
        members: of the family.
        devices: that share a step.
        text_tokens: tokens of text that there are, or None.
        vocabulary, context: fixed ones, or None for what suits the size.
        family: fixed sizes, or None.
        most_active: the largest family that the devices hold, or None.
    """

    step_flops: Callable[[Family, int, int], StepFlops]
    step_seconds: Callable[[Family, int, StepFlops], Quantity]
    law: Law
    members: int
    devices: int = 1
    text_tokens: float | None = None
    vocabulary: int | None = None
    context: int | None = None
    family: Family | None = None
    most_active: float | None = None

    @property
    def most_tokens(self) -> float | None:
        """Tokens that a run may read, repeats included."""
        return None if self.text_tokens is None else self.text_tokens * MOST_EPOCHS


def size_for(world: World, hours: float, near: float | None = None) -> tuple[SizedRun, str]:
    """The family that fills so many hours of the pool, and what chose its size.

    Args:
        world: what sizing asks.
        hours: of the whole pool.
        near: active parameters that cannot be far off; None where nothing is known.

    Raises:
        PlanError: the hours are too few for the smallest family, or too many for any.
    """
    if world.family is not None:
        run = sized(world, world.family, _tokens_of(world, world.family.active))
        return _filled(run, world, hours), "the sizes are yours"
    low, high, halvings = math.log(_LEAST_ACTIVE), math.log(_MOST_ACTIVE), _HALVINGS
    if world.most_active is not None:
        high = math.log(world.most_active)
    if near is not None:
        low = max(low, math.log(near / _NEAR))
        high, halvings = min(high, math.log(near * _NEAR)), _NEAR_HALVINGS
    least = _rule(world, math.exp(low))
    if least.hours.value > hours:
        raise _too_little(least, hours)
    for _ in range(halvings):
        middle = (low + high) / 2
        if _rule(world, math.exp(middle)).hours.value > hours:
            high = middle
        else:
            low = middle
    if world.most_active is not None and high == math.log(world.most_active):
        run = _filled(_rule(world, world.most_active), world, hours)
        ratio = run.tokens / run.family.active
        return run, f"{ratio:,.0f} tokens for each active parameter: {_HELD}"
    by_rule = _filled(_rule(world, math.exp(low)), world, hours)
    return _by_law(world, by_rule, math.exp(low), hours)


def sized(world: World, family: Family, tokens: float) -> SizedRun:
    """A family trained on so many tokens."""
    sequences = batch_sequences(
        tokens, family.model.context, multiple=_multiple(world, family, tokens)
    )
    steps = max(1, round(tokens / (sequences * family.model.context)))
    flops = world.step_flops(family, steps, sequences)
    seconds = world.step_seconds(family, sequences, flops)
    return SizedRun(family, steps, sequences, flops, seconds)


def _rule(world: World, active: float) -> SizedRun:
    family = family_of(
        active, members=world.members, vocabulary=world.vocabulary, context=world.context
    )
    return sized(world, family, _tokens_of(world, active))


def _tokens_of(world: World, active: float) -> float:
    return tokens_for(active, world.most_tokens)


def _multiple(world: World, family: Family, tokens: float) -> int:
    """Devices share a step evenly; where they are more than its sequences, groups of them do."""
    sequences = batch_sequences(tokens, family.model.context)
    if world.devices <= sequences:
        return world.devices
    return 1 << (sequences.bit_length() - 1)


def _filled(run: SizedRun, world: World, hours: float) -> SizedRun:
    """The same for as many steps as the hours pay for, and as the text is worth."""
    for _ in range(_ROUNDS):
        tokens = hours * _SECONDS_PER_HOUR / run.step_seconds.value * run.batch_tokens
        if world.most_tokens is not None:
            tokens = min(tokens, world.most_tokens)
        # Another number of tokens asks for another batch, whose steps take another time.
        run = sized(world, run.family, tokens)
    steps = min(run.steps, int(hours * _SECONDS_PER_HOUR / run.step_seconds.value))
    if world.most_tokens is not None:
        steps = min(steps, int(world.most_tokens / run.batch_tokens))
    if steps < _LEAST_STEPS:
        raise _too_little(run, hours)
    return replace(run, steps=steps)


def _by_law(world: World, by_rule: SizedRun, active: float, hours: float) -> tuple[SizedRun, str]:
    """What the law prefers among sizes beside the rule's, where it speaks about all of them."""
    ratio = by_rule.tokens / by_rule.family.active
    ruled = f"{ratio:,.0f} tokens for each active parameter, by rule: "
    if outside(world.law, by_rule) is not None:
        return by_rule, f"{ruled}no law reaches here"
    beside = f"{ruled}the law does not reach the sizes beside it"
    try:
        runs = [
            _filled(_rule(world, active * factor), world, hours)
            for factor in _BESIDE
            if _LEAST_ACTIVE <= active * factor <= _MOST_ACTIVE
        ]
    except PlanError:
        return by_rule, beside
    if any(outside(world.law, run) is not None for run in runs):
        return by_rule, beside
    best = min(runs, key=lambda run: predicted(world.law, run, run.family.members[0]).value)
    ratio = best.tokens / best.family.active
    return best, f"{ratio:,.0f} tokens for each active parameter: the law's best of {len(runs)}"


def outside(law: Law, run: SizedRun) -> str | None:
    """How a run leaves the law's range, in a sentence; None inside."""
    return law.outside(active=run.family.active, tokens=run.tokens, steps=run.steps)


def predicted(law: Law, run: SizedRun, member: str) -> Quantity:
    """Bits per byte of a member after a run."""
    count = run.family.count(member)
    return law.bpb(
        active=count.active_non_embedding,
        total=count.non_embedding,
        tokens=run.tokens,
        steps=run.steps,
        smallest=smallest_active(run.family),
    )


def smallest_active(family: Family) -> int | None:
    """Active parameters of the smallest member, as the law asks; None for a model alone."""
    if len(family.members) == 1:
        return None
    return min(family.count(member).active_non_embedding for member in family.members)


def _too_little(least: SizedRun, hours: float) -> PlanError:
    minutes = hours * 60
    return PlanError(
        f"the limits leave {minutes:.3g} minutes of the devices: too little for a family of "
        f"{least.family.active:,} active parameters, which takes {least.hours.value * 60:.3g} "
        f"for {least.tokens:.3g} tokens",
        remedy="allow more money, hours or energy, or fewer or smaller devices (--hardware here)",
    )
