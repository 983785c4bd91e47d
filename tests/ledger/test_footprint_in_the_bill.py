"""Carbon of making the hardware, water, PUE and the grid stand in every bill, against hand sums."""

from __future__ import annotations

import csv
import io
import json
from datetime import date

import pytest
from entering import Enter
from rich.console import Console

from farthing.artifacts.expense import Expense
from farthing.artifacts.settings import (
    EmbodiedFigure,
    PueFigure,
    WaterFigures,
    WorkspaceSettings,
)
from farthing.errors import UnknownHardwareError
from farthing.hardware.machine import Machine
from farthing.ledger.artifact_bill import make_artifact_bill
from farthing.ledger.bill import make_bill
from farthing.ledger.bill_csv import csv_text
from farthing.ledger.bill_text import print_artifact_bill, print_bill
from farthing.ledger.meter import Meter
from farthing.ledger.rates import book_rates, record_rates
from farthing.report.bill_page import bill_page

DAY = date(2026, 1, 31)
NOTHING = WorkspaceSettings()
MAKING = EmbodiedFigure(kg_per_device=8.766, life_years=1.0, date=DAY, source="maker")
WHOLE = WorkspaceSettings(
    grid="aws:us-west-2", site="azure", electricity_water="olmo3", embodied=MAKING
)
OREGON, FRANCE = 165.5, 56.0
# 10 hours of two devices at 5 W each: 20 device-hours and 0.1 kWh of the machine.
SITE_KWH = 0.1 * 1.18
BY_HAND = {
    "kwh": SITE_KWH,
    "kg_co2e": SITE_KWH * OREGON / 1000,
    "kg_embodied": 20 * 8.766 / 8766,
    "litres": 0.1 * 0.30 + SITE_KWH * 1.2916,
}
MINE = """\
sources:
  - {id: sheet, title: "Data sheet", url: "https://example.org", read: 2026-01-31,
     licence: "none stated", kind: maker}
grids:
  - {id: dam, name: "My dam", source: sheet, year: 2025, basis: location, covers: "all",
     grams_per_kwh: 7}
sites:
  - {id: shed, name: "Shed", source: sheet, pue: 1.5, litres_per_kwh: 2}
"""


@pytest.fixture
def enter(book, meter):
    return Enter(book, meter)


@pytest.fixture
def on_a100(book):
    machine = Machine("g", "A100", "a100-sxm-80gb", 2, None, accelerator="a100-sxm-80gb")
    return Enter(book, Meter(machine, from_process_start=False))


def _values(figures):
    found = {name: getattr(figures, name) for name in BY_HAND}
    return {name: value.value if value else None for name, value in found.items()}


def _text(bill):
    console = Console(width=80)
    with console.capture() as captured:
        (print_bill if hasattr(bill, "families") else print_artifact_bill)(bill, console)
    return captured.get()


def test_region_site_water_and_embodied_carbon_give_the_figures_by_hand(enter, workspace):
    book_rates(WHOLE, enter.book)
    enter.run("training", 10, made="S", tokens=5)
    bill = make_bill(workspace, WHOLE)
    assert _values(bill.total) == pytest.approx(BY_HAND)
    # The site states a range of its PUE and of its water, and the power may be 2 to 8 W.
    water = bill.total.litres
    assert water.low < water.value < water.high
    assert str(water.provenance) == "assumed"
    microsoft = [part for part in water.source.split("; ") if "WUE 0.30" in part]
    assert len(microsoft) == 1, "a source stays whole in a sum"
    assert "low: 2025 as reported" in microsoft[0]
    said = " ".join(bill.left_out)
    for known in ("embodied", "water", "cooling"):
        assert known not in said
    assert any(line.startswith("embodied carbon: 8.766 kg of making one") for line in bill.basis)
    assert sum(line.startswith("water: ") for line in bill.basis) == 2
    assert all("; entry 1" in line for line in bill.basis if line.startswith(("water", "embodied")))


@pytest.mark.parametrize("place", ["S", None], ids=["of an artifact", "of the workspace"])
def test_every_form_of_a_bill_shows_them(enter, workspace, place):
    book_rates(WHOLE, enter.book)
    enter.run("training", 10, made="S", tokens=5)
    bill = make_artifact_bill(workspace, WHOLE, place) if place else make_bill(workspace, WHOLE)
    total = json.loads(json.dumps(bill.to_json()))["total"]
    rows = list(csv.DictReader(io.StringIO(csv_text(bill))))
    page, text = bill_page(bill), _text(bill)
    for name, value in BY_HAND.items():
        assert total[name]["value"] == pytest.approx(value)
        found = [float(row["value"]) for row in rows if row["quantity"] == name]
        assert sum(found) == pytest.approx(value)
        assert f"{value:.3g}" in page
        assert f"{value:.3g}" in text
    assert "kg CO2e and embodied and water assumed" in " ".join(text.split())
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80


def test_what_nobody_gave_is_unknown_and_the_bill_says_exactly_which(enter, workspace):
    enter.run("training", 10, made="S")
    bill = make_bill(workspace, NOTHING)
    assert (bill.total.kg_embodied, bill.total.litres) == (None, None)
    said = [line for line in bill.left_out if line.startswith(("embodied", "water", "cooling"))]
    assert [line.partition(":")[0] for line in said] == [
        "embodied carbon of cpu-thread",
        "water, all of it as long as one part is unknown",
        "water, all of it as long as one part is unknown",
        "cooling and power distribution",
    ]
    assert "set embodied: {kg_per_device" in said[0]
    assert "water.site_litres_per_kwh" in said[1]
    assert "electricity_water" in said[2]
    assert "PUE is not set" in said[3]
    rows = ("kg CO2e, embodied", "litres of water")
    shown = [line.split() for line in _text(bill).splitlines() if line.startswith(rows)]
    assert [line[-1] for line in shown] == ["unknown"] * 2


def test_half_of_the_water_is_no_water(enter, workspace):
    enter.run("training", 10)
    bill = make_bill(workspace, WorkspaceSettings(site="azure"))
    assert bill.total.litres is None
    (said,) = [line for line in bill.left_out if line.startswith("water")]
    assert "water of making the electricity" in said


def test_a_site_without_a_pue_leaves_the_energy_it_energy_and_says_why(enter, workspace):
    enter.run("training", 10)
    bill = make_bill(workspace, WorkspaceSettings(site="oracle"))
    assert bill.total.kwh.value == pytest.approx(0.1)
    (said,) = [line for line in bill.left_out if line.startswith("cooling")]
    assert "best case" in said
    own = WorkspaceSettings(site="oracle", pue=PueFigure(value=1.4, source="meter"))
    assert make_bill(workspace, own).total.kwh.value == pytest.approx(0.14)


def test_what_farthing_yaml_says_later_changes_no_bill(enter, workspace):
    book_rates(WHOLE, enter.book)
    enter.run("training", 10)
    other = WorkspaceSettings(
        grid="FRA",
        pue=PueFigure(value=2.0, source="x"),
        water=WaterFigures(
            site_litres_per_kwh=9, electricity_litres_per_kwh=9, date=DAY, source="x"
        ),
        embodied=EmbodiedFigure(kg_per_device=999, life_years=1, date=DAY, source="x"),
    )
    bills = [
        make_bill(workspace, WHOLE),
        make_bill(workspace, other),
        make_bill(workspace, NOTHING, book_only=True),
    ]
    assert [_values(bill.total) for bill in bills] == [pytest.approx(BY_HAND)] * 3
    (said,) = [note for note in bills[1].notes if "other rates" in note]
    for words in ("PUE: 1.18 in the book, 2 now", "kg CO2e of making one device: 8.766", "water"):
        assert words in said
    assert record_rates(other, enter.book)
    anew = {
        "kwh": 0.2,
        "kg_co2e": 0.2 * FRANCE / 1000,
        "kg_embodied": 20 * 999 / 8766,
        "litres": 0.1 * 9 + 0.2 * 9,
    }
    total = make_bill(workspace, NOTHING, book_only=True).total
    assert _values(total) == pytest.approx(anew)


def test_all_of_it_is_reproduced_from_the_book_alone_by_plain_arithmetic(enter, workspace):
    book_rates(WHOLE, enter.book)
    enter.run("training", 10, status="failed")
    enter.run("training", 4)
    lines = [json.loads(line) for line in workspace.book_file.read_text("utf-8").splitlines()]
    (rates,) = [line["body"] for line in lines if line["kind"] == "rates"]
    found = dict.fromkeys(BY_HAND, 0.0)
    for work in (line["body"]["work"] for line in lines if line["kind"] == "run.end"):
        it_kwh = work["joules"] / 3.6e6
        site_kwh = it_kwh * rates["pue"]["value"]
        made = (
            rates["embodied"]["kg_per_device"]["value"] / rates["embodied"]["life_hours"]["value"]
        )
        found["kwh"] += site_kwh
        found["kg_co2e"] += site_kwh * rates["grid"]["grams_per_kwh"]["value"] / 1000
        found["kg_embodied"] += work["device_seconds"] / 3600 * made
        found["litres"] += it_kwh * rates["water_site"]["value"]
        found["litres"] += site_kwh * rates["water_source"]["value"]
    total = make_bill(workspace, NOTHING, book_only=True).total
    assert _values(total) == pytest.approx(found, rel=1e-9)


def test_devices_of_the_catalogue_are_booked_with_the_runs_that_hold_them(on_a100, workspace):
    assert book_rates(NOTHING, on_a100.book, accelerator="a100-sxm-80gb") is not None
    on_a100.run("training", 10)
    assert book_rates(NOTHING, on_a100.book) is None, "a processor adds no device to the book"
    entry = json.loads(workspace.book_file.read_text("utf-8").splitlines()[1])
    assert list(entry["body"]["embodied_of"]) == ["a100-sxm-80gb"]
    alone = make_bill(workspace, NOTHING, book_only=True).total.kg_embodied
    # 318 kg over 4 years of 8766 h, at least over 5, at most over 3.
    assert alone.value == pytest.approx(20 * 318 / 35064)
    assert (alone.low, alone.high) == (
        pytest.approx(20 * 318 / 43830),
        pytest.approx(20 * 318 / 26298),
    )
    other = make_bill(workspace, WorkspaceSettings(embodied=MAKING))
    assert other.total.kg_embodied == alone, "what the book holds, holds"
    (said,) = [note for note in other.notes if "other rates" in note]
    assert "kg CO2e of making one a100-sxm-80gb: 318 in the book, 8.766 now" in said


def test_one_run_on_a_device_that_nobody_knows_makes_the_sum_unknown(on_a100, enter, workspace):
    on_a100.run("training", 10)
    enter.book.refresh()
    enter.run("evaluation", 1)
    bill = make_bill(workspace, NOTHING)
    first, second = (line.figures.kg_embodied for line in bill.lines)
    assert first.value == pytest.approx(20 * 318 / 35064)
    assert "not in the book" in first.source
    assert (second, bill.total.kg_embodied) == (None, None)
    assert any(
        line.startswith("embodied carbon of cpu-thread of runs 1:") for line in bill.left_out
    )
    own = make_bill(workspace, WorkspaceSettings(embodied=MAKING))
    assert own.total.kg_embodied.value == pytest.approx((20 + 2) * 0.001)


def test_money_beside_the_hours_has_no_carbon_and_hides_none(on_a100, workspace):
    on_a100.run("training", 10)
    invoice = Expense(what="storage", usd=5, basis=None, date=DAY, source="invoice", runs=(0,))
    on_a100.book.append(invoice)
    bill = make_bill(workspace, NOTHING)
    assert bill.expenses[0].figures.kg_embodied.value == 0
    assert bill.total.kg_embodied.value == pytest.approx(20 * 318 / 35064)


def test_what_a_workspace_adds_to_the_catalogue_prices_its_bills_and_its_book(enter, workspace):
    (workspace.root / "hardware").mkdir()
    (workspace.root / "hardware/mine.yaml").write_text(MINE)
    settings = WorkspaceSettings(grid="dam", site="shed")
    assert book_rates(settings, enter.book) is not None
    enter.run("training", 10)
    (workspace.root / "hardware/mine.yaml").unlink()
    total = make_bill(workspace, NOTHING, book_only=True).total
    assert total.kwh.value == pytest.approx(0.15)
    assert total.kg_co2e.value == pytest.approx(0.15 * 7 / 1000)
    assert "Data sheet" in total.kg_co2e.source


@pytest.mark.parametrize(
    "wrong",
    [{"grid": "moon"}, {"site": "moon"}, {"electricity_water": "moon"}],
    ids=["grid", "site", "water"],
)
def test_a_name_that_nobody_knows_is_an_error_before_anything_is_booked(enter, workspace, wrong):
    settings = WorkspaceSettings(**wrong)
    before = workspace.book_file.read_bytes()
    for ask in (lambda: book_rates(settings, enter.book), lambda: make_bill(workspace, settings)):
        with pytest.raises(UnknownHardwareError, match="moon"):
            ask()
    assert workspace.book_file.read_bytes() == before


def test_the_intensity_of_an_artifact_is_both_carbons_over_its_flops(enter, workspace):
    plan = enter.plan("family", (("A", 0.25),))
    enter.run("training", 2, plan=plan, status="failed")
    enter.run("training", 8, plan=plan, made="S", tokens=4000)
    enter.run("extraction", 10, plan=plan, cut=[("S", "A", 10, "M")], made="M", tokens=1000)
    bill = make_artifact_bill(workspace, WHOLE, "M")
    kilograms = 2 * (BY_HAND["kg_co2e"] + BY_HAND["kg_embodied"])
    assert bill.sci.intensity.value == pytest.approx(1000 * kilograms / 50_000)
    said = bill.to_json()["sci"]
    assert said["operational"]["value"] == pytest.approx(2 * BY_HAND["kg_co2e"])
    assert said["embodied"]["value"] == pytest.approx(2 * BY_HAND["kg_embodied"])
    assert said["included"] == [
        "fully loaded: its own work and all of its parents'",
        "training (2 runs, 1 of them failed, stopped or open)",
        "extraction (1 run)",
    ]
    # Nothing was counted in what is its own, and nothing can be divided by that.
    assert make_artifact_bill(workspace, WHOLE, "M", "marginal").sci is None
    shared = make_artifact_bill(workspace, WHOLE, "M", "amortised").sci
    own, parent = BY_HAND["kg_embodied"], 0.25 * BY_HAND["kg_embodied"]
    assert shared.embodied.value == pytest.approx(own + parent)
    assert shared.units.value == pytest.approx(0.25 * 50_000)
    text, page = " ".join(_text(bill).split()), bill_page(bill)
    for shown in (text, page):
        assert "Software carbon intensity (ISO/IEC 21031)" in shown
        assert "g CO2e per FLOP (gross)" in shown
        assert "kg operational + " in shown
        assert "Out: collecting and preparing data: no run of it here" in shown


def test_without_embodied_carbon_an_artifact_has_no_intensity(enter, workspace):
    enter.run("training", 8, made="S", tokens=4000)
    bill = make_artifact_bill(workspace, WorkspaceSettings(grid="FRA"), "S")
    assert (bill.sci, bill.to_json()["sci"]) == (None, None)
    assert "unknown: it needs operational and embodied carbon" in " ".join(_text(bill).split())
