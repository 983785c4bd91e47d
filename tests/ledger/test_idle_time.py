"""What of a machine was paid for and held by no run: each figure against one made by hand."""

from __future__ import annotations

from datetime import date

import pytest
from dating import Clock
from entering import Enter
from rich.console import Console

from farthing.artifacts.expense import Reading
from farthing.artifacts.holding import Holding
from farthing.artifacts.settings import CarbonSeries, HardwareFigure, Price, WorkspaceSettings
from farthing.artifacts.work import EnergyPart
from farthing.errors import UnknownHardwareError
from farthing.hardware.machine import Machine
from farthing.ledger.artifact_bill import make_artifact_bill
from farthing.ledger.bill import make_bill
from farthing.ledger.bill_csv import csv_text
from farthing.ledger.bill_text import print_bill
from farthing.ledger.lines import VIEWS
from farthing.ledger.meter import Meter
from farthing.ledger.rates import book_rates

SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=0.5, date=date(2026, 1, 31), source="list")}
)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def enter(clock, book, meter):
    """Two devices; of runs, the time at which they end is chosen too."""

    class Timed(Enter):
        def until(self, time, purpose, hours, **options):
            clock.at(time)
            return self.run(purpose, hours, **options)

    return Timed(book, meter)


def held(book, since="09:00", until="17:00", devices=2, **more):
    body = Holding(
        since=f"2024-03-01T{since}Z", until=f"2024-03-01T{until}Z", devices=devices, **more
    )
    return book.append(body).entry


def idle_line(workspace, **options):
    (line,) = [
        each
        for each in make_bill(workspace, SETTINGS, **options).expenses
        if each.category == "idle"
    ]
    return line


def hours(line):
    return line.figures.device_hours.value, line.figures.wall_hours.value


@pytest.fixture
def day(enter, clock):
    """Runs of two devices at 8-10, 12-15 and 16-18; held from 9 to 17."""
    enter.until("10:00", "curation", 2, made="corpus")
    enter.until("15:00", "training", 3, key="t", plan=enter.plan("p", (("A", 1.0),)), made="S")
    enter.until("18:00", "evaluation", 2, key="e", scored=[("S", "A", 1)])
    clock.at("19:00")
    held(enter.book, source="invoice 9")
    return enter


@pytest.mark.usefixtures("day")
def test_idle_is_what_was_held_less_what_the_runs_held_cut_at_the_borders(workspace):
    line = idle_line(workspace)
    # 8 h of two devices, less 1 + 3 + 1 h of two devices; 10-12 and 15-16 nothing ran.
    assert hours(line) == (pytest.approx(16 - 10), pytest.approx(3))
    assert line.figures.usd["spot"].value == pytest.approx(6 * 0.5)
    assert line.figures.usd["on_demand"] is None
    assert str(line.figures.device_hours.provenance) == "assumed"
    assert "invoice 9" in line.figures.device_hours.source
    assert [line.figures.cpu_hours.value, line.figures.tokens.value, line.figures.flops.value] == [
        0,
        0,
        0,
    ]
    total = make_bill(workspace, SETTINGS).total
    assert total.wall_hours.value == pytest.approx(7 + 3)
    assert total.usd["spot"].value == pytest.approx((14 + 6) * 0.5)


@pytest.mark.usefixtures("day")
def test_energy_of_idle_time_is_unknown_and_said_to_be_even_where_watts_are_known(workspace):
    known = SETTINGS.model_copy(
        update={"hardware": HardwareFigure(name="c", watts_per_device=5, source="sheet")}
    )
    bill = make_bill(workspace, known)
    assert bill.total.kwh is None
    (note,) = [each for each in bill.unknown if "--held" in each]
    number = bill.head.count - 1
    assert f"farthing enter reading --held {number}" in note
    # What the runs used is known still.
    assert sum(line.figures.kwh.value for line in bill.lines) == pytest.approx(0.07)


def test_a_reading_of_the_idle_time_is_its_energy(day, workspace):
    entry = day.book.records[-1].entry
    for covers, joules in (("rack", 3.6e6), ("fans", 1.8e6)):
        part = EnergyPart(
            covers=covers, method="psu", joules=joules, low_joules=joules, high_joules=joules
        )
        day.book.append(Reading(held=entry.digest, energy=part, source="meter"))
    line = idle_line(workspace)
    assert line.figures.kwh.value == pytest.approx(1.5)
    assert str(line.figures.kwh.provenance) == "measured"
    bill = make_bill(workspace, SETTINGS)
    assert bill.total.kwh.value == pytest.approx(0.07 + 1.5)
    assert not any("--held" in each for each in bill.unknown)
    kinds = {r.entry.number: r.entry.kind for r in day.book.records}
    assert sorted(kinds[each.number] for each in line.entries) == (
        ["held", "reading", "reading"] + 3 * ["run.end"] + 3 * ["run.start"]
    )


@pytest.mark.usefixtures("day")
def test_an_artifact_carries_idle_time_like_an_expense_without_a_cause(workspace):
    """6 idle device-hours, shared out by the 2, 3 and 2 h of the runs; 1 h of those is A's own."""
    (family,) = make_bill(workspace, SETTINGS).families
    member = family.members[0]
    assert member.marginal.device_hours.value == pytest.approx(2 + 6 * 1 / 7)
    assert member.fully_loaded.device_hours.value == pytest.approx(14 + 6)
    assert family.parent.device_hours.value == pytest.approx(12 + 6 * 6 / 7)
    bill = make_artifact_bill(workspace, SETTINGS, "corpus")
    assert bill.total.usd["spot"].value == pytest.approx((4 + 6 * 2 / 7) * 0.5)
    supernet = {
        view: make_artifact_bill(workspace, SETTINGS, "S", view).total.device_hours.value
        for view in VIEWS
    }
    assert supernet["marginal"] == pytest.approx(12 + 6 * 6 / 7)
    (line,) = [each for each in bill.lines if each.category == "idle"]
    assert line.share == pytest.approx(2 / 7)


def test_the_lines_still_add_up_to_the_total_in_every_form(day, workspace):
    bill = make_bill(workspace, SETTINGS)
    idle = [row for row in csv_text(bill).splitlines() if ",idle," in row]
    assert any(",device_hours,,6.0" in row for row in idle)
    assert [each["category"] for each in bill.to_json()["expenses"]] == ["idle"]
    console = Console(width=80)
    with console.capture() as captured:
        print_bill(bill, console)
    assert "idle time of 2 devices held" in " ".join(captured.get().split())
    assert max(len(row.rstrip()) for row in captured.get().splitlines()) <= 80
    assert day.book.head.count == bill.head.count


def test_idle_time_has_the_rates_of_the_last_run_before_its_end(enter, clock, workspace):
    book_rates(SETTINGS, enter.book)
    enter.until("10:00", "curation", 1)
    dearer = Price(usd_per_device_hour=2.0, date=date(2026, 3, 1), source="list")
    entry = book_rates(WorkspaceSettings(prices={"spot": dearer}), enter.book)
    enter.until("12:00", "training", 1, key="t")
    clock.at("19:00")
    held(enter.book, "09:00", "13:00")
    held(enter.book, "05:00", "08:00")
    lines = make_bill(workspace, SETTINGS, book_only=True).expenses
    assert [line.figures.usd["spot"].value for line in lines] == [
        pytest.approx((8 - 4) * 2.0),
        # No run had begun before the end of that: the first one's rates.
        pytest.approx(6 * 0.5),
    ]
    assert entry in lines[0].entries
    assert entry not in lines[1].entries
    (note,) = [each for each in make_bill(workspace, SETTINGS).notes if "rates changed" in each]
    assert "run 1" in note


def test_more_runs_than_the_holding_can_carry_are_a_note_and_never_less_than_nothing(
    enter, clock, workspace
):
    enter.until("12:00", "curation", 3)
    clock.at("19:00")
    held(enter.book, "10:00", "13:00", devices=1)
    line = idle_line(workspace)
    # 2 h of two devices inside, where three hours of one were paid for.
    assert hours(line) == (0, pytest.approx(1))
    assert line.figures.usd["spot"].value == 0
    (note,) = [each for each in make_bill(workspace, SETTINGS).notes if "nothing was idle" in each]
    assert "runs 0 held 1 device-hours more" in note


def test_a_holding_that_the_runs_fill_is_idle_for_no_time_and_takes_no_energy(
    enter, clock, workspace
):
    enter.until("12:00", "curation", 2)
    clock.at("19:00")
    held(enter.book, "10:00", "12:00")
    bill = make_bill(workspace, SETTINGS)
    assert hours(idle_line(workspace)) == (0, 0)
    assert bill.total.kwh.value == pytest.approx(0.02)
    assert not any("nothing was idle" in each for each in bill.notes)


def test_only_runs_of_the_named_machine_are_held_there(enter, clock, workspace, machine):
    enter.until("12:00", "curation", 1)
    other = Machine("other", "test gpu", "H100", 8, machine.watts_per_device)
    far = Enter(enter.book, Meter(other, from_process_start=False))
    far.run("training", 2, key="t")
    clock.at("19:00")
    held(enter.book, "10:00", "12:00", devices=2, machine="m")
    assert hours(idle_line(workspace)) == (pytest.approx(2), pytest.approx(1))
    assert not any("several machines" in each for each in make_bill(workspace, SETTINGS).notes)
    held(enter.book, "11:00", "12:00", devices=16)
    bill = make_bill(workspace, SETTINGS)
    assert hours(bill.expenses[1]) == (pytest.approx(16 - 2 - 8), 0)
    assert any("several machines" in each and "test gpu (other)" in each for each in bill.notes)
    assert any("billed twice" in each for each in bill.notes)


def test_a_killed_run_holds_from_its_start_for_as_long_as_it_is_billed(enter, clock, workspace):
    clock.at("10:00")
    run = enter.book.start_run("training", "n", input_key="k", meter=enter.meter)
    work = run.work().model_copy(update={"wall_seconds": 3600.0, "device_seconds": 7200.0})
    run._finish = lambda end: enter.book.append(
        end.model_copy(update={"work": work, "evidence": "heartbeat"})
    )
    # It is closed much later.
    clock.at("18:00")
    run.end("aborted", reason="killed")
    clock.at("19:00")
    held(enter.book, "10:30", "12:00")
    assert hours(idle_line(workspace)) == (pytest.approx(3 - 1), pytest.approx(1))


BY_THE_HOUR = WorkspaceSettings(
    carbon_series=CarbonSeries(file="hours.csv", date=date(2024, 3, 2), source="operator")
)


@pytest.fixture
def by_the_hour(enter, clock, workspace):
    """A run at 10-11 and 100 g/kWh; held from 10 on, read for 1 kWh; 900 g/kWh from 11 to `last`.

    The second half of the idle time has 300 g/kWh.
    """

    def book(last, until="17:00"):
        grams = {hour: 100 if hour < 11 else 900 if hour < 14 else 300 for hour in range(last)}
        rows = [f"2024-03-01T{hour:02}:00:00Z,{each}" for hour, each in grams.items()]
        (workspace.root / "hours.csv").write_text("\n".join(("utc_start,grams_per_kwh", *rows)))
        clock.at("09:00")
        book_rates(BY_THE_HOUR, enter.book)
        enter.until("11:00", "training", 1)
        clock.at("18:00")
        entry = held(enter.book, since="10:00", until=until)
        part = EnergyPart(
            covers="rack", method="psu", joules=3.6e6, low_joules=3.6e6, high_joules=3.6e6
        )
        enter.book.append(Reading(held=entry.digest, energy=part, source="meter"))
        return entry

    return book


@pytest.mark.parametrize(
    ("until", "kilograms"),
    # Idle from 11 on; where nothing is free of runs, what was read is of the whole time.
    [("14:00", 0.9), ("17:00", 0.6), ("15:00", (3 * 0.9 + 0.3) / 4), ("11:00", 0.1)],
)
def test_carbon_by_the_hour_of_idle_time_is_that_of_its_own_hours(
    by_the_hour, workspace, until, kilograms
):
    by_the_hour(24, until)
    bill = make_bill(workspace, BY_THE_HOUR)
    (line,) = bill.expenses
    assert line.figures.kg_co2e.value == pytest.approx(kilograms)
    # Two devices at 5 W for an hour, in the hour before.
    assert bill.lines[0].figures.kg_co2e.value == pytest.approx(0.01 * 0.1)
    assert "hours.csv by the hour" in line.figures.kg_co2e.source


def test_idle_hours_that_a_series_lacks_are_named(by_the_hour, workspace):
    number = by_the_hour(15).number
    lacking = f"2024-03-01 15:00 to 2024-03-01 17:00 UTC (idle time of entry {number})"
    with pytest.raises(UnknownHardwareError) as error:
        make_bill(workspace, BY_THE_HOUR)
    assert lacking in error.value.what
    bill = make_bill(workspace, BY_THE_HOUR, hours_may_lack=True)
    assert bill.expenses[0].figures.kg_co2e is None
    assert bill.lines[0].figures.kg_co2e.value == pytest.approx(0.001)
    assert any(lacking in note for note in bill.unknown)
    (workspace.root / "hours.csv").unlink()
    bill = make_bill(workspace, SETTINGS, book_only=True)
    (note,) = [each for each in bill.unknown if "any more" in each]
    assert note.startswith(f"kg CO2e of runs 0 and idle time of entry {number}: hours.csv")
