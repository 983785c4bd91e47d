"""Operational carbon: energy at the site's meter times what each kWh of it emitted.

One figure for a grid and a year, or a series by the hour. With a series a run is weighed by when it
used its energy, as far as the book tells: between two of its entries (start, segments, end) the
energy of that stretch meets the mean of those hours. Location based only: what the plug draws, with
no offset and no certificate taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import fsum
from pathlib import Path

from farthing.artifacts.entries import Record, RunEnd, RunStart, Segment
from farthing.artifacts.inside import is_irregular
from farthing.artifacts.settings import WorkspaceSettings
from farthing.artifacts.work import Work
from farthing.errors import BookError, ConfigError
from farthing.hardware.catalogue import Catalogue
from farthing.hardware.series import Series, read_series
from farthing.ledger.meter import NO_WORK
from farthing.quantity import Quantity, assumed

_KG_PER_GRAM = 1e-3


@dataclass(frozen=True)
class TimedWork:
    """Part of a run's work and the time in which it was done, with its zone."""

    start: datetime
    end: datetime
    work: Work


def operational(kwh: Quantity | None, grams_per_kwh: Quantity | None) -> Quantity | None:
    """Carbon of using energy.

    Args:
        kwh: at the site's meter; IT energy alone gives the carbon of that alone.
        grams_per_kwh: of the electricity; `series_intensity` gives it by the hour.

    Returns:
        kg of CO2-equivalent, or None if either is unknown.
    """
    if kwh is None or grams_per_kwh is None:
        return None
    return kwh.times(grams_per_kwh, "g").scaled(_KG_PER_GRAM, "kg")


def work_over_time(records: Sequence[Record], run: int, whole: Work) -> tuple[TimedWork, ...]:
    """When a run did its work, by its entries in the book.

    Each stretch ends at the entry that closes it and lasts as long as its work was timed, so the
    start-up before the first entry counts where it was, and a wall clock that was set back moves a
    stretch but shortens none. What a run without an end of its own did after its last segment is
    put right behind that: the entry that closes it may be days later.

    Args:
        records: the book.
        run: its number.
        whole: all that the run is billed for (`RunAccount.work`).

    Raises:
        BookError: the book has no such run.
    """
    bodies = [
        (datetime.fromisoformat(record.entry.time), record.body)
        for record in records
        if isinstance(record.body, (RunStart, Segment, RunEnd)) and record.body.run == run
    ]
    if not bodies:
        raise BookError(f"the book has no run {run}", remedy="read the whole book, from genesis")
    last, done = bodies[0][0], NO_WORK
    stretches = []
    for time, body in bodies:
        if isinstance(body, Segment):
            stretches.append(_ending(time, body.work - done))
            last, done = time, body.work
    rest = whole - done
    ends = [time for time, body in bodies if isinstance(body, RunEnd) and body.evidence == "meter"]
    end = ends[-1] if ends else last + _lasting(rest)
    return (*stretches, _ending(end, rest))


def series_intensity(stretches: Iterable[TimedWork], series: Series, source: str) -> Quantity:
    """The series' mean over a run, weighed by its energy, in g/kWh.

    Where the energy of a stretch is unknown, all of them are weighed by device-hours, as the
    models of energy without a sensor do.

    Args:
        stretches: of one run (`work_over_time`), or of several.
        series: grams per kWh by the hour.
        source: who says the series, and when.

    Raises:
        UnknownHardwareError: the series does not cover them; the message names the hours.
        ValueError: there are no stretches.
    """
    every = list(stretches)
    if not every:
        raise ValueError("no stretches of work to weigh a series by")
    joules = [each.work.joules for each in every]
    known = [amount for amount in joules if amount is not None]
    by_energy = len(known) == len(every)
    weights = known if by_energy else [each.work.device_seconds for each in every]
    means = [series.mean(each.start, each.end) for each in every]
    heavy = fsum(weights)
    value = (
        fsum(weight * mean for weight, mean in zip(weights, means, strict=True)) / heavy
        if heavy > 0
        else fsum(means) / len(means)
    )
    # A weighed mean can leave its figures by a rounding error only.
    value = min(max(value, min(means)), max(means))
    how = "energy" if by_energy else "device-hours"
    return assumed(
        value,
        "g/kWh",
        f"{series.name} by the hour, weighed by {how} ({series.digest[:12]}): {source}",
    )


def series_of(settings: WorkspaceSettings, root: Path) -> tuple[Series, str] | None:
    """The workspace's series and its source in words; None where none is set.

    Raises:
        ConfigError: the file is missing or wrong; the message names the line.
    """
    given = settings.carbon_series
    if given is None:
        return None
    if is_irregular(root, given.file):
        raise ConfigError(
            f"carbon_series.file = {given.file}: no regular file of the workspace",
            remedy="put the table itself there: links, folders and devices are not read",
        )
    day = str(given.date)
    said = given.source if day in given.source else f"{given.source}, {day}"
    return read_series(root / given.file), said


def place_of(settings: WorkspaceSettings, catalogue: Catalogue) -> str | None:
    """Where the machines stand, as model cards say it; None where nobody has said.

    Raises:
        UnknownHardwareError: `farthing.yaml` names a grid that the catalogue lacks.
    """
    if settings.location is not None:
        return settings.location
    if settings.grid is None:
        return None
    asked = settings.grid.casefold()
    for region in catalogue.regions:
        if asked == f"{region.provider}:{region.region}".casefold():
            inside = catalogue.grid_entry(region.grid).name
            place = region.place if region.place == inside else f"{region.place}, {inside}"
            return f"{place} ({region.provider}:{region.region})"
    entry = catalogue.grid_entry(settings.grid)
    around = catalogue.grid_entry(entry.parent).name if entry.parent is not None else None
    whole = entry.name if around is None or around in entry.name else f"{entry.name}, {around}"
    return f"{whole} ({entry.id})" if ":" in entry.id else whole


def _ending(end: datetime, work: Work) -> TimedWork:
    return TimedWork(end - _lasting(work), end, work)


def _lasting(work: Work) -> timedelta:
    # Differences of running totals round below zero.
    return timedelta(seconds=max(0.0, work.wall_seconds))
