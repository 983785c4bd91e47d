"""What the book says about each run: who, why, how it ended, and the work it is billed for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from farthing.artifacts.entries import (
    Evaluation,
    Evidence,
    Extraction,
    Genesis,
    Record,
    RunEnd,
    RunStart,
    Segment,
)
from farthing.artifacts.phase import PhaseWork
from farthing.artifacts.work import Work
from farthing.artifacts.workspace import Workspace
from farthing.errors import BookError
from farthing.ledger.clocks import elapsed_seconds
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Figures, Rates, bounded_figures, make_figures
from farthing.ledger.joules import not_negative
from farthing.ledger.journal_end import read_journal_end
from farthing.ledger.meter import NO_WORK, UNKNOWN_WORK
from farthing.ledger.readings import part_of, shared_readings, with_reading

RunStatus = Literal["completed", "failed", "aborted", "open"]

# Laps and differences of clocks round in the last digits.
_ROUNDING_SECONDS = 1e-3

_PARTS = (Evaluation, Extraction)

_AMOUNTS = ("wall_seconds", "device_seconds", "cpu_seconds", "tokens", "flops", "optimizer_flops")


@dataclass(frozen=True)
class RunAccount:
    """One run and the parts of its work that members caused.

    Attributes:
        start: the run.start entry's body.
        started: UTC time of that entry.
        status: how it ended, or "open".
        reason: why it failed or was aborted, or what is odd about it.
        artifact_digest: what it made, or None.
        work: what it is billed for; if `evidence` is `clock`, what it used at least.
        evidence: on what `work` rests, as in `RunEnd`.
        most_seconds: if `evidence` is `clock`, the wall time that it used at most, or None if the
            run has not been closed yet, or the clock was set back meanwhile.
        raised: whether `work` rests on entries of the book, because the journal was behind them.
        members: the "of which" entries that name this run.
        phases: `work` by what the run was doing, as far as its end or its journal says; they add
            up to it where `raised` is false.
        entries: the entries of the book that `work` comes from: the run's start and its end, and
            the readings of other meters.
        member_entries: which entries `members` are, in their order.
        ended: UTC time of the run.end entry; None of a run without one.
    """

    start: RunStart
    started: str
    status: RunStatus
    reason: str | None
    artifact_digest: str | None
    work: Work
    evidence: Evidence
    most_seconds: float | None
    raised: bool
    members: tuple[Evaluation | Extraction, ...]
    phases: tuple[PhaseWork, ...] = ()
    entries: tuple[EntryRef, ...] = ()
    member_entries: tuple[EntryRef, ...] = ()
    ended: str | None = None

    def figures(self, rates: Rates, *, without: Work = NO_WORK) -> Figures:
        """What the run cost, or what is left of that without some of its members' parts.

        Raises:
            BookError: the parts are larger than the run.
        """
        machine = self.start.machine
        rest = _not_negative(self.work - without, self)
        if self.evidence != "clock":
            return make_figures(rest, machine, rates)
        most = self.most_seconds
        left = None if most is None else max(0.0, most - without.wall_seconds)
        return bounded_figures(rest, left, machine, rates)


def collect_runs(workspace: Workspace, records: Sequence[Record]) -> list[RunAccount]:
    """The account of every run in the book, in the order of their numbers."""
    ends: dict[int, tuple[RunEnd, Record]] = {}
    members: dict[int, list[Record]] = {}
    segments: dict[int, Segment] = {}
    for record in records:
        if isinstance(record.body, RunEnd):
            ends[record.body.run] = record.body, record
        elif isinstance(record.body, Segment):
            segments[record.body.run] = record.body
        elif isinstance(record.body, (Evaluation, Extraction)):
            members.setdefault(record.body.run, []).append(record)
    public_key = _public_key(records)
    accounts = []
    for record in records:
        if isinstance(record.body, RunStart):
            run = record.body.run
            within = members.get(run, [])
            of_which = tuple(each.body for each in within if isinstance(each.body, _PARTS))
            floor = _signed_floor(of_which, segments.get(run))
            entries: tuple[EntryRef, ...] = (EntryRef.of(record),)
            if run in ends:
                end, end_record = ends[run]
                lost = end.evidence == "clock"
                most = elapsed_seconds(records, record, end_record) if lost else None
                account = _closed(record, end, most, of_which, floor)
                account = replace(account, ended=end_record.entry.time)
                entries = (*entries, EntryRef.of(end_record))
            else:
                account = _open(workspace, record, record.body, of_which, floor, public_key)
            of_parts = tuple(EntryRef.of(each) for each in within)
            accounts.append(replace(account, entries=entries, member_entries=of_parts))
    return _with_readings(accounts, records)


def _with_readings(runs: Sequence[RunAccount], records: Sequence[Record]) -> list[RunAccount]:
    """The runs whose energy another meter read, with what it read instead of what they said.

    A run that lost its journal keeps its bounds: nobody knows how much of the reading is its own.
    """
    seconds = {run.start.run: run.work.wall_seconds for run in runs if run.evidence != "clock"}
    read = shared_readings(records, seconds)
    changed = []
    for run in runs:
        parts, entries = read.get(run.start.run, ((), ()))
        if parts:
            work = with_reading(run.work, parts)
            held = run.work.device_seconds
            members = tuple(
                # Nobody read the members' parts apart: each has its part of the time.
                each.model_copy(
                    update={"work": part_of(work, each.work, each.work.device_seconds / held)}
                )
                if held
                else each
                for each in run.members
            )
            phases = tuple(
                each.model_copy(
                    update={"work": part_of(work, each.work, each.work.device_seconds / held)}
                )
                for each in run.phases
                if held
            )
            known = (*run.entries, *entries)
            run = replace(run, work=work, members=members, phases=phases, entries=known)
        changed.append(run)
    return changed


def _closed(
    record: Record,
    end: RunEnd,
    most_seconds: float | None,
    members: tuple[Evaluation | Extraction, ...],
    floor: Work,
) -> RunAccount:
    start, work, raised = record.body, end.work, False
    assert isinstance(start, RunStart)  # the caller looks for nothing else
    if end.evidence != "meter":
        work, raised = _at_least(end.work, floor)
    return RunAccount(
        start=start,
        started=record.entry.time,
        status=end.status,
        reason=end.reason,
        artifact_digest=end.artifact.digest if end.artifact else None,
        work=work,
        evidence=end.evidence,
        most_seconds=most_seconds,
        raised=raised,
        members=members,
        phases=end.phases,
    )


def _open(
    workspace: Workspace,
    record: Record,
    start: RunStart,
    members: tuple[Evaluation | Extraction, ...],
    floor: Work,
    public_key: bytes,
) -> RunAccount:
    path, digest = workspace.root / start.journal, record.entry.digest
    found = read_journal_end(path, digest, public_key, start.purpose)
    work, raised = _at_least(found.least, floor)
    return RunAccount(
        start=start,
        started=record.entry.time,
        status="open",
        reason=f"no end yet; {found.reason}",
        artifact_digest=None,
        work=work,
        evidence=found.evidence,
        most_seconds=None,
        raised=raised,
        members=members,
        phases=found.phases,
    )


def _signed_floor(members: Sequence[Evaluation | Extraction], segment: Segment | None) -> Work:
    """What the book itself proves that a run used: its members' parts, or its last segment.

    The book is flushed and its head is known; heartbeats may be lost when the power fails, or
    cut off.
    """
    floor = sum((entry.work for entry in members), NO_WORK)
    return floor if segment is None else _at_least(segment.work, floor)[0]


def _at_least(work: Work, floor: Work) -> tuple[Work, bool]:
    """`work`, or `floor` in whatever it is more; and whether it is in anything."""
    larger = {
        name: getattr(floor, name)
        for name in _AMOUNTS
        if getattr(floor, name) > getattr(work, name)
    }
    more = work.model_copy(update=larger)
    # Of a run whose journal is gone, nothing is known but what the floor says.
    joules = 0.0 if work == UNKNOWN_WORK else work.joules
    if joules is None or floor.joules is None or floor.joules <= joules:
        return more, bool(larger)
    return more.with_energy(floor.joules, floor.energy_method, floor.energy_parts), True


def _not_negative(rest: Work, run: RunAccount) -> Work:
    """What members leave of their run, clear of rounding below zero.

    Raises:
        BookError: the parts are larger than the run.
    """
    if min(rest.wall_seconds, rest.cpu_seconds) < -_ROUNDING_SECONDS or rest.tokens < 0:
        raise BookError(
            f"run {run.start.run}: its {len(run.members)} evaluation and extraction entries claim "
            f"more than the run itself used ({-rest.wall_seconds:.3f} s too much)",
            remedy="the book was written by a faulty program; the totals hold, the shares do not",
        )
    amounts = {name: max(0, getattr(rest, name)) for name in _AMOUNTS}
    return not_negative(rest.model_copy(update=amounts), run.work)


def _public_key(records: Sequence[Record]) -> bytes:
    genesis = records[0].body
    assert isinstance(genesis, Genesis)  # `walk` takes the key from there or refuses the file
    return bytes.fromhex(genesis.public_key)
