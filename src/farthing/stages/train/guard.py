"""Stops a run whose loss is no number or jumps, before the step spoils the weights."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable

_WINDOW_STEPS = 50
# Fewer losses than this say nothing about what is usual.
_SETTLED_STEPS = 10


class LossGuard:
    """Compares each loss with the median of the last steps.

    Sub-models lose more than the full shape, by far less than a broken step does: one median
    serves all.
    """

    def __init__(self, max_jump_nats: float, recent: Iterable[float] = ()) -> None:
        self._max_jump_nats = max_jump_nats
        self.recent: deque[float] = deque(recent, maxlen=_WINDOW_STEPS)

    def complaint(self, loss: float) -> str | None:
        """What is wrong with this loss, or None; a good one is remembered."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if len(self.recent) >= _SETTLED_STEPS:
            usual = statistics.median(self.recent)
            if loss > usual + self._max_jump_nats:
                return f"the loss jumped to {loss:.3f} nats from a median of {usual:.3f}"
        self.recent.append(loss)
        return None
