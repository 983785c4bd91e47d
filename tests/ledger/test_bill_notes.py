"""What is odd about a book stands in the notes of its bills: lost sensors, clocks that go back."""

from __future__ import annotations

from datetime import date

import pytest
from dating import Clock
from entering import Enter

from farthing.artifacts.expense import Expense
from farthing.artifacts.settings import Price, WorkspaceSettings
from farthing.ledger.artifact_bill import make_artifact_bill
from farthing.ledger.bill import make_bill
from farthing.ledger.book import Book

SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=0.5, date=date(2026, 1, 31), source="list")}
)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def enter(clock, book, meter):
    clock.at("09:00")
    return Enter(book, meter)


def notes(workspace, words):
    return [each for each in make_bill(workspace, SETTINGS).notes if words in each]


def test_each_place_where_the_clock_goes_back_is_noted_with_both_entries(enter, clock, workspace):
    enter.run("curation", 1, made="corpus")
    clock.at("08:30:15")
    enter.run("training", 2, key="t")
    clock.at("10:00")
    enter.run("training", 2, key="t")
    clock.at("09:59:59")
    enter.plan("p")
    kinds = [record.entry.kind for record in enter.book.records]
    assert kinds[1:] == ["run.start", "run.end"] * 3 + ["plan"]
    (far,) = notes(workspace, "set back")
    assert "entry 3 is dated 2024-03-01T08:30:15.000Z, and entry 2 before it" in far
    assert "2024-03-01T09:00:00.000Z" in far
    (near,) = notes(workspace, "goes back by a little")
    assert "between entries 6 and 7 (1.000 s):" in near
    # No hour comes from these times, and the bill of an artifact says it too.
    assert make_bill(workspace, SETTINGS).total.wall_hours.value == pytest.approx(5)
    assert {far, near} <= set(make_artifact_bill(workspace, SETTINGS, "corpus").notes)


def test_a_clock_that_stands_or_goes_on_is_not_noted(enter, clock, workspace):
    enter.run("curation", 1)
    clock.at("09:00:01")
    enter.run("training", 1, key="t")
    assert notes(workspace, "clock") == []


@pytest.mark.parametrize("back", [False, True], ids=["on", "back"])
def test_a_clock_that_went_back_does_not_bound_a_run_that_lost_its_journal(
    enter, clock, workspace, meter, back
):
    """The bound is the time between its start and its end in the book, if there is one."""
    run = enter.book.start_run("training", "n", input_key="k", meter=meter)
    meter.unwatch(run._look)
    run._journal.close()
    meter.release()
    (workspace.root / run.start.journal).unlink()
    clock.at("11:00")
    if back:
        enter.plan("p")
        clock.at("10:00")
    Book.open(workspace)
    bill = make_bill(workspace, SETTINGS)
    (line,) = bill.lines
    if not back:
        assert line.figures.wall_hours.value == pytest.approx(2)
        assert line.figures.usd["spot"].value == pytest.approx(2)
        return
    assert line.figures.wall_hours is None
    assert bill.total.usd["spot"] is None
    assert any("the clock was set back before it was closed" in each for each in bill.unknown)
    assert len(notes(workspace, "the clock was set back")) == 1


def test_each_lost_sensor_is_noted_with_its_run_and_its_place(enter, workspace, meter):
    enter.run("curation", 1)
    with enter.book.start_run("training", "n", input_key="k", meter=meter) as run:
        run.event("environment changed", "torch: 1 before, 2 now")
        run.event("sensor lost", "package-0: the sensor cannot be read; measured for 12 s")
        run.event("sensor lost", "accelerator X: the sensor went back; measured for 3 s")
        run.end(artifact_kind="x", artifact_digest="made")
    found = notes(workspace, "sensor lost")
    assert len(found) == 2
    assert found[0].startswith("run 1: sensor lost: package-0: the sensor cannot be read;")
    assert "of journals/1.jsonl" in found[0]
    number = int(found[0].split("entry ")[1].split()[0])
    line = (workspace.root / "journals/1.jsonl").read_text("utf-8").splitlines()[number]
    assert "package-0" in line
    assert set(found) <= set(make_artifact_bill(workspace, SETTINGS, "made").notes)


def test_a_lost_sensor_in_a_journal_that_does_not_verify_is_said_to_be_that(
    enter, workspace, meter
):
    with enter.book.start_run("training", "n", input_key="k", meter=meter) as run:
        run.event("sensor lost", "package-0: gone; measured for 12 s")
        run.end()
    journal = workspace.root / "journals/0.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"for 12 s", b"for 99 s"))
    (note,) = notes(workspace, "sensor")
    assert "does not verify" in note
    assert "99" not in note


def test_an_expense_that_nobody_can_carry_is_said_to_stand_in_the_total_alone(enter, workspace):
    enter.run("curation", 1)
    what = {"what": "storage", "usd": 2.0, "basis": None, "source": "invoice 7"}
    enter.book.append(Expense(**what, date=date(2026, 1, 31), plan=enter.plan("given up")))
    bill = make_bill(workspace, SETTINGS)
    assert bill.total.usd["spot"].value == pytest.approx(1 + 2)
    (note,) = notes(workspace, "on the bill of no artifact")
    assert "the expense 'storage'" in note
