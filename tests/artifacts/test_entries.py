from __future__ import annotations

import pytest
from pydantic import ValidationError

from farthing.artifacts.entries import Environment, MachineRecord, RunStart


def _start(journal):
    return RunStart(
        run=3,
        purpose="training",
        name="n",
        attempt=1,
        input_key="k",
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
