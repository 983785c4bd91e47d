"""From data to pixels, with ticks at round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MOST_DECADES = 6


@dataclass(frozen=True)
class Scale:
    """`low` is drawn at `start`, `high` at `end`; with `log`, ratios are equally far apart."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"no scale from {self.low} to {self.high} (log={self.log})")

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """About `count` round values from `low` to `high`."""
        if self.log:
            return _log_ticks(self.low, self.high, count)
        return round_ticks(self.low, self.high, count)

    def ticks_every(self, pixels: float) -> list[float]:
        """Round values, about so many pixels apart."""
        return self.ticks(int(abs(self.end - self.start) / pixels))


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """At most about `count` multiples of 1, 2, 2.5 or 5 times a power of ten within the ends."""
    step = _round_step((high - low) / max(1, count))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Rounded: 3 * 0.1 is no round number otherwise.
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(place * step, digits) for place in range(first, last + 1)]


def padded(values: list[float], share: float = 0.06) -> tuple[float, float]:
    """Ends a little beyond the smallest and the largest value, and never equal."""
    low, high = min(values), max(values)
    pad = (high - low) * share or abs(high) * share or 1.0
    return low - pad, high + pad


def at_least(span: float, ends: tuple[float, float]) -> tuple[float, float]:
    """The ends, moved apart where they are closer than `span`: noise must not fill a chart."""
    low, high = ends
    missing = max(0.0, span - (high - low)) / 2
    return low - missing, high + missing


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    if len(decades) < 2:
        values = round_ticks(low, high, count)
        return [value for value in values if value > 0]
    for units in ((1, 2, 5), (1, 3)):
        between = (unit * 10.0**decade for decade in (decades[0] - 1, *decades) for unit in units)
        values = [value for value in between if low <= value <= high]
        if len(values) <= count:
            return values
    every = math.ceil(len(decades) / min(max(count, 1), _MOST_DECADES))
    return [10.0**decade for decade in decades[::every]]
