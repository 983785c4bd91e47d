"""How far the journal of a run can be believed that did not end itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.chain import ChainFile, Head
from farthing.artifacts.entries import Evidence, Heartbeat, Purpose, Segment, read_records
from farthing.artifacts.inside import is_irregular
from farthing.artifacts.phase import PhaseWork
from farthing.artifacts.work import Work
from farthing.errors import BookError
from farthing.ledger.meter import NO_WORK, UNKNOWN_WORK
from farthing.ledger.phases import CHECKPOINT, PhaseSums


@dataclass(frozen=True)
class JournalEnd:
    """How far a journal can be believed.

    Attributes:
        head: the last good entry, or the empty chain.
        work: the work of the last good heartbeat or segment, or None if there is none.
        phases: the same by what the run was doing; empty if there is damage.
        damage: why `work` is not the last that the run reported, or None. Half an entry at the end
            is no damage: that is how a write ends when the process dies in it.
        torn_bytes: the length of that half entry.
    """

    head: Head
    work: Work | None
    phases: tuple[PhaseWork, ...]
    damage: str | None
    torn_bytes: int

    @property
    def least(self) -> Work:
        """What the run used, or at least used if there is damage."""
        return self.work or UNKNOWN_WORK

    @property
    def evidence(self) -> Evidence:
        """On what a bill of this run rests."""
        return "clock" if self.damage else "heartbeat"

    @property
    def reason(self) -> str:
        """The same in words."""
        if self.damage:
            return f"its journal {self.damage}: only the clock bounds what it used"
        torn = f"; its journal's last {self.torn_bytes} bytes are half an entry"
        return "billed up to its last heartbeat" + (torn if self.torn_bytes else "")


def read_journal_end(
    path: Path, first_prev: str, public_key: bytes, purpose: Purpose
) -> JournalEnd:
    """Walk a journal to its last good entry; a torn or broken rest is described, not raised.

    Args:
        path: the journal.
        first_prev: digest of the entry of the run's start.
        public_key: that signed it.
        purpose: of the run.
    """
    sums = PhaseSums(purpose, NO_WORK)
    head, work, damage, torn, end = Head(count=0, digest=first_prev), None, None, 0, 0
    chain = ChainFile(path, first_prev=first_prev, public_key=public_key, torn_tail=True)
    try:
        # A pipe would never end: a workspace may come from somebody else.
        irregular = is_irregular(path.parent, path.name)
        for record in () if irregular else read_records(chain):
            head, end = record.entry.head, record.entry.end
            body = record.body
            if isinstance(body, (Heartbeat, Segment)):
                work = body.work
                sums.add(body.phase if isinstance(body, Heartbeat) else CHECKPOINT, work)
        torn = 0 if irregular else max(0, os.stat(path).st_size - end)
        damage = "is no regular file" if irregular else None if work else "holds no heartbeat"
    except FileNotFoundError:
        damage = "is missing"
    except BookError as error:
        damage = f"is damaged ({error.what})"
    phases = () if damage else sums.parts()
    return JournalEnd(head=head, work=work, phases=phases, damage=damage, torn_bytes=torn)
