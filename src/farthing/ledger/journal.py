"""A run in progress: its signed journal of heartbeats, and its end in the book.

The journal `journals/NUMBER.jsonl` continues from the run.start entry of the book: the first
line's `prev` is that entry's digest. While the run lives it holds a lock on its journal; a run
without an end whose journal is free is therefore dead, and the next `Book.open` closes it with the
work of its last heartbeat. Heartbeats are not flushed: a killed process loses none that was
written, a power cut the last seconds. Each step has one as long as writing them stays a small part
of what is metered; where steps are shorter, about a second of them shares one. In a long operation
a thread writes them. A heartbeat says what the run did since the one before; `enter` draws the line
where something else begins. Whoever enters a part of the run's work in the book (`Evaluation`,
`Extraction`) flushes first, with `beat(..., flush=True)`, so that the whole never lags its parts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from farthing.artifacts.entries import (
    ArtifactRef,
    Event,
    Heartbeat,
    RunEnd,
    RunStart,
    Segment,
    Status,
)
from farthing.artifacts.work import Work
from farthing.errors import FarthingError, InterruptedRunError
from farthing.ledger.appender import Appender
from farthing.ledger.locks import FileLock
from farthing.ledger.meter import NO_WORK, Meter
from farthing.ledger.phases import CHECKPOINT, START, TRAIN, WIND_DOWN, PhaseSums, first_after_start

_REASON_LENGTH = 500
# Of the run's time, what signing and writing heartbeats of short steps may take of the processor;
# the first hundreds are always written.
_WRITING_SHARE = 0.001
_WRITING_SECONDS = 0.2
# How long a run may be silent: what a kill can take away from its bill.
SILENT_SECONDS = 5.0


@dataclass(frozen=True)
class SegmentDigests:
    """What a segment says about its steps beside the work.

    Attributes:
        loss_sum: sum of the steps' losses, nats per token.
        loss_digest: digest of the list of losses.
        batch_digest: accumulator over the batches' contents.
        checkpoint_digest: the checkpoint at the last step, or None.
    """

    loss_sum: float
    loss_digest: str
    batch_digest: str
    checkpoint_digest: str | None


class RunRecorder:
    """Writes a run's journal, and its end into the book. Made by `Book.start_run`.

    As a context manager it never leaves a run open: an exception ends it as failed (aborted for
    Ctrl-C and requested stops) with the error as the reason, and so does leaving without `end`.
    """

    def __init__(
        self,
        start: RunStart,
        digest: str,
        *,
        journal: Appender,
        meter: Meter,
        lock: FileLock | None,
        finish: Callable[[RunEnd], object],
        root: Callable[[Segment], object],
    ) -> None:
        """Take over a run that the book has just recorded; see `Book.start_run`."""
        self.start = start
        self.digest = digest
        self._journal = journal
        self._meter = meter
        self._lock = lock
        self._finish = finish
        self._root = root
        self._counted = NO_WORK
        self._ended = False
        # The sampler's thread writes heartbeats too.
        self._guard = threading.RLock()
        self._phase = START
        self._step: int | None = None
        self._phases = PhaseSums(start.purpose, NO_WORK)
        self._written = NO_WORK
        self._begun = self._written_at = time.monotonic()
        self._writing_seconds = 0.0
        self._pending = False
        # Whether the sampler's thread could not write.
        self._unwritten = False
        self._notes: list[str] = []
        # From the first moment there is a heartbeat to bill: it holds the start-up.
        self.beat(START, None, flush=True)
        meter.watch(self._look)

    @property
    def number(self) -> int:
        """The run's number in the book."""
        return self.start.run

    def work(self) -> Work:
        """All that this attempt used so far; take differences for "of which" entries."""
        with self._guard:
            return self._with_counts(self._meter.peek())

    def enter(self, phase: str) -> None:
        """Something else begins: what was done so far is told apart from what follows.

        Args:
            phase: what the run is doing from now on, such as "checkpoint".

        Raises:
            WorkspaceError: the disk is full; the journal stays whole.
        """
        with self._guard:
            if phase != self._phase:
                self._write(flush=False)
                self._phase, self._step = phase, None

    def beat(
        self,
        phase: str,
        step: int | None,
        *,
        tokens: int = 0,
        flops: float = 0.0,
        optimizer_flops: float = 0.0,
        flush: bool = False,
    ) -> Work:
        """Record that the run is alive, and what it did since the previous beat.

        Where steps are so short that writing a heartbeat for each would cost too much of them, one
        stands for about a second of steps.

        Args:
            phase: what it did since the previous beat, such as "train" or "evaluate".
            step: the training step just done, or None.
            tokens: tokens processed since the previous beat.
            flops: model FLOPs since the previous beat.
            optimizer_flops: optimizer FLOPs since the previous beat.
            flush: wait until the disk has it and all before it; needed before an "of which" entry.

        Returns:
            All that this attempt used so far; time and energy as last written.

        Raises:
            WorkspaceError: the disk is full; the journal stays whole.
        """
        with self._guard:
            self._count(tokens, flops, optimizer_flops)
            changed = phase != self._phase
            self._phase, self._step, self._pending = phase, step, True
            if flush or changed or self._unwritten or self._writing_is_cheap():
                self._write(flush=flush)
            return self._with_counts(self._written)

    def segment(
        self, first_step: int, last_step: int, tokens: int, digests: SegmentDigests
    ) -> Work:
        """Record the steps `first_step` to `last_step`, both included, in journal and book.

        `tokens` are those of the segment; they were already counted by `beat`. A checkpoint was
        saved before this, and training goes on after it.
        """
        with self._guard:
            work = self.work()
            segment = Segment(
                run=self.number,
                first_step=first_step,
                last_step=last_step,
                tokens=tokens,
                loss_sum=digests.loss_sum,
                loss_digest=digests.loss_digest,
                batch_digest=digests.batch_digest,
                checkpoint_digest=digests.checkpoint_digest,
                work=work,
            )
            self._journal.append(segment, flush=True)
            self._phases.add(CHECKPOINT, work)
            self._phase, self._step = TRAIN, None
            self._root(segment.model_copy(update={"journal_count": self._journal.head.count}))
            return work

    def event(self, event: str, detail: str) -> None:
        """Record something that is no work in the journal, flushed."""
        with self._guard:
            self._journal.append(Event(run=self.number, event=event, detail=detail), flush=True)

    def end(
        self,
        status: Status = "completed",
        *,
        artifact_kind: str | None = None,
        artifact_digest: str | None = None,
        reason: str | None = None,
    ) -> Work:
        """Close the run in the book with all its work; ending twice is a mistake.

        Raises:
            WorkspaceError, LockedError: the book cannot be written. The next `Book.open` then
                closes the run as aborted, with the work of its last heartbeat.
        """
        with self._guard:
            if self._ended:
                raise ValueError(f"run {self.number} has already ended")
            self._ended = True
        # Nothing is written behind the end; waiting for the thread under its lock would never end.
        self._meter.unwatch(self._look)
        artifact = None
        if artifact_kind is not None and artifact_digest is not None:
            artifact = ArtifactRef(kind=artifact_kind, digest=artifact_digest)
        try:
            self._journal.flush()
            work = self._with_counts(self._meter.lap())
            self._phases.add(self._last_phase(status), work)
            self._write_notes()
            head = self._journal.head
            self._finish(
                RunEnd(
                    run=self.number,
                    status=status,
                    reason=reason,
                    artifact=artifact,
                    work=work,
                    phases=self._phases.parts(),
                    journal_count=head.count,
                    journal_head=head.digest,
                )
            )
        finally:
            self._journal.close()
            self._meter.release()
            if self._lock is not None:
                self._lock.release()
        return work

    def __enter__(self) -> RunRecorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        if self._ended:
            return False
        if error is None:
            self.end("failed", reason="the run was left without an end")
            return False
        stopped = isinstance(error, (InterruptedRunError, KeyboardInterrupt, SystemExit))
        try:
            self.end("aborted" if stopped else "failed", reason=_reason(error))
        except FarthingError as second:
            # What stopped the run matters more than that its end could not be written.
            error.add_note(f"the run's end could not be recorded: {second.what}")
        return False

    def _look(self) -> None:
        """Write what waits, or a sign of life; the meter's sampler calls it in its own thread."""
        with self._guard:
            if self._ended:
                return
            if self._pending or time.monotonic() - self._written_at >= SILENT_SECONDS:
                # The run's own next beat meets the same disk, and says so where it is heard.
                self._unwritten = True
                with suppress(FarthingError, OSError):
                    self._write(flush=False)

    def _last_phase(self, status: Status) -> str:
        """What the run did since its last heartbeat: what it failed at, or its winding down."""
        if status != "completed":
            return self._phase
        return first_after_start(self.start.purpose) if self._phase == START else WIND_DOWN

    def _writing_is_cheap(self) -> bool:
        allowed = _WRITING_SECONDS + _WRITING_SHARE * (time.monotonic() - self._begun)
        return self._writing_seconds <= allowed

    def _write(self, *, flush: bool) -> None:
        begun = time.thread_time()
        work = self.work()
        self._write_notes()
        beat = Heartbeat(run=self.number, phase=self._phase, step=self._step, work=work)
        self._journal.append(beat, flush=flush)
        self._phases.add(self._phase, work)
        self._written, self._written_at, self._pending = work, time.monotonic(), False
        self._unwritten = False
        self._writing_seconds += time.thread_time() - begun

    def _write_notes(self) -> None:
        """What the meter has to say about its sensors."""
        self._notes += self._meter.take_notes()
        while self._notes:
            event = Event(run=self.number, event="sensor lost", detail=self._notes[0])
            self._journal.append(event, flush=False)
            # Not before it is written: where the disk is full, the next beat writes it.
            self._notes.pop(0)

    def _count(self, tokens: int, flops: float, optimizer_flops: float) -> None:
        self._counted = self._counted.model_copy(
            update={
                "tokens": self._counted.tokens + tokens,
                "flops": self._counted.flops + flops,
                "optimizer_flops": self._counted.optimizer_flops + optimizer_flops,
            }
        )

    def _with_counts(self, measured: Work) -> Work:
        return measured.model_copy(
            update={
                "tokens": self._counted.tokens,
                "flops": self._counted.flops,
                "optimizer_flops": self._counted.optimizer_flops,
            }
        )


def _reason(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
    # Lone surrogates (odd file names in messages) have no UTF-8 form, which the book needs.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
