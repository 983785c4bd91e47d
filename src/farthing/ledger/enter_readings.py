"""Entering energy that a meter outside of farthing read, in figures or as a file of readings."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from pathlib import Path
from typing import Literal

from farthing.artifacts.canonical import digest_file
from farthing.artifacts.entries import Record
from farthing.artifacts.expense import Reading
from farthing.artifacts.holding import Holding
from farthing.artifacts.work import EnergyPart
from farthing.errors import ConfigError
from farthing.hardware.sensors.readings import energy_between
from farthing.ledger.desk import Desk, Entered, made
from farthing.ledger.entry_ref import numbers_text
from farthing.ledger.holdings import idle_spans
from farthing.ledger.readings import parts_told_apart
from farthing.ledger.spans import Span, run_span, together

OthersMethod = Literal["psu", "cloud"]

_JOULES_PER_KWH = 3.6e6
# Runs of which one begins as another ends; their clocks and that of the book differ by less.
_TOUCHING_SECONDS = 1.0


def enter_reading(
    desk: Desk,
    *,
    method: OthersMethod,
    covers: str,
    source: str,
    runs: Sequence[int] = (),
    held: int | None = None,
    kwh: float | None = None,
    low: float | None = None,
    high: float | None = None,
    file: Path | None = None,
) -> Entered:
    """Enter energy that somebody else's meter read.

    Args:
        desk: with the book open.
        method: `psu` or `cloud`.
        covers: what it went into.
        source: which meter, and who read it.
        runs: during which it was read.
        held: instead of runs, the number of a holding's entry: while that was idle.
        kwh: how much; None where `file` says it.
        low: kWh, the least that it may have been; `kwh` itself if None.
        high: kWh, the most.
        file: of readings, which are integrated over the time of the runs or the idle time.

    Raises:
        ConfigError: something of that cannot be, or the book has no such run or holding.
    """
    if bool(runs) == (held is not None):
        raise ConfigError(
            "a reading is of runs, or of the idle time of something held: "
            + ("both are named" if runs else "neither is named"),
            remedy="give --runs 3,4, or --held and the number of a `held` entry",
        )
    desk.check_runs(runs)
    whose = _holding(desk, held) if held is not None else None
    _check_known(desk, runs)
    _check_unread(desk, runs, whose, covers)
    _check_part_or_whole(desk, runs, covers)
    if file is None:
        energy, digest = _stated(method, covers, kwh, low, high), None
    elif kwh is not None or low is not None or high is not None:
        raise ConfigError(
            f"--file {file} and --kwh, --low or --high: the energy is said twice",
            remedy="give the file, or the figures",
        )
    else:
        energy, digest = _integrated(desk, method, covers, file, runs, whose)
    body = made(
        Reading,
        runs=tuple(runs),
        held=whose.entry.digest if whose else None,
        energy=energy,
        source=source,
        file_digest=digest,
    )
    return desk.enter(body)


def _holding(desk: Desk, number: int) -> Record:
    there = [r for r in desk.records if isinstance(r.body, Holding)]
    for record in there:
        if record.entry.number == number:
            return record
    known = numbers_text(record.entry.number for record in there)
    raise ConfigError(
        f"--held {number}: that entry of the book says nothing about what was held",
        remedy=f"entries that do: {known}" if known else "enter it first: farthing enter held",
    )


def _check_known(desk: Desk, runs: Sequence[int]) -> None:
    """Nothing is read of which nobody knows how long it was."""
    for number in runs:
        run = desk.runs[number]
        if run.status == "open" or run.evidence == "clock":
            raise ConfigError(
                f"--runs: run {number} "
                + ("has not ended" if run.status == "open" else "lost its journal")
                + ": nobody knows how long it held the machine",
                remedy="leave it out"
                + (", or enter the reading when it is over" if run.status == "open" else ""),
            )


def _check_unread(desk: Desk, runs: Sequence[int], held: Record | None, covers: str) -> None:
    """Nothing is read twice, by whichever method."""
    digest = held.entry.digest if held else None
    for record in desk.records:
        read = record.body
        if not isinstance(read, Reading):
            continue
        again = set(runs) & set(read.runs) or (digest is not None and read.held == digest)
        if again and read.energy.covers == covers:
            raise ConfigError(
                f"--covers {covers!r}: entry {record.entry.number} has what {read.energy.method} "
                "read of that, in the same time",
                remedy="leave it out; or, if this meter saw something else, name that with "
                "--covers: the two are added up",
            )


def _check_part_or_whole(desk: Desk, runs: Sequence[int], covers: str) -> None:
    """A reading of all that a run used and one of a part of it are never added."""
    own = parts_told_apart(desk.records)
    for record in desk.records:
        if not isinstance(record.body, Reading):
            continue
        other = record.body.energy.covers
        for run in set(runs) & set(record.body.runs):
            parts = own.get(run, set())
            if (covers in parts) == (other in parts):
                continue
            raise ConfigError(
                f"--covers {covers!r}: entry {record.entry.number} reads {other!r} of run {run}; "
                f"{covers if covers in parts else other!r} is a part of that run, and the other "
                "stands for all of it",
                remedy=(
                    "leave it out: the whole is read already"
                    if covers in parts
                    else f"read the run's other parts: {', '.join(sorted(parts - {other}))}"
                )
                + f"; or take that one back: farthing enter withdrawal --entry "
                f"{record.entry.number}",
            )


def _integrated(
    desk: Desk,
    method: OthersMethod,
    covers: str,
    file: Path,
    runs: Sequence[int],
    held: Record | None,
) -> tuple[EnergyPart, str]:
    """The energy of a file of readings in the time of runs or the idle time, and its digest."""
    timed = _timed(desk, runs, held)
    _check_alone(desk, runs, covers, [span for span, _ in timed])
    if not file.is_file():
        raise ConfigError(f"--file {file}: there is no such file", remedy="name the readings")
    digest = digest_file(file)
    found = [energy_between(method, file, span.begin, span.end, what=what) for span, what in timed]
    if digest_file(file) != digest:
        raise ConfigError(
            f"--file {file}: somebody is writing it just now",
            remedy="copy it, and enter the copy: the book keeps the digest of the whole file",
        )
    part = EnergyPart(
        covers=covers,
        method=method,
        joules=fsum(each.joules for each in found),
        low_joules=fsum(each.low_joules for each in found),
        high_joules=fsum(each.high_joules for each in found),
    )
    return part, digest


def _timed(desk: Desk, runs: Sequence[int], held: Record | None) -> list[tuple[Span, str]]:
    """The time that is read of, each moment once, and what was done in it."""
    if held is None:
        spans = together(run_span(desk.runs[number]) for number in runs)
        return [(span, f"runs {numbers_text(runs)} held the machine") for span in spans]
    assert isinstance(held.body, Holding)  # `_holding` looks for nothing else
    idle = idle_spans(held.body, desk.runs.values())
    if not idle:
        raise ConfigError(
            f"--held {held.entry.number}: no time of it was free of runs, so a meter of the "
            "whole read nothing of idle time alone",
            remedy="read the energy of the runs: --runs",
        )
    return [(span, f"the machine of entry {held.entry.number} was idle") for span in idle]


def _check_alone(desk: Desk, runs: Sequence[int], covers: str, spans: Sequence[Span]) -> None:
    """Of what a file says of some time, all is of the runs that are named."""
    own = parts_told_apart(desk.records)
    machines = {desk.runs[number].start.machine.id for number in runs}
    of_parts = all(covers in own.get(number, ()) for number in runs)
    beside = [
        number
        for number, run in desk.runs.items()
        if number not in runs
        and run.start.machine.id in machines
        # Whoever tells its parts apart and lacks this one used nothing of it.
        and not (of_parts and own.get(number) and covers not in own[number])
        and any(
            both.seconds > _TOUCHING_SECONDS
            for span in spans
            if (both := run_span(run).within(span)) is not None
        )
    ]
    if beside:
        raise ConfigError(
            f"--runs {numbers_text(runs)}: runs {numbers_text(beside)} held the same machine in "
            "that time, and the file says what all of them used together",
            remedy=f"name all of them, --runs {numbers_text([*runs, *beside]).replace(' ', '')}: "
            "they share it by the hours that they held; or say with --kwh, --low and --high what "
            f"runs {numbers_text(runs)} used",
        )


def _stated(
    method: OthersMethod, covers: str, kwh: float | None, low: float | None, high: float | None
) -> EnergyPart:
    """Energy as somebody read it off a display or an invoice."""
    if kwh is None:
        raise ConfigError(
            "neither --kwh nor --file: how much was read is missing",
            remedy="give the energy in kWh: --kwh 1.23",
        )
    least, most = kwh if low is None else low, kwh if high is None else high
    if not 0 <= least <= kwh <= most < float("inf"):
        raise ConfigError(
            f"--kwh {kwh:g}, from --low {least:g} to --high {most:g}: no energy is negative, and "
            "the range is around it",
            remedy="give 0 <= low <= kwh <= high",
        )
    return made(
        EnergyPart,
        covers=covers,
        method=method,
        joules=kwh * _JOULES_PER_KWH,
        low_joules=least * _JOULES_PER_KWH,
        high_joules=most * _JOULES_PER_KWH,
    )
