"""What every sensor of energy looks like, and counters that wrap around or start again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from farthing.artifacts.work import SensorMethod
from farthing.errors import SensorLostError

# More than any board or processor package with its memory draws.
_MOST_WATTS = 3000.0
# Counters are refreshed in steps: what one reading shows may have been drawn a little earlier.
_REFRESH_SECONDS = 1.0


@dataclass(frozen=True)
class SensorEnergy:
    """Energy since a sensor was made.

    Attributes:
        joules: running total, J.
        low_joules, high_joules: what it may have been; both are `joules` where all of it was read.
    """

    joules: float
    low_joules: float
    high_joules: float

    def __add__(self, other: SensorEnergy) -> SensorEnergy:
        return SensorEnergy(
            self.joules + other.joules,
            self.low_joules + other.low_joules,
            self.high_joules + other.high_joules,
        )


NO_ENERGY = SensorEnergy(0.0, 0.0, 0.0)


def read_exactly(joules: float) -> SensorEnergy:
    """Energy of which all was read."""
    return SensorEnergy(joules, joules, joules)


class EnergySensor(Protocol):
    """One sensor; it counts from the moment at which it was made."""

    @property
    def method(self) -> SensorMethod:
        """How it finds energy."""

    @property
    def covers(self) -> str:
        """What the energy goes into, by a name that stays the same."""

    def energy(self) -> SensorEnergy:
        """All energy since the sensor was made; no figure of it ever goes back.

        Raises:
            SensorLostError: the sensor answers no more; what it said before stands.
        """


class Counter:
    """A running number of a driver or kernel: raw counts, and how many joules one is.

    With a `wrap` it begins again after so many counts; without one, a drop means that the driver
    began anew and that nobody knows what was lost.
    """

    def __init__(
        self,
        read: Callable[[], int],
        *,
        joules_per_count: float,
        wrap: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to count.

        Args:
            read: the raw number now.
            joules_per_count: J of one count.
            wrap: counts after which it begins again at zero, or None.
            clock: seconds that never go back.

        Raises:
            SensorLostError: it cannot be read now.
        """
        self._read = read
        self._unit = joules_per_count
        self._wrap = wrap
        self._clock = clock
        self._last = self._now()
        self._begun = self._read_at = clock()
        self._total = NO_ENERGY

    def energy(self) -> SensorEnergy:
        """J since this object was made.

        Raises:
            SensorLostError: it cannot be read, or began anew.
        """
        now, at = self._now(), self._clock()
        seconds = at - self._read_at
        self._total += self._between(now - self._last, seconds)
        self._last, self._read_at = now, at
        return self._total

    def _now(self) -> int:
        try:
            return int(self._read())
        except (OSError, ValueError, TypeError, OverflowError) as error:
            raise lost(f"cannot be read: {error}") from error

    def _between(self, counts: int, seconds: float) -> SensorEnergy:
        if self._wrap is None:
            if counts < 0:
                raise lost("went back: its driver began anew")
            return read_exactly(counts * self._unit)
        turn = self._wrap * self._unit
        least = (counts if counts >= 0 else counts + self._wrap) * self._unit
        most = _MOST_WATTS * (seconds + _REFRESH_SECONDS)
        if counts < 0 and least > most:
            raise lost("went back, and not because it was full: its driver began anew")
        # Whole turns between two readings that lie too far apart show nowhere.
        turns = max(0, int((_MOST_WATTS * seconds - least) // turn))
        if turns == 0:
            return read_exactly(least)
        known = self._read_at - self._begun
        usual = self._total.joules / known * seconds if known > 0 else least
        likely = min(turns, max(0, round((usual - least) / turn)))
        return SensorEnergy(least + likely * turn, least, least + turns * turn)


class CounterSensor:
    """One thing whose energy is the sum of some counters."""

    def __init__(self, method: SensorMethod, covers: str, counters: Sequence[Counter]) -> None:
        """Take counters over; if one is lost, the whole is."""
        self.method: SensorMethod = method
        self.covers = covers
        self._counters = tuple(counters)

    def energy(self) -> SensorEnergy:
        """J since the counters were made."""
        return sum((counter.energy() for counter in self._counters), NO_ENERGY)


class SharedSensor:
    """A share of what a sensor says, where this process does not hold all that it covers.

    How much of the whole this process caused nobody measures: anything from none to all.
    """

    def __init__(self, whole: EnergySensor, share: float) -> None:
        """Take `share` of the sensor `whole`, more than 0 and less than 1."""
        if not 0 < share < 1:
            raise ValueError(f"a share of {share} is not between 0 and 1")
        self.method: SensorMethod = whole.method
        self.covers = whole.covers
        self._whole = whole
        self._share = share

    def energy(self) -> SensorEnergy:
        """J of this share, from nothing to the whole."""
        whole = self._whole.energy()
        return SensorEnergy(whole.joules * self._share, 0.0, whole.high_joules)


def lost(why: str) -> SensorLostError:
    """The error of a sensor that answers no more."""
    return SensorLostError(
        f"the sensor {why}",
        remedy="the run goes on, its energy estimated from here on; look after the sensor's driver",
    )
