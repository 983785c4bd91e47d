"""Published energy (T5) and carbon (T6) of trainings, and what the formulas make of them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GRADES = {"read", "repeated", "derived", "recalled"}
UNITS = {
    "device_hours": "h",
    "energy": "MWh",
    "idle_energy": "MWh",
    "watts_per_device": "W",
    "pue": "1",
    "grams_per_kwh": "g/kWh",
    "carbon": "t",
    "idle_carbon": "t",
    "carbon_with_embodied": "t",
    "embodied": "t",
    "water": "kL",
}
BOUNDED = {"energy", "idle_energy", "carbon", "idle_carbon", "carbon_with_embodied", "embodied"}


@pytest.fixture(scope="module")
def footprints():
    path_before = list(sys.path)
    sys.path.insert(0, str(ROOT / "bench" / "cost"))
    try:
        return importlib.import_module("footprints")
    finally:
        sys.path[:] = path_before


def test_every_cell_has_a_unit_a_grade_a_source_and_a_boundary_where_it_needs_one(footprints):
    rows = footprints.published_figures()
    assert len({(row.model, row.figure) for row in rows}) == len(rows) == 89
    for row in rows:
        assert row.value > 0, row
        assert row.unit == UNITS[row.figure], row
        assert row.grade in GRADES, row
        assert row.source.startswith("https://"), row
        if row.figure in BOUNDED:
            assert row.boundary in {"chip", "server", "facility"}, row


def test_energy_is_within_its_bound_at_the_stated_share_of_rated_power(footprints):
    checks = {row.model: (row, mwh, within) for row, mwh, within in footprints.energy_checks()}
    # By hand: 0.9 x 700 W x 234,000 h, 0.9 x 700 W x 1,050,000 h, 0.7 x 400 W x 320,256 h.
    by_hand = {"Olmo 3 7B": 147.42, "Olmo 3 32B": 661.5, "StarCoder": 89.67168}
    assert checks.keys() == by_hand.keys()
    for model, (row, mwh, within) in checks.items():
        assert mwh == pytest.approx(by_hand[model])
        assert within == (0.10 if model == "StarCoder" else 0.15)
        assert abs(mwh / row.value - 1) <= within


def test_rated_power_bounds_the_chips_and_nothing_larger(footprints):
    above = set()
    for row in footprints.published_figures():
        hours = footprints.figure_of(row.model, "device_hours")
        if row.figure != "energy" or hours is None:
            continue
        rated = footprints.rated_kwh(row.model).value / 1000
        if row.boundary == "chip":
            assert row.value <= rated * 1.001, row
        elif row.value > rated:
            above.add(row.model)
    assert {"GPT-3 175B", "LLaMA-65B", "Granite 3.0 8B", "Granite 3.0 2B"} <= above


def test_carbon_is_within_ten_percent_of_other_peoples_figures(footprints):
    tested = {
        check.published.model: check for check in footprints.carbon_checks() if check.independent
    }
    for check in tested.values():
        assert abs(check.error) <= 0.10, check
    # By hand: 0.7 kW x 1.08 x 0.3695 kg = 0.27934 kg an hour of an H100; 0.4 kW: 0.15962 kg.
    assert tested["Llama 3.1 405B"].counted == pytest.approx(30.84e6 * 0.27934e-3, rel=1e-4)
    assert tested["Llama 2 70B"].counted == pytest.approx(1_720_320 * 0.15962e-3, rel=1e-4)
    # 0.4 kW x 1,082,990 h x 56 g, and 12.3 GWh x 369.5 g.
    assert tested["BLOOM 176B"].counted == pytest.approx(24.259, rel=1e-4)
    assert tested["Olmo 3, whole development"].counted == pytest.approx(4544.85, rel=1e-4)
    assert len(tested) == 18


def test_what_only_restates_its_own_factors_counts_as_no_check(footprints):
    restated = {
        check.published.model: check
        for check in footprints.carbon_checks()
        if not check.independent
    }
    assert restated.keys() == {"GPT-3 175B", "Gopher 280B", "StarCoder"}
    # 3,768,320 h x 283 W x 1.08 x 330 g; 1287 MWh x 429 g; 89.67 MWh x 1.2 x 155 g.
    assert restated["Gopher 280B"].counted == pytest.approx(380.1, abs=0.05)
    assert restated["GPT-3 175B"].counted == pytest.approx(552.1, abs=0.05)
    assert restated["StarCoder"].counted == pytest.approx(16.68, abs=0.005)


def test_the_page_shows_both_tables(footprints):
    page = (ROOT / "docs" / "results" / "cost.md").read_text(encoding="utf-8")
    for make in (footprints.energy_table, footprints.carbon_table):
        assert footprints.markdown(make()) in page
