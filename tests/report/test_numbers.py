from __future__ import annotations

import pytest

from farthing.charts.visible import first_line, visible
from farthing.quantity import MARKS, Provenance, Quantity, measured
from farthing.report.numbers import (
    carbon_unit,
    data_size,
    duration,
    energy_unit,
    money,
    percent,
    plain,
    short,
    short_tick,
    tick,
    whole,
)
from farthing.report.shown import UNKNOWN, show


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "$0"),
        (1.88e-7, "$1.9×10⁻⁷"),  # noqa: RUF001 - a multiplication sign
        (0.00174, "$0.0017"),
        (0.0999, "$0.10"),
        (0.5, "$0.50"),
        (12.345, "$12.35"),
        (1234.5, "$1,234"),
        (6e6, "$6,000,000"),
    ],
)
def test_money_is_never_shown_as_nothing(value: float, text: str):
    assert money(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.249, "0.249"),
        (0.0000269, "0.0000269"),
        (9.996, "10.0"),
        (4170, "4,170"),
        (2.294e13, "2.29×10¹³"),  # noqa: RUF001
        (-0.5, "-0.500"),
    ],
)
def test_plain_numbers_keep_three_digits(value: float, text: str):
    assert plain(value) == text


def test_counts_and_their_short_forms():
    assert whole(9150) == "9,150"
    assert short(850) == "850"
    assert short(2_196_864) == "2.20M"
    assert short(1.3e9) == "1.30B"
    assert short_tick(1_200_000) == "1.2M"
    assert short_tick(0) == "0"
    assert tick(0.0005) == "0.0005"
    assert tick(2500.0) == "2,500"
    assert data_size(20_048_282) == "20.0 MB"
    assert data_size(12) == "12 B"


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (short, 999_499, "999k"),
        (short, 999_999, "1.00M"),
        (short, 999.6, "1.00k"),
        (short, 999, "999"),
        (short, 999_999_999, "1.00B"),
        (short_tick, 999_999, "1M"),
        (money, 0.994, "$0.99"),
        (money, 0.996, "$1.00"),
        (money, 0.0996, "$0.10"),
        (money, 999.99, "$999.99"),
        (money, 999.996, "$1,000"),
        (plain, 999_999.4, "999,999"),
        (plain, 999_999.7, "1.00×10⁶"),  # noqa: RUF001
        (plain, 999.96, "1,000"),
        (data_size, 999_999, "1.00 MB"),
        (data_size, 999, "999 B"),
        (percent, 0.0996, "10 %"),
        (percent, 0.9904, "99 %"),
        (percent, 0.9996, ">99.9 %"),
        (duration, 0.9996 / 3600, "1.0 s"),
        (duration, 0.994 / 3600, "994 ms"),
        (energy_unit, 0.9996, (1.0, "kWh")),
        (energy_unit, 0.9994, (1e3, "Wh")),
        (carbon_unit, 0.0009996, (1e3, "g")),
    ],
)
def test_the_unit_is_chosen_after_rounding(write, value, text):
    assert write(value) == text


def test_a_share_is_all_or_nothing_only_if_it_is():
    assert percent(0.0) == "0 %"
    assert percent(1.0) == "100 %"
    assert percent(0.0004) == "<0.1 %"
    assert percent(0.99999) == ">99.9 %"
    assert percent(0.994) == "99.4 %"
    assert percent(0.79) == "79 %"


def test_units_fit_the_amount():
    assert energy_unit(0.00089) == (1e6, "mWh")
    assert energy_unit(0.0017) == (1e3, "Wh")
    assert energy_unit(412.0) == (1.0, "kWh")
    assert carbon_unit(0.0017) == (1e3, "g")
    assert duration(0.0) == "0 s"
    assert duration(7.4 / 60) == "7.4 min"
    assert duration(100.0) == "4.17 days"


def test_an_estimate_shows_that_it_is_one_and_how_far_it_may_be_off():
    estimate = Quantity(
        value=2.0, unit="kWh", provenance=Provenance.ESTIMATED, source="TDP", low=1.0, high=3.0
    )
    shown = show(estimate, plain, "kWh")
    assert (shown.text, shown.kind, shown.mark) == ("2.00 kWh", "estimated", "~")
    assert shown.extent == "1.00 to 3.00"
    exact = show(measured(2.0, "h", "clock"))
    assert (exact.kind, exact.mark, exact.extent) == ("measured", "", "")


def test_marks_are_those_of_the_bill():
    for provenance, mark in MARKS.items():
        figure = Quantity(value=2.0, unit="", provenance=provenance, source="", low=2.0, high=2.0)
        assert show(figure).mark == mark


def test_what_nobody_knows_is_called_unknown():
    assert show(None) == UNKNOWN
    assert UNKNOWN.text == "unknown"


def test_hidden_characters_become_visible_and_text_stays():
    assert visible("a\x00b\u202ec\ud800") == "a\ufffdb\ufffdc\ufffd"
    assert visible("却说那日，\n\t👨‍👩‍👧") == "却说那日，\n\t👨‍👩‍👧"  # noqa: RUF001
    assert first_line("KeyboardInterrupt: \nmore") == "KeyboardInterrupt"
