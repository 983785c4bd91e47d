"""A family that starts from another one's supernet inherits what that cost, once."""

from __future__ import annotations

import pytest
from rich.console import Console

from farthing.artifacts.entries import ArtifactRef, Evaluation, Member, Plan
from farthing.artifacts.settings import WorkspaceSettings
from farthing.artifacts.work import Work
from farthing.ledger.bill import make_bill
from farthing.ledger.bill_text import print_bill

SETTINGS = WorkspaceSettings()


@pytest.fixture
def enter(book, meter):
    """Enter plans, and runs whose recorded work is chosen, not measured."""

    def work(hours: float) -> Work:
        return Work(
            wall_seconds=hours * 3600,
            device_seconds=hours * 7200,
            cpu_seconds=hours * 3600,
            tokens=0,
            flops=0.0,
            optimizer_flops=0.0,
            joules=hours * 36000.0,
            energy_method="tdp_model",
        )

    class Enter:
        def plan(self, name, parent=None):
            members = (Member(shape="A", share=1.0),)
            body = Plan(
                name=name,
                recipe={},
                recipe_digest="d",
                corpus_digest=None,
                parent=parent,
                members=members,
            )
            return book.append(body).entry.digest

        def run(self, purpose, hours, *, plan=None, made=None, scored=None, status="completed"):
            run = book.start_run(purpose, "n", input_key="k", meter=meter, plan=plan)
            if scored:
                supernet, part = scored
                scores = {"en": 1.0}
                book.append(
                    Evaluation(
                        run=run.number,
                        supernet=supernet,
                        shape="A",
                        split="dev",
                        scores=scores,
                        work=work(part),
                    )
                )
            artifact = ArtifactRef(kind="x", digest=made) if made else None
            run._finish = lambda end: book.append(
                end.model_copy(update={"work": work(hours), "artifact": artifact})
            )
            run.end(status, reason=None if status == "completed" else "why")

    return Enter()


def hours(workspace):
    found = {}
    for family in make_bill(workspace, SETTINGS).families:
        (member,) = family.members
        found[family.name] = {
            "parent": family.parent.wall_hours.value,
            "inherited": family.inherited.wall_hours.value if family.inherited else None,
            "marginal": member.marginal.wall_hours.value,
            "loaded": member.fully_loaded.wall_hours.value,
        }
    return found


def test_a_chain_of_families_inherits_every_run_once(enter, workspace):
    """Curation 1 h for all; each of three families trains and scores in hours of its own."""
    enter.run("curation", 1)
    first = enter.plan("first")
    enter.run("training", 2, plan=first, status="failed")
    enter.run("training", 4, plan=first, made="S1")
    enter.run("evaluation", 8, scored=("S1", 5))
    second = enter.plan("second", parent="S1")
    enter.run("training", 16, plan=second, made="S2")
    third = enter.plan("third", parent="S2")
    enter.run("training", 32, plan=third, made="S3")
    enter.run("evaluation", 64, scored=("S3", 60))
    other = enter.plan("other")
    enter.run("training", 128, plan=other, made="S4")
    assert hours(workspace) == {
        "first": {"parent": 1 + 2 + 4 + 3, "inherited": None, "marginal": 5, "loaded": 15},
        # Of the first family all: its failures, its training, and its own scores, which are no
        # member's of this one.
        "second": {"parent": 1 + 14 + 16, "inherited": 14, "marginal": 0, "loaded": 31},
        "third": {"parent": 1 + 14 + 16 + 32 + 4, "inherited": 30, "marginal": 60, "loaded": 127},
        "other": {"parent": 1 + 128, "inherited": None, "marginal": 0, "loaded": 129},
    }


def test_two_families_from_one_supernet_do_not_pay_for_each_other(enter, workspace):
    first = enter.plan("first")
    enter.run("training", 1, plan=first, made="S1")
    for name, cost in (("left", 2), ("right", 4)):
        plan = enter.plan(name, parent="S1")
        enter.run("training", cost, plan=plan, made=name)
    loaded = {name: each["loaded"] for name, each in hours(workspace).items()}
    assert loaded == {"first": 1, "left": 3, "right": 5}


def test_a_parent_of_another_book_is_named_and_unknown(enter, workspace):
    plan = enter.plan("moved", parent="f" * 64)
    enter.run("training", 3, plan=plan, made="S")
    bill = make_bill(workspace, SETTINGS)
    assert hours(workspace)["moved"] == {
        "parent": 3,
        "inherited": None,
        "marginal": 0,
        "loaded": 3,
    }
    assert bill.families[0].to_json()["outside"] == "f" * 64
    (line,) = [line for line in bill.unknown if "f" * 64 in line]
    assert "no run of this book" in line


def test_the_printed_bill_shows_what_is_inherited(enter, workspace):
    first = enter.plan("first")
    enter.run("training", 1, plan=first, made="S1")
    second = enter.plan("second", parent="S1")
    enter.run("training", 2, plan=second, made="S2")
    console = Console(width=200)
    with console.capture() as captured:
        print_bill(make_bill(workspace, SETTINGS), console)
    text = captured.get()
    assert text.count("(of which inherited)") == 1
    assert "Members of second" in text.partition("(of which inherited)")[0]
    # Two hours of two devices, of which the first family's one hour is inherited.
    row = next(line for line in text.splitlines() if "(of which inherited)" in line)
    assert " 2 " in row


def test_a_supernet_that_names_itself_as_its_parent_does_not_hang_the_bill(enter, workspace):
    plan = enter.plan("odd", parent="S")
    enter.run("training", 3, plan=plan, made="S")
    assert hours(workspace)["odd"]["loaded"] == 3
