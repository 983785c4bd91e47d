"""Embodied carbon and water of a run, by its machine, from settings or from the book."""

from __future__ import annotations

import pytest

from farthing.artifacts.rates import Rate, RatesRecord
from farthing.artifacts.settings import EmbodiedFigure, WorkspaceSettings
from farthing.hardware.catalogue import read_catalogue
from farthing.ledger.footprint import (
    FootprintRates,
    booked_footprint,
    footprint,
    footprint_rates,
)
from farthing.quantity import measured

HOURS = measured(1000.0, "h", "clock")
IT = measured(10.0, "kWh", "meter")
SITE = measured(12.0, "kWh", "meter x PUE")


def _of(rates, accelerator):
    return footprint(HOURS, IT, SITE, rates, accelerator=accelerator)


def test_settings_and_catalogue_give_both_by_the_machine():
    settings = WorkspaceSettings(site="azure", electricity_water="olmo3")
    rates = footprint_rates(settings, read_catalogue())
    found = _of(rates, "a100-sxm-80gb")
    # 318 kg over 4 years of 8766 h; 10 kWh x 0.30 L and 12 kWh x 1.2916 L.
    assert found.kg_embodied.value == pytest.approx(1000 * 318 / 35064)
    assert found.water.litres.value == pytest.approx(3.0 + 15.4992)
    for unknown in ("h100-sxm", None):
        assert _of(rates, unknown).kg_embodied is None


def test_the_users_figure_holds_for_every_device():
    own = EmbodiedFigure(kg_per_device=8.766, life_years=1.0, date="2026-01-31", source="maker")
    rates = footprint_rates(WorkspaceSettings(embodied=own), read_catalogue())
    for device in ("a100-sxm-80gb", "h100-sxm", None):
        assert _of(rates, device).kg_embodied.value == pytest.approx(1.0)


def test_the_book_gives_the_same_figures_back():
    own = EmbodiedFigure(kg_per_device=5.0, life_years=5.0, date="2026-01-31", source="maker")
    settings = WorkspaceSettings(site="azure", electricity_water="olmo3", embodied=own)
    rates = footprint_rates(settings, read_catalogue())
    record = RatesRecord(
        from_run=0,
        prices={},
        grid=None,
        pue=None,
        water_site=Rate.of(rates.water_site),
        water_source=Rate.of(rates.water_source),
        embodied=rates.of_device(None),
    )
    assert _of(booked_footprint(record), None) == _of(rates, None)


def test_no_rates_make_everything_unknown():
    found = _of(FootprintRates(), "a100-sxm-80gb")
    assert (found.kg_embodied, found.water.site, found.water.source) == (None, None, None)
