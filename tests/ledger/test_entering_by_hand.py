"""Expenses, readings and holdings entered by hand: what they do, and what is refused."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import pytest
from dating import Clock
from entering import Enter

from farthing.artifacts.settings import Price, PueFigure, WorkspaceSettings
from farthing.artifacts.workspace import Workspace
from farthing.errors import BookError, ConfigError
from farthing.ledger.bill import make_bill
from farthing.ledger.book import Book
from farthing.ledger.desk import Desk
from farthing.ledger.enter_costs import enter_expense, enter_holding
from farthing.ledger.enter_readings import enter_reading
from farthing.stages.verify.run import verify_workspace

SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=0.5, date=date(2026, 1, 31), source="list")},
    pue=PueFigure(value=1.5, source="site"),
)
EXPENSE = {"what": "storage", "usd": 12.5, "date": "2026-03-31", "source": "invoice 4711"}
READING = {"method": "psu", "covers": "rack", "source": "meter at the plug", "kwh": 1.5}
HOLDING = {"since": "2024-03-01T09:00Z", "until": "2024-03-01T17:00Z", "devices": 2}


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def enter(clock, book, meter):
    """Runs 0 (9-10), 1 (11-14) and 2 (16-17, failed), each of two devices."""
    enter = Enter(book, meter)
    clock.at("10:00")
    enter.run("curation", 1, made="corpus")
    clock.at("14:00")
    enter.run("training", 3, plan=enter.plan("p"), key="t", made="S")
    clock.at("17:00")
    enter.run("training", 1, plan=enter.plan("q"), key="u", status="failed")
    clock.at("18:00")
    return enter


@pytest.fixture
def desk(enter, workspace):
    assert enter.book.head.count
    return Desk(workspace, SETTINGS)


@pytest.fixture
def refused(workspace):
    """What a call is refused with; it leaves the book as it was."""

    def run(call, desk, **options):
        before = workspace.book_file.read_bytes()
        with pytest.raises(ConfigError) as error:
            call(desk, **options)
        assert workspace.book_file.read_bytes() == before
        assert error.value.remedy
        return error.value.what

    return run


def spot(bill):
    return bill.usd["spot"].value


def test_an_expense_is_in_the_total_and_said_to_be(desk, workspace):
    entered = enter_expense(desk, **EXPENSE)
    assert spot(entered.before) == pytest.approx(5 * 2 * 0.5)
    assert spot(entered.after) == pytest.approx(5 + 12.5)
    assert [name for name, _, _ in entered.changes()] == ["USD spot"]
    assert "USD on_demand" in entered.still_unknown()
    last = json.loads(workspace.book_file.read_text("utf-8").splitlines()[entered.entry.number])
    assert (last["kind"], last["body"]) == (
        "expense",
        {**EXPENSE, "basis": None, "plan": None, "runs": []},
    )
    assert make_bill(workspace, SETTINGS).total == entered.after
    assert verify_workspace(workspace).ok


@pytest.mark.parametrize(
    ("cause", "of_family"),
    [
        ({"runs": (1, 2)}, 12.5),
        ({"runs": (0,)}, 12.5),
        ({"plan": "p"}, 12.5),
        ({"plan": "q"}, 12.5),
        ({}, 12.5),
        ({"basis": "owned"}, 0),
    ],
    ids=["runs", "one run", "plan", "plan without yield", "everything", "another basis"],
)
def test_an_expense_goes_to_whoever_caused_it(desk, workspace, cause, of_family):
    """Family p has all: what yielded nothing stands with it too."""
    enter_expense(desk, **EXPENSE, **cause)
    (family,) = make_bill(workspace, SETTINGS).families
    assert spot(family.parent) == pytest.approx(5 + of_family)


def test_a_plan_is_named_by_the_start_of_its_digest_too(desk, enter):
    digest = next(r.entry.digest for r in enter.book.records if r.entry.kind == "plan")
    assert enter_expense(desk, **EXPENSE, plan=digest[:10]).body.plan == digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"usd": -1.0}, "--usd -1.0"),
        ({"usd": float("nan")}, "--usd nan"),
        ({"usd": float("inf")}, "--usd inf"),
        ({"date": None}, "--date is missing"),
        ({"date": "31.3.2026"}, "--date '31.3.2026'"),
        ({"date": "2026-02-30"}, "--date '2026-02-30'"),
        ({"what": ""}, "--what ''"),
        ({"source": ""}, "--source ''"),
        ({"basis": "monthly"}, "--basis 'monthly'"),
        ({"runs": (3,)}, "no run 3; its runs are 0-2"),
        ({"runs": (7, 0, 9)}, "no run 7, 9"),
        ({"runs": (1, 1)}, "a run is named twice"),
        ({"runs": (1,), "plan": "p"}, "one cause"),
        ({"plan": "nothing"}, "0 plans"),
        ({"plan": ""}, "0 plans"),
    ],
    ids=[
        *("negative", "not a number", "infinite", "no date", "other date", "no such day"),
        *("nothing", "no source", "basis", "no run", "no runs", "twice", "both", "plan", "blank"),
    ],
)
def test_an_expense_that_cannot_be_is_refused_and_nothing_is_entered(desk, refused, change, said):
    assert said in refused(enter_expense, desk, **{**EXPENSE, **change})


def test_two_plans_of_one_name_are_told_apart_by_digest(enter, workspace, refused):
    enter.plan("p", (("B", 1.0),))
    assert "2 plans" in refused(enter_expense, Desk(workspace, SETTINGS), **EXPENSE, plan="p")


def test_the_same_expense_is_not_entered_twice(desk, workspace, refused):
    entered = enter_expense(desk, **EXPENSE)
    again = Desk(workspace, SETTINGS)
    assert f"entry {entered.entry.number}" in refused(enter_expense, again, **EXPENSE)
    enter_expense(again, **{**EXPENSE, "source": "invoice 4712"})


def test_a_workspace_without_a_book_gets_none(tmp_path):
    nowhere = Workspace(tmp_path / "nowhere")
    with pytest.raises(BookError, match="no book"):
        Desk(nowhere, SETTINGS)
    assert not nowhere.root.exists()


def test_a_reading_stands_in_the_place_of_what_the_runs_said(desk, workspace):
    entered = enter_reading(desk, **READING, runs=(0, 1))
    # 5 h of two devices at 5 W through a PUE of 1.5; then 1.5 kWh for four of them.
    assert entered.before.kwh.value == pytest.approx(0.05 * 1.5)
    assert entered.after.kwh.value == pytest.approx((1.5 + 0.01) * 1.5)
    lines = make_bill(workspace, SETTINGS).lines
    assert [line.figures.kwh.value for line in lines] == [
        pytest.approx(1.5 * 1.5 / 4),
        pytest.approx(1.5 * 1.5 * 3 / 4),
        pytest.approx(0.015),
    ]
    assert verify_workspace(workspace).ok


def test_a_range_makes_an_estimate_of_a_reading(desk):
    entered = enter_reading(desk, **READING, low=1.0, high=3.0, runs=(0, 1, 2))
    kwh = entered.after.kwh
    assert (kwh.low, kwh.high) == (pytest.approx(1.5), pytest.approx(4.5))


@pytest.fixture
def file(tmp_path):
    """100 W to noon, 300 W from then on; a reading every 5 seconds from 8 to 18 o'clock."""
    path = tmp_path / "readings.jsonl"
    with path.open("w") as out:
        for second in range(8 * 3600, 18 * 3600 + 1, 5):
            time = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            watts = 100 if second < 12 * 3600 else 300
            out.write(json.dumps({"time_utc": f"2024-03-01T{time}Z", "watts": watts}) + "\n")
    return path


FROM_FILE = {**READING, "kwh": None}


def test_a_file_of_readings_is_added_up_over_the_runs_time_and_kept_by_its_digest(desk, file):
    entered = enter_reading(desk, **FROM_FILE, file=file, runs=(0, 1))
    # 9-10 and 11-12 at 100 W, 12-14 at 300 W; the step at noon is a slope of five seconds.
    joules = (2 * 100 + 2 * 300) * 3600 + 5 * 100
    assert entered.body.energy.joules == pytest.approx(joules)
    assert entered.body.energy.measured
    assert entered.body.file_digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert entered.after.kwh.value == pytest.approx((joules / 3.6e6 + 0.01) * 1.5)


def test_runs_at_the_same_time_are_read_once(enter, workspace, clock, file):
    clock.at("13:30")
    enter.run("search", 1, key="s")
    entered = enter_reading(Desk(workspace, SETTINGS), **FROM_FILE, file=file, runs=(1, 3))
    assert entered.body.energy.joules == pytest.approx((100 + 2 * 300) * 3600 + 500)


def test_a_file_says_what_was_used_while_nothing_ran(desk, workspace, file):
    number = enter_holding(desk, **HOLDING).entry.number
    entered = enter_reading(Desk(workspace, SETTINGS), **FROM_FILE, file=file, held=number)
    # Held 9-17; runs at 9-10, 11-14 and 16-17 leave 10-11 at 100 W and 14-16 at 300 W.
    assert entered.body.energy.joules == pytest.approx((100 + 2 * 300) * 3600)
    assert entered.before.kwh is None
    assert entered.after.kwh.value == pytest.approx((0.05 + 0.7) * 1.5)
    assert verify_workspace(workspace).ok


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kwh": None}, "neither --kwh nor --file"),
        ({"kwh": -1.0}, "--kwh -1"),
        ({"kwh": float("nan")}, "--kwh nan"),
        ({"low": 2.0}, "--low 2"),
        ({"low": -2.0}, "--low -2"),
        ({"high": 1.0}, "--high 1"),
        ({"high": float("inf")}, "--high inf"),
        ({"runs": ()}, "neither is named"),
        ({"held": 1}, "both are named"),
        ({"runs": (), "held": 1}, "--held 1"),
        ({"runs": (5,)}, "no run 5"),
        ({"runs": (1, 1)}, "a run is named twice"),
        ({"covers": ""}, "--covers ''"),
        ({"source": ""}, "--source ''"),
        ({"method": "rapl"}, "own meter"),
    ],
    ids=[
        *("nothing", "negative", "not a number", "low", "low negative", "high", "infinite"),
        *("of nothing", "of both", "not held", "no run", "twice", "covers", "source", "method"),
    ],
)
def test_a_reading_that_cannot_be_is_refused_and_nothing_is_entered(desk, refused, change, said):
    assert said in refused(enter_reading, desk, **{**READING, "runs": (1,), **change})


def test_a_file_that_does_not_fit_is_refused_and_nothing_is_entered(desk, refused, file, tmp_path):
    options = {**FROM_FILE, "runs": (2,), "file": file}
    assert "said twice" in refused(enter_reading, desk, **{**options, "kwh": 1.0})
    assert "no such file" in refused(enter_reading, desk, **{**options, "file": tmp_path / "x"})
    lines = file.read_text().splitlines(keepends=True)
    half_past_four = next(n for n, line in enumerate(lines) if "T16:30:00Z" in line)
    file.write_text("".join(lines[: half_past_four + 1]))
    said = refused(enter_reading, desk, **options)
    assert "no readings of 2024-03-01T16:30:00.000Z to 2024-03-01T17:00:00.000Z" in said
    assert "runs 2 held the machine" in said
    file.write_text("".join(reversed(lines)))
    assert "line 2: its time is not after" in refused(enter_reading, desk, **options)
    file.write_text('{"time_utc": "2024-03-01T16:00:00Z"}\n')
    assert "line 1: it is no reading" in refused(enter_reading, desk, **options)


def test_the_same_thing_is_not_read_twice(desk, workspace, refused):
    number = enter_reading(desk, **READING, runs=(0, 1)).entry.number
    again = Desk(workspace, SETTINGS)
    said = refused(enter_reading, again, **{**READING, "source": "another"}, runs=(1, 2))
    assert f"entry {number}" in said
    fans = enter_reading(again, **{**READING, "covers": "fans"}, runs=(1, 2))
    # 3 of 4 h of the first reading, 3 of 4 h of the second, and the rest of both.
    assert fans.after.kwh.value == pytest.approx(3.0 * 1.5)


def test_runs_that_nobody_knows_the_length_of_are_not_read(enter, workspace, refused, meter):
    run = enter.book.start_run("training", "n", input_key="v", meter=meter)
    said = refused(enter_reading, Desk(workspace, SETTINGS), **READING, runs=(3,))
    assert "run 3 has not ended" in said
    meter.unwatch(run._look)
    run._journal.close()
    meter.release()
    (workspace.root / run.start.journal).unlink()
    Book.open(workspace)
    said = refused(enter_reading, Desk(workspace, SETTINGS), **READING, runs=(3,))
    assert "run 3 lost its journal" in said


def test_what_was_held_is_billed_as_idle(desk, workspace):
    entered = enter_holding(desk, **HOLDING, source="invoice 9")
    assert entered.after.device_hours.value == pytest.approx(16)
    assert spot(entered.after) - spot(entered.before) == pytest.approx(3 * 2 * 0.5)
    assert {name for name, _, _ in entered.changes()} >= {"device_hours", "kwh", "USD spot"}
    last = json.loads(workspace.book_file.read_text("utf-8").splitlines()[-1])
    assert last["kind"] == "held"
    assert last["body"] == {
        "since": "2024-03-01T09:00:00Z",
        "until": "2024-03-01T17:00:00Z",
        "devices": 2,
        "machine": None,
        "source": "invoice 9",
    }
    assert verify_workspace(workspace).ok


def test_a_machine_is_named_by_name_or_id(desk, workspace, refused):
    assert enter_holding(desk, **HOLDING, machine="test cpu").body.machine == "m"
    later = {**HOLDING, "since": "2024-03-02T09:00Z", "until": "2024-03-02T10:00+01:00"}
    assert "after the beginning" in refused(enter_holding, desk, **later)
    later["until"] = "2024-03-02T10:30+01:00"
    body = enter_holding(Desk(workspace, SETTINGS), **later, machine="m").body
    assert body.seconds == 1800
    assert "0 machines" in refused(enter_holding, desk, **HOLDING, machine="x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"devices": 0}, "--devices 0"),
        ({"devices": -8}, "--devices -8"),
        ({"since": "2024-03-01T09:00"}, "--from '2024-03-01T09:00'"),
        ({"since": "yesterday"}, "--from 'yesterday'"),
        ({"until": "2024-03-01"}, "--until '2024-03-01'"),
        ({"until": "2024-03-01T25:00Z"}, "--until '2024-03-01T25:00Z'"),
        ({"until": "2024-03-01T09:00Z"}, "not after the beginning"),
        ({"until": "2999-01-01T00:00Z"}, "has not come yet"),
        ({"source": ""}, "--source ''"),
    ],
    ids=[
        *("no devices", "negative", "no zone", "words", "a day", "no hour", "no time", "future"),
        "no source",
    ],
)
def test_a_holding_that_cannot_be_is_refused_and_nothing_is_entered(desk, refused, change, said):
    assert said in refused(enter_holding, desk, **{**HOLDING, **change})


@pytest.mark.parametrize(
    ("since", "until"),
    [("08:00", "09:01"), ("16:59", "18:00"), ("10:00", "11:00"), ("01:00", "17:30")],
    ids=["begin", "end", "inside", "around"],
)
def test_time_that_another_entry_holds_is_refused(desk, workspace, refused, since, until):
    number = enter_holding(desk, **HOLDING).entry.number
    again = Desk(workspace, SETTINGS)
    times = {"since": f"2024-03-01T{since}Z", "until": f"2024-03-01T{until}Z", "devices": 1}
    said = refused(enter_holding, again, **times)
    assert f"entry {number} holds the machine from 2024-03-01T09:00Z to 2024-03-01T17:00Z" in said
    touching = {**times, "since": "2024-03-01T17:00Z", "until": "2024-03-01T18:00Z"}
    assert enter_holding(again, **touching).entry.number == number + 1


def test_a_book_without_runs_holds_no_machine(workspace, book, refused):
    assert book.head.count == 1
    assert "no runs" in refused(enter_holding, Desk(workspace, SETTINGS), **HOLDING)
