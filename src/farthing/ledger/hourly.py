"""Carbon by the hour: the series that a run's rates name meets the hours in which the run worked.

The book holds the file's name and its digest, not its rows. A file that is gone or that holds
something else by now makes the carbon of its runs unknown, and is named; no other figure takes its
place. A file that does not reach over a run is an error that names the missing hours; only where
something else than a bill is wanted, such as a model card just after a training whose hours nobody
has published yet, is it unknown, and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from farthing.artifacts.canonical import digest_file
from farthing.artifacts.entries import Record, RunEnd
from farthing.artifacts.expense import Reading
from farthing.artifacts.rates import SeriesRate
from farthing.errors import UnknownHardwareError
from farthing.hardware.series import Series, read_series
from farthing.ledger.accounts import RunAccount
from farthing.ledger.carbon import TimedWork, series_intensity, work_over_time
from farthing.ledger.entry_ref import EntryRef, numbers_text
from farthing.ledger.rates import Pricing
from farthing.quantity import Quantity

_HOW_TO_ADD_HOURS = (
    "add these hours to the file, or take carbon_series out of farthing.yaml and set grid; then "
    "enter that for the runs that are over: farthing bill --record"
)
_TIME = "%Y-%m-%d %H:%M"


def by_the_hour(
    pricing: Pricing,
    records: Sequence[Record],
    runs: Sequence[RunAccount],
    root: Path,
    *,
    hours_may_lack: bool = False,
) -> tuple[Pricing, tuple[str, ...]]:
    """The carbon of each run from when it used its energy, where its rates name a series.

    Args:
        pricing: of the book.
        records: the book.
        runs: its runs.
        root: of the workspace, beside whose `farthing.yaml` a series stands.
        hours_may_lack: whether a run whose hours the series lacks is unknown rather than an error.

    Returns:
        The pricing with g/kWh for each of these runs, and why some are unknown, in words.

    Raises:
        UnknownHardwareError: a series does not cover the runs; the message names the hours.
        ConfigError: a series cannot be read.
    """
    of_series: dict[tuple[SeriesRate, EntryRef | None], list[RunAccount]] = {}
    for run in runs:
        if (named := pricing.declared(run.start.run).series) is not None:
            of_series.setdefault((named, pricing.entry_of(run.start.run)), []).append(run)
    hourly: dict[int, Quantity | None] = {}
    unknown, uncovered = [], []
    for (named, entry), held in of_series.items():
        series = _opened(named, root)
        if isinstance(series, str):
            unknown.append(_lost(named, entry, held, series))
            continue
        for run in held:
            if stretches := _stretches(run, records):
                if lacking := _missing_hours(stretches, series):
                    uncovered.append(f"{lacking} (run {run.start.run})")
                else:
                    hourly[run.start.run] = series_intensity(stretches, series, named.source)
    if uncovered:
        what = f"the carbon by the hour lacks hours in which runs worked: {'; '.join(uncovered)}"
        if not hours_may_lack:
            raise UnknownHardwareError(what, remedy=_HOW_TO_ADD_HOURS)
        unknown.append(f"kg CO2e: {what} ({_HOW_TO_ADD_HOURS})")
    return replace(pricing, hourly=hourly), tuple(unknown)


def _opened(named: SeriesRate, root: Path) -> Series | str:
    """The series itself, or in words why it is not at hand."""
    path = root / named.file
    if not path.is_file():
        return "is not there any more"
    # Before a row is read: a book may name any file, and only the one that was meant is of use.
    try:
        digest = digest_file(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if digest != named.digest:
        return f"holds something else now ({digest[:12]}, not {named.digest[:12]})"
    return read_series(path)


def _lost(
    named: SeriesRate, entry: EntryRef | None, held: Sequence[RunAccount], problem: str
) -> str:
    numbers = numbers_text(run.start.run for run in held)
    said = f"entry {entry.number} names" if entry is not None else "farthing.yaml names"
    return (
        f"kg CO2e of runs {numbers}: {named.file}, whose carbon by the hour {said}, {problem} "
        "(put the file back as it was, or enter what farthing.yaml says now: farthing bill "
        "--record)"
    )


def _stretches(run: RunAccount, records: Sequence[Record]) -> tuple[TimedWork, ...]:
    """When a run worked; nothing where nobody knows for how long."""
    if run.evidence == "clock":
        if run.most_seconds is None:
            return ()
        start = datetime.fromisoformat(run.started)
        # Billed for the most that it can have held: at any time between.
        return (TimedWork(start, start + timedelta(seconds=run.most_seconds), run.work),)
    number = run.start.run
    bodies = [record.body for record in records]
    if not any(isinstance(body, Reading) and number in body.runs for body in bodies):
        return work_over_time(records, number, run.work)
    # Another meter said how much the run used, and its own when: the two are never subtracted.
    ends = [body for body in bodies if isinstance(body, RunEnd) and body.run == number]
    if ends and ends[-1].evidence == "meter":
        return work_over_time(records, number, ends[-1].work)
    return tuple(
        replace(each, work=each.work.with_energy(None, "none"))
        for each in work_over_time(records, number, run.work)
    )


def _missing_hours(stretches: Sequence[TimedWork], series: Series) -> str:
    """The steps of the series that some work needs and that it lacks, in words; or nothing."""
    first, last = series.starts[0], series.end
    start = _step_of(min(each.start for each in stretches), series)
    end = _step_of(max(each.end for each in stretches), series)
    # A moment needs the step in which it lies; an end on a border needs the step before it.
    if end < max(each.end for each in stretches) or end == start:
        end += series.step
    lacking = []
    if start < first:
        lacking.append((start, min(end, first)))
    if end > last:
        lacking.append((max(start, last), end))
    spans = " and ".join(f"{one:{_TIME}} to {other:{_TIME}} UTC" for one, other in lacking)
    return f"{series.name} lacks {spans}" if lacking else ""


def _step_of(time: datetime, series: Series) -> datetime:
    """Where the step that a time lies in begins, outside of the series too."""
    first = series.starts[0]
    return first + (time - first) // series.step * series.step
