from __future__ import annotations

import pytest
import yaml

from farthing.artifacts.settings import WorkspaceSettings, load_settings, write_default_settings
from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError


def test_the_default_file_sets_nothing_and_is_never_overwritten(tmp_path):
    workspace = Workspace(tmp_path)
    write_default_settings(workspace)
    assert load_settings(workspace) == WorkspaceSettings()
    workspace.settings_file.write_text("grid: FRA\n")
    write_default_settings(workspace)
    assert load_settings(workspace).grid == "FRA"


def test_a_missing_file_sets_nothing(tmp_path):
    assert load_settings(Workspace(tmp_path)) == WorkspaceSettings()


def test_the_examples_in_the_default_file_are_valid(tmp_path):
    workspace = Workspace(tmp_path)
    write_default_settings(workspace)
    lines = workspace.settings_file.read_text().splitlines()
    examples = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    start = next(i for i, line in enumerate(examples) if line.startswith("prices"))
    data = yaml.safe_load("\n".join(examples[start:]))
    data.pop("grid")  # the file shows it as the alternative to grid_grams_per_kwh
    workspace.settings_file.write_text(yaml.safe_dump(data))
    settings = load_settings(workspace)
    assert settings.prices["on_demand"].usd_per_device_hour == 0.01
    assert settings.pue is not None
    assert settings.hardware is not None


@pytest.mark.parametrize(
    "text",
    [
        "prise: 1",
        "prices: {monthly: {usd_per_device_hour: 1, source: x}}",
        "prices: {spot: {usd_per_device_hour: -1, source: x}}",
        "prices: {spot: {usd_per_device_hour: 1}}",
        "pue: {value: 0.9, source: x}",
        "grid: FRA\ngrid_grams_per_kwh: {grams_per_kwh: 5, source: x}",
        "- a",
        "a: [",
    ],
)
def test_wrong_settings_are_named_with_a_remedy(tmp_path, text):
    workspace = Workspace(tmp_path)
    workspace.settings_file.write_text(text)
    with pytest.raises(ConfigError, match=r"farthing\.yaml") as caught:
        load_settings(workspace)
    assert caught.value.remedy
