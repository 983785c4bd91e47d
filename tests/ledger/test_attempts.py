"""Runs of one input key, added up by hand from what each said of itself."""

from __future__ import annotations

import pytest

from farthing.ledger.attempts import attempts
from farthing.ledger.book import Book


@pytest.fixture
def ended(book, meter):
    """Two attempts that ended, one of them badly, and a run of another key."""
    spent = []
    for key, flops, status in (
        ("k", 30.0, "failed"),
        ("other", 5.0, "completed"),
        ("k", 7.0, "completed"),
    ):
        with book.start_run("training", "n", input_key=key, meter=meter) as run:
            run.beat("train", 0, tokens=10, flops=flops, optimizer_flops=1.0)
            work = run.end(status)
        if key == "k":
            spent.append(work)
    return spent


def test_every_attempt_counts_however_it_ended(book, ended):
    found = attempts(book, {"k"})
    assert [run.status for run in found.runs] == ["failed", "completed"]
    assert (found.work.tokens, found.work.flops, found.work.optimizer_flops) == (20, 37.0, 2.0)
    for name in ("wall_seconds", "device_seconds", "cpu_seconds", "joules"):
        assert getattr(found.work, name) == pytest.approx(sum(getattr(w, name) for w in ended))
    assert attempts(book, {"k", "other"}).work.flops == 42.0
    assert attempts(book, {"nobody's"}).work.flops == 0.0


def test_an_attempt_that_is_still_open_counts_up_to_its_last_heartbeat(book, ended, meter):
    run = book.start_run("training", "n", input_key="k", meter=meter)
    last = run.beat("train", 0, tokens=3, flops=100.0, flush=True)
    found = attempts(book, ["k"])
    run.end()
    assert [each.status for each in found.runs] == ["failed", "completed", "open"]
    assert found.work.flops == 137.0
    before = sum(work.wall_seconds for work in ended)
    assert found.work.wall_seconds == pytest.approx(before + last.wall_seconds)


def test_what_another_process_has_written_meanwhile_counts(book, workspace, meter):
    with Book.open(workspace).start_run("training", "n", input_key="k", meter=meter) as run:
        run.beat("train", 0, flops=9.0)
        run.end()
    assert attempts(book, {"k"}).work.flops == 9.0
