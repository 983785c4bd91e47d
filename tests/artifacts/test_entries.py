from __future__ import annotations

import pytest
from pydantic import ValidationError

from farthing.artifacts.entries import Environment, MachineRecord, Plan, RunStart
from farthing.artifacts.references import Inherited, InputRef


def _start(journal, inputs=(), device_ids=()):
    return RunStart(
        run=3,
        purpose="training",
        name="n",
        attempt=1,
        input_key="k",
        inputs=inputs,
        plan=None,
        resumed_from_step=None,
        environment=Environment(python="3", torch=None, threads=1, platform="p", cpu="c"),
        machine=MachineRecord(
            id="m",
            name="c",
            device="cpu-thread",
            devices=1,
            watts=None,
            watts_low=None,
            watts_high=None,
            watts_source=None,
            accelerator="a chip" if device_ids else None,
            device_ids=device_ids,
        ),
        journal=journal,
    )


def test_a_journal_stands_in_its_folder():
    assert _start("journals/3.jsonl").journal == "journals/3.jsonl"


@pytest.mark.parametrize(
    "journal",
    [
        "/etc/hostname",
        "../3.jsonl",
        "journals/../3.jsonl",
        "journals/3.jsonl\n",
        "journals/x.jsonl",
        "x/journals/3.jsonl",
        "journals/\u0663.jsonl",
    ],
)
def test_a_journal_anywhere_else_is_refused(journal):
    with pytest.raises(ValidationError, match="journal"):
        _start(journal)


def test_a_start_gives_back_its_inputs_and_devices():
    roles = ("corpus", "tokenizer", "weights", "teacher", "generator", "supernet")
    inputs = tuple(InputRef(role=role, digest=role * 3) for role in roles)
    start = _start("journals/3.jsonl", inputs, ("board-a", "board-b"))
    assert RunStart.model_validate(start.model_dump(mode="json")) == start
    assert start.machine.device_ids == ("board-a", "board-b")


def test_an_input_of_no_known_use_and_a_device_that_stands_twice_are_refused():
    with pytest.raises(ValidationError, match="role"):
        InputRef(role="friend", digest="d")
    with pytest.raises(ValidationError, match="digest"):
        InputRef(role="corpus", digest="")
    with pytest.raises(ValidationError, match="two devices have the same id"):
        _start("journals/3.jsonl", device_ids=("board-a", "board-a"))


def _plan(*inherits):
    return Plan(
        name="p",
        recipe={},
        recipe_digest="d",
        corpus_digest=None,
        inherits=tuple(Inherited(digest=d, role=r, share=s) for d, r, s in inherits),
        members=(),
    )


def test_a_plan_states_shares_of_what_it_inherits():
    plan = _plan(("S", "weights", 0.75), ("S", "teacher", 0.25), ("T", "teacher", 1.0))
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan


@pytest.mark.parametrize(
    ("inherits", "message"),
    [
        ((("S", "weights", 0.75), ("S", "teacher", 0.5)), "more than the whole"),
        ((("S", "weights", 0.5), ("S", "weights", 0.5)), "twice in the same role"),
        ((("S", "corpus", 0.5),), "role"),
        ((("S", "weights", 1.5),), "share"),
        ((("S", "weights", -0.5),), "share"),
    ],
)
def test_a_plan_that_inherits_what_cannot_be_is_refused(inherits, message):
    with pytest.raises(ValidationError, match=message):
        _plan(*inherits)
