"""Energy of the whole machine from a file that somebody else's meter keeps writing.

A meter at the plug, the server's management controller or a cloud provider: whoever can read it
appends lines of JSON, each with the time in UTC and either the power since the line before or the
running total of the energy:

    {"time_utc": "2026-01-31T12:00:00Z", "watts": 412.5}
    {"time_utc": "2026-01-31T12:00:00Z", "joules": 8123456.0}
"""

from __future__ import annotations

import datetime
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from farthing.artifacts.work import SensorMethod
from farthing.errors import ConfigError, SensorLostError
from farthing.hardware.sensors.counter import NO_ENERGY, SensorEnergy, lost, read_exactly
from farthing.hardware.sensors.power import GAP_SECONDS, area

WHOLE_MACHINE = "the whole machine"

# A meter that has been silent for so long writes no more.
_SILENT_SECONDS = 300.0
# What a line can raise; the last two from numbers too large and brackets too deep.
_NO_READING = (
    *(ValueError, TypeError, KeyError, AttributeError),
    *(OverflowError, RecursionError),
)
_EXAMPLE = '{"time_utc": "2026-01-31T12:00:00Z", "watts": 412.5}'

Unit = Literal["watts", "joules"]


@dataclass(frozen=True)
class _Line:
    """One reading: seconds since 1970 in UTC, and the figure."""

    at: float
    unit: Unit
    value: float


def energy_between(
    method: SensorMethod, path: Path, begin: float, end: float, *, what: str
) -> SensorEnergy:
    """J that a finished file of readings says of some time.

    Args:
        method: `psu` or `cloud`.
        path: the file.
        begin: seconds since 1970 in UTC.
        end: the same.
        what: was done in that time, for messages.

    Raises:
        ConfigError: the file is not there, malformed, or does not reach over that time.
    """
    sensor = ReadingsSensor(method, path, now=lambda: begin, clock=lambda: 0.0, until=end)
    first, last = sensor.span
    missing = [(b, e) for b, e in ((begin, min(first, end)), (max(last, begin), end)) if b < e]
    if missing:
        times = " and ".join(f"{_utc(b)} to {_utc(e)}" for b, e in missing)
        raise ConfigError(
            f"{path}: there are no readings of {times}, in which {what}",
            remedy="name a file that reaches over all of it, or say what was read with --kwh",
        )
    return sensor.energy()


class ReadingsSensor:
    """Follows a file of readings; time since the last of them is estimated at its power."""

    def __init__(
        self,
        method: SensorMethod,
        path: Path,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        until: float = math.inf,
    ) -> None:
        """Begin to count at this moment.

        Args:
            method: `psu` or `cloud`.
            path: the file, to which lines are appended.
            now: UTC, seconds since 1970; asked once.
            clock: seconds that never go back.
            until: UTC, seconds since 1970; what is read of later times is not counted.

        Raises:
            ConfigError: the file is not there, empty, malformed, or not in the order of time.
        """
        self.method: SensorMethod = method
        self.covers = WHOLE_MACHINE
        self._path = path
        self._offset = 0
        self._number = 0
        self._clock = clock
        self._first: _Line | None = None
        self._last: _Line | None = None
        self._until = until
        self._watts = self._highest = 0.0
        self._total = self._said = NO_ENERGY
        # Only differences of the clock are added: stepping the machine's time changes nothing.
        self._begun = now()
        self._zero = clock()
        self._catch_up()
        if self._last is None:
            raise ConfigError(
                f"{path}: there is no reading in it",
                remedy=f"start whatever writes it first; a line is {_EXAMPLE}",
            )

    def energy(self) -> SensorEnergy:
        """J since this object was made.

        Raises:
            SensorLostError: the file vanished, broke its form, or has not grown for minutes.
        """
        try:
            self._catch_up()
        except ConfigError as error:
            raise SensorLostError(error.what, remedy=error.remedy) from error
        assert self._last is not None, "there is one from the beginning"
        now = self._begun + self._clock() - self._zero
        silent = now - max(self._last.at, self._begun)
        if silent > _SILENT_SECONDS:
            raise lost(f"has written nothing into {self._path} for {silent:.0f} s")
        tail = max(0.0, silent)
        found = self._total + SensorEnergy(self._watts * tail, 0.0, self._highest * tail)
        # What later readings correct is never taken back from what was booked already.
        joules = max(self._said.joules, found.joules)
        self._said = SensorEnergy(
            joules,
            max(self._said.low_joules, min(found.low_joules, joules)),
            max(self._said.high_joules, found.high_joules, joules),
        )
        return self._said

    @property
    def span(self) -> tuple[float, float]:
        """The times of the first and of the last reading, seconds since 1970 in UTC."""
        assert self._first is not None, "there is one from the beginning"
        assert self._last is not None, "and so there is a last one"
        return self._first.at, self._last.at

    def _catch_up(self) -> None:
        """Take in whole lines that were appended since."""
        try:
            with self._path.open("rb") as file:
                file.seek(0, 2)
                if file.tell() < self._offset:
                    raise self._wrong("the file has become shorter")
                file.seek(self._offset)
                text = file.read()
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be read: {error}",
                remedy="name the file that your meter writes under `readings` in farthing.yaml",
            ) from error
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._number += 1
            if line.strip():
                self._take(self._parsed(line))

    def _take(self, line: _Line) -> None:
        before = self._last
        self._last = line
        if before is None:
            self._first = line
            self._watts = line.value if line.unit == "watts" else 0.0
            self._highest = self._watts
            return
        seconds = line.at - before.at
        if seconds <= 0:
            raise self._wrong("its time is not after that of the line before")
        if line.unit != before.unit:
            raise self._wrong(f"it gives {line.unit}, and the line before {before.unit}")
        if line.unit == "joules" and line.value < before.value:
            raise self._wrong("the running total went back")
        # Of what lies between two readings, the part that this sensor counts.
        begin, end = max(before.at, self._begun), min(line.at, self._until)
        ours = max(0.0, end - begin)
        if line.unit == "watts":
            self._highest = max(self._highest, line.value)
            self._watts = line.value
            slope = (line.value - before.value) / seconds
            first, last = (line.value - slope * (line.at - moment) for moment in (begin, end))
            found = area(first, last, ours, self._highest)
            if seconds > GAP_SECONDS:
                # However little of a gap is ours, nobody saw what it was full of.
                most = max(found.joules, self._highest * ours)
                found = SensorEnergy(found.joules, 0.0, most)
            self._total += found
            return
        joules = line.value - before.value
        self._watts = joules / seconds
        self._highest = max(self._highest, self._watts)
        if ours == seconds:
            self._total += read_exactly(joules)
        elif ours > 0:
            self._total += SensorEnergy(joules * ours / seconds, 0.0, joules)

    def _parsed(self, line: bytes) -> _Line:
        try:
            fields = json.loads(line)
            at = datetime.datetime.fromisoformat(fields.pop("time_utc"))
            ((unit, value),) = fields.items()
            value = float(value)
        except _NO_READING as error:
            raise self._wrong(f"it is no reading ({type(error).__name__}: {error})") from error
        if at.tzinfo is None:
            raise self._wrong("time_utc names no zone: end it in Z")
        if unit not in ("watts", "joules") or not 0 <= value < float("inf"):
            raise self._wrong(f"{unit} = {value}: give watts or joules, 0 or more")
        return _Line(at.timestamp(), unit, value)

    def _wrong(self, why: str) -> ConfigError:
        return ConfigError(
            f"{self._path}, line {self._number}: {why}",
            remedy=f"one reading a line, in the order of time, such as {_EXAMPLE}",
        )


def _utc(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
