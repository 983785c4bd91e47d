"""Carbon intensity hour by hour: a table from a grid operator or a data service.

    utc_start,grams_per_kwh
    2026-01-31T00:00:00Z,212.5
    2026-01-31T01:00:00Z,208.0

Each figure holds from its start to the next one's; the last holds as long as the one before it.
Starts ascend in equal steps: a gap would have to be guessed.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from farthing.artifacts.canonical import digest_file
from farthing.errors import ConfigError, UnknownHardwareError
from farthing.hardware.datafile import read_table

_START, _GRAMS = "utc_start", "grams_per_kwh"


@dataclass(frozen=True)
class Series:
    """Grams of CO2-equivalent per kWh by time.

    Attributes:
        name: the file.
        digest: SHA-256 of the file's bytes.
        starts: UTC, ascending in steps of `step`.
        grams_per_kwh: from each start on.
    """

    name: str
    digest: str
    starts: tuple[datetime.datetime, ...]
    grams_per_kwh: tuple[float, ...]
    step: datetime.timedelta

    @property
    def end(self) -> datetime.datetime:
        """Where the last figure ends."""
        return self.starts[-1] + self.step

    def mean(self, start: datetime.datetime, end: datetime.datetime) -> float:
        """The mean over the time from `start` to `end`, g/kWh; the figure at `start` if equal.

        Raises:
            UnknownHardwareError: the series does not cover all of it.
            ValueError: the end is before the start, or a time has no zone.
        """
        if end < start:
            raise ValueError(f"{end} is before {start}")
        if start < self.starts[0] or end > self.end or start == self.end:
            raise UnknownHardwareError(
                f"{self.name} covers {self.starts[0]:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} "
                f"UTC and not all of {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
                remedy="add the missing hours to the file, or use the grid's yearly figure",
            )
        first = int((start - self.starts[0]) / self.step)
        if start == end:
            return self.grams_per_kwh[first]
        weighted = 0.0
        for begins, grams in zip(self.starts[first:], self.grams_per_kwh[first:], strict=True):
            if begins >= end:
                break
            held = min(begins + self.step, end) - max(begins, start)
            weighted += grams * held.total_seconds()
        return weighted / (end - start).total_seconds()


def read_series(path: Path) -> Series:
    """Read a series.

    Raises:
        ConfigError: naming the line: no zone, a step back, a gap, a negative figure.
    """
    starts: list[datetime.datetime] = []
    grams: list[float] = []
    lines: list[int] = []
    for line, row in read_table(path, (_START, _GRAMS)):
        lines.append(line)
        starts.append(_time(row[_START], f"{path}, line {line}"))
        grams.append(_intensity(row[_GRAMS], f"{path}, line {line}"))
    if len(starts) < 2:
        raise ConfigError(
            f"{path}: a series needs two rows at least, which show its step",
            remedy=f"the columns are {_START},{_GRAMS}; one row for each hour",
        )
    step = starts[1] - starts[0]
    for line, (before, after) in zip(lines[1:], pairwise(starts), strict=True):
        _follows(before, after, step, f"{path}, line {line}")
    return Series(path.name, digest_file(path), tuple(starts), tuple(grams), step)


def _follows(
    before: datetime.datetime, after: datetime.datetime, step: datetime.timedelta, where: str
) -> None:
    if after <= before:
        raise ConfigError(
            f"{where}: {after:%Y-%m-%d %H:%M} is not after {before:%Y-%m-%d %H:%M}",
            remedy="sort the rows by time, each hour once",
        )
    if after - before != step:
        raise ConfigError(
            f"{where}: the steps are {step}, and here {after - before}: a gap or an overlap",
            remedy="fill in the missing rows from your source",
        )


def _time(text: str, where: str) -> datetime.datetime:
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{where}: {_START} = {text!r} is no time", remedy="write it as 2026-01-31T00:00:00Z"
        ) from error
    if time.tzinfo is None:
        raise ConfigError(
            f"{where}: {_START} = {text!r} names no zone", remedy="end it in Z, for UTC"
        )
    return time.astimezone(datetime.UTC)


def _intensity(text: str, where: str) -> float:
    try:
        grams = float(text)
    except ValueError:
        grams = -1.0
    if not 0 <= grams < float("inf"):
        raise ConfigError(
            f"{where}: {_GRAMS} = {text!r}", remedy="write grams per kWh, 0 or more, as 212.5"
        )
    return grams
