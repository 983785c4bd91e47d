from __future__ import annotations

import datetime
import json

import pytest

from farthing.errors import ConfigError, SensorLostError
from farthing.hardware.sensors.readings import ReadingsSensor, energy_between

NOON = datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.UTC)


class Bench:
    """A file of readings, and a clock; both move when the test says so."""

    def __init__(self, path):
        self.path = path
        self.seconds = 0.0

    def write(self, at, **figure):
        time = NOON + datetime.timedelta(seconds=at)
        with self.path.open("a") as file:
            file.write(json.dumps({"time_utc": time.isoformat(), **figure}) + "\n")

    def sensor(self):
        return ReadingsSensor(
            "psu", self.path, now=NOON.timestamp, clock=lambda: self.seconds + 77.0
        )


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "readings.jsonl")


def test_power_readings_are_integrated_from_the_meters_begin_on(bench):
    bench.write(-2, watts=100)
    sensor = bench.sensor()
    for at, watts in ((2, 300), (6, 100)):
        bench.write(at, watts=watts)
    bench.seconds = 6
    found = sensor.energy()
    # At noon it is half way from 100 to 300 W.
    assert found.joules == pytest.approx(2 * (200 + 300) / 2 + 4 * 200)
    assert found.low_joules == found.joules == found.high_joules


def test_energy_readings_are_differences_and_the_first_is_cut_at_the_meters_begin(bench):
    bench.write(-10, joules=1000)
    sensor = bench.sensor()
    bench.write(10, joules=3000)
    bench.write(40, joules=9000)
    bench.seconds = 40
    found = sensor.energy()
    assert found.joules == pytest.approx(1000 + 6000)
    # Of the 2000 J around the begin, any part may lie before it.
    assert (found.low_joules, found.high_joules) == (6000, 8000)


def test_time_without_a_reading_is_estimated_at_the_last_power(bench):
    bench.write(-1, watts=200)
    sensor = bench.sensor()
    bench.seconds = 30
    found = sensor.energy()
    assert found.joules == pytest.approx(200 * 30)
    assert (found.low_joules, found.high_joules) == (0, 200 * 30)


def test_a_gap_in_the_readings_is_filled_and_marked(bench):
    bench.write(0, watts=100)
    sensor = bench.sensor()
    bench.write(100, watts=300)
    bench.seconds = 100
    found = sensor.energy()
    assert found.joules == pytest.approx(200 * 100)
    assert (found.low_joules, found.high_joules) == (0, 300 * 100)


def test_what_was_booked_is_never_taken_back(bench):
    bench.write(-1, watts=500)
    sensor = bench.sensor()
    bench.seconds = 60
    before = sensor.energy()
    bench.write(59, watts=0)
    after = sensor.energy()
    assert after.joules == before.joules == 500 * 60
    assert after.low_joules <= after.joules <= after.high_joules


def test_a_meter_that_falls_silent_is_lost(bench):
    bench.write(0, watts=100)
    sensor = bench.sensor()
    bench.seconds = 1000
    with pytest.raises(SensorLostError, match=r"nothing into .*readings\.jsonl for 1000 s"):
        sensor.energy()


def test_half_a_line_waits_for_its_other_half(bench):
    bench.write(0, watts=100)
    sensor = bench.sensor()
    whole = json.dumps({"time_utc": "2026-01-31T12:00:02Z", "watts": 100}) + "\n"
    bench.seconds = 2
    for text in (whole[:20], whole[20:]):
        with bench.path.open("a") as file:
            file.write(text)
        assert sensor.energy().joules == pytest.approx(200)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"time_utc": "2026-01-31T11:59:00Z", "watts": 1}', "not after that of the line before"),
        ('{"time_utc": "2026-01-31T12:00:00Z", "watts": 1}', "not after that of the line before"),
        ('{"time_utc": "2026-01-31T12:01:00", "watts": 1}', "names no zone"),
        ('{"time_utc": "2026-01-31T12:01:00Z", "watts": -1}', "0 or more"),
        ('{"time_utc": "2026-01-31T12:01:00Z", "joules": 5}', "gives joules, and the line before"),
        ('{"time_utc": "2026-01-31T12:01:00Z", "volts": 5}', "watts or joules"),
        ('{"time_utc": "2026-01-31T12:01:00Z"}', "no reading"),
        ("watts: 5", "no reading"),
        ("[1, 2]", "no reading"),
        ('{"time_utc": "2026-01-31T12:01:00Z", "watts": 1' + 400 * "0" + "}", "no reading"),
        ('{"time_utc": "2026-01-31T12:01:00Z", "watts": ' + 200_000 * "[", "no reading"),
    ],
    ids=[
        *("back", "twice", "zone", "negative", "unit", "volts", "bare", "yaml", "list"),
        *("too large", "too deep"),
    ],
)
def test_a_wrong_line_is_named_and_ends_no_run(bench, line, said):
    bench.write(0, watts=100)
    sensor = bench.sensor()
    with bench.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(SensorLostError, match="line 2: .*" + said):
        sensor.energy()
    with pytest.raises(ConfigError, match="line 2: .*" + said):
        bench.sensor()


def test_a_running_total_that_goes_back_is_lost(bench):
    bench.write(0, joules=100)
    sensor = bench.sensor()
    bench.write(5, joules=50)
    with pytest.raises(SensorLostError, match="went back"):
        sensor.energy()


def test_a_file_that_is_missing_or_empty_is_an_error_at_once(bench):
    with pytest.raises(ConfigError, match="cannot be read"):
        bench.sensor()
    bench.path.touch()
    with pytest.raises(ConfigError, match="no reading in it"):
        bench.sensor()


def test_a_file_that_was_cut_is_lost(bench):
    bench.write(0, watts=100)
    sensor = bench.sensor()
    bench.path.write_text("")
    with pytest.raises(SensorLostError, match="shorter"):
        sensor.energy()


def between(bench, begin, end):
    zero = NOON.timestamp()
    return energy_between("psu", bench.path, zero + begin, zero + end, what="run 3 ran")


def test_a_finished_file_is_integrated_between_two_moments(bench):
    """100 W rising to 300 W in 4 s, falling back in 4 s: by hand, from the areas of trapezoids."""
    for at, watts in ((0, 100), (4, 300), (8, 100)):
        bench.write(at, watts=watts)
    whole = between(bench, 0, 8)
    assert whole.joules == pytest.approx(1600)
    assert whole.low_joules == whole.high_joules == whole.joules
    # Half-way up to half-way down, and a piece inside of one stretch.
    assert between(bench, 2, 6).joules == pytest.approx(2 * (200 + 300))
    assert between(bench, 1, 2).joules == pytest.approx((150 + 200) / 2)
    parts = [between(bench, b, e).joules for b, e in ((0, 1.5), (1.5, 5), (5, 8))]
    assert sum(parts) == pytest.approx(1600)


def test_a_running_total_is_cut_at_both_ends_and_what_is_cut_is_a_range(bench):
    for at, joules in ((0, 5000), (10, 6000), (20, 9000), (30, 9500)):
        bench.write(at, joules=joules)
    found = between(bench, 5, 26)
    assert found.joules == pytest.approx(500 + 3000 + 300)
    assert (found.low_joules, found.high_joules) == (3000, 1000 + 3000 + 500)


def test_a_gap_is_an_estimate_however_little_of_it_is_asked_for(bench):
    bench.write(0, watts=100)
    bench.write(60, watts=100)
    found = between(bench, 20, 22)
    assert (found.low_joules, found.joules, found.high_joules) == (0, 200, 200)


@pytest.mark.parametrize(
    ("begin", "end", "missing"),
    [
        (-5, 5, "2026-01-31T11:59:55.000Z to 2026-01-31T12:00:00.000Z, in which run 3 ran"),
        (5, 15, "2026-01-31T12:00:10.000Z to 2026-01-31T12:00:15.000Z"),
        (20, 30, "2026-01-31T12:00:20.000Z to 2026-01-31T12:00:30.000Z"),
        (-1, 11, "12:00:00.000Z and 2026-01-31T12:00:10.000Z to"),
    ],
    ids=["before", "after", "elsewhere", "both"],
)
def test_time_that_a_finished_file_does_not_reach_over_is_named_and_never_guessed(
    bench, begin, end, missing
):
    bench.write(0, watts=100)
    bench.write(10, watts=100)
    with pytest.raises(ConfigError) as error:
        between(bench, begin, end)
    assert missing in error.value.what
    assert "--kwh" in error.value.remedy


@pytest.mark.parametrize(
    "lines",
    [
        [(0, {"watts": 1}), (5, {"watts": 1}), (5, {"watts": 1}), (9, {"watts": 1})],
        [(0, {"joules": 5}), (5, {"joules": 4}), (9, {"joules": 9})],
        [(0, {"watts": 5}), (5, {"joules": 4}), (9, {"watts": 9})],
        [(0, {"watts": 5}), (5, {"watts": -4}), (9, {"watts": 9})],
    ],
    ids=["order", "back", "units", "negative"],
)
def test_a_finished_file_that_makes_no_sense_is_refused_by_line(bench, lines):
    for at, figure in lines:
        bench.write(at, **figure)
    with pytest.raises(ConfigError, match=r"line [23]"):
        between(bench, 0, 9)
