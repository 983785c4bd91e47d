"""What an owned device costs an hour, against the published worked examples."""

from __future__ import annotations

import pytest

from farthing.artifacts.config import parse_config
from farthing.artifacts.prices import Ownership
from farthing.errors import ConfigError
from farthing.hardware.owned import (
    annual_share,
    owned_parts,
    owned_usd_per_device_hour,
    ownership_constants,
)

H100 = {
    "usd_per_device": 31_250.0,
    "depreciation": "loss_of_value",
    "loss_of_value_per_year": 0.322,
    "interconnect_share": 0.19,
    "device_watts": 700.0,
    "server_watts_per_device_watt": (10.2 / 8) / 0.7,
    "mean_draw_share": 0.75,
    "pue": 1.25,
    "usd_per_kwh": 0.0826,
    "used_share": 1.0,
    "source": "worked example",
    "date": "2026-01-31",
}


def _owned(**changes):
    return parse_config(Ownership, {**H100, **changes}, where="test")


def test_the_parts_are_those_of_the_worked_example():
    parts = owned_parts(_owned())
    assert parts["devices"] == pytest.approx(1.148, abs=5e-4)
    assert parts["network"] == pytest.approx(0.269, abs=5e-4)
    assert parts["energy"] == pytest.approx(0.099, abs=5e-4)
    assert owned_usd_per_device_hour(_owned()).value == pytest.approx(1.516, abs=1e-3)


@pytest.mark.parametrize(
    ("usd", "watts", "server", "full", "part_time"),
    [
        (31_250.0, 700.0, (10.2 / 8) / 0.7, 1.516, 1.895),
        (39_100.0, 700.0, (10.2 / 8) / 0.7, 1.872, 2.340),
        (17_300.0, 400.0, (6.5 / 8) / 0.4, 0.847, 1.059),
    ],
)
def test_idle_time_makes_every_part_dearer(usd, watts, server, full, part_time):
    same = {
        "usd_per_device": usd,
        "device_watts": watts,
        "server_watts_per_device_watt": server,
    }
    assert owned_usd_per_device_hour(_owned(**same)).value == pytest.approx(full, abs=1e-3)
    less = owned_usd_per_device_hour(_owned(**same, used_share=0.8))
    assert less.value == pytest.approx(part_time, abs=2e-3)
    assert "used 80%" in less.source


def test_a_straight_line_and_an_annuity():
    line = _owned(depreciation="straight_line", loss_of_value_per_year=None, life_years=5.0)
    parts = owned_parts(line)
    assert parts["devices"] + parts["network"] == pytest.approx(0.880, abs=1e-3)
    rented = {"depreciation": "annuity", "loss_of_value_per_year": None}
    annuity = _owned(**rented, life_years=5.0, interest_per_year=0.08)
    # The payments of five years are worth the capital today.
    share = annual_share(annuity)
    assert sum(share / 1.08**year for year in range(1, 6)) == pytest.approx(1)


@pytest.mark.parametrize(
    "changes",
    [
        {"depreciation": "straight_line"},
        {"depreciation": "annuity", "life_years": 5.0},
        {"pue": 0.9},
        {"usd_per_device": -1.0},
        {"used_share": 0.0},
        {"date": "someday"},
        {"source": ""},
    ],
)
def test_an_owned_device_that_cannot_be_is_refused(changes):
    with pytest.raises(ConfigError):
        _owned(**changes)


def test_the_constants_of_the_example_ship_with_their_source():
    constants = ownership_constants()
    assert constants["interconnect_share"].figure.value == 0.19
    assert constants["usd_per_kwh.usa-2025"].figure.unit == "USD/kWh"
    server = constants["server_watts_per_device_watt.h100"].figure.value
    assert server == pytest.approx((10.2 / 8) / 0.7, abs=1e-4)
