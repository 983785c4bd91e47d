"""Runs of one input key, added up by hand from what each said of itself."""

from __future__ import annotations

import pytest

from farthing.artifacts.entries import Evaluation
from farthing.ledger.attempts import attempts, last_scorings, runs_where
from farthing.ledger.book import Book
from farthing.ledger.journal import SegmentDigests
from farthing.ledger.meter import NO_WORK, Meter


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


def _attempt(book, meter, resumed, checkpoints, *, key="k"):
    """Steps of one FLOP each up to the last of `checkpoints`, and one more that is lost."""
    with book.start_run(
        "training", "n", input_key=key, meter=meter, resumed_from_step=resumed
    ) as run:
        done = resumed or 0
        for checkpoint in checkpoints:
            for step in range(done, checkpoint):
                run.beat("train", step, flops=1.0)
            digests = SegmentDigests(0.0, "0" * 64, "0" * 64, None)
            run.segment(done, checkpoint - 1, 0, digests)
            done = checkpoint
        run.beat("train", done, flops=1.0)
        run.end("aborted")


@pytest.mark.parametrize(
    ("history", "kept"),
    [
        ([(None, [10])], 11),
        ([(None, [10]), (10, [20])], 10 + 11),
        ([(None, [10, 20]), (10, [20])], 10 + 11),
        ([(None, [10]), (10, []), (10, [20])], 10 + 11),
        ([(None, [10]), (10, [20]), (20, [30])], 10 + 10 + 11),
        ([(None, [10]), (None, [20])], 21),
    ],
    ids=["whole", "resumed", "further back", "twice from one", "twice", "from the start"],
)
def test_what_was_done_again_is_spent_but_not_kept(book, meter, history, kept):
    for resumed, checkpoints in history:
        _attempt(book, meter, resumed, checkpoints)
    _attempt(book, meter, None, [5], key="other")
    found = attempts(book, {"k"})
    assert found.kept.flops == kept
    assert found.work.flops == sum(
        (ends[-1] if ends else start or 0) - (start or 0) + 1 for start, ends in history
    )
    assert attempts(book, {"k", "other"}).kept.flops == kept + 6


def _scored(book, run, shape, flops, *, supernet="s", split="dev"):
    work = NO_WORK.model_copy(update={"flops": flops})
    names = {"supernet": supernet, "shape": shape, "split": split}
    book.append(Evaluation(run=run, scores={}, work=work, **names))


def test_of_each_shape_the_scoring_that_was_entered_last_counts(book, machine):
    """Two processes score at a time: which run began first says nothing."""
    first, second = (
        book.start_run("evaluation", "n", input_key=key, meter=Meter(machine)) for key in "ab"
    )
    _scored(book, second.number, "A", 1.0)
    _scored(book, first.number, "A", 2.0)
    _scored(book, first.number, "B", 3.0)
    _scored(book, second.number, "B", 4.0)
    _scored(book, second.number, "A", 5.0, split="test")
    _scored(book, second.number, "A", 6.0, supernet="another")
    found = last_scorings(book, "s", "dev")
    for run in (first, second):
        run.end()
    assert {shape: work.flops for shape, work in found.items()} == {"A": 2.0, "B": 4.0}


@pytest.mark.usefixtures("ended")
def test_runs_are_chosen_by_anything_that_the_book_says_of_them(book):
    found = runs_where(book, lambda run: run.status == "completed")
    assert [run.start.input_key for run in found.runs] == ["other", "k"]
    assert found.work.flops == 12.0
