"""Operational carbon: one figure, or hour by hour, against sums made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from farthing.artifacts.chain import Entry
from farthing.artifacts.entries import (
    Environment,
    Event,
    MachineRecord,
    Record,
    RunEnd,
    RunStart,
    Segment,
)
from farthing.artifacts.settings import CarbonSeries, WorkspaceSettings
from farthing.artifacts.work import Work
from farthing.errors import BookError, ConfigError, UnknownHardwareError
from farthing.hardware.catalogue import read_catalogue
from farthing.hardware.series import read_series
from farthing.ledger.carbon import (
    TimedWork,
    operational,
    place_of,
    series_intensity,
    series_of,
    work_over_time,
)
from farthing.quantity import Provenance, Quantity, assumed, measured

MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)
TABLE = """\
utc_start,grams_per_kwh
2026-01-31T00:00:00Z,100
2026-01-31T01:00:00Z,400
2026-01-31T02:00:00Z,700
"""


def _work(hours: float, joules: float | None) -> Work:
    return Work(
        wall_seconds=hours * 3600,
        device_seconds=hours * 7200,
        cpu_seconds=hours * 3600,
        tokens=0,
        flops=0.0,
        optimizer_flops=0.0,
        joules=joules,
        energy_method="psu" if joules is not None else "none",
    )


def _record(hours: float, body) -> Record:
    time = (MIDNIGHT + timedelta(hours=hours)).isoformat()
    entry = Entry(0, time, body.kind_name, {}, "d", 0)
    return Record(entry=entry, body=body)


def _start(run=3) -> RunStart:
    return RunStart.model_construct(
        run=run,
        purpose="training",
        environment=Environment.model_construct(),
        machine=MachineRecord.model_construct(),
    )


def _segment(work, run=3) -> Segment:
    return Segment.model_construct(run=run, work=work)


def _end(work, evidence="meter", run=3) -> RunEnd:
    return RunEnd.model_construct(run=run, work=work, evidence=evidence)


def _series(tmp_path):
    path = tmp_path / "hours.csv"
    path.write_text(TABLE)
    return read_series(path)


def _at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def test_kilograms_are_energy_times_intensity_with_its_range_and_its_doubt():
    kwh = Quantity(
        value=2.0, unit="kWh", provenance=Provenance.ESTIMATED, source="model", low=1.0, high=3.0
    )
    carbon = operational(kwh, assumed(250.0, "g/kWh", "grid"))
    assert (carbon.value, carbon.low, carbon.high) == (0.5, 0.25, 0.75)
    assert (carbon.unit, carbon.provenance) == ("kg", Provenance.ASSUMED)
    assert "grid" in carbon.source


def test_what_is_unknown_stays_unknown():
    known = measured(1.0, "kWh", "meter")
    assert operational(None, assumed(1.0, "g/kWh", "x")) is None
    assert operational(known, None) is None


def test_three_hours_meet_their_own_intensity(tmp_path):
    series = _series(tmp_path)
    stretches = [
        TimedWork(_at(0), _at(1), _work(1, 3.6e6)),
        TimedWork(_at(1), _at(2), _work(1, 7.2e6)),
        TimedWork(_at(2), _at(2.5), _work(0.5, 1.8e6)),
    ]
    found = series_intensity(stretches, series, "operator, 2026-01-31")
    # 1 kWh at 100, 2 kWh at 400, half a kWh at 700: 1250 g over 3.5 kWh.
    assert found.value == pytest.approx(1250 / 3.5)
    assert operational(measured(3.5, "kWh", "meter"), found).value == pytest.approx(1.25)
    assert "energy" in found.source
    assert "operator, 2026-01-31" in found.source
    assert series.digest[:12] in found.source


def test_without_energy_the_hours_are_weighed_by_the_devices_held(tmp_path):
    stretches = [
        TimedWork(_at(0), _at(1), _work(1, None)),
        TimedWork(_at(1), _at(1.5), _work(0.5, 1e9)),
    ]
    found = series_intensity(stretches, _series(tmp_path), "x")
    assert found.value == pytest.approx((2 * 100 + 1 * 400) / 3)
    assert "device-hours" in found.source


def test_a_run_that_used_nothing_has_the_intensity_of_its_moment(tmp_path):
    stretch = TimedWork(_at(1.2), _at(1.2), _work(0, 0.0))
    assert series_intensity([stretch], _series(tmp_path), "x").value == 400


def test_a_series_that_misses_an_hour_of_the_run_is_an_error_that_names_it(tmp_path):
    stretch = TimedWork(_at(2.5), _at(3.5), _work(1, 1.0))
    with pytest.raises(UnknownHardwareError, match=r"2026-01-31 02:30 to 2026-01-31 03:30"):
        series_intensity([stretch], _series(tmp_path), "x")


def test_the_work_of_a_run_lies_between_its_entries_in_the_book():
    records = [
        _record(0.5, _start()),
        _record(0.6, Event.model_construct(run=3)),
        _record(0.7, _start(run=4)),
        _record(1.5, _segment(_work(1.25, 100.0))),
        _record(1.6, _segment(_work(9.0, 9000.0), run=4)),
        _record(2.0, _segment(_work(1.75, 160.0))),
        _record(3.0, _end(_work(2.75, 200.0))),
    ]
    found = work_over_time(records, 3, _work(2.75, 200.0))
    # The first quarter of an hour was start-up, before the first entry.
    assert [(each.start, each.end) for each in found] == [
        (_at(0.25), _at(1.5)),
        (_at(1.5), _at(2.0)),
        (_at(2.0), _at(3.0)),
    ]
    assert [each.work.joules for each in found] == [100.0, 60.0, 40.0]


def test_a_killed_run_is_not_spread_until_the_day_when_it_was_closed():
    records = [
        _record(0, _start()),
        _record(1, _segment(_work(1, 10.0))),
        _record(100, _end(_work(1.5, 14.0), evidence="heartbeat")),
    ]
    rest = work_over_time(records, 3, _work(1.5, 14.0))[-1]
    assert (rest.start, rest.end, rest.work.joules) == (_at(1), _at(1.5), 4.0)
    (whole,) = work_over_time(records[:1], 3, _work(0.25, None))
    assert (whole.start, whole.end) == (_at(0), _at(0.25))


def test_a_clock_that_was_set_back_shortens_no_stretch():
    records = [
        _record(5, _start()),
        _record(6, _segment(_work(1, 10.0))),
        _record(4, _end(_work(2, 20.0))),
    ]
    found = work_over_time(records, 3, _work(2, 20.0))
    assert [each.end - each.start for each in found] == [timedelta(hours=1)] * 2


def test_a_run_that_the_book_lacks_is_named():
    with pytest.raises(BookError, match="no run 7"):
        work_over_time([_record(0, _start())], 7, _work(1, 1.0))


def test_a_real_runs_entries_cover_all_its_work(book, workspace, meter):
    from farthing.artifacts.entries import read_book

    run = book.start_run("training", "n", input_key="k", meter=meter)
    run.beat("train", 1, tokens=5, flops=1.0)
    work = run.end(artifact_kind="x", artifact_digest="d")
    found = work_over_time(read_book(workspace.book_file).records, run.number, work)
    assert sum(each.work.wall_seconds for each in found) == pytest.approx(work.wall_seconds)
    assert all(each.start.tzinfo is not None and each.start <= each.end for each in found)


def test_the_series_of_a_workspace_is_read_from_beside_its_settings(tmp_path):
    given = CarbonSeries(file="hours.csv", date="2026-02-01", source="operator")
    settings = WorkspaceSettings(carbon_series=given)
    with pytest.raises(ConfigError, match=r"hours\.csv"):
        series_of(settings, tmp_path)
    (tmp_path / "hours.csv").write_text(TABLE)
    series, source = series_of(settings, tmp_path)
    assert series.grams_per_kwh == (100.0, 400.0, 700.0)
    assert source == "operator, 2026-02-01"
    assert series_of(WorkspaceSettings(), tmp_path) is None


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({}, None),
        ({"grid": "FRA"}, "France"),
        ({"grid": "US-OR"}, "Oregon, United States"),
        ({"grid": "aws:us-west-2"}, "Portland, Oregon (aws:us-west-2)"),
        ({"grid": "gcp:europe-west9"}, "Paris, France (gcp:europe-west9)"),
        ({"grid": "FRA", "location": "Orsay, France"}, "Orsay, France"),
    ],
    ids=["nothing", "country", "state", "region", "own-figure", "words"],
)
def test_the_place_is_as_near_as_the_grid_says(settings, place):
    assert place_of(WorkspaceSettings(**settings), read_catalogue()) == place


def test_a_grid_that_nobody_knows_has_no_place():
    with pytest.raises(UnknownHardwareError, match="nowhere"):
        place_of(WorkspaceSettings(grid="nowhere"), read_catalogue())
