"""Student's t by integrating its density: no statistics package is shared with what is checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

CONFIDENCE = 0.95
_PANELS = 2000
_HALVINGS = 200


@cache
def quantile(freedom: int, probability: float = CONFIDENCE) -> float:
    """The point that Student's t stays below with `probability`, to about ten digits.

    The substitution t = sqrt(n) tan(a) turns the density into a power of a cosine on a bounded
    interval, which Simpson's rule integrates; the point is found by bisection.

    Args:
        freedom: degrees of freedom n, at least 1.
        probability: between 1/2 and 1.
    """
    power = freedom - 1
    whole = _cosine_power(math.pi / 2, power)
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if 0.5 + 0.5 * _cosine_power(middle, power) / whole < probability:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def reach(values: Sequence[float], confidence: float = CONFIDENCE) -> float:
    """How far the one-sided bound of the mean lies from it; at least two values."""
    count = len(values)
    mean = math.fsum(values) / count
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return quantile(count - 1, confidence) * math.sqrt(variance / count)


def _cosine_power(angle: float, power: int) -> float:
    """Integral of cos(a)**power from 0 to `angle`, by Simpson's rule."""
    step = angle / _PANELS
    parts = [
        (1 if place in (0, _PANELS) else 4 if place % 2 else 2) * math.cos(place * step) ** power
        for place in range(_PANELS + 1)
    ]
    return math.fsum(parts) * step / 3
