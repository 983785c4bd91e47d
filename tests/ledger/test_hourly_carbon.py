"""Carbon by the hour in the bill: each run meets its own hours, and no other figure does."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from entering import Enter, work_of

from farthing.artifacts.entries import Segment
from farthing.artifacts.expense import Reading
from farthing.artifacts.settings import CarbonSeries, GridFigure, WorkspaceSettings
from farthing.artifacts.work import EnergyPart
from farthing.errors import ConfigError, UnknownHardwareError
from farthing.ledger.bill import make_bill
from farthing.ledger.rates import book_rates, record_rates

MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)
GRAMS = (100, 400, 700, 1000)
SERIES = CarbonSeries(file="hours.csv", date=date(2026, 2, 1), source="operator")
HOURLY = WorkspaceSettings(carbon_series=SERIES)
YEARLY = WorkspaceSettings(grid_grams_per_kwh=GridFigure(grams_per_kwh=50, source="supplier"))
NOTHING = WorkspaceSettings()
# Two devices at 5 W.
KWH_AN_HOUR = 0.01


class Clock:
    """Says what the book takes for the time: hours after midnight."""

    hours = 0.0

    def now(self):
        time = MIDNIGHT + timedelta(hours=self.hours)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("farthing.ledger.appender.utc_now", clock.now)
    return clock


@pytest.fixture
def runs(clock, book, meter):
    """Enters a run from one hour to another, with segments whose work is given by their hours."""
    enter = Enter(book, meter)

    def runs(start, end, segments=(), evidence="meter", work=None):
        clock.hours = start
        run = book.start_run("training", "n", input_key="k", meter=meter)
        for hour, done in segments:
            clock.hours = hour
            book.append(_segment(run.number, done))
        clock.hours = end
        work = work or work_of(end - start)
        run._finish = lambda body: book.append(
            body.model_copy(update={"work": work, "evidence": evidence})
        )
        run.end("completed")
        return run.number

    runs.book = enter.book
    return runs


def _segment(run, work):
    return Segment(
        run=run,
        first_step=0,
        last_step=1,
        tokens=0,
        loss_sum=0.0,
        loss_digest="l",
        batch_digest="b",
        checkpoint_digest=None,
        work=work,
    )


def _write(workspace, grams=GRAMS, first=0):
    workspace.root.mkdir(exist_ok=True)
    rows = [
        f"{(MIDNIGHT + timedelta(hours=first + hour)).isoformat()},{each}"
        for hour, each in enumerate(grams)
    ]
    (workspace.root / "hours.csv").write_text("\n".join(("utc_start,grams_per_kwh", *rows)))


def _kilograms(workspace, settings, **options):
    lines = make_bill(workspace, settings, **options).lines
    return [line.figures.kg_co2e and line.figures.kg_co2e.value for line in lines]


def test_each_run_meets_the_hours_in_which_it_used_its_energy(runs, workspace):
    _write(workspace)
    assert book_rates(HOURLY, runs.book) is not None
    runs(0, 2)
    runs(2.5, 3.5)
    # Half of hour 0 and of 1, of which the second took three times the energy.
    busy = work_of(2).with_energy(4 * 18e3, "tdp_model")
    runs(0, 2, [(1, work_of(1).with_energy(18e3, "tdp_model"))], work=busy)
    by_hand = [
        2 * KWH_AN_HOUR * 250,
        KWH_AN_HOUR * 850,
        0.02 * (100 + 3 * 400) / 4,
    ]
    found = _kilograms(workspace, HOURLY)
    assert found == pytest.approx([grams / 1000 for grams in by_hand])
    assert _kilograms(workspace, NOTHING, book_only=True) == found
    bill = make_bill(workspace, HOURLY)
    assert bill.total.kg_co2e.value == pytest.approx(sum(by_hand) / 1000)
    assert str(bill.total.kg_co2e.provenance) == "assumed"
    (said,) = [note for note in bill.basis if "by the hours" in note]
    assert "hours.csv" in said
    assert said.endswith("; entry 1")


def test_the_book_holds_the_digest_and_the_place_of_the_series(runs, workspace):
    _write(workspace)
    book_rates(HOURLY.model_copy(update={"grid": "FRA"}), runs.book)
    entry = json.loads(workspace.book_file.read_text("utf-8").splitlines()[1])
    grid = entry["body"]["grid"]
    assert (grid["code"], grid["grams_per_kwh"]) == ("FRA", None)
    assert (grid["series"]["file"], len(grid["series"]["digest"])) == ("hours.csv", 64)
    assert grid["series"]["source"] == "operator, 2026-02-01"


@pytest.mark.parametrize(
    ("start", "end", "lacking"),
    [
        (3.25, 4.5, "2026-01-31 04:00 to 2026-01-31 05:00 UTC (run 1)"),
        (-1.5, 1, "2026-01-30 22:00 to 2026-01-31 00:00 UTC (run 1)"),
        (
            -0.5,
            4.25,
            "2026-01-30 23:00 to 2026-01-31 00:00 UTC and 2026-01-31 04:00 to "
            "2026-01-31 05:00 UTC (run 1)",
        ),
        (6, 7, "2026-01-31 06:00 to 2026-01-31 07:00 UTC (run 1)"),
    ],
    ids=["the-end", "the-start", "both", "all-of-it"],
)
def test_a_series_that_misses_hours_of_a_run_is_an_error_that_names_them(
    runs, workspace, start, end, lacking
):
    _write(workspace)
    runs(0, 4)
    runs(start, end)
    with pytest.raises(UnknownHardwareError) as caught:
        make_bill(workspace, HOURLY)
    assert caught.value.what.endswith(f"energy was used: hours.csv lacks {lacking}")
    assert "farthing bill --record" in caught.value.remedy


def test_where_more_than_a_bill_is_wanted_missing_hours_are_unknown_and_said(runs, workspace):
    _write(workspace)
    runs(0, 2)
    runs(3, 5)
    bill = make_bill(workspace, HOURLY, hours_may_lack=True)
    assert [line.figures.kg_co2e is None for line in bill.lines] == [False, True]
    assert (bill.total.kg_co2e, bill.total.kg_co2e_range) == (None, None)
    (said,) = [line for line in bill.unknown if line.startswith("kg CO2e")]
    assert "hours.csv lacks 2026-01-31 04:00 to 2026-01-31 05:00 UTC (run 1)" in said


def test_hours_that_came_after_the_run_are_entered_with_record(runs, workspace):
    _write(workspace, GRAMS[:2])
    book_rates(HOURLY, runs.book)
    runs(1, 3)
    with pytest.raises(UnknownHardwareError, match="02:00 to 2026-01-31 03:00"):
        make_bill(workspace, HOURLY)
    _write(workspace)
    assert _kilograms(workspace, HOURLY) == [None]
    assert record_rates(HOURLY, runs.book)
    assert _kilograms(workspace, HOURLY) == pytest.approx([2 * KWH_AN_HOUR * 550 / 1000])


@pytest.mark.parametrize("settings", [HOURLY, YEARLY, NOTHING], ids=["series", "figure", "none"])
def test_a_series_that_has_changed_makes_the_carbon_unknown_and_says_so(runs, workspace, settings):
    _write(workspace)
    book_rates(HOURLY, runs.book)
    runs(0, 2)
    _write(workspace, (1, 1, 1, 1))
    bill = make_bill(workspace, settings)
    assert (bill.total.kg_co2e, bill.total.kg_co2e_range) == (None, None)
    (said,) = [line for line in bill.unknown if line.startswith("kg CO2e")]
    assert said.startswith("kg CO2e of runs 0: hours.csv, whose carbon by the hour entry 1 names")
    assert "holds something else now" in said
    if settings != NOTHING:
        assert any("g CO2e per kWh: hours.csv (" in note for note in bill.notes)
    _write(workspace)
    assert _kilograms(workspace, NOTHING) == pytest.approx([2 * KWH_AN_HOUR * 250 / 1000])


def test_a_series_that_is_gone_makes_the_carbon_unknown_and_says_so(runs, workspace):
    _write(workspace)
    book_rates(HOURLY, runs.book)
    runs(0, 2)
    (workspace.root / "hours.csv").unlink()
    for options in ({}, {"book_only": True}):
        bill = make_bill(workspace, NOTHING, **options)
        assert bill.total.kg_co2e is None
        assert any("is not there any more" in line for line in bill.unknown)
    with pytest.raises(ConfigError, match=r"hours\.csv"):
        make_bill(workspace, HOURLY)


def test_the_one_figure_of_the_book_is_not_replaced_by_a_later_series(runs, workspace):
    book_rates(YEARLY, runs.book)
    runs(0, 2)
    _write(workspace)
    assert _kilograms(workspace, HOURLY) == pytest.approx([2 * KWH_AN_HOUR * 50 / 1000])
    assert any("50 in the book, hours.csv" in note for note in make_bill(workspace, HOURLY).notes)
    book_rates(HOURLY, runs.book)
    runs(2, 3)
    assert _kilograms(workspace, NOTHING, book_only=True) == pytest.approx(
        [2 * KWH_AN_HOUR * 50 / 1000, KWH_AN_HOUR * 700 / 1000]
    )


def test_a_series_that_the_book_lacks_comes_from_the_file_and_says_so(runs, workspace):
    book_rates(NOTHING, runs.book)
    runs(0, 2)
    _write(workspace)
    bill = make_bill(workspace, HOURLY)
    assert bill.total.kg_co2e.value == pytest.approx(2 * KWH_AN_HOUR * 250 / 1000)
    assert "not in the book" in bill.total.kg_co2e.source
    assert (bill.total.kg_co2e_range, bill.unknown[0].startswith("USD")) == (None, True)
    alone = make_bill(workspace, HOURLY, book_only=True)
    assert alone.total.kg_co2e is None
    assert alone.total.kg_co2e_range is not None, "the book holds the range over all grids"


def test_a_run_that_lost_its_journal_meets_all_hours_it_may_have_held(runs, workspace):
    _write(workspace)
    runs(0, 2, evidence="clock", work=work_of(0.5))
    (line,) = make_bill(workspace, HOURLY).lines
    assert line.figures.kwh.value == pytest.approx(2 * KWH_AN_HOUR)
    assert line.figures.kg_co2e.value == pytest.approx(2 * KWH_AN_HOUR * 250 / 1000)


def test_another_meter_says_how_much_and_the_runs_own_meter_when(runs, workspace):
    _write(workspace)
    busy = work_of(2).with_energy(4 * 18e3, "tdp_model")
    run = runs(0, 2, [(1, work_of(1).with_energy(18e3, "tdp_model"))], work=busy)
    part = EnergyPart(
        covers="machine", method="psu", joules=3.6e6, low_joules=3.6e6, high_joules=3.6e6
    )
    runs.book.append(Reading(runs=(run,), energy=part, source="meter at the plug"))
    assert _kilograms(workspace, HOURLY) == pytest.approx([1.0 * 325 / 1000])


def test_of_a_killed_run_that_another_meter_read_the_hours_are_weighed_by_devices(runs, workspace):
    _write(workspace)
    busy = work_of(2).with_energy(4 * 18e3, "tdp_model")
    segment = (1, work_of(1).with_energy(18e3, "tdp_model"))
    run = runs(0, 2, [segment], evidence="heartbeat", work=busy)
    part = EnergyPart(
        covers="machine", method="psu", joules=3.6e6, low_joules=3.6e6, high_joules=3.6e6
    )
    runs.book.append(Reading(runs=(run,), energy=part, source="meter at the plug"))
    (line,) = make_bill(workspace, HOURLY).lines
    assert line.figures.kg_co2e.value == pytest.approx(0.25)
    assert "weighed by device-hours" in line.figures.kg_co2e.source
