"""What the book says about each run: who, why, how it ended, and the work it is billed for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from farthing.artifacts.entries import (
    Evaluation,
    Extraction,
    Genesis,
    Record,
    RunEnd,
    RunStart,
)
from farthing.artifacts.work import Work
from farthing.artifacts.workspace import Workspace
from farthing.ledger.journal import read_journal_end
from farthing.ledger.meter import UNKNOWN_WORK

RunStatus = Literal["completed", "failed", "aborted", "open"]


@dataclass(frozen=True)
class RunAccount:
    """One run and the parts of its work that members caused.

    Attributes:
        start: the run.start entry's body.
        started: UTC time of that entry.
        status: how it ended, or "open".
        reason: why it failed or was aborted, or what is odd about it.
        artifact_digest: what it made, or None.
        work: what it is billed for: its end's total, or its last heartbeat's.
        members: the "of which" entries that name this run.
    """

    start: RunStart
    started: str
    status: RunStatus
    reason: str | None
    artifact_digest: str | None
    work: Work
    members: tuple[Evaluation | Extraction, ...]


def collect_runs(workspace: Workspace, records: Sequence[Record]) -> list[RunAccount]:
    """The account of every run in the book, in the order of their numbers."""
    ends = {record.body.run: record.body for record in records if isinstance(record.body, RunEnd)}
    members: dict[int, list[Evaluation | Extraction]] = {}
    for record in records:
        if isinstance(record.body, (Evaluation, Extraction)):
            members.setdefault(record.body.run, []).append(record.body)
    public_key = _public_key(records)
    return [
        _account(
            workspace,
            record,
            record.body,
            ends.get(record.body.run),
            tuple(members.get(record.body.run, ())),
            public_key,
        )
        for record in records
        if isinstance(record.body, RunStart)
    ]


def _account(
    workspace: Workspace,
    record: Record,
    start: RunStart,
    end: RunEnd | None,
    members: tuple[Evaluation | Extraction, ...],
    public_key: bytes,
) -> RunAccount:
    status: RunStatus
    if end is not None:
        status, reason, work = end.status, end.reason, end.work
    else:
        found = read_journal_end(workspace.root / start.journal, record.entry.digest, public_key)
        status, work = "open", found.work or UNKNOWN_WORK
        reason = f"no end yet; billed up to its last heartbeat{_damage(found.damage)}"
    return RunAccount(
        start=start,
        started=record.entry.time,
        status=status,
        reason=reason,
        artifact_digest=end.artifact.digest if end is not None and end.artifact else None,
        work=work,
        members=members,
    )


def _damage(damage: str | None) -> str:
    return f"; its journal: {damage}" if damage else ""


def _public_key(records: Sequence[Record]) -> bytes:
    genesis = records[0].body
    assert isinstance(genesis, Genesis)  # `walk` takes the key from there or refuses the file
    return bytes.fromhex(genesis.public_key)
