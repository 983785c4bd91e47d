"""How often to measure what, so that a command takes about the time that it was given."""

from __future__ import annotations

from dataclasses import dataclass

# A shape costs a step by itself, one for the capture, and one for all parts; some more for luck.
_STEPS_PER_SHAPE = 3.5
# One sample of the machine's peaks.
_PROBE_SECONDS = 0.5
_FEWEST_REPEATS, _MOST_REPEATS = 3, 25
# The same shapes for everybody, so that two machines compare; fewer only where that takes ages.
_FEWEST_SHAPES, _MOST_SHAPES = 2, 8
_PATIENCE = 2.0


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes:
        shapes: steps of one repeat, each with the sub-model that training draws for it.
        repeats: of those.
        seconds: what all of it is expected to take.
    """

    shapes: int
    repeats: int
    seconds: float


def make_plan(budget_seconds: float, step_seconds: float, *, elastic: bool) -> Plan:
    """Spend about `budget_seconds`; no fewer than a few repeats, however slow a step is.

    Args:
        budget_seconds: what there is.
        step_seconds: of one step.
        elastic: whether steps differ in shape.
    """
    one_shape = _STEPS_PER_SHAPE * step_seconds
    shapes = _FEWEST_SHAPES
    if elastic:
        affordable = (_PATIENCE * budget_seconds / _FEWEST_REPEATS - _PROBE_SECONDS) / one_shape
        shapes = max(_FEWEST_SHAPES, min(_MOST_SHAPES, int(affordable)))
    one_repeat = shapes * one_shape + _PROBE_SECONDS
    repeats = max(_FEWEST_REPEATS, min(_MOST_REPEATS, int(budget_seconds / one_repeat)))
    return Plan(shapes=shapes, repeats=repeats, seconds=repeats * one_repeat)
