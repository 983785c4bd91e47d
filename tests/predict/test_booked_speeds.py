"""Speeds of a workspace's own trainings: FLOPs, seconds and sizes as its book has them."""

from dataclasses import replace

import pytest
from tiny_models import TINY

from farthing.artifacts.entries import Member, Plan
from farthing.cost.architecture import architecture_of
from farthing.ledger.meter import Meter
from farthing.model.shape import Shape
from farthing.predict.booked import booked_speeds

VOCABULARY = 64
RECIPE = {"model": TINY.model_dump(mode="json"), "corpus": {"vocab_size": VOCABULARY}}


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def train(book, machine, clock):
    """Books a training: 1 s of start-up, 2 s of compiling, two steps of 4 s, 8 s of the end."""

    def enter(recipe=RECIPE, *, status="completed", purpose="training", on=machine, threads=None):
        plan = Plan(
            name="n",
            recipe=recipe,
            recipe_digest="d",
            corpus_digest=None,
            members=(Member(shape="A", share=1.0),),
        )
        digest = book.append(plan).entry.digest
        meter = Meter(on, from_process_start=False, clock=clock)
        run = book.start_run(purpose, "n", input_key="k", meter=meter, plan=digest, threads=threads)
        clock.now += 1
        run.enter("compile")
        clock.now += 2
        run.enter("train")
        for step in (0, 1):
            clock.now += 4
            run.beat("train", step, tokens=10, flops=5e9)
        clock.now += 8
        run.end(status, reason=None if status == "completed" else "why")

    return enter


def test_a_run_has_its_flops_its_seconds_and_its_sizes(train, book, workspace):
    train(threads=2)
    (speed,) = booked_speeds(workspace, book.records)
    assert speed.architecture == architecture_of(TINY, VOCABULARY, Shape.full(TINY))
    assert (speed.flops, speed.seconds) == (1e10, pytest.approx(8))
    assert speed.once_seconds == pytest.approx(1 + 2 + 8)
    assert (speed.device_id, speed.devices, speed.threads) == (None, 2, 2)
    assert speed.cpu
    # 1e10 FLOPs in 8 s on two devices of 1e9 FLOP/s.
    assert speed.share_of(1e9) == pytest.approx(0.625)


def test_accelerators_go_by_their_id_in_the_catalogue(train, book, workspace, machine):
    train(on=replace(machine, device="h100-sxm", accelerator="h100-sxm", devices=8))
    train(on=replace(machine, device="of nobody's catalogue"))
    known, unknown = booked_speeds(workspace, book.records)
    assert (known.device_id, known.cpu, known.devices) == ("h100-sxm", None, 8)
    assert (unknown.device_id, unknown.cpu) == (None, None)


@pytest.mark.parametrize(
    ("status", "purpose"), [("failed", "training"), ("completed", "evaluation")]
)
def test_only_trainings_that_ended_well_count(train, book, workspace, status, purpose):
    train(status=status, purpose=purpose)
    assert booked_speeds(workspace, book.records) == ()


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"model": RECIPE["model"]},
        {"model": {**RECIPE["model"], "of_another_version": 1}, "corpus": RECIPE["corpus"]},
        {"model": None, "corpus": RECIPE["corpus"]},
    ],
    ids=["empty", "no vocabulary", "unknown setting", "no model"],
)
def test_a_plan_that_cannot_be_read_is_left_out_and_the_rest_stays(train, book, workspace, recipe):
    train(recipe)
    train()
    assert len(booked_speeds(workspace, book.records)) == 1


def test_a_run_without_a_plan_is_left_out(book, workspace, meter):
    run = book.start_run("training", "n", input_key="k", meter=meter)
    run.beat("train", 0, tokens=10, flops=5.0)
    run.end()
    assert booked_speeds(workspace, book.records) == ()
