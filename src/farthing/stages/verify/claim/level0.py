"""Level 0: signatures, chain, journals and roots. It believes no figure and counts none."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from farthing.artifacts.chain import ChainFile, Head
from farthing.artifacts.claims import merkle
from farthing.artifacts.claims.names import BOOK_NAME, CLAIM_NAME, is_of_a_claim
from farthing.artifacts.entries import Genesis, Record, RunEnd, RunStart, Segment, read_records
from farthing.artifacts.work import Work
from farthing.errors import BookError
from farthing.stages.verify.claim.journals import JournalFacts, read_ended, read_open
from farthing.stages.verify.claim.opening import OpenedClaim
from farthing.stages.verify.finding import Finding

_MOST_BOOK_BYTES = 512 << 20
_MOST_OPEN_LINE = 1 << 20


@dataclass
class Chained:
    """What level 0 read.

    Attributes:
        records: of the book, verified.
        last_beats: of runs without an end, the work of their last heartbeat.
        odd: by run, what its journal says that cannot have happened.
        findings: of level 0.
    """

    records: tuple[Record, ...] = ()
    last_beats: dict[int, Work] = field(default_factory=dict)
    odd: dict[int, tuple[str, ...]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all of it held."""
        return all(finding.ok for finding in self.findings)


def check_chain(opened: OpenedClaim, revoked: frozenset[str]) -> Chained:
    """Book and journals of an opened claim.

    Args:
        opened: whose form, signature and files hold.
        revoked: fingerprints of keys that are not to be believed.
    """
    chained = Chained()
    chained.findings.append(_bundle_finding(opened))
    chained.findings.append(_key_finding(opened, revoked))
    with tempfile.TemporaryDirectory(prefix="farthing-verify-") as scratch:
        folder = Path(scratch)
        chained.records = _read_book(opened, folder, chained.findings)
        if chained.ok:
            chained.findings += _journal_findings(opened, folder, chained)
    return chained


def _bundle_finding(opened: OpenedClaim) -> Finding:
    """Opening has compared all files with the signed list; what no check reads has no place."""
    odd = [name for name in opened.bundle.names if not is_of_a_claim(name)]
    if odd:
        detail = f"no file of a claim has this name ({len(odd)} such): nothing would look into it"
        return Finding("bundle", False, odd[0], detail)
    files = len(opened.claim.files)
    detail = (
        f"canonical, {files} files as signed by {opened.fingerprint}; statement {opened.digest}"
    )
    return Finding("bundle", True, opened.bundle.path.name, detail)


def _key_finding(opened: OpenedClaim, revoked: frozenset[str]) -> Finding:
    where = CLAIM_NAME
    if opened.fingerprint in revoked:
        return Finding("key", False, where, f"the key {opened.fingerprint} is revoked")
    told = f"not among {len(revoked)} revoked keys" if revoked else "no list of revoked keys given"
    return Finding("key", True, where, f"{opened.fingerprint}: {told}")


def _read_book(opened: OpenedClaim, folder: Path, findings: list[Finding]) -> tuple[Record, ...]:
    if opened.bundle.size(BOOK_NAME) > _MOST_BOOK_BYTES:
        detail = f"more than {_MOST_BOOK_BYTES} bytes are not read"
        findings.append(Finding("book", False, BOOK_NAME, detail))
        return ()
    # Before anything else reads it: a line may not be longer than a line of a book is.
    lines = list(opened.bundle.lines(BOOK_NAME))
    opened.bundle.extract([BOOK_NAME], folder)
    path, facts = folder / BOOK_NAME, opened.claim.book
    known = Head(facts.entries, facts.head)
    try:
        records = tuple(read_records(ChainFile(path, public_key=opened.public_key), known=known))
    except BookError as error:
        detail = error.what.replace(str(path), BOOK_NAME)
        findings.append(Finding("book", False, BOOK_NAME, detail))
        return ()
    findings.append(_book_finding(opened, records, lines))
    return records


def _book_finding(opened: OpenedClaim, records: tuple[Record, ...], lines: list[bytes]) -> Finding:
    facts = opened.claim.book
    if not records or not isinstance(records[0].body, Genesis):
        return Finding("book", False, f"{BOOK_NAME}, line 1", "it does not begin with its genesis")
    if len(records) != facts.entries:
        detail = f"{len(records)} entries; the claim names {facts.entries}"
        return Finding("book", False, BOOK_NAME, detail)
    root = merkle.root(lines)
    if root != facts.merkle_root:
        detail = f"its Merkle root is {root[:16]}, the claim names {facts.merkle_root[:16]}"
        return Finding("book", False, BOOK_NAME, detail)
    detail = f"{len(records)} entries: canonical, numbered, linked, signed; head {facts.head}"
    return Finding("book", True, BOOK_NAME, detail)


def _journal_findings(opened: OpenedClaim, folder: Path, chained: Chained) -> Iterator[Finding]:
    ends = {r.body.run: r.body for r in chained.records if isinstance(r.body, RunEnd)}
    reached = {
        r.body.run: r.body.journal_count or 0
        for r in chained.records
        if isinstance(r.body, Segment)
    }
    named, problems, entries = set[str](), 0, 0
    for record in chained.records:
        start = record.body
        if not isinstance(start, RunStart):
            continue
        named.add(start.journal)
        end = ends.get(start.run)
        facts = _journal(opened, folder, record, end, reached.get(start.run, 0))
        if facts.broken is not None:
            problems += 1
            yield Finding("journal", False, start.journal, f"run {start.run}: {facts.broken}")
        if facts.last_beat is not None:
            chained.last_beats[start.run] = facts.last_beat
        chained.odd[start.run] = facts.odd
        entries += end.journal_count if end is not None else 0
    unnamed = sorted(
        name for name in opened.bundle.names if name.startswith("journals/") and name not in named
    )
    if unnamed:
        problems += 1
        yield Finding("journal", False, unnamed[0], "the book names no such run")
    if not problems:
        detail = f"{len(named)} journals, {entries} entries: linked, up to the heads in the book"
        yield Finding("journal", True, "journals", detail)


def _journal(
    opened: OpenedClaim, folder: Path, record: Record, end: RunEnd | None, reached: int
) -> JournalFacts:
    start = record.body
    assert isinstance(start, RunStart)
    if start.journal not in opened.bundle.names:
        return JournalFacts(None, "its journal is missing", ())
    if end is not None and end.evidence == "clock":
        # The book says itself that the journal was lost.
        return JournalFacts(None, None, ())
    digest = record.entry.digest
    if end is not None:
        return read_ended(opened.bundle.lines(start.journal), digest, start, end)
    if any(len(line) > _MOST_OPEN_LINE for line in opened.bundle.lines(start.journal)):
        return JournalFacts(None, f"a line of more than {_MOST_OPEN_LINE} bytes", ())
    opened.bundle.extract([start.journal], folder)
    path = folder / start.journal
    return read_open(path, digest, start, opened.public_key, reached)
