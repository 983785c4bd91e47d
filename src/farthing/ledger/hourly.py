"""Carbon by the hour: the series that a run's rates name meets the hours in which the run worked.

Idle time whose energy was read meets the hours in which nothing ran.

The book holds the file's name and its digest, not its rows. A file that is gone or that holds
something else by now makes the carbon of its runs unknown, and is named; no other figure takes its
place. A file that does not reach over a run is an error that names the missing hours; only where
something else than a bill is wanted, such as a model card just after a training whose hours nobody
has published yet, is it unknown, and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farthing.artifacts.canonical import digest_file
from farthing.artifacts.entries import Record, RunEnd
from farthing.artifacts.expense import Reading
from farthing.artifacts.holding import Holding
from farthing.artifacts.inside import is_irregular
from farthing.artifacts.rates import SeriesRate
from farthing.errors import UnknownHardwareError
from farthing.hardware.series import Series, read_series
from farthing.ledger.accounts import RunAccount
from farthing.ledger.carbon import TimedWork, series_intensity, work_over_time
from farthing.ledger.entry_ref import EntryRef, numbers_text
from farthing.ledger.holdings import booked_holdings, idle_spans, window
from farthing.ledger.meter import UNKNOWN_WORK
from farthing.ledger.rates import Pricing
from farthing.ledger.withdrawals import standing
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
    """The carbon of runs and idle time from when they used their energy, by rates with a series.

    Args:
        pricing: of the book.
        records: the book.
        runs: its runs.
        root: of the workspace, beside whose `farthing.yaml` a series stands.
        hours_may_lack: whether a run whose hours the series lacks is unknown rather than an error.

    Returns:
        The pricing with g/kWh for each of these, and why some are unknown, in words.

    Raises:
        UnknownHardwareError: a series does not cover them; the message names the hours.
        ConfigError: a series cannot be read.
    """
    of_series: dict[tuple[SeriesRate, EntryRef | None], list[_Use]] = {}
    for use in (*_of_runs(records, runs), *_of_idle_time(records, runs)):
        if (named := pricing.declared(use.rates_of).series) is not None:
            of_series.setdefault((named, pricing.entry_of(use.rates_of)), []).append(use)
    found: dict[_Use, Quantity] = {}
    unknown, uncovered = [], []
    for (named, entry), uses in of_series.items():
        series = open_series(named, root)
        if isinstance(series, str):
            unknown.append(_lost(named, entry, uses, series))
            continue
        for use in uses:
            if lacking := _missing_hours(use.stretches, series):
                uncovered.append(f"{lacking} ({use.what})")
            elif use.stretches:
                found[use] = series_intensity(use.stretches, series, named.source)
    if uncovered:
        what = (
            f"the carbon by the hour lacks hours in which energy was used: {'; '.join(uncovered)}"
        )
        if not hours_may_lack:
            raise UnknownHardwareError(what, remedy=_HOW_TO_ADD_HOURS)
        unknown.append(f"kg CO2e: {what} ({_HOW_TO_ADD_HOURS})")
    hourly = {use.rates_of: grams for use, grams in found.items() if use.holding is None}
    idle = {use.holding: grams for use, grams in found.items() if use.holding is not None}
    return replace(pricing, hourly=hourly, idle_hourly=idle), tuple(unknown)


@dataclass(frozen=True, eq=False)
class _Use:
    """Energy of a run, or of idle time, and when it was used.

    Attributes:
        rates_of: the run, or the one whose rates the idle time has.
        holding: number of the entry whose idle time it is; None of a run.
        stretches: empty where nobody knows for how long.
    """

    rates_of: int
    holding: int | None
    stretches: tuple[TimedWork, ...]

    @property
    def what(self) -> str:
        """In words."""
        if self.holding is None:
            return f"run {self.rates_of}"
        return f"idle time of entry {self.holding}"


def _of_runs(records: Sequence[Record], runs: Sequence[RunAccount]) -> list[_Use]:
    return [_Use(run.start.run, None, _stretches(run, records)) for run in runs]


def _of_idle_time(records: Sequence[Record], runs: Sequence[RunAccount]) -> list[_Use]:
    """Idle time of which somebody read the energy: without that it has no carbon either."""
    return [
        _Use(each.priced_as.start.run, each.entry.number, _idle_stretches(each.body, runs))
        for each in booked_holdings(records, runs)
        if each.readings and each.priced_as is not None
    ]


def _idle_stretches(body: Holding, runs: Sequence[RunAccount]) -> tuple[TimedWork, ...]:
    """The time in which no run held anything, or all of it where some run always held a part.

    Of what was read in it, nobody knows how much was used when: longer stretches weigh more.
    """
    return tuple(
        TimedWork(
            datetime.fromtimestamp(span.begin, UTC),
            datetime.fromtimestamp(span.end, UTC),
            UNKNOWN_WORK.model_copy(update={"device_seconds": span.seconds}),
        )
        for span in idle_spans(body, runs) or (window(body),)
    )


def open_series(named: SeriesRate, root: Path) -> Series | str:
    """The series itself, or in words why it is not at hand.

    Args:
        named: as the rates of a run name it.
        root: of the workspace.

    Raises:
        ConfigError: it is the one that was meant, and wrong.
    """
    path = root / named.file
    if is_irregular(root, named.file):
        return "is no regular file of the workspace"
    # Before a row is read: a book may name any file, and only the one that was meant is of use.
    try:
        digest = digest_file(path)
    except FileNotFoundError:
        return "is not there any more"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if digest != named.digest:
        # What another file holds is nobody's business here, and neither is its digest.
        return f"holds something else now (not {named.digest[:12]}, as it did)"
    return read_series(path)


def _lost(named: SeriesRate, entry: EntryRef | None, uses: Sequence[_Use], problem: str) -> str:
    numbers = numbers_text(use.rates_of for use in uses if use.holding is None)
    of_idle = [use.what for use in uses if use.holding is not None]
    whose = " and ".join((f"runs {numbers}", *of_idle))
    said = f"entry {entry.number} names" if entry is not None else "farthing.yaml names"
    return (
        f"kg CO2e of {whose}: {named.file}, whose carbon by the hour {said}, {problem} "
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
    bodies = [record.body for record in standing(records)]
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
    if not stretches:
        return ""
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
