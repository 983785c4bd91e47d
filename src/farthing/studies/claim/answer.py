"""The answer to a verifier: the segments that his nonce chose, and what it takes to replay them.

Each chosen segment is replayed here first. That notes the expert choices, which a verifier on
another machine needs; and a segment that is not the same to the last bit is not handed out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.artifacts.claims.answer import Answer, ReleasedSegment
from farthing.artifacts.claims.archive import file_facts, open_bundle, write_bundle
from farthing.artifacts.claims.dsse import open_statement, sign_statement
from farthing.artifacts.claims.entries import ClaimMade
from farthing.artifacts.claims.names import ANSWER_NAME, CLAIM_NAME
from farthing.artifacts.claims.selection import DRAWN, choose
from farthing.artifacts.claims.statement import (
    ANSWER_TYPE,
    CLAIM_TYPE,
    CLAIM_VERSION,
    STATEMENT_TYPE,
    Claim,
)
from farthing.artifacts.entries import Segment
from farthing.artifacts.keys import load_signer
from farthing.errors import ArtifactError, ClaimError, ConfigError
from farthing.session import Session
from farthing.stages.train.checkpoint import KIND as CHECKPOINT
from farthing.stages.train.run import KIND as SUPERNET
from farthing.stages.train.run import SUPERNET_ROOM
from farthing.studies.claim.gather import Gathered, gather
from farthing.studies.claim.make import view_of
from farthing.studies.claim.nonce import checked_nonce
from farthing.studies.claim.places import checkpoint_after, files_below
from farthing.studies.claim.rehearse import rehearse
from farthing.studies.claim.segments import claimed_segments, facts_of
from farthing.studies.claim.standing import Standing, find_standing
from farthing.studies.claim.trainings import Training
from farthing.text.corpus import KIND as CORPUS


@dataclass(frozen=True)
class Answered:
    """An answer that was written.

    Attributes:
        path: of its bundle.
        answer: what it says.
        segments: of the whole claim, of which the answer releases some.
    """

    path: Path
    answer: Answer
    segments: int


def answer_claim(
    path: Path,
    nonce: str,
    session: Session,
    *,
    to: Path | None = None,
    drawn: int = DRAWN,
    with_corpus: bool = True,
) -> Answered:
    """Release what a verifier's nonce chooses of a claim of this workspace.

    Args:
        path: of the claim's bundle.
        nonce: that the verifier drew, in hexadecimal.
        session: of the workspace that made the claim.
        to: the answer's bundle; None for one beside the claims of the workspace.
        drawn: segments to draw, beside those that are always looked at.
        with_corpus: whether the corpus goes along; a verifier who can make it needs none.

    Raises:
        ConfigError: it is no nonce, or the answer would replace the claim.
        ClaimError: the claim is none of this workspace, or a segment does not replay bit by bit.
        ArtifactError: a model, a checkpoint or the corpus is gone or damaged.
    """
    checked = checked_nonce(nonce)
    if to is not None and to.resolve() == path.resolve():
        raise ConfigError(f"--to {to} is the claim itself", remedy="name another file")
    claim, digest, standing = _of_this_workspace(path, session)
    view = view_of(standing, session)
    gathered = gather(view, standing)
    _all_there(claim, gathered)
    owned = claimed_segments(view, gathered)
    facts = [facts_of(training, segment) for training, segment in owned]
    chosen = choose(facts, claim=digest, nonce=checked, drawn=drawn)
    places = {(fact.run, fact.first_step): pair for fact, pair in zip(facts, owned, strict=True)}
    target = to or session.workspace.root / "claims" / f"{claim.name}-{checked[:8]}.answer"
    with tempfile.TemporaryDirectory(prefix="farthing-") as scratch:
        packer = _Packer(gathered, session, Path(scratch), {})
        released = []
        for count, each in enumerate(chosen, start=1):
            training, segment = places[each.segment.run, each.segment.first_step]
            session.show.line(
                f"replay    {count} of {len(chosen)}: {training.title}, "
                f"steps {segment.first_step} to {segment.last_step} ({', '.join(each.why)})"
            )
            released.append(packer.release(standing, training, segment, each.why))
        answer = Answer(
            version=CLAIM_VERSION,
            claim=digest,
            nonce=checked,
            drawn=drawn,
            segments=tuple(released),
            models=packer.models(),
            corpus=packer.corpus() if with_corpus else None,
            files=file_facts(packer.files),
        )
        envelope = sign_statement(load_signer(session.workspace.root), _statement(claim, answer))
        write_bundle(target, envelope, ANSWER_NAME, packer.files)
    return Answered(target, answer, len(facts))


@dataclass(frozen=True)
class _Packer:
    """Collects the files of an answer, each artifact once."""

    gathered: Gathered
    session: Session
    scratch: Path
    files: dict[str, Path | bytes]

    def release(
        self, standing: Standing, training: Training, segment: Segment, why: Sequence[str]
    ) -> ReleasedSegment:
        """Replay a segment, and pack what a replay elsewhere needs."""
        place = self.gathered.places[training.model]
        begin, end = None, self._checkpoint(training, segment.last_step + 1, segment.run)
        if segment.first_step:
            begin = self._checkpoint(training, segment.first_step, _saver(training, segment))
        log = rehearse(
            standing.draft,
            training,
            segment,
            self.gathered.corpus,
            begin=checkpoint_after(place, segment.first_step) if begin else None,
            end=checkpoint_after(place, segment.last_step + 1),
        )
        routes = None
        if log is not None:
            routes = f"routes/{segment.run}-{segment.first_step}-{segment.last_step}.safetensors"
            kept = self.scratch / Path(routes).name
            log.save(kept)
            self.files[routes] = kept
        return ReleasedSegment(
            run=segment.run,
            first_step=segment.first_step,
            last_step=segment.last_step,
            why=tuple(why),
            begin=begin,
            end=end,
            routes=routes,
        )

    def models(self) -> dict[str, str]:
        """Pack every claimed model; run that made it -> folder."""
        found = {}
        for training in self.gathered.trainings:
            run = training.last.start.run
            folder = self.gathered.places[training.model] / SUPERNET_ROOM
            found[str(run)] = self._pack(folder, f"models/{run}", SUPERNET)
        return found

    def corpus(self) -> str:
        """Pack the corpus."""
        return self._pack(self.gathered.corpus.directory, "corpus", CORPUS)

    def _checkpoint(self, training: Training, step: int, run: int) -> str:
        folder = checkpoint_after(self.gathered.places[training.model], step)
        return self._pack(folder, f"checkpoints/{run}/{folder.name}", CHECKPOINT)

    def _pack(self, folder: Path, name: str, kind: str) -> str:
        if not any(file.startswith(f"{name}/") for file in self.files):
            self.files.update(files_below(folder, name, kind=kind))
        return name


def _saver(training: Training, segment: Segment) -> int:
    """The run that saved the checkpoint before a segment."""
    (before,) = (each.run for each in training.segments if each.last_step + 1 == segment.first_step)
    return before


def _of_this_workspace(path: Path, session: Session) -> tuple[Claim, str, Standing]:
    """The claim in a bundle, its digest, and where it stands in this book."""
    with open_bundle(path, statement_name=CLAIM_NAME) as bundle:
        envelope = bundle.statement_bytes
    signer = load_signer(session.workspace.root)
    opened = open_statement(envelope, predicate_type=CLAIM_TYPE, public_key=signer.public)
    session.book.refresh()
    records = session.book.records
    known = any(
        isinstance(record.body, ClaimMade) and record.body.claim == opened.payload_digest
        for record in records
    )
    if not known:
        raise ClaimError(
            f"{path} holds the claim {opened.payload_digest[:16]}, which the book of "
            f"{session.workspace.root} does not say was made here",
            remedy="name the workspace that made it with --workspace",
        )
    claim = Claim.model_validate(opened.statement.predicate)
    return claim, opened.payload_digest, find_standing(records, claim.name)


def _all_there(claim: Claim, gathered: Gathered) -> None:
    if gathered.missing:
        shown = "".join(f"\n  - {each}" for each in gathered.missing)
        raise ArtifactError(
            f"the claim {claim.name} cannot be answered; what is missing:{shown}",
            remedy="restore it from a copy: what a claim rests on must stay until nobody asks",
        )


def _statement(claim: Claim, answer: Answer) -> dict[str, Any]:
    """The in-toto statement of an answer, about the claim that it answers for."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": claim.name, "digest": {"sha256": answer.claim}}],
        "predicateType": ANSWER_TYPE,
        "predicate": answer.model_dump(mode="json"),
    }
