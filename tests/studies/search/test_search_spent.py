"""What a search cost, from entries of a book written by hand."""

from __future__ import annotations

import pytest

from farthing.artifacts.entries import Evaluation, Plan
from farthing.artifacts.work import Work
from farthing.flow.under_plan import plan_of
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter
from farthing.studies.search.spent import search_cost


@pytest.fixture
def plan(book: Book) -> str:
    made = Plan(name="n", recipe={}, recipe_digest="r", corpus_digest=None, members=())
    return book.append(made).entry.digest


def run(book: Book, meter: Meter, purpose, key: str, flops: float, **ends) -> int:
    start = {"plan": ends.pop("plan", None)}
    with book.start_run(purpose, "n", input_key=key, meter=meter, **start) as recorder:
        recorder.beat("x", None, flops=flops)
        recorder.end(**ends)
    return recorder.number


def scored(book: Book, number: int, shape: str, flops: float, split: str = "dev") -> None:
    work = Work(
        wall_seconds=1.0,
        device_seconds=2.0,
        cpu_seconds=1.0,
        tokens=1,
        flops=flops,
        optimizer_flops=0.0,
        joules=None,
        energy_method="none",
    )
    body = Evaluation(run=number, supernet="s", shape=shape, split=split, scores={}, work=work)
    book.append(body)


def test_every_attempt_and_the_finalists_count_and_nothing_else(book, meter, plan):
    run(book, meter, "training", "train", 300.0, status="aborted", plan=plan)
    made = {"artifact_kind": "supernet", "artifact_digest": "s"}
    run(book, meter, "training", "train", 700.0, plan=plan, **made)
    run(book, meter, "training", "another", 5000.0)
    run(book, meter, "search", "search", 10.0, status="failed")
    run(book, meter, "search", "search", 20.0)
    number = run(book, meter, "evaluation", "scores", 99.0)
    scored(book, number, "A", 7.0)
    scored(book, number, "A", 5.0)
    scored(book, number, "B", 50.0)
    scored(book, number, "A", 70.0, split="test")
    run(book, meter, "search", "verdict", 40.0)
    run(book, meter, "search", "another search", 400.0)
    cost = search_cost(
        book,
        training_key="train",
        search_keys=["search", "verdict"],
        supernet="s",
        shapes=["A", "C"],
        split="dev",
    )
    assert cost.training_flops == 1000.0
    # Two attempts, the verdict, and the last scoring of A.
    assert cost.search_flops == 10 + 20 + 40 + 5
    assert cost.flops_percent == pytest.approx(7.5)
    assert cost.search_seconds > 2.0
    assert cost.training_seconds > 0
    assert plan_of(book, "s") == plan


def test_a_training_that_the_book_does_not_know_gives_no_percentage(book, meter):
    run(book, meter, "search", "search", 20.0)
    cost = search_cost(
        book, training_key="train", search_keys=["search"], supernet="s", shapes=[], split="dev"
    )
    assert (cost.seconds_percent, cost.flops_percent) == (None, None)
    assert plan_of(book, "s") is None


def test_an_attempt_that_is_still_open_counts(book, meter):
    run(book, meter, "training", "train", 1000.0)
    going = book.start_run("search", "n", input_key="search", meter=meter)
    going.beat("search", None, flops=50.0, flush=True)
    cost = search_cost(
        book, training_key="train", search_keys=["search"], supernet="s", shapes=[], split="dev"
    )
    going.end()
    assert cost.flops_percent == pytest.approx(5.0)
