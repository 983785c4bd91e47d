"""Checkpoints that a kill left between the disk and the book.

A checkpoint is written first and its segment is entered after it. A process killed in between
leaves a checkpoint that no entry names: a training that went on from it would have steps that no
segment covers, and no verifier could accept it. So it is dropped, and those steps are done again.
"""

from __future__ import annotations

from pathlib import Path

from farthing.artifacts.claims.entries import ClaimDraft
from farthing.artifacts.entries import Segment
from farthing.artifacts.manifest import read_manifest
from farthing.artifacts.storage import remove_directory
from farthing.errors import ArtifactError, LockedError
from farthing.ledger.locks import FileLock
from farthing.session import Session
from farthing.stages.train.checkpoint import KIND, newest_checkpoint
from farthing.stages.train.run import CHECKPOINT_ROOM, SUPERNET_ROOM


def drop_unbooked_checkpoints(draft: ClaimDraft, session: Session) -> None:
    """Remove, from the claim's unfinished trainings, newest checkpoints that the book lacks.

    A training that some process is at work on is left alone.
    """
    booked = {
        record.body.checkpoint_digest
        for record in session.book.records
        if isinstance(record.body, Segment)
    }
    for registered in draft.runs:
        for place in sorted(session.workspace.runs.glob(f"{registered.recipe['name']}-*")):
            if not (place / SUPERNET_ROOM).exists():
                _drop(place, booked, session)


def _drop(place: Path, booked: set[str | None], session: Session) -> None:
    try:
        lock = FileLock.acquire(
            place.with_name(f".{place.name}.lock"), what=f"the folder {place}", timeout_seconds=0
        )
    except LockedError:
        return
    try:
        newest = newest_checkpoint(place / CHECKPOINT_ROOM)
        if newest is not None and not _is_booked(newest, booked):
            remove_directory(newest)
            session.show.line(f"dropped   {newest}: a kill left it without an entry in the book")
    finally:
        lock.release()


def _is_booked(checkpoint: Path, booked: set[str | None]) -> bool:
    try:
        return read_manifest(checkpoint, kind=KIND).content_digest in booked
    except ArtifactError:
        # Damage is for training to report: it says how to restore it.
        return True
