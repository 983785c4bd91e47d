"""Readings of the same energy: entered once, and counted once where a book holds them twice."""

from __future__ import annotations

import json

import pytest
from dating import Clock
from entering import work_of

from farthing.artifacts.expense import Reading
from farthing.artifacts.holding import Holding
from farthing.artifacts.settings import WorkspaceSettings
from farthing.artifacts.work import EnergyPart
from farthing.errors import ConfigError
from farthing.ledger.bill import make_bill
from farthing.ledger.desk import Desk
from farthing.ledger.enter_readings import enter_reading
from farthing.quantity import Provenance

NOTHING = WorkspaceSettings()
KWH = 3.6e6
WHOLE, X, Y = "the whole machine", "accelerator X", "accelerator Y"


def part(covers, kwh, method="psu"):
    joules = kwh * KWH
    return EnergyPart(
        covers=covers, method=method, joules=joules, low_joules=joules, high_joules=joules
    )


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def run(clock, book, meter):
    """Enters an hour that ended at a time, with its energy told apart if parts are given."""

    def run(until, key, *parts):
        clock.at(until)
        started = book.start_run("training", "n", input_key=key, meter=meter)
        work = work_of(1)
        if parts:
            joules = sum(each.joules for each in parts)
            work = work.with_energy(joules, "board_counter", parts)
        started._finish = lambda end: book.append(
            end.model_copy(update={"work": work, "phases": ()})
        )
        started.end("completed")
        return started.number

    return run


@pytest.fixture
def boards(run):
    """Run 0, of two boards that used 1 kWh each."""
    return run("10:00", "b", part(X, 1, "board_counter"), part(Y, 1, "board_counter"))


@pytest.fixture
def read(workspace):
    """Enters a reading, by default of run 0 by a meter at the plug."""

    def read(covers, kwh=None, **options):
        given = {"method": "psu", "source": "meter", "runs": (0,), **options}
        return enter_reading(Desk(workspace, NOTHING), covers=covers, kwh=kwh, **given)

    return read


def billed(workspace):
    bill = make_bill(workspace, NOTHING)
    return bill.total.kwh, [note for note in bill.notes if "entr" in note]


@pytest.mark.parametrize("again", ["cloud", "psu"])
def test_another_method_does_not_read_the_same_thing_a_second_time(run, read, workspace, again):
    run("10:00", "a")
    number = read(WHOLE, 1.0).entry.number
    with pytest.raises(ConfigError, match=f"entry {number} has what psu read of that"):
        read(WHOLE, 1.0, method=again, source="another")
    assert billed(workspace)[0].value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (X, WHOLE, "read the run's other parts: accelerator Y; or take that one back"),
        (WHOLE, X, "leave it out: the whole is read already; or take that one back"),
    ],
    ids=["the whole after a part", "a part after the whole"],
)
@pytest.mark.usefixtures("boards")
def test_a_part_and_the_whole_are_not_both_entered(read, workspace, first, second, said):
    entered = read(first, 3.0)
    with pytest.raises(ConfigError, match=f"'{X}' is a part of that run") as refused:
        read(second, 3.0)
    assert refused.value.remedy.startswith(said)
    assert refused.value.remedy.endswith(f"--entry {entered.entry.number}")
    assert make_bill(workspace, NOTHING).total == entered.after


@pytest.mark.usefixtures("boards")
def test_every_part_and_several_meters_of_wholes_add_up(run, read, workspace):
    read(X, 1.1)
    assert read(Y, 1.2).after.kwh.value == pytest.approx(2.3)
    other = run("13:00", "a", part(X, 1, "board_counter"))
    read("left supply", 0.5, runs=(other,))
    assert read("right supply", 0.25, runs=(other,)).after.kwh.value == pytest.approx(3.05)
    assert billed(workspace)[1] == []


@pytest.mark.parametrize("whole_first", [False, True])
@pytest.mark.usefixtures("boards")
def test_a_book_with_both_is_billed_for_the_whole_and_says_so(book, workspace, whole_first):
    readings = [
        Reading(runs=(0,), energy=part(c, kwh), source="m") for c, kwh in ((X, 1.1), (WHOLE, 3))
    ]
    of_x, of_whole = (
        entered.number
        for _, entered in sorted(
            (
                (body.energy.covers, book.append(body).entry)
                for body in (reversed(readings) if whole_first else readings)
            ),
            key=lambda pair: pair[0],
        )
    )
    energy, (note,) = billed(workspace)
    assert energy.value == pytest.approx(3.0)
    assert energy.provenance is Provenance.MEASURED
    assert f"entry {of_x} reads '{X}', a part of runs 0, and entry {of_whole}" in note
    assert note.endswith(f"entry {of_x} does not count there")


def test_of_two_readings_of_the_same_thing_in_a_book_the_later_holds(run, book, workspace):
    run("10:00", "a")
    run("12:00", "b")
    one = book.append(Reading(runs=(0, 1), energy=part(WHOLE, 4), source="m")).entry.number
    cloud = part(WHOLE, 1, "cloud")
    other = book.append(Reading(runs=(1,), energy=cloud, source="n")).entry.number
    energy, (note,) = billed(workspace)
    # Half of the first for run 0, and the second alone for run 1.
    assert energy.value == pytest.approx(2.0 + 1.0)
    assert f"entries {one} and {other} both read '{WHOLE}' of runs 1:" in note
    assert f"entry {other} holds" in note
    lines = make_bill(workspace, NOTHING).lines
    of_run = {entry.number for entry in lines[1].entries}
    assert other in of_run
    assert one not in of_run


def test_of_two_readings_of_idle_time_the_later_holds(run, book, workspace):
    run("10:00", "a")
    body = Holding(since="2024-03-01T09:00Z", until="2024-03-01T17:00Z", devices=2)
    held = book.append(body).entry.digest
    before = make_bill(workspace, NOTHING).lines[0].figures.kwh.value
    for kwh, method in ((5, "psu"), (2, "cloud")):
        book.append(Reading(held=held, energy=part(WHOLE, kwh, method), source="m"))
    energy, (note,) = billed(workspace)
    assert energy.value == pytest.approx(before + 2)
    assert "of the same idle time" in note


@pytest.fixture
def file(tmp_path):
    """100 W from 8 to 18 o'clock, as a running total."""
    path = tmp_path / "readings.jsonl"
    with path.open("w") as out:
        for second in range(8 * 3600, 18 * 3600 + 1, 5):
            time = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            out.write(
                json.dumps({"time_utc": f"2024-03-01T{time}Z", "joules": 100 * second}) + "\n"
            )
    return path


def test_a_file_is_not_all_of_one_of_two_runs_that_held_the_machine_at_once(
    run, read, workspace, file
):
    run("10:00", "a")
    run("10:30", "b")
    run("11:29:59", "c")
    with pytest.raises(ConfigError, match="runs 1 held the same machine in that time") as refused:
        read(WHOLE, file=file)
    assert "--runs 0-1:" in refused.value.remedy
    read(WHOLE, file=file, runs=(0, 1))
    # 9 to 10:30 at 100 W, once; run 2 begins as run 1 ends, but for a second of clocks.
    energies = [line.figures.kwh.value for line in make_bill(workspace, NOTHING).lines]
    assert energies[:2] == [pytest.approx(0.075), pytest.approx(0.075)]


def test_a_file_of_a_part_is_all_of_the_run_that_alone_has_that_part(run, read, file):
    run("10:00", "a", part(X, 1, "board_counter"))
    run("10:30", "b", part(Y, 1, "board_counter"))
    assert read(X, file=file).after.kwh.value == pytest.approx(0.1 + 1)


def test_a_file_of_a_part_that_another_run_does_not_tell_apart_is_refused(run, read, file):
    run("10:00", "a", part(X, 1, "board_counter"))
    run("10:30", "b")
    with pytest.raises(ConfigError, match="runs 1 held the same machine"):
        read(X, file=file)
