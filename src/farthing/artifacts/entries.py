"""What the entries of the book and of the journals say.

Declared here, below `ledger`, so that `verify` and reports read a book without sharing any code
with what wrote it. Every invocation of a stage is a *run* with a number. The bill counts the work
of runs only (`RunEnd`, or the last heartbeat of a run without an end); the work in `Evaluation`
and `Extraction` says which part of a run's work a member caused ("of which") and is never added,
nor is the part of a `CurationStep`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from farthing.artifacts.body import Body
from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.chain import ChainFile, Entry, Head, walk
from farthing.artifacts.claims.entries import Anchor, ClaimDraft, ClaimMade, ClaimNonce
from farthing.artifacts.curation_step import CurationStep
from farthing.artifacts.environment import Environment
from farthing.artifacts.expense import Expense, Reading
from farthing.artifacts.forecast import Forecast
from farthing.artifacts.holding import Holding
from farthing.artifacts.keys import read_head
from farthing.artifacts.phase import PhaseWork
from farthing.artifacts.rates import RatesRecord
from farthing.artifacts.references import Inherited, InputRef
from farthing.artifacts.withdrawal import Withdrawal
from farthing.artifacts.work import Work
from farthing.errors import BookError

# Rules 2 have entries that rules 1 lack (rates, expenses, readings, what was held), and further
# fields in the others: a run's inputs and phases, what a plan inherits, energy by parts. Rules 3
# have the steps of a curation. Rules 4 have claims (draft, nonce, anchor, made), and what else of
# the software around a run decides its bits. Rules 5 have forecasts. A book of earlier rules is
# read as it stands and goes on under these; a program that knows only earlier rules refuses the
# first entry that it does not understand, and so never adds up a part of a book.
RULES_VERSION = 5

Purpose = Literal[
    "curation",
    "synthesis",
    "training",
    "baseline",
    "ablation",
    "tuning",
    "evaluation",
    "search",
    "extraction",
    "serving",
]
Status = Literal["completed", "failed", "aborted"]
Evidence = Literal["meter", "heartbeat", "clock"]

_SHARE_ROUNDING = 1e-9


class Genesis(Body):
    """The first entry: whose book this is, and the key that signs it."""

    kind_name: ClassVar[str] = "genesis"

    project: str
    public_key: str = Field(min_length=64, max_length=64)
    rules_version: int
    farthing_version: str


class Member(Body):
    """A sub-model registered before training, and its share of the parent's cost."""

    kind_name: ClassVar[str] = "member"

    shape: str
    share: float = Field(ge=0, le=1)


class Plan(Body):
    """What will be trained and which members will carry the parent, signed in advance.

    Attributes:
        parent: digest of the supernet whose weights the training starts from, cut or grown; None
            for random weights. What that one cost is inherited.
        inherits: the earlier models of whose cost this plan carries a stated share; empty where it
            states none.
    """

    kind_name: ClassVar[str] = "plan"

    name: str
    recipe: dict[str, Any]
    recipe_digest: str
    corpus_digest: str | None
    parent: str | None = None
    inherits: tuple[Inherited, ...] = ()
    members: tuple[Member, ...]

    @model_validator(mode="after")
    def _shares_fit(self) -> Plan:
        total = sum(member.share for member in self.members)
        if total > 1 + _SHARE_ROUNDING:
            raise ValueError(f"the members' shares add up to {total}, more than the whole parent")
        if len({member.shape for member in self.members}) != len(self.members):
            raise ValueError("a shape is registered twice")
        if len({(each.digest, each.role) for each in self.inherits}) != len(self.inherits):
            raise ValueError("a model is inherited twice in the same role")
        for digest in {each.digest for each in self.inherits}:
            share = sum(each.share for each in self.inherits if each.digest == digest)
            if share > 1 + _SHARE_ROUNDING:
                raise ValueError(f"{share} of {digest} is inherited, more than the whole")
        return self


class MachineRecord(Body):
    """The machine as the run found it; watts are per device, None where nobody knows.

    Attributes:
        accelerator: the catalogue's name of the devices, where they are accelerators of a known
            kind.
        device_ids: marks by which their driver tells the devices apart, where it does: energy and
            hours of one device are never counted for two.
    """

    kind_name: ClassVar[str] = "machine"

    id: str
    name: str
    device: str
    devices: int
    watts: float | None
    watts_low: float | None
    watts_high: float | None
    watts_source: str | None
    accelerator: str | None = None
    device_ids: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _devices_are_told_apart(self) -> MachineRecord:
        if len(set(self.device_ids)) != len(self.device_ids):
            raise ValueError("two devices have the same id")
        return self


class RunStart(Body):
    """A stage begins. Its journal's first `prev` is the digest of this very entry.

    Attributes:
        inputs: the artifacts that it reads, by digest; empty where it reads none, and in a book
            that was written before inputs were.
    """

    kind_name: ClassVar[str] = "run.start"

    run: int = Field(ge=0)
    purpose: Purpose
    name: str
    attempt: int = Field(ge=1)
    input_key: str
    inputs: tuple[InputRef, ...] = ()
    plan: str | None
    resumed_from_step: int | None
    environment: Environment
    machine: MachineRecord
    # The path is followed: nothing but a journal's place may stand here.
    journal: str = Field(pattern=r"^journals/[0-9]+\.jsonl$")


class Heartbeat(Body):
    """A run is alive: what it has used since its start (in its journal)."""

    kind_name: ClassVar[str] = "heartbeat"

    run: int
    phase: str
    step: int | None
    work: Work


class Segment(Body):
    """Some training steps, with what a replay needs to check them.

    It stands in the journal, and in the book together with how long the journal was then: a
    journal cut before that point shows, and the run is billed for at least this much.
    """

    kind_name: ClassVar[str] = "segment"

    run: int
    first_step: int
    last_step: int
    tokens: int
    loss_sum: float
    loss_digest: str
    batch_digest: str
    checkpoint_digest: str | None
    work: Work
    journal_count: int | None = None


class Event(Body):
    """Something worth recording that is no work: a resume, a mended file, a spike."""

    kind_name: ClassVar[str] = "event"

    run: int | None
    event: str
    detail: str


class ArtifactRef(Body):
    """What a run made."""

    kind_name: ClassVar[str] = "artifact"

    kind: str
    digest: str


class RunEnd(Body):
    """A run is over, well or not: its work, and how far its journal reaches.

    Attributes:
        evidence: on what `work` rests. `meter`: the run ended itself and read its meter.
            `heartbeat`: it was killed, and `work` is its last heartbeat's. `clock`: its journal
            was lost too; `work` is the least that it used, and the time of this entry bounds the
            rest.
        phases: `work` by what the run was doing; empty in a book that was written before phases
            were, and where the journal was lost.
    """

    kind_name: ClassVar[str] = "run.end"

    run: int
    status: Status
    reason: str | None
    artifact: ArtifactRef | None
    work: Work
    phases: tuple[PhaseWork, ...] = ()
    evidence: Evidence = "meter"
    journal_count: int
    journal_head: str


class Evaluation(Body):
    """The scores of one shape, and which part of its run's work it caused."""

    kind_name: ClassVar[str] = "evaluation"

    run: int
    supernet: str
    shape: str
    split: str
    scores: dict[str, float]
    work: Work


class Extraction(Body):
    """A member cut out as a model of its own, and which part of its run's work that was."""

    kind_name: ClassVar[str] = "extraction"

    run: int
    supernet: str
    shape: str
    artifact_digest: str
    work: Work


BODIES: dict[str, type[Body]] = {
    body.kind_name: body
    for body in (
        Genesis,
        Plan,
        RunStart,
        Heartbeat,
        Segment,
        Event,
        RunEnd,
        Evaluation,
        Extraction,
        CurationStep,
        RatesRecord,
        Expense,
        Reading,
        Holding,
        Withdrawal,
        ClaimDraft,
        ClaimNonce,
        Anchor,
        ClaimMade,
        Forecast,
    )
}


@dataclass(frozen=True)
class Record:
    """A verified entry and its parsed body."""

    entry: Entry
    body: Body


def read_records(
    chain: ChainFile, *, known: Head | None = None, after: Head | None = None, offset: int = 0
) -> Iterator[Record]:
    """Walk a book or journal, verified and parsed; the arguments are those of `chain.walk`.

    Raises:
        BookError: the chain is broken, or an entry says something that no entry can say.
    """
    for entry in walk(chain, known=known, after=after, offset=offset):
        yield Record(entry=entry, body=parse_body(chain.path, entry))


def known_head(path: Path) -> Head | None:
    """The head that this machine recorded for the book at `path`; None if it knows none."""
    with path.open("rb") as file:
        return read_head(sha256_hex(file.readline()))


@dataclass(frozen=True)
class BookText:
    """A book as it was read.

    Attributes:
        records: all whole entries, verified, from genesis.
        torn_bytes: what stands after them and is no whole entry; 0 unless a write was cut off or
            is under way.
    """

    records: tuple[Record, ...]
    torn_bytes: int


def read_book(path: Path) -> BookText:
    """Read and verify a book, down to the head known on this machine. Takes no lock.

    Raises:
        BookError: there is no book, its chain is broken, or its tail was cut.
    """
    if not path.exists():
        raise BookError(
            f"there is no book at {path}", remedy="name the workspace in which something was run"
        )
    # The known head is read first: the book may grow in between, the record must not.
    known = known_head(path)
    # So is the size: what others append while we read is theirs, and no torn line of ours.
    size = path.stat().st_size
    records = tuple(read_records(ChainFile(path, torn_tail=True), known=known))
    if not records or not isinstance(records[0].body, Genesis):
        raise BookError(
            f"{path}, line 1 (entry 0, genesis): the book does not begin with its genesis",
            remedy="restore the book from a copy",
        )
    return BookText(records, torn_bytes=max(0, size - records[-1].entry.end))


def parse_body(path: Path, entry: Entry) -> Body:
    """The typed body of an entry read from `path`.

    Raises:
        BookError: an unknown kind, or fields that do not fit it.
    """
    where = f"{path}, line {entry.number + 1} (entry {entry.number}, {entry.kind})"
    body = BODIES.get(entry.kind)
    if body is None:
        raise BookError(
            f"{where}: this version of farthing does not know that kind",
            remedy="read the book with the version that wrote it",
        )
    try:
        return body.model_validate(entry.body)
    except ValidationError as error:
        detail = error.errors()[0]
        dotted = ".".join(str(part) for part in detail["loc"])
        raise BookError(
            f"{where}: {dotted}: {detail['msg']}",
            remedy="read the book with the version that wrote it",
        ) from error
