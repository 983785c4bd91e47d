"""Embodied carbon by the device-hour, against published worked figures and sums by hand."""

from __future__ import annotations

import pytest

from farthing.artifacts.rates import EmbodiedRate, Rate
from farthing.artifacts.settings import EmbodiedFigure, WorkspaceSettings
from farthing.hardware.catalogue import read_catalogue
from farthing.ledger.embodied import embodied, embodied_rate, why_no_embodied
from farthing.quantity import Provenance, Quantity, assumed, measured


def _rate(kilograms: float, years: tuple[float, float, float]) -> EmbodiedRate:
    low, middle, high = (year * 8766 for year in years)
    life = Quantity(
        value=middle, unit="h", provenance=Provenance.ASSUMED, source="life", low=low, high=high
    )
    return EmbodiedRate(
        kg_per_device=Rate.of(assumed(kilograms, "kg", "making")), life_hours=Rate.of(life)
    )


@pytest.mark.parametrize(
    ("kilograms", "grams_an_hour"), [(463.0, 13.2), (164.0, 4.68), (318.0, 9.07)]
)
def test_an_hour_of_a_device_that_serves_four_years(kilograms, grams_an_hour):
    hour = embodied(measured(1.0, "h", "clock"), _rate(kilograms, (4, 4, 4)))
    assert 1000 * hour.value == pytest.approx(grams_an_hour, rel=1e-3)
    assert (hour.unit, hour.low, hour.high) == ("kg", hour.value, hour.value)


def test_the_least_rests_on_the_longest_life():
    held = Quantity(
        value=100.0, unit="h", provenance=Provenance.ESTIMATED, source="bound", low=50.0, high=200.0
    )
    found = embodied(held, _rate(87.66, (2, 4, 5)))
    # 87.66 kg over 4 x 8766 h are 2.5 g an hour, over 5 years 2 g, over 2 years 5 g.
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.1, 1.0))
    assert found.provenance == Provenance.ASSUMED
    assert {"bound", "making", "life"} <= set(found.source.split("; "))


def test_a_slice_of_a_device_carries_its_share():
    whole, part = (
        embodied(measured(8.0, "h", "clock"), _rate(100, (4, 4, 4)), share) for share in (1, 0.25)
    )
    assert part.value == pytest.approx(whole.value / 4)
    with pytest.raises(ValueError, match="share"):
        embodied(measured(8.0, "h", "clock"), _rate(100, (4, 4, 4)), 1.5)


def test_what_is_unknown_stays_unknown():
    assert embodied(None, _rate(1, (4, 4, 4))) is None
    assert embodied(measured(1.0, "h", "clock"), None) is None


def test_the_catalogues_figure_comes_with_its_range_and_source():
    rate = embodied_rate(WorkspaceSettings(), read_catalogue(), "a100-sxm-80gb")
    hour = embodied(measured(1.0, "h", "clock"), rate)
    assert hour.value == pytest.approx(0.318 / (4 * 8.766))
    assert (hour.low, hour.high) == pytest.approx((0.318 / (5 * 8.766), 0.318 / (3 * 8.766)))
    assert hour.provenance == Provenance.ESTIMATED
    assert "Chien" in hour.source


def test_the_users_figure_goes_before_the_catalogues():
    own = EmbodiedFigure(kg_per_device=12.0, life_years=6.0, date="2026-01-31", source="maker")
    settings = WorkspaceSettings(embodied=own)
    for device in (None, "a100-sxm-80gb"):
        rate = embodied_rate(settings, read_catalogue(), device)
        assert rate.kg_per_device.value == 12.0
        assert rate.life_hours.value == 6 * 8766
        assert "maker, 2026-01-31" in rate.kg_per_device.source


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (None, "this machine"),
        ("h100-sxm", "0.66 g CO2e per EFLOP"),
        ("no-such-chip", "no figure for no-such-chip"),
    ],
)
def test_a_device_without_a_figure_is_unknown_and_says_why(device, words):
    catalogue = read_catalogue()
    assert embodied_rate(WorkspaceSettings(), catalogue, device) is None
    reason = why_no_embodied(catalogue, device)
    assert words in reason
    assert "kg_per_device" in reason
