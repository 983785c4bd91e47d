from __future__ import annotations

from farthing.artifacts.settings import load_settings
from farthing.artifacts.workspace import Workspace
from farthing.hardware.reference import write_reference_settings


def test_the_reference_file_sets_prices_marked_as_references_and_nothing_else(tmp_path):
    workspace = Workspace(tmp_path / "ws")
    assert write_reference_settings(workspace)
    settings = load_settings(workspace)
    assert set(settings.prices) == {"on_demand", "spot"}
    assert all(price.source.startswith("reference: ") for price in settings.prices.values())
    assert (settings.grid, settings.pue, settings.hardware) == (None, None, None)


def test_the_reference_file_is_the_commented_template_with_other_prices(tmp_path):
    workspace = Workspace(tmp_path)
    write_reference_settings(workspace)
    text = workspace.settings_file.read_text()
    assert "REFERENCES" in text
    assert "my provider's price list" not in text
    for example in ("# grid: FRA", "# grid_grams_per_kwh:", "# pue:", "# hardware:"):
        assert example in text


def test_a_file_of_the_user_stays_as_it_is(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.settings_file.write_text("grid: FRA\n")
    assert not write_reference_settings(workspace)
    assert workspace.settings_file.read_text() == "grid: FRA\n"
