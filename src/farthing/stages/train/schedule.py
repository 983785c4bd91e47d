"""The learning-rate schedule: warm-up, stable, decay."""

from __future__ import annotations

import math

from farthing.stages.train.config import ScheduleConfig


def rate_share(step: int, steps: int, schedule: ScheduleConfig) -> float:
    """Share of the peak learning rate that `step` (from 0) of `steps` uses."""
    warmup = schedule.warmup_share * steps
    if step + 1 < warmup:
        return (step + 1) / warmup
    decay = schedule.decay_share * steps
    left = steps - step
    if left > decay:
        return 1.0
    # final_share would be reached one step after the last: every step that is taken moves.
    if schedule.decay_shape == "cosine":
        height = 0.5 * (1 + math.cos(math.pi * (1 - left / decay)))
    else:
        height = left / (decay + 1)
    return schedule.final_share + (1 - schedule.final_share) * height
