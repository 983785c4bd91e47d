from __future__ import annotations

import errno
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from farthing.artifacts.chain import ChainFile, walk
from farthing.artifacts.entries import Event, RunEnd, RunStart, read_book
from farthing.artifacts.workspace import Workspace
from farthing.errors import BookError, InterruptedRunError, LockedError, WorkspaceError
from farthing.ledger.book import Book


def _event(text: str) -> Event:
    return Event(run=None, event="note", detail=text)


def _append_many(root: Path, name: str, times: int) -> None:
    book = Book.open(Workspace(root))
    for number in range(times):
        book.append(_event(f"{name} {number}"))


def test_a_new_book_begins_with_genesis_and_reopens_the_same(workspace):
    first = Book.open(workspace)
    assert [record.entry.kind for record in first.records] == ["genesis"]
    assert Book.open(workspace).head == first.head


def test_two_processes_appending_at_once_keep_one_valid_chain(workspace):
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_append_many, args=(workspace.root, name, 15)) for name in "abc"
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    details = [
        r.body.detail for r in read_book(workspace.book_file).records if isinstance(r.body, Event)
    ]
    for name in "abc":
        assert [d for d in details if d[0] == name] == [f"{name} {i}" for i in range(15)]


def test_an_open_book_follows_what_others_append(workspace):
    first, second = Book.open(workspace), Book.open(workspace)
    second.append(_event("theirs"))
    first.append(_event("ours"))
    assert [record.body.detail for record in first.records[1:]] == ["theirs", "ours"]


@pytest.mark.usefixtures("book")
def test_a_locked_book_names_its_holder(workspace):
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from farthing.ledger.locks import FileLock
        lock = FileLock.acquire(Path(sys.argv[1]), what="x", timeout_seconds=0)
        print("held", flush=True)
        time.sleep(60)
        """
    )
    lock = workspace.book_file.with_name("book.lock")
    holder = subprocess.Popen([sys.executable, "-c", script, lock], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=f"process {holder.pid} on"):
            Book.open(workspace, lock_timeout_seconds=0.2)
    finally:
        holder.kill()
        holder.communicate()
    Book.open(workspace, lock_timeout_seconds=0.2)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_cutting_the_tail_shows_by_default_on_the_same_machine(workspace, book, cut):
    for number in range(3):
        book.append(_event(str(number)))
    lines = workspace.book_file.read_bytes().splitlines(keepends=True)
    workspace.book_file.write_bytes(b"".join(lines[:-cut]))
    message = rf"ends after entry {4 - cut}, but 4 were recorded"
    with pytest.raises(BookError, match=message):
        Book.open(workspace)
    with pytest.raises(BookError, match=message):
        read_book(workspace.book_file)
    with pytest.raises(BookError, match="shorter"):
        book.append(_event("on the cut book"))


def test_a_torn_last_line_is_mended_and_the_mending_is_recorded(workspace, book):
    book.append(_event("kept"))
    whole = workspace.book_file.read_bytes()
    workspace.book_file.write_bytes(whole + b'{"body":{"half')
    assert len(read_book(workspace.book_file).records) == 2
    mended = Book.open(workspace)
    assert workspace.book_file.read_bytes().startswith(whole + b'{"body":{"detail":"a write was')
    assert mended.records[-1].body.event == "mended"
    assert "14 bytes" in mended.records[-1].body.detail
    assert Book.open(workspace).head == mended.head


def test_a_torn_tail_that_hides_a_known_entry_is_refused(workspace, book):
    book.append(_event("kept"))
    book.append(_event("hidden"))
    data = workspace.book_file.read_bytes()
    workspace.book_file.write_bytes(data[:-1])
    with pytest.raises(BookError, match="no newline ends the last line"):
        Book.open(workspace)
    assert workspace.book_file.read_bytes() == data[:-1]
    workspace.book_file.write_bytes(data[:-20])
    with pytest.raises(BookError, match="ends after entry 2, but 3 were recorded"):
        Book.open(workspace)
    assert workspace.book_file.read_bytes() == data[:-20]


def test_a_book_one_entry_ahead_of_the_record_is_a_crash_and_no_fraud(workspace, book, home):
    (record,) = (home / "heads").iterdir()
    before = record.read_bytes()
    book.append(_event("written, but the head was not recorded"))
    record.write_bytes(before)
    again = Book.open(workspace)
    assert len(again.records) == 2
    again.append(_event("on it goes"))
    assert json.loads(record.read_bytes())["count"] == 3


@pytest.mark.parametrize("written", [0, 10])
def test_a_full_disk_leaves_the_book_valid(workspace, book, monkeypatch, written):
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if written == 0:
            raise OSError(errno.ENOSPC, "no space")
        return real(descriptor, data[:written])

    before = workspace.book_file.read_bytes()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(WorkspaceError, match="no room left"):
        book.append(_event("does not fit"))
    monkeypatch.undo()
    monkeypatch.setenv("FARTHING_HOME", str(workspace.root.parent / "home"))
    assert workspace.book_file.read_bytes() == before
    book.append(_event("fits"))
    assert len(read_book(workspace.book_file).records) == 2


def _append_under_limit(root: Path, results: multiprocessing.SimpleQueue) -> None:
    book = Book.open(Workspace(root))
    size = (root / "book.jsonl").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, size + 50))
    try:
        book.append(_event("too long for the limit" * 10))
    except WorkspaceError as error:
        results.put(error.what)


@pytest.mark.usefixtures("book")
def test_a_real_file_size_limit_leaves_the_book_valid(workspace):
    before = workspace.book_file.read_bytes()
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    worker = context.Process(target=_append_under_limit, args=(workspace.root, results))
    worker.start()
    worker.join(30)
    assert "no room left" in results.get()
    assert workspace.book_file.read_bytes() == before


def test_an_unwritable_parent_is_a_workspace_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError):
        Book.open(Workspace(tmp_path / "file" / "ws"))


def test_a_missing_book_beside_journals_is_not_begun_anew(workspace, book, meter):
    with book.start_run("training", "a", input_key="k", meter=meter) as run:
        run.end()
    workspace.book_file.unlink()
    with pytest.raises(BookError, match="missing"):
        Book.open(workspace)


@pytest.mark.usefixtures("book")
def test_another_users_key_cannot_go_on_with_the_book(workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("FARTHING_HOME", str(tmp_path / "other-home"))
    with pytest.raises(BookError, match=r"line 1 .*another key") as caught:
        Book.open(workspace)
    assert "FARTHING_HOME" in caught.value.remedy
    assert len(read_book(workspace.book_file).records) == 1  # but anyone can read and check it


@pytest.mark.usefixtures("workspace")
def test_runs_are_numbered_and_attempts_counted(book, meter):
    for name, expected in (("a", 1), ("b", 1), ("a", 2)):
        with book.start_run("training", name, input_key="k", meter=meter) as run:
            run.end()
        assert run.start.attempt == expected
    starts = [r.body for r in book.records if isinstance(r.body, RunStart)]
    assert [start.run for start in starts] == [0, 1, 2]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("[odd] \udc80 text"), "failed"),
        (KeyboardInterrupt(), "aborted"),
        (InterruptedRunError("stopped", remedy="go on"), "aborted"),
    ],
)
def test_an_exception_ends_the_run_with_its_reason(book, meter, error, status):
    run = book.start_run("training", "a", input_key="k", meter=meter)
    with pytest.raises(type(error)), run:
        raise error
    end = book.records[-1].body
    assert isinstance(end, RunEnd)
    assert end.status == status
    assert type(error).__name__ in end.reason


def test_a_run_left_without_an_end_has_failed(book, meter):
    with book.start_run("training", "a", input_key="k", meter=meter):
        pass
    assert book.records[-1].body.status == "failed"
    with book.start_run("training", "a", input_key="k", meter=meter) as run:
        run.end()
    with pytest.raises(ValueError, match="already ended"):
        run.end()


def test_one_meter_serves_one_run_at_a_time(book, meter):
    run = book.start_run("training", "a", input_key="k", meter=meter)
    with pytest.raises(ValueError, match="another run"):
        book.start_run("training", "b", input_key="k", meter=meter)
    run.end()
    book.start_run("training", "b", input_key="k", meter=meter).end()


def test_a_journal_that_the_book_no_longer_names_is_not_overwritten(workspace, book, meter, home):
    with book.start_run("training", "a", input_key="k", meter=meter) as run:
        run.end()
    lines = workspace.book_file.read_bytes().splitlines(keepends=True)
    workspace.book_file.write_bytes(lines[0])
    for record in (home / "heads").iterdir():
        record.unlink()
    journal = (workspace.journals / "0.jsonl").read_bytes()
    with pytest.raises(BookError, match="tail was cut"):
        Book.open(workspace).start_run("training", "a", input_key="k", meter=meter)
    assert (workspace.journals / "0.jsonl").read_bytes() == journal
    meter.hold()  # the refused run left the meter free


def _run_until_the_disk_is_full(book, meter, monkeypatch):
    with book.start_run("training", "a", input_key="k", meter=meter) as run:

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "no space")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(WorkspaceError):
            run.beat("train", 1)
        raise RuntimeError("the real reason")


def test_a_disk_that_fills_up_during_a_run_does_not_hide_what_stopped_it(
    workspace, book, meter, monkeypatch
):
    real = os.write
    with pytest.raises(RuntimeError, match="the real reason") as caught:
        _run_until_the_disk_is_full(book, meter, monkeypatch)
    monkeypatch.setattr(os, "write", real)
    assert "no room left" in caught.value.__notes__[0]
    end = Book.open(workspace).records[-1].body
    assert (end.status, end.journal_count) == ("aborted", 1)


APPEND = """
import sys
from pathlib import Path
from farthing.artifacts.entries import Event
from farthing.artifacts.workspace import Workspace
from farthing.ledger.book import Book
book = Book.open(Workspace(Path(sys.argv[1])))
print("running", flush=True)
while True:
    book.append(Event(run=None, event="note", detail="x" * 3000))
"""


def test_a_writer_killed_at_any_moment_leaves_a_book_that_opens(workspace):
    for trial in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", APPEND, workspace.root], stdout=subprocess.PIPE
        )
        assert writer.stdout.readline() == b"running\n"
        time.sleep(0.02 + 0.013 * trial)
        writer.kill()
        writer.communicate()
        before = len(read_book(workspace.book_file).records)
        assert len(Book.open(workspace).records) >= before > trial


HOLD = """
import sys, time
from pathlib import Path
from farthing.artifacts.workspace import Workspace
from farthing.hardware.machine import detect_machine
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter
root = Path(sys.argv[1])
book = Book.open(Workspace(root))
run = book.start_run("training", "a", input_key="k", meter=Meter(detect_machine()),
                     directory=root / "runs" / "a-k")
for step in range(3):
    run.beat("train", step, tokens=100, flops=1e9)
print("running", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(workspace):
    process = subprocess.Popen([sys.executable, "-c", HOLD, workspace.root], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"running\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_writer_of_a_run_is_refused_with_the_holders_pid(workspace, holder, meter):
    book = Book.open(workspace)
    with pytest.raises(LockedError, match=f"process {holder.pid} on"):
        book.start_run(
            "training", "a", input_key="k", meter=meter, directory=workspace.runs / "a-k"
        )
    # Another folder is free, and the run that is alive stays open.
    other = workspace.runs / "b-k"
    book.start_run("training", "b", input_key="k", meter=meter, directory=other).end()
    assert not [r for r in book.records if isinstance(r.body, RunEnd) and r.body.run == 0]


def test_a_killed_run_is_closed_with_the_work_of_its_last_heartbeat(workspace, holder, meter):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    journal = workspace.journals / "0.jsonl"
    last = json.loads(journal.read_bytes().splitlines()[-1])
    book = Book.open(workspace)
    end = book.records[-1].body
    assert isinstance(end, RunEnd)
    assert (end.run, end.status, end.artifact) == (0, "aborted", None)
    assert "killed: no end was recorded" in end.reason
    assert end.work.tokens == 300
    assert end.work.flops == 3e9
    assert end.work.wall_seconds == last["body"]["work"]["wall_seconds"] > 0
    assert end.journal_count == 4
    # It is closed once, and its folder can be written again, as the next attempt.
    assert len(Book.open(workspace).records) == len(book.records)
    with book.start_run(
        "training", "a", input_key="k", meter=meter, directory=workspace.runs / "a-k"
    ) as run:
        run.end()
    assert run.start.attempt == 2


def test_a_killed_run_with_half_a_heartbeat_is_billed_to_the_one_before(workspace, holder):
    holder.kill()
    holder.wait()
    journal = workspace.journals / "0.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    end = Book.open(workspace).records[-1].body
    assert end.work.tokens == 200
    assert "half an entry" in end.reason


def test_the_journal_continues_from_the_start_entry(workspace, book, meter):
    with book.start_run("training", "a", input_key="k", meter=meter) as run:
        run.beat("train", 1, tokens=5)
        run.event("spike", "loss 9")
        run.end()
    start = next(r for r in book.records if isinstance(r.body, RunStart))
    public_key = bytes.fromhex(book.records[0].body.public_key)
    path = workspace.journals / "0.jsonl"
    entries = list(walk(ChainFile(path, start.entry.digest, public_key)))
    assert [entry.kind for entry in entries] == ["heartbeat", "heartbeat", "event"]
    end = book.records[-1].body
    assert (end.journal_count, end.journal_head) == (3, entries[-1].digest)
