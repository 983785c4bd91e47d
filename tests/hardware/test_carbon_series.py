"""Carbon intensity by the hour, from a file."""

from __future__ import annotations

import datetime

import pytest

from farthing.errors import ConfigError, UnknownHardwareError
from farthing.hardware.series import read_series

TABLE = """\
utc_start,grams_per_kwh
2026-01-31T22:00:00Z,100
2026-01-31T23:00:00Z,200
2026-02-01T01:00:00+01:00,600
"""


def _read(tmp_path, text=TABLE):
    path = tmp_path / "hours.csv"
    path.write_text(text)
    return read_series(path)


def _utc(text):
    return datetime.datetime.fromisoformat(f"2026-{text}+00:00")


def test_the_mean_weighs_each_hour_by_the_time_in_it(tmp_path):
    series = _read(tmp_path)
    assert series.end == _utc("02-01T01:00")
    assert series.mean(_utc("01-31T22:00"), _utc("02-01T01:00")) == pytest.approx(300)
    # A quarter of an hour at 100, an hour at 200, half an hour at 600.
    expected = (0.25 * 100 + 1 * 200 + 0.5 * 600) / 1.75
    assert series.mean(_utc("01-31T22:45"), _utc("02-01T00:30")) == pytest.approx(expected)
    assert series.mean(_utc("01-31T23:30"), _utc("01-31T23:30")) == 200


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("01-31T21:59", "01-31T23:00"),
        ("01-31T23:00", "02-01T01:01"),
        ("02-01T01:00", "02-01T01:00"),
    ],
)
def test_hours_that_are_not_covered_are_an_error(tmp_path, start, end):
    with pytest.raises(UnknownHardwareError, match="covers 2026-01-31 22:00 to 2026-02-01 01:00"):
        _read(tmp_path).mean(_utc(start), _utc(end))


def test_a_time_that_runs_backwards_is_our_own_mistake(tmp_path):
    with pytest.raises(ValueError, match="before"):
        _read(tmp_path).mean(_utc("01-31T23:00"), _utc("01-31T22:00"))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("T23:00:00Z", "T22:00:00Z", "line 3: 2026-01-31 22:00 is not after"),
        ("T23:00:00Z", "T21:00:00Z", "line 3"),
        ("T01:00:00+01:00", "T02:00:00+01:00", "line 4: the steps are 1:00:00, and here 2:00:00"),
        ("T23:00:00Z", "T23:00:00", "names no zone"),
        ("2026-01-31T23:00:00Z", "yesterday", "'yesterday' is no time"),
        (",200", ",-200", "'-200'"),
        (",200", ",nan", "'nan'"),
        (",200", ",much", "'much'"),
        ("grams_per_kwh", "kg_per_mwh", "no column 'grams_per_kwh'"),
    ],
)
def test_a_gap_a_step_back_or_a_wrong_figure_is_named_by_line(tmp_path, old, new, what):
    assert old in TABLE
    with pytest.raises(ConfigError) as caught:
        _read(tmp_path, TABLE.replace(old, new, 1))
    assert what in str(caught.value)


def test_one_row_shows_no_step(tmp_path):
    with pytest.raises(ConfigError, match="two rows"):
        _read(tmp_path, "\n".join(TABLE.splitlines()[:2]))
