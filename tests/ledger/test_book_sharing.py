"""One book, several processes: what is done under the lock, and what everybody then knows."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from farthing.artifacts.entries import Event, RunEnd
from farthing.artifacts.keys import KEY_NAME
from farthing.artifacts.workspace import Workspace
from farthing.errors import BookError
from farthing.ledger import book as book_module
from farthing.ledger.book import Book
from farthing.ledger.locks import FileLock


def _event(text: str) -> Event:
    return Event(run=None, event="note", detail=text)


def _lock(workspace: Workspace) -> FileLock:
    return FileLock.acquire(
        workspace.book_file.with_name("book.lock"), what="the book", timeout_seconds=0
    )


def _leave_a_dead_run(book, meter):
    run = book.start_run("training", "a", input_key="k", meter=meter)
    run.beat("train", 1, tokens=7)
    run._journal.close()
    meter.release()


def test_the_journals_of_dead_runs_are_read_without_the_lock(workspace, book, meter, monkeypatch):
    _leave_a_dead_run(book, meter)
    read = book_module.read_journal_end
    seen = []

    def slow(*arguments):
        _lock(workspace).release()  # would be refused if the book were locked
        seen.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(book_module, "read_journal_end", slow)
    end = Book.open(workspace).records[-1].body
    assert seen
    assert (end.run, end.status, end.work.tokens) == (0, "aborted", 7)


def test_two_who_find_the_same_dead_run_close_it_once(workspace, book, meter, monkeypatch):
    _leave_a_dead_run(book, meter)
    read = book_module.read_journal_end

    def overtaken(*arguments):
        monkeypatch.setattr(book_module, "read_journal_end", read)
        Book.open(workspace)
        return read(*arguments)

    monkeypatch.setattr(book_module, "read_journal_end", overtaken)
    records = Book.open(workspace).records
    assert [record.body.run for record in records if isinstance(record.body, RunEnd)] == [0]


def test_the_end_of_a_run_waits_longer_for_the_book_than_other_entries(workspace, meter):
    book = Book.open(workspace, lock_timeout_seconds=0.1)
    run = book.start_run("training", "a", input_key="k", meter=meter)
    lock = _lock(workspace)
    releaser = threading.Timer(0.6, lock.release)
    releaser.start()
    begun = time.monotonic()
    run.end()
    assert time.monotonic() - begun > 0.4
    releaser.join()
    assert book.records[-1].body.status == "completed"


def test_refreshing_shows_what_others_appended(workspace, book):
    Book.open(workspace).append(_event("theirs"))
    assert len(book.records) == 1
    book.refresh()
    assert book.records[-1].body.detail == "theirs"
    head = book.head
    book.refresh()
    assert book.head == head


def test_a_started_run_knows_all_that_was_entered_before_it(workspace, book, meter):
    Book.open(workspace).append(_event("theirs"))
    with book.start_run("training", "a", input_key="k", meter=meter) as run:
        kinds = [record.entry.kind for record in book.records]
        assert kinds == ["genesis", "event", "run.start"]
        run.end()


def test_of_two_copies_that_were_both_written_one_needs_a_home_of_its_own(
    workspace, book, home, monkeypatch, tmp_path
):
    book.append(_event("common"))
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(workspace.root, copy.root)
    for text in ("one", "two"):
        book.append(_event(text))
    with pytest.raises(BookError, match="the last 2 were cut off") as caught:
        Book.open(copy)
    assert "two copies of this workspace were both written" in caught.value.remedy
    # What the remedy says works.
    other = tmp_path / "other-home"
    other.mkdir(mode=0o700)
    shutil.copy2(home / KEY_NAME, other / KEY_NAME)
    monkeypatch.setenv("FARTHING_HOME", str(other))
    Book.open(copy).append(_event("goes on"))
