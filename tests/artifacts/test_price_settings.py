"""The three ways to give a price in farthing.yaml, and what is wrong with each."""

from __future__ import annotations

import pytest

from farthing.artifacts.prices import ListedPrice, Ownership
from farthing.artifacts.settings import load_settings
from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError

OWNED = (
    "usd_per_device: 100, depreciation: straight_line, life_years: 5, interconnect_share: 0, "
    "device_watts: 4, server_watts_per_device_watt: 1.5, mean_draw_share: 0.5, pue: 1.2, "
    "usd_per_kwh: {value: 0.2, low: 0.1, high: 0.3}, used_share: 0.5, date: 2026-01-31, source: x"
)
TYPED = "usd_per_device_hour: 1, date: 2026-01-31, source: x"
LISTED = "provider: gcp, device: h100-sxm, region: us-central1"


def _read(tmp_path, text):
    workspace = Workspace(tmp_path)
    workspace.settings_file.write_text(text)
    return load_settings(workspace)


def _refused(tmp_path, text):
    with pytest.raises(ConfigError, match=r"farthing\.yaml") as caught:
        _read(tmp_path, text)
    assert caught.value.remedy
    return caught.value


def test_each_basis_takes_the_way_in_which_its_price_is_given(tmp_path):
    text = f"prices: {{on_demand: {{{LISTED}}}, spot: {{{TYPED}}}, owned: {{{OWNED}}}}}"
    prices = _read(tmp_path, text).prices
    assert isinstance(prices["on_demand"], ListedPrice)
    assert isinstance(prices["owned"], Ownership)
    assert prices["spot"].usd_per_device_hour == 1
    # A number alone has no range.
    life, kwh = prices["owned"].life_years, prices["owned"].usd_per_kwh
    assert (life.low, life.value, life.high) == (5, 5, 5)
    assert (kwh.low, kwh.value, kwh.high) == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    "both",
    [
        pytest.param(f"{OWNED}, usd_per_device_hour: 1", id="price-and-purchase"),
        pytest.param(f"{OWNED}, provider: gcp", id="list-and-purchase"),
        pytest.param(f"{TYPED}, provider: gcp", id="price-and-list"),
    ],
)
def test_a_price_in_two_ways_is_refused(tmp_path, both):
    said = _refused(tmp_path, f"prices: {{owned: {{{both}}}}}").what
    assert "prices.owned: this gives a price in several ways" in said


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        pytest.param(f"spot: {{{OWNED}}}", "belongs under owned", id="purchase-under-spot"),
        pytest.param(f"owned: {{{LISTED}}}", "has no price there", id="list-under-owned"),
        pytest.param(f"reserved: {{{LISTED}}}", "reserved_1y or reserved_3y", id="no-term"),
        pytest.param(f"spot: {{{LISTED}, tier: on_demand}}", "under spot", id="other-tier"),
    ],
)
def test_a_price_under_the_wrong_basis_is_refused(tmp_path, prices, words):
    assert words in _refused(tmp_path, f"prices: {{{prices}}}").what


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("usd_per_device: 100", "usd_per_device: -1", "prices.owned.usd_per_device = -1"),
        ("used_share: 0.5", "used_share: 0", "more than 0 and at most 1"),
        ("used_share: 0.5", "used_share: 1.5", "more than 0 and at most 1"),
        ("pue: 1.2", "pue: 0.9", "prices.owned.pue = 0.9: it must be at least 1"),
        ("pue: 1.2, ", "", "'prices.owned.pue' is missing"),
        ("pue: 1.2", "pue: '1.2'", "write a number"),
        ("pue: 1.2", "pue: true", "write a number"),
        ("low: 0.1", "low: 0.25", "0.2 is not between 0.25 and 0.3"),
        ("low: 0.1, ", "", "prices.owned.usd_per_kwh.low"),
        ("interconnect_share: 0", "interconnect_share: 1", "less than 1"),
        ("life_years: 5, ", "", "straight_line needs life_years"),
        ("life_years: 5", "life_years: 5, interest_per_year: 0.1", "no use for interest_per_year"),
        ("date: 2026-01-31, ", "", "'prices.owned.date' is missing"),
        ("device_watts", "devise_watts", "no setting 'prices.owned.devise_watts'"),
    ],
)
def test_a_purchase_that_cannot_be_is_named_with_its_place(tmp_path, old, new, words):
    assert old in OWNED
    error = _refused(tmp_path, f"prices: {{owned: {{{OWNED.replace(old, new, 1)}}}}}")
    assert words in error.what


def test_a_wrong_key_is_met_by_the_keys_of_the_way_that_was_taken(tmp_path):
    error = _refused(tmp_path, "prices: {spot: {provider: gcp, device: x, regoin: y}}")
    assert "no setting 'prices.spot.regoin'" in error.what
    assert "did you mean 'region'?" in error.remedy
    assert "instance" in error.remedy


def test_the_example_of_the_docs_is_valid(tmp_path, request):
    page = (request.config.rootpath / "docs" / "hardware.md").read_text("utf-8")
    (example,) = [part for part in page.split("```yaml\n") if part.startswith("prices:")]
    prices = _read(tmp_path, example.partition("```")[0]).prices
    assert set(prices) == {"spot", "on_demand", "reserved", "owned"}
    assert prices["owned"].usd_per_device.value == 31250
