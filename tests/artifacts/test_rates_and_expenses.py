"""Rates, expenses and readings as entries: written, read back, and refused where they cannot be."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from farthing.artifacts.entries import read_book
from farthing.artifacts.expense import Expense, Reading
from farthing.artifacts.holding import Holding
from farthing.artifacts.rates import EmbodiedRate, GridRate, PriceRate, Rate, RatesRecord
from farthing.artifacts.settings import WorkspaceSettings
from farthing.artifacts.work import EnergyPart
from farthing.ledger.bill import make_bill
from farthing.quantity import Provenance, Quantity


def _rate(value, unit, spread=0.0):
    return Rate(
        value=value,
        unit=unit,
        provenance="estimated",
        source="a list",
        low=value - spread,
        high=value + spread,
    )


def _rates(**changes):
    price = PriceRate(
        usd_per_device_hour=_rate(2.0, "USD/h"), date=date(2026, 1, 31), snapshot="e" * 64
    )
    return {
        "from_run": 0,
        "prices": {"spot": price},
        "grid": GridRate(grams_per_kwh=_rate(50.0, "g/kWh", 5.0), code="FRA", year=2024),
        "pue": _rate(1.25, "1", 0.1),
        "water_site": _rate(1.8, "L/kWh"),
        "water_source": _rate(3.67, "L/kWh"),
        "embodied": EmbodiedRate(kg_per_device=_rate(164.0, "kg"), life_hours=_rate(35064.0, "h")),
        "watts_per_device": _rate(5.0, "W", 1.0),
    } | changes


def _reading(method="psu", runs=(0,), low=90.0):
    energy = EnergyPart(
        covers="the node", method=method, joules=100.0, low_joules=low, high_joules=110.0
    )
    return Reading(runs=runs, energy=energy, source="the rack's meter", file_digest="f" * 64)


def _expense(**changes):
    good = {
        "what": "storage",
        "usd": 12.5,
        "basis": None,
        "date": "2026-01-31",
        "source": "invoice 7",
        "runs": (0,),
        "plan": None,
    }
    return Expense(**good | changes)


def test_each_is_read_back_from_a_book_as_it_was_entered_and_no_bill_stumbles(
    workspace, book, meter
):
    book.start_run("curation", "n", input_key="k", meter=meter).end()
    before = make_bill(workspace, WorkspaceSettings()).total
    bodies = [RatesRecord(**_rates()), _expense(), _reading()]
    for body in bodies:
        book.append(body)
    assert [record.body for record in read_book(workspace.book_file).records[-3:]] == bodies
    kinds = [record.entry.kind for record in book.records[-3:]]
    assert kinds == ["rates", "expense", "reading"]
    after = make_bill(workspace, WorkspaceSettings()).total
    assert (before.usd["spot"], before.kg_co2e) == (None, None)
    # By the rates, and the storage; what the rack's meter read, through the site's PUE.
    assert after.usd["spot"].value == pytest.approx(before.device_hours.value * 2.0 + 12.5)
    assert after.kwh.value == pytest.approx(100.0 / 3.6e6 * 1.25)
    assert after.kg_co2e.value == pytest.approx(after.kwh.value * 0.05)


def test_a_rate_is_the_quantity_that_was_entered():
    quantity = Quantity(
        value=1.25, unit="1", provenance=Provenance.ASSUMED, source="site", low=1.0, high=1.5
    )
    assert Rate.of(quantity).quantity() == quantity
    assert Rate.model_validate_json(Rate.of(quantity).model_dump_json()).quantity() == quantity


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"from_run": -1}, "from_run"),
        ({"prices": {"monthly": None}}, "prices.monthly"),
        ({"currency": "EUR"}, "USD"),
        ({"pue": _rate(0.9, "1")}, "no site uses less"),
        ({"pue": _rate(1.2, "%")}, "the unit here is 1"),
        ({"grid": {"grams_per_kwh": _rate(1.0, "kg/kWh")}}, "the unit here is g/kWh"),
        ({"water_site": _rate(1.0, "gal/kWh")}, "the unit here is L/kWh"),
        ({"grid_range": (_rate(5.0, "g/kWh"), _rate(9.0, "g/kWh"))}, "nobody has set"),
        (
            {"grid": None, "grid_range": (_rate(9.0, "g/kWh"), _rate(5.0, "g/kWh"))},
            "the cleanest grid",
        ),
        ({"grid": {"code": "FRA"}}, "one figure or a series"),
        (
            {
                "grid": {
                    "grams_per_kwh": _rate(1.0, "g/kWh"),
                    "series": {"file": "hours.csv", "digest": "d", "source": "operator"},
                }
            },
            "and not both",
        ),
        ({"embodied_of": {"h100-sxm": {"kg_per_device": _rate(1.0, "g")}}}, "the unit here is kg"),
        ({"cheaper": 1}, "cheaper"),
    ],
)
def test_rates_that_cannot_be_are_refused(change, message):
    assert RatesRecord(**_rates()).currency == "USD"
    with pytest.raises(ValidationError, match=message):
        RatesRecord(**_rates(**change))


@pytest.mark.parametrize("day", [None, 1769817600, "31.1.2026", "2026-13-01"])
def test_a_price_or_an_expense_without_a_day_is_refused(day):
    with pytest.raises(ValidationError, match="date"):
        PriceRate(usd_per_device_hour=_rate(2.0, "USD/h"), date=day)
    with pytest.raises(ValidationError, match="date"):
        _expense(date=day)


def test_a_device_that_serves_for_no_time_is_refused():
    with pytest.raises(ValidationError, match="life_hours"):
        EmbodiedRate(kg_per_device=_rate(1.0, "kg"), life_hours=_rate(1.0, "h", 1.0))


@pytest.mark.parametrize(
    "quantity",
    [
        _rate(1.0, "USD/h").model_dump() | change
        for change in (
            {"value": -1.0, "low": -1.0},
            {"low": 2.0},
            {"high": 0.5},
            {"source": ""},
            {"provenance": "guessed"},
        )
    ],
)
def test_a_rate_that_cannot_be_is_refused(quantity):
    with pytest.raises(ValidationError):
        Rate(**quantity)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"usd": -1.0}, "usd"),
        ({"usd": float("inf")}, "usd"),
        ({"what": ""}, "what"),
        ({"source": ""}, "source"),
        ({"basis": "monthly"}, "basis"),
        ({"runs": (0, 0)}, "a run is named twice"),
        ({"runs": (-1,)}, "runs"),
    ],
)
def test_an_expense_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        _expense(**change)


@pytest.mark.parametrize("method", ["rapl", "board_counter", "tdp_model"])
def test_a_reading_by_a_runs_own_meter_is_refused(method):
    with pytest.raises(ValidationError, match="own meter"):
        _reading(method)


def test_a_reading_of_no_run_or_below_zero_is_refused():
    with pytest.raises(ValidationError, match="runs"):
        _reading(runs=())
    with pytest.raises(ValidationError, match="negative"):
        _reading(low=-1.0)


def test_a_reading_is_of_runs_or_of_a_holding():
    energy = _reading().energy
    for of in ({"runs": (0,), "held": "f" * 64}, {}):
        with pytest.raises(ValidationError, match="one of them"):
            Reading(**of, energy=energy, source="a meter")
    assert Reading(held="f" * 64, energy=energy, source="a meter").runs == ()


def _held(**changes):
    good = {"since": "2026-03-01T09:00Z", "until": "2026-03-01T17:30:00.5+02:00", "devices": 8}
    return Holding(**good | changes)


def test_a_holding_is_read_back_from_a_book_in_utc(workspace, book):
    book.append(_held(machine="m", source="invoice 9"))
    (record,) = read_book(workspace.book_file).records[-1:]
    assert record.body == _held(machine="m", source="invoice 9")
    assert record.entry.body["until"] == "2026-03-01T15:30:00.500000Z"
    assert record.body.seconds == 6.5 * 3600 + 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"since": "2026-03-01T09:00"}, "zone"),
        ({"since": "2026-03-01"}, "zone"),
        ({"since": 1769817600}, "zone"),
        ({"since": "2026-02-30T09:00Z"}, "since"),
        ({"until": "2026-03-01T09:00Z"}, "not after"),
        ({"until": "2026-03-01T10:00+01:00"}, "not after"),
        ({"devices": 0}, "devices"),
        ({"devices": 1.5}, "devices"),
        ({"machine": ""}, "machine"),
        ({"source": ""}, "source"),
    ],
)
def test_a_holding_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        _held(**change)


@pytest.mark.parametrize(
    ("since", "until", "machine", "both"),
    [
        ("08:00", "09:00", "m", False),
        ("08:00", "09:01", "m", True),
        ("08:00", "20:00", None, True),
        ("10:00", "11:00", "m", True),
        ("15:29", "20:00", "m", True),
        ("15:31", "20:00", "m", False),
        ("10:00", "11:00", "n", False),
    ],
)
def test_two_holdings_overlap_in_the_time_of_one_machine(since, until, machine, both):
    one = _held(machine="m")
    other = _held(since=f"2026-03-01T{since}Z", until=f"2026-03-01T{until}Z", machine=machine)
    assert (one.overlaps(other), other.overlaps(one)) == (both, both)
