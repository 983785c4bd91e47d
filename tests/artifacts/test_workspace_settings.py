from __future__ import annotations

import re
from datetime import date

import pytest
import yaml

from farthing.artifacts.settings import WorkspaceSettings, load_settings, settings_text
from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError


def test_the_template_sets_nothing(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.settings_file.write_text(settings_text())
    assert load_settings(workspace) == WorkspaceSettings()


def test_the_template_says_when_its_figures_enter_the_book():
    introduction = settings_text().partition("# prices")[0]
    assert "goes into the book with the next command that runs something" in introduction
    assert "farthing bill --record" in introduction


def test_a_missing_file_sets_nothing(tmp_path):
    assert load_settings(Workspace(tmp_path)) == WorkspaceSettings()


def test_the_examples_in_the_template_are_valid(tmp_path):
    workspace = Workspace(tmp_path)
    lines = settings_text().splitlines()
    examples = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    start = next(i for i, line in enumerate(examples) if line.startswith("prices"))
    data = yaml.safe_load("\n".join(examples[start:]))
    data.pop("grid")  # the file shows it as the alternative to grid_grams_per_kwh
    workspace.settings_file.write_text(yaml.safe_dump(data))
    settings = load_settings(workspace)
    assert settings.prices["on_demand"].usd_per_device_hour == 0.01
    assert settings.prices["spot"].provider == "gcp"
    assert settings.prices["owned"].life_years.low == 4
    assert settings.pue is not None
    assert settings.hardware is not None


@pytest.mark.parametrize(
    "text",
    [
        "prise: 1",
        "prices: {monthly: {usd_per_device_hour: 1, date: 2026-01-31, source: x}}",
        "prices: {spot: {usd_per_device_hour: -1, date: 2026-01-31, source: x}}",
        "prices: {spot: {usd_per_device_hour: 1, date: 2026-01-31}}",
        "pue: {value: 0.9, source: x}",
        "grid: FRA\ngrid_grams_per_kwh: {grams_per_kwh: 5, source: x}",
        "carbon_series: {file: hours.csv, source: x}",
        "water: {site_litres_per_kwh: -1, date: 2026-01-31, source: x}",
        "water: {site_litres_per_kwh: 1, source: x}",
        "electricity_water: olmo3\n"
        "water: {electricity_litres_per_kwh: 1, date: 2026-01-31, source: x}",
        "embodied: {kg_per_device: 1, life_years: 0, date: 2026-01-31, source: x}",
        "embodied: {kg_per_device: 1, life_years: 4, source: x}",
        "- a",
        "a: [",
        "grid: FRA\ngrid: SWE",
        "prices:\n  spot: &a {usd_per_device_hour: 1, source: x}\n  owned: *a",
        "pue: {value: 010, source: x}",
        "grid: 2026-01-31T00:00:00Z\n? [a]\n: b",
        "a: " + "[" * 5000,
    ],
)
def test_wrong_settings_are_named_with_a_remedy(tmp_path, text):
    workspace = Workspace(tmp_path)
    workspace.settings_file.write_text(text)
    with pytest.raises(ConfigError, match=r"farthing\.yaml") as caught:
        load_settings(workspace)
    assert caught.value.remedy


def test_numbers_are_read_as_in_recipes(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.settings_file.write_text(
        "prices: {spot: {usd_per_device_hour: 1e-2, date: 2026-01-31, source: 2026-01-30}}\n"
    )
    price = load_settings(workspace).prices["spot"]
    assert (price.usd_per_device_hour, price.source) == (0.01, "2026-01-30")
    assert price.date == date(2026, 1, 31)


def test_a_price_without_a_date_is_refused_with_the_line_to_add(tmp_path):
    workspace = Workspace(tmp_path)
    undated = "prices:\n  spot:\n    usd_per_device_hour: 1\n    source: x\n"
    workspace.settings_file.write_text(undated)
    with pytest.raises(ConfigError, match=r"farthing\.yaml.*prices\.spot\.date") as caught:
        load_settings(workspace)
    line = re.search("`(.*?)`", caught.value.remedy).group(1)
    workspace.settings_file.write_text(f"{undated}    {line}\n")
    assert load_settings(workspace).prices["spot"].date == date(2026, 1, 31)


@pytest.mark.parametrize(
    "day", ["yesterday", "20260131", "2026", "1.5e9", "2026-02-30", "2026-01-31T00:00:00", "null"]
)
def test_a_price_with_what_is_no_day_is_refused(tmp_path, day):
    workspace = Workspace(tmp_path)
    workspace.settings_file.write_text(
        f"prices: {{spot: {{usd_per_device_hour: 1, date: {day}, source: x}}}}\n"
    )
    with pytest.raises(ConfigError, match=r"prices\.spot\.date"):
        load_settings(workspace)


def test_an_alias_bomb_is_refused_before_it_goes_off(tmp_path):
    workspace = Workspace(tmp_path)
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    workspace.settings_file.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"farthing\.yaml, line 2, column 10: an alias"):
        load_settings(workspace)


def test_settings_that_cannot_be_read_are_named(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.settings_file.mkdir()
    with pytest.raises(ConfigError, match=r"farthing\.yaml cannot be read"):
        load_settings(workspace)
