"""Water on site and at the source, and what a site adds, by hand."""

from __future__ import annotations

import pytest

from farthing.artifacts.settings import PueFigure, WaterFigures, WorkspaceSettings
from farthing.errors import UnknownHardwareError
from farthing.hardware.catalogue import read_catalogue
from farthing.ledger.water import site_rates, water
from farthing.quantity import Provenance, assumed, measured


def test_the_site_drinks_by_it_energy_and_the_power_station_by_the_sites():
    found = water(
        measured(10.0, "kWh", "meter"),
        measured(12.5, "kWh", "meter x PUE 1.25"),
        assumed(0.3, "L/kWh", "site"),
        assumed(2.0, "L/kWh", "stations"),
    )
    assert found.site.value == pytest.approx(3.0)
    assert found.source.value == pytest.approx(25.0)
    assert found.litres.value == pytest.approx(28.0)
    assert found.litres.unit == "L"
    assert found.to_json()["litres"]["value"] == pytest.approx(28.0)


def test_half_known_water_is_unknown_together_and_known_apart():
    kwh = measured(10.0, "kWh", "meter")
    found = water(kwh, kwh, None, assumed(2.0, "L/kWh", "stations"))
    assert (found.site, found.litres) == (None, None)
    assert found.source.value == 20.0
    assert found.to_json()["site"] is None


def test_the_published_account_gives_back_its_own_litres():
    rates = site_rates(WorkspaceSettings(electricity_water="olmo3"), read_catalogue())
    found = water(None, measured(12.3e6, "kWh", "account"), None, rates.water_source)
    assert found.source.value == pytest.approx(15_887_000, rel=1e-4)


def test_nothing_set_is_unknown_and_never_a_pue_of_one():
    rates = site_rates(WorkspaceSettings(), read_catalogue())
    assert (rates.pue, rates.water_site, rates.water_source) == (None, None, None)
    assert [line.partition(":")[0] for line in rates.unknown.values()] == [
        "PUE",
        "water at the site",
        "water of making the electricity",
    ]


def test_a_site_gives_its_pue_and_its_water_with_their_range():
    rates = site_rates(WorkspaceSettings(site="azure"), read_catalogue())
    assert (rates.pue.value, rates.pue.low, rates.pue.high) == (1.18, 1.12, 1.18)
    assert (rates.water_site.value, rates.water_site.high) == (0.30, 0.49)
    colocation = site_rates(WorkspaceSettings(site="colocation"), read_catalogue())
    assert (colocation.pue.low, colocation.pue.high) == (1.25, 1.56)
    assert colocation.pue.provenance == Provenance.ESTIMATED
    assert colocation.water_site is None
    assert any("ask the operator" in line for line in colocation.unknown.values())


def test_a_site_without_a_pue_says_why():
    rates = site_rates(WorkspaceSettings(site="oracle"), read_catalogue())
    assert rates.pue is None
    assert any("best case" in line for line in rates.unknown.values())


def test_the_users_own_figures_go_before_the_sites():
    settings = WorkspaceSettings(
        site="azure",
        pue=PueFigure(value=1.5, source="operator"),
        water=WaterFigures(
            site_litres_per_kwh=0.0,
            electricity_litres_per_kwh=4.0,
            date="2026-01-31",
            source="report",
        ),
    )
    rates = site_rates(settings, read_catalogue())
    assert (rates.pue.value, rates.water_site.value, rates.water_source.value) == (1.5, 0.0, 4.0)
    assert rates.unknown == {}
    assert "report, 2026-01-31" in rates.water_site.source


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"site": "moon"}, "moon"), ({"electricity_water": "rain"}, "rain")],
    ids=["site", "water"],
)
def test_a_site_or_a_water_that_nobody_knows_is_an_error_with_what_there_is(settings, words):
    with pytest.raises(UnknownHardwareError, match=words) as caught:
        site_rates(WorkspaceSettings(**settings), read_catalogue())
    assert "farthing hardware add" in caught.value.remedy
