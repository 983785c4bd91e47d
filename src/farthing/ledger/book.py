"""The book: the append-only, signed ledger of everything that was run in a workspace.

Appending takes the lock `book.lock`, reads and verifies what others wrote since, writes one line,
waits for the disk, and records the new head outside the workspace. A crash between the last two
leaves the book one entry ahead of the record, never behind it. Nothing long is done under the lock:
the journals of dead runs are read before it is taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import farthing
from farthing.artifacts.body import Body
from farthing.artifacts.chain import NOTHING_BEFORE, ChainFile, Head, Signer
from farthing.artifacts.entries import (
    RULES_VERSION,
    Event,
    Genesis,
    Purpose,
    Record,
    RunEnd,
    RunStart,
    known_head,
    read_records,
)
from farthing.artifacts.keys import load_signer, write_head
from farthing.artifacts.references import InputRef
from farthing.artifacts.workspace import Workspace
from farthing.errors import BookError, LockedError
from farthing.ledger.appender import Appender
from farthing.ledger.environment import environment, machine_record
from farthing.ledger.journal import RunRecorder
from farthing.ledger.journal_end import JournalEnd, read_journal_end
from farthing.ledger.locks import FileLock, try_lock
from farthing.ledger.meter import Meter

_EMPTY = Head(count=0, digest=NOTHING_BEFORE)

# An end that cannot be written turns a finished run into a killed one: it is worth a long wait.
_END_TIMEOUT_SECONDS = 300.0


class Book:
    """An open book. Hold one per process; several processes may hold the same book."""

    def __init__(self, workspace: Workspace, signer: Signer, lock_timeout_seconds: float) -> None:
        """Use `Book.open`, which also verifies."""
        self.workspace = workspace
        self._signer = signer
        self._timeout = lock_timeout_seconds
        self._records: list[Record] = []
        self._head = _EMPTY
        self._end = 0

    @classmethod
    def open(cls, workspace: Workspace, *, lock_timeout_seconds: float = 10.0) -> Book:
        """Open the workspace's book, or begin one; verify all of it; close dead runs.

        Raises:
            BookError: the chain is broken, signed by another key, or shorter than recorded.
            WorkspaceError: the folder is not writable, or the key cannot be used.
            LockedError: another process has been writing for longer than the timeout.
        """
        workspace.create()
        book = cls(workspace, load_signer(workspace.root), lock_timeout_seconds)
        with book._locked():
            if not workspace.book_file.exists() or workspace.book_file.stat().st_size == 0:
                book._begin()
            book._catch_up()
        book._close_dead_runs()
        return book

    @property
    def head(self) -> Head:
        """Count and digest to store elsewhere: with them a cut tail shows anywhere."""
        return self._head

    @property
    def records(self) -> tuple[Record, ...]:
        """All entries read so far, verified.

        They are as new as the latest `open`, `refresh`, `append` or `start_run`.
        """
        return tuple(self._records)

    @property
    def genesis(self) -> str:
        """Digest of the first entry: the book's name."""
        return self._records[0].entry.digest

    def refresh(self) -> None:
        """Read and verify what others have appended since; cheap where nobody has.

        Raises:
            BookError: what others wrote does not verify, or the book was cut.
            LockedError: the book stayed locked for longer than the timeout.
        """
        with self._locked():
            self._catch_up()

    def append(self, body: Body) -> Record:
        """Write one entry; the kind is the body's.

        Raises:
            WorkspaceError: the disk is full; the book is as it was.
            BookError: what others wrote since does not verify.
            LockedError: the book stayed locked for longer than the timeout.
        """
        with self._locked():
            self._catch_up()
            return self._append(body)

    def start_run(
        self,
        purpose: Purpose,
        name: str,
        *,
        input_key: str,
        inputs: tuple[InputRef, ...] = (),
        meter: Meter,
        torch_version: str | None = None,
        threads: int | None = None,
        instructions: str | None = None,
        deterministic: bool | None = None,
        plan: str | None = None,
        resumed_from_step: int | None = None,
        directory: Path | None = None,
    ) -> RunRecorder:
        """Number a run, record its start, and open its journal; `records` is current afterwards.

        Args:
            purpose: what the run is for.
            name: the recipe's or artifact's name.
            input_key: of the run; runs that share it, purpose and name are attempts at one thing.
            inputs: the artifacts that the run reads.
            meter: the process's meter; serves one run at a time.
            torch_version: `torch.__version__`, where torch is used.
            threads: threads that the computation uses; by default one per device.
            instructions: by which torch chooses its loops, where torch is used.
            deterministic: whether torch is told to give the same bits twice.
            plan: digest of the plan's entry, or None.
            resumed_from_step: the step of the checkpoint that this attempt goes on from.
            directory: the folder that the run writes; a second writer of it is refused.

        Raises:
            LockedError: another process writes the same folder.
            WorkspaceError: the disk is full or not writable.
        """
        unnumbered = partial(
            RunStart,
            purpose=purpose,
            name=name,
            input_key=input_key,
            inputs=inputs,
            plan=plan,
            resumed_from_step=resumed_from_step,
            environment=environment(
                torch_version,
                threads,
                meter.machine,
                instructions=instructions,
                deterministic=deterministic,
            ),
            machine=machine_record(meter.machine),
        )
        return self._start_run(unnumbered, (purpose, name, input_key), meter, directory)

    def _start_run(
        self,
        unnumbered: Callable[..., RunStart],
        job: tuple[Purpose, str, str],
        meter: Meter,
        directory: Path | None,
    ) -> RunRecorder:
        """Hold the meter and the folder, number the run, and enter it."""
        meter.hold()
        lock: FileLock | None = None
        recorder: RunRecorder | None = None
        try:
            lock = _lock_directory(directory)
            with self._locked():
                self._catch_up()
                run, attempt = self._next_run(*job)
                start = unnumbered(run=run, attempt=attempt, journal=f"journals/{run}.jsonl")
                recorder = self._record(start, meter, lock)
        finally:
            if recorder is None:
                meter.release()
                if lock is not None:
                    lock.release()
        return recorder

    def _record(self, start: RunStart, meter: Meter, lock: FileLock | None) -> RunRecorder:
        # The journal is locked before the book names the run, so it never looks dead in between.
        journal = Appender(self._journal(start), self._signer, _EMPTY, 0)
        try:
            if not try_lock(journal.descriptor):
                raise LockedError(
                    f"the journal {journal.path} is in use by another process",
                    remedy="wait until that process is done, or stop it, and run this again",
                )
            # A crash before run.start leaves an empty file; entries mean that the book was cut.
            if os.fstat(journal.descriptor).st_size > 0:
                raise BookError(
                    f"{journal.path} holds entries of a run that the book does not name",
                    remedy="restore the book from a copy: its tail was cut",
                )
            record = self._append(start)
            journal.head = Head(count=0, digest=record.entry.digest)
            return RunRecorder(
                start,
                record.entry.digest,
                journal=journal,
                meter=meter,
                lock=lock,
                finish=self._append_end,
                root=self.append,
            )
        except BaseException:
            journal.close()
            raise

    def _append_end(self, end: RunEnd) -> Record:
        with self._locked(max(self._timeout, _END_TIMEOUT_SECONDS)):
            self._catch_up()
            return self._append(end)

    @contextmanager
    def _locked(self, timeout_seconds: float | None = None) -> Iterator[None]:
        lock = FileLock.acquire(
            self.workspace.book_file.with_name("book.lock"),
            what=f"the book {self.workspace.book_file}",
            timeout_seconds=self._timeout if timeout_seconds is None else timeout_seconds,
        )
        try:
            yield
        finally:
            lock.release()

    def _begin(self) -> None:
        """Write the genesis entry; the lock is held."""
        if any(self.workspace.journals.glob("*.jsonl")):
            raise BookError(
                f"{self.workspace.book_file} is missing, but there are journals of runs beside it",
                remedy="restore the book from a copy, or begin in another folder",
            )
        public = self._signer.public.hex()
        genesis = Genesis(
            project=f"{self.workspace.root.resolve().name}-{os.urandom(4).hex()}",
            public_key=public,
            rules_version=RULES_VERSION,
            farthing_version=farthing.__version__,
        )
        writer = Appender(self.workspace.book_file, self._signer, _EMPTY, 0)
        try:
            entry = writer.append(genesis, flush=True)
        finally:
            writer.close()
        write_head(entry.digest, entry.head)

    def _catch_up(self) -> None:
        """Read and verify what was appended since; mend a torn last line; the lock is held."""
        path = self.workspace.book_file
        if not path.exists():
            raise BookError(f"{path} has vanished", remedy="restore the book from a copy")
        size = path.stat().st_size
        if size < self._end:
            raise BookError(
                f"{path} has become shorter: {size} bytes, {self._end} were verified before",
                remedy="restore the book from a copy",
            )
        chain = ChainFile(path, public_key=self._signer.public, torn_tail=True)
        after = self._head if self._records else None
        for record in read_records(chain, known=known_head(path), after=after, offset=self._end):
            self._take(record)
        if not self._records:
            raise BookError(
                f"{path}, line 1 (entry 0, genesis): no whole entry",
                remedy="restore the book from a copy; if it was never used, remove it",
            )
        if size > self._end:
            self._mend(size - self._end)

    def _mend(self, torn: int) -> None:
        """Cut half a line that a crash left; what reaches the known head has lost nothing."""
        writer = Appender(self.workspace.book_file, self._signer, self._head, self._end)
        try:
            writer.truncate()
        finally:
            writer.close()
        detail = f"a write was cut off: {torn} bytes of an entry that was never complete removed"
        self._append(Event(run=None, event="mended", detail=detail))

    def _append(self, body: Body) -> Record:
        """Write one entry after the last one read; the lock is held."""
        writer = Appender(self.workspace.book_file, self._signer, self._head, self._end)
        try:
            entry = writer.append(body, flush=True)
        finally:
            writer.close()
        record = Record(entry=entry, body=body)
        self._take(record)
        write_head(self.genesis, entry.head)
        return record

    def _take(self, record: Record) -> None:
        self._records.append(record)
        self._head = record.entry.head
        self._end = record.entry.end

    def _next_run(self, purpose: Purpose, name: str, input_key: str) -> tuple[int, int]:
        starts = [record.body for record in self._records if isinstance(record.body, RunStart)]
        same = [
            start
            for start in starts
            if (start.purpose, start.name, start.input_key) == (purpose, name, input_key)
        ]
        return len(starts), len(same) + 1

    def _close_dead_runs(self) -> None:
        """End every run whose process is gone, billed up to its last heartbeat."""
        dead = [
            (start, read_journal_end(path, digest, self._signer.public, start.purpose))
            for start, digest in self._open_runs()
            if not _is_held(path := self._journal(start))
        ]
        if not dead:
            return
        with self._locked():
            self._catch_up()
            # Others may have closed them while we read; a dead run does not come back to life.
            still_open = {start.run for start, _ in self._open_runs()}
            for start, found in dead:
                if start.run in still_open:
                    self._append(_closing(start, found))

    def _open_runs(self) -> list[tuple[RunStart, str]]:
        """The starts of runs without an end, with the digests of their entries."""
        ended = {record.body.run for record in self._records if isinstance(record.body, RunEnd)}
        return [
            (record.body, record.entry.digest)
            for record in self._records
            if isinstance(record.body, RunStart) and record.body.run not in ended
        ]

    def _journal(self, start: RunStart) -> Path:
        return self.workspace.root / start.journal


def _closing(start: RunStart, found: JournalEnd) -> RunEnd:
    return RunEnd(
        run=start.run,
        status="aborted",
        reason=f"killed: no end was recorded; {found.reason}",
        artifact=None,
        work=found.least,
        phases=found.phases,
        evidence=found.evidence,
        journal_count=found.head.count,
        journal_head=found.head.digest,
    )


def _lock_directory(directory: Path | None) -> FileLock | None:
    if directory is None:
        return None
    # Beside the folder, not in it: the folder may be staged, renamed and digested.
    path = directory.with_name(f".{directory.name}.lock")
    return FileLock.acquire(path, what=f"the folder {directory}", timeout_seconds=0)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)
