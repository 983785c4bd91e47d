"""A bill is priced by what the book says; what it lacks is taken from farthing.yaml, and said."""

from __future__ import annotations

import json
from datetime import date

import pytest
from entering import Enter

from farthing.artifacts.expense import Reading
from farthing.artifacts.rates import RatesRecord
from farthing.artifacts.settings import GridFigure, Price, PueFigure, WorkspaceSettings
from farthing.artifacts.work import EnergyPart
from farthing.ledger.bill import make_bill
from farthing.ledger.rates import book_rates, record_rates

NOTHING = WorkspaceSettings()


def settings(usd: float, **more) -> WorkspaceSettings:
    price = Price(usd_per_device_hour=usd, date=date(2026, 1, 31), source="list")
    return WorkspaceSettings(
        prices={"spot": price},
        grid_grams_per_kwh=GridFigure(grams_per_kwh=100, source="supplier"),
        pue=PueFigure(value=1.5, source="site"),
        **more,
    )


@pytest.fixture
def enter(book, meter):
    return Enter(book, meter)


def spot(workspace, user, **options):
    return [
        line.figures.usd["spot"] and line.figures.usd["spot"].value
        for line in make_bill(workspace, user, **options).lines
    ]


def test_a_price_that_changes_holds_for_the_runs_to_come(enter, workspace):
    assert book_rates(settings(0.5), enter.book) is not None
    enter.run("curation", 1)
    assert book_rates(settings(0.5), enter.book) is None, "the same rates are entered once"
    enter.run("training", 1)
    assert book_rates(settings(2.0), enter.book) is not None
    enter.run("training", 1)
    assert spot(workspace, settings(2.0)) == [1, 1, 4]
    assert spot(workspace, settings(7.0)) == [1, 1, 4]
    assert spot(workspace, NOTHING, book_only=True) == [1, 1, 4]
    (said,) = [n for n in make_bill(workspace, settings(7.0)).notes if "other rates" in n]
    assert "7 now" in said


def test_recording_prices_all_runs_anew_and_keeps_what_stood_before(enter, workspace):
    book_rates(settings(0.5), enter.book)
    enter.run("curation", 1)
    book_rates(settings(2.0), enter.book)
    enter.run("training", 1)
    before = workspace.book_file.read_bytes()
    assert len(record_rates(settings(3.0), enter.book)) == 2
    assert workspace.book_file.read_bytes().startswith(before)
    assert spot(workspace, NOTHING, book_only=True) == [6, 6]
    assert record_rates(settings(3.0), enter.book) == ()
    records = [r.body for r in enter.book.records if isinstance(r.body, RatesRecord)]
    assert [record.from_run for record in records] == [0, 1, 0, 1]


def test_what_the_book_lacks_comes_from_the_file_and_says_so(enter, workspace):
    enter.run("curation", 1)
    bill = make_bill(workspace, settings(0.5))
    assert bill.total.usd["spot"].value == 1
    assert "not in the book" in bill.total.usd["spot"].source
    assert any("not in the book" in note for note in bill.basis)
    alone = make_bill(workspace, settings(0.5), book_only=True)
    assert alone.total.usd["spot"] is None
    assert alone.total.kg_co2e_range is None
    assert alone.total.kwh.value == pytest.approx(0.01)
    assert any("USD" in note for note in alone.unknown)


def test_the_sums_are_reproduced_from_the_book_alone_by_plain_arithmetic(enter, workspace):
    """Lines are read as JSON and added up with nothing of farthing."""
    book_rates(settings(0.5), enter.book)
    enter.run("curation", 1)
    enter.run("training", 3, status="failed")
    book_rates(settings(2.0), enter.book)
    enter.run("training", 5)
    rates, usd, kwh, grams = [], 0.0, 0.0, 0.0
    for line in map(json.loads, workspace.book_file.read_text("utf-8").splitlines()):
        if line["kind"] == "rates":
            rates.append(line["body"])
        elif line["kind"] == "run.end":
            run, work = line["body"]["run"], line["body"]["work"]
            held = [each for each in rates if each["from_run"] <= run][-1]
            price = held["prices"]["spot"]["usd_per_device_hour"]["value"]
            usd += work["device_seconds"] / 3600 * price
            plug = work["joules"] / 3.6e6 * held["pue"]["value"]
            kwh += plug
            grams += plug * held["grid"]["grams_per_kwh"]["value"]
    total = make_bill(workspace, NOTHING, book_only=True).to_json()["total"]
    assert total["usd"]["spot"]["value"] == pytest.approx(usd, rel=1e-9)
    assert total["kwh"]["value"] == pytest.approx(kwh, rel=1e-9)
    assert total["kg_co2e"]["value"] == pytest.approx(grams / 1000, rel=1e-9)
    assert usd == pytest.approx(1 + 3 + 20)


def test_every_line_names_the_rates_that_priced_it(enter, workspace):
    entry = book_rates(settings(0.5), enter.book)
    enter.run("curation", 1)
    (line,) = make_bill(workspace, NOTHING).lines
    kinds = {r.entry.number: r.entry.kind for r in enter.book.records}
    assert entry in line.entries
    assert {kinds[each.number] for each in line.entries} == {"rates", "run.start", "run.end"}


def test_a_reading_stands_for_what_the_runs_said_and_is_shared_by_their_hours(enter, workspace):
    enter.run("curation", 1)
    enter.run("evaluation", 3, scored=[("S", "A", 1)])
    part = EnergyPart(
        covers="machine", method="psu", joules=7.2e6, low_joules=7.2e6, high_joules=7.2e6
    )
    enter.book.append(Reading(runs=(0, 1), energy=part, source="meter at the plug"))
    lines = make_bill(workspace, NOTHING).lines
    assert [line.figures.kwh.value for line in lines] == [pytest.approx(0.5), pytest.approx(1.5)]
    assert {str(line.figures.kwh.provenance) for line in lines} == {"measured"}
    reading = enter.book.records[-1].entry.number
    assert all(reading in {each.number for each in line.entries} for line in lines)
