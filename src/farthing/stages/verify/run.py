"""Workspace -> Verdict: does the book hold together, and do the files say what it says?

Reads only; imports neither `ledger` nor `cost`, so it cannot repeat their mistakes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farthing.artifacts.body import Body
from farthing.artifacts.chain import ChainFile, Head
from farthing.artifacts.entries import (
    Extraction,
    Genesis,
    Plan,
    Record,
    RunEnd,
    RunStart,
    Segment,
    known_head,
    read_records,
)
from farthing.artifacts.expense import Expense, Reading
from farthing.artifacts.holding import Holding
from farthing.artifacts.manifest import MANIFEST_NAME, Manifest, read_manifest, verify_files
from farthing.artifacts.rates import RatesRecord
from farthing.artifacts.withdrawal import Withdrawal
from farthing.artifacts.workspace import Workspace
from farthing.errors import ArtifactError, BookError, UsageError
from farthing.stages.verify.finding import Finding

_UNNAMED_KINDS = {"checkpoint"}
_ROOMS = ("corpora", "runs", "scores", "searches", "models")


@dataclass(frozen=True)
class Verdict:
    """Everything that was checked in a workspace."""

    findings: tuple[Finding, ...]
    head: Head | None

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return all(finding.ok for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ok": self.ok,
            "findings": [vars(finding) for finding in self.findings],
            "book": {"count": self.head.count, "head": self.head.digest} if self.head else None,
        }


def verify_workspace(
    workspace: Workspace, *, head: str | None = None, count: int | None = None
) -> Verdict:
    """Check the book, every journal, and every artifact that the book names.

    Args:
        workspace: the folder to check; nothing in it is changed.
        head: digest of the last known entry, as a bill prints it; by default the one that this
            machine recorded.
        count: how many entries the book had then; goes with `head`.

    Raises:
        UsageError: one of `head` and `count` without the other.
    """
    if (head is None) != (count is None):
        raise UsageError(
            "a known head needs both its digest and its count",
            remedy="give --head and --count together, as the bill printed them",
        )
    given = Head(count=count, digest=head) if head is not None and count is not None else None
    records, findings = _check_book(workspace.book_file, given)
    if records:
        findings += _check_runs(records, str(workspace.book_file))
        findings += _check_journals(workspace, records)
        findings += _check_artifacts(workspace, records)
    return Verdict(tuple(findings), records[-1].entry.head if records else None)


def _check_book(path: Path, given: Head | None) -> tuple[list[Record], list[Finding]]:
    """The entries that hold, and what was found."""
    if not path.is_file():
        return [], [Finding("book", False, str(path), "there is no book")]
    records: list[Record] = []
    try:
        known = given or known_head(path)
        for record in read_records(ChainFile(path), known=known):
            records.append(record)
    except BookError as error:
        return records, [Finding("book", False, str(path), error.what)]
    if not records:
        return [], [Finding("book", False, f"{path}, line 1", "the book is empty")]
    if known is None:
        reached = (
            "no head is known on this machine: a cut tail would not show (give --head, --count)"
        )
    else:
        reached = f"reaches the known head (entry {known.count - 1})"
    detail = f"{len(records)} entries: canonical, numbered, linked and signed; {reached}"
    return records, [Finding("book", True, str(path), detail)]


@dataclass
class _Before:
    """What the entries before one have named."""

    started: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    plans: set[str] = field(default_factory=set)
    held: dict[str, Holding] = field(default_factory=dict)
    by_hand: set[str] = field(default_factory=set)

    def take(self, record: Record) -> None:
        body = record.body
        if isinstance(body, Plan):
            self.plans.add(record.entry.digest)
        elif isinstance(body, RunStart):
            self.started.add(body.run)
        elif isinstance(body, RunEnd):
            self.ended.add(body.run)
        elif isinstance(body, Holding):
            self.held[record.entry.digest] = body
        elif isinstance(body, Withdrawal):
            self.by_hand.discard(body.entry)
            self.held.pop(body.entry, None)
        if isinstance(body, (Expense, Reading, Holding)):
            self.by_hand.add(record.entry.digest)


def _check_runs(records: list[Record], where: str) -> list[Finding]:
    """Run numbers without a gap, every end after its start, and nothing about what is not there."""
    findings, before = [], _Before()
    for record in records:
        problem = _run_problem(record.body, before) or _sum_problem(record.body, before)
        if problem is not None:
            line = f"{where}, line {record.entry.number + 1}"
            findings.append(Finding("run numbers", False, line, problem))
        before.take(record)
    if not findings:
        started, still_open = len(before.started), len(before.started - before.ended)
        detail = f"{started} runs, numbered without a gap; {still_open} still open"
        findings.append(Finding("run numbers", True, where, detail))
    return findings


def _run_problem(body: Body, before: _Before) -> str | None:
    """What is wrong with the runs that an entry is about, after the entries before it."""
    if isinstance(body, RunStart):
        if body.run != len(before.started):
            return f"run {body.run} starts where run {len(before.started)} was expected"
        if body.plan is not None and body.plan not in before.plans:
            return f"run {body.run} names a plan that was not signed before it"
        return None
    absent = sorted(run for run in _runs_named(body) if run not in before.started)
    if absent:
        return f"run {absent[0]} has not started"
    if isinstance(body, RunEnd) and body.run in before.ended:
        return f"run {body.run} ends twice"
    return None


def _sum_problem(body: Body, before: _Before) -> str | None:
    """What is wrong with an entry that a bill reckons with, after the entries before it."""
    following = len(before.started)
    if isinstance(body, RatesRecord) and body.from_run > following:
        return f"rates from run {body.from_run} on, where run {following} is the next"
    if isinstance(body, Expense) and body.plan is not None and body.plan not in before.plans:
        return "an expense names a plan that was not signed before it"
    if isinstance(body, Reading) and body.held is not None and body.held not in before.held:
        return "a reading names a holding that was not entered before it"
    if isinstance(body, Holding) and any(body.overlaps(other) for other in before.held.values()):
        return "a machine is held twice at the same time"
    if isinstance(body, Withdrawal) and body.entry not in before.by_hand:
        return "a withdrawal names no expense, reading or holding that stands before it"
    return None


def _runs_named(body: Body) -> tuple[int, ...]:
    """The runs that an entry is about."""
    if isinstance(body, (Expense, Reading)):
        return body.runs
    run = getattr(body, "run", None)
    return () if run is None else (run,)


def _check_journals(workspace: Workspace, records: list[Record]) -> list[Finding]:
    genesis = records[0].body
    if not isinstance(genesis, Genesis):
        detail = f"the first entry is {records[0].entry.kind}, not genesis"
        return [Finding("book", False, f"{workspace.book_file}, line 1", detail)]
    public_key = bytes.fromhex(genesis.public_key)
    ends = {record.body.run: record.body for record in records if isinstance(record.body, RunEnd)}
    reached = {
        record.body.run: record.body.journal_count or 0
        for record in records
        if isinstance(record.body, Segment)
    }
    findings, named = [], set[Path]()
    for record in records:
        start = record.body
        if isinstance(start, RunStart):
            path = workspace.root / start.journal
            named.add(path)
            end = ends.get(start.run)
            # A process that is killed in the middle of a write leaves half an entry.
            torn_tail = end is None or end.evidence != "meter"
            chain = ChainFile(path, record.entry.digest, public_key, torn_tail=torn_tail)
            findings.append(_check_journal(chain, start, end, reached.get(start.run, 0)))
    for path in sorted(workspace.journals.glob("*.jsonl")):
        if path not in named:
            findings.append(Finding("journal", False, str(path), "the book names no such run"))
    return findings


def _check_journal(chain: ChainFile, start: RunStart, end: RunEnd | None, reached: int) -> Finding:
    """Chain, signatures, first link and the head that the run's end recorded."""
    where = str(chain.path)
    if not chain.path.is_file():
        return Finding("journal", False, where, f"the journal of run {start.run} is missing")
    known = Head(end.journal_count, end.journal_head) if end is not None else None
    count, offset = 0, 0
    try:
        for record in read_records(chain, known=known if known and known.count else None):
            run = getattr(record.body, "run", None)
            count, offset = record.entry.number + 1, record.entry.end
            if run != start.run:
                line = f"{where}, line {count}"
                return Finding("journal", False, line, f"entry of run {run} in that of {start.run}")
    except BookError as error:
        return Finding("journal", False, where, error.what)
    if count < reached:
        detail = f"ends after {count} entries; the book names {reached}: its tail was cut off"
        return Finding("journal", False, where, f"run {start.run}: {detail}")
    if end is not None and count != end.journal_count:
        detail = f"{count} entries, but the end of run {start.run} records {end.journal_count}"
        return Finding("journal", False, where, detail)
    if end is None:
        return Finding("journal", True, where, f"run {start.run}: {count} entries, still open")
    if count == 0:
        detail = f"the journal of run {start.run} is empty: nothing shows what it used"
        return Finding("journal", False, where, detail)
    state = "agrees with the book"
    if torn := chain.path.stat().st_size - offset:
        state += f"; it was killed in the middle of a write, {torn} bytes are half an entry"
    return Finding("journal", True, where, f"run {start.run}: {count} entries, {state}")


def _check_artifacts(workspace: Workspace, records: list[Record]) -> list[Finding]:
    """Every finished folder in the workspace: do its files match, and does the book name it?"""
    named = set(_named_digests(record.body for record in records))
    found = list(_manifests(workspace))
    there = {m.content_digest for _, m in found if not isinstance(m, ArtifactError)}
    # Deleting an artifact may be legitimate, so this is said and not judged.
    count = f"{len(named & there)} of the {len(named)} artifacts that the book names are here"
    return [
        Finding("artifacts", True, str(workspace.root), count),
        *(
            Finding("artifact", False, str(directory), manifest.what)
            if isinstance(manifest, ArtifactError)
            else _check_artifact(directory, manifest, named)
            for directory, manifest in found
        ),
    ]


def _check_artifact(directory: Path, manifest: Manifest, named: set[str]) -> Finding:
    where = str(directory)
    try:
        verify_files(directory, manifest)
    except ArtifactError as error:
        return Finding("artifact", False, where, error.what)
    detail = f"{manifest.kind} {manifest.content_digest[:16]}: {len(manifest.files)} files match"
    # Checkpoints come and go within a run; their own digests must do.
    if manifest.content_digest in named or manifest.kind in _UNNAMED_KINDS:
        return Finding("artifact", True, where, detail)
    unnamed = (
        "; but the book names no such artifact: it was replaced, copied here, or made by a run "
        "that did not finish"
    )
    return Finding("artifact", False, where, detail + unnamed)


def _named_digests(bodies: Iterable[object]) -> Iterable[str]:
    for body in bodies:
        if isinstance(body, RunEnd) and body.artifact is not None:
            yield body.artifact.digest
        elif isinstance(body, Extraction):
            yield body.artifact_digest


def _manifests(workspace: Workspace) -> Iterable[tuple[Path, Manifest | ArtifactError]]:
    for room in _ROOMS:
        for path in sorted((workspace.root / room).rglob(MANIFEST_NAME)):
            directory = path.parent
            # A half-written folder is nobody's artifact: the next run removes it.
            if any(part.startswith(".") for part in path.relative_to(workspace.root).parts):
                continue
            try:
                yield directory, read_manifest(directory, kind=_kind(path))
            except ArtifactError as error:
                yield directory, error


def _kind(path: Path) -> str:
    """The kind that the manifest claims; `read_manifest` then checks the rest against it."""
    try:
        return Manifest.model_validate_json(path.read_bytes()).kind
    except ValueError:
        return "artifact"
