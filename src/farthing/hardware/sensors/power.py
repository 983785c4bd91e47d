"""Energy from power: sampled watts, integrated by the trapezoid rule."""

from __future__ import annotations

import time
from collections.abc import Callable

from farthing.artifacts.work import SensorMethod
from farthing.hardware.sensors.counter import NO_ENERGY, SensorEnergy, lost, read_exactly

# Between samples further apart than this, power may have done anything: the time is a gap.
GAP_SECONDS = 5.0


class PowerIntegral:
    """Integrates a power that is read whenever somebody asks for the energy."""

    def __init__(
        self,
        method: SensorMethod,
        covers: str,
        watts: Callable[[], float],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a first sample.

        Args:
            method: how the energy is found.
            covers: what it goes into.
            watts: the power now, W.
            clock: seconds that never go back.

        Raises:
            SensorLostError: the power cannot be read now.
        """
        self.method: SensorMethod = method
        self.covers = covers
        self._read = watts
        self._clock = clock
        self._last = self._highest = self._now()
        self._at = clock()
        self._total = NO_ENERGY

    def energy(self) -> SensorEnergy:
        """J since this object was made; a gap between samples is filled at the mean of its ends.

        Raises:
            SensorLostError: the power cannot be read.
        """
        watts, at = self._now(), self._clock()
        self._highest = max(self._highest, watts)
        self._total += area(self._last, watts, at - self._at, self._highest)
        self._last, self._at = watts, at
        return self._total

    def _now(self) -> float:
        try:
            watts = float(self._read())
        except (OSError, ValueError, TypeError) as error:
            raise lost(f"cannot be read: {error}") from error
        if not 0 <= watts < float("inf"):
            raise lost(f"says {watts} W")
        return watts


def area(first: float, last: float, seconds: float, highest: float) -> SensorEnergy:
    """J between two samples of power.

    Args:
        first: W at the beginning.
        last: W at the end.
        seconds: between them.
        highest: W, the most that was ever seen: what a gap may have been full of.
    """
    joules = (first + last) / 2 * seconds
    if seconds <= GAP_SECONDS:
        return read_exactly(joules)
    return SensorEnergy(joules, 0.0, max(joules, highest * seconds))
