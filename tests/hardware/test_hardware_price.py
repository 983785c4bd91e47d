"""`farthing hardware price --owned FILE`: an hour of what was bought, before any run."""

from __future__ import annotations

import json

import pytest
import yaml

from farthing.artifacts.config import parse_config
from farthing.artifacts.settings import WorkspaceSettings
from farthing.cli.main import main
from farthing.hardware.catalogue import read_catalogue
from farthing.ledger.prices import priced

# 280,000 USD for 8 devices, and nothing of it but what the example says.
BOUGHT = {
    "usd_per_device": 35_000,
    "depreciation": "straight_line",
    "life_years": {"value": 4, "low": 3, "high": 5},
    "used_share": 0.8,
    "usd_per_kwh": 0.08,
    "interconnect_share": 0,
    "device_watts": 700,
    "server_watts_per_device_watt": 1.8214,
    "mean_draw_share": 0.75,
    "pue": 1.25,
    "date": "2026-01-31",
    "source": "invoice 17",
}
ENERGY = 0.7 * 1.8214 * 0.75 * 1.25 * 0.08 / 0.8


def _devices(years):
    return 35_000 / (years * 365.25 * 24) / 0.8


@pytest.fixture
def typed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(data, *words):
        (tmp_path / "bought.yaml").write_text(yaml.safe_dump(data))
        code = main(["hardware", "price", "--owned", "bought.yaml", *words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def test_an_hour_is_the_sum_of_its_parts_with_the_range_of_what_is_not_sure(typed):
    code, out, _ = typed(BOUGHT, "--json")
    assert code == 0
    shown = json.loads(out)
    price = shown["usd_per_device_hour"]
    for end, years in (("value", 4), ("low", 5), ("high", 3)):
        assert price[end] == pytest.approx(_devices(years) + ENERGY)
        assert shown["parts"]["devices"][end] == pytest.approx(_devices(years))
        assert shown["parts"]["energy"][end] == pytest.approx(ENERGY)


def test_the_lines_for_the_settings_mean_the_same_price(typed, tmp_path):
    code, out, _ = typed(BOUGHT)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith("1.37 (1.12 to 1.78) USD per device-hour\n")
    assert "  devices     1.25 (0.998 to 1.66)\n  energy      0.12\n" in out
    block = yaml.safe_load(out.partition("in farthing.yaml:\n")[2])
    settings = parse_config(WorkspaceSettings, block, where="test")
    owned = priced(settings, read_catalogue(tmp_path))["owned"]
    assert owned.value == pytest.approx(_devices(4) + ENERGY)
    assert typed(block) == (code, out, "")


def test_all_missing_keys_are_named_at_once_with_what_is_published(typed):
    few = {name: BOUGHT[name] for name in ("usd_per_device", "depreciation", "used_share")}
    code, out, said = typed(few)
    assert (code, out) == (2, "")
    for name in BOUGHT.keys() - few.keys():
        assert f"      {name}: " in said
    for figure in ("published 0.19:", "published 1.8214:", "published 0.0826:", "published 0.75:"):
        assert figure in said
    assert said.count("arxiv.org/abs/2405.21015") == 1
    assert "interest_per_year" not in said
    _, _, unsourced = typed({**BOUGHT, "pue": None})
    assert "lacks 1 of the keys of a purchase: pue\n" in unsourced
    assert "published" not in unsourced
    _, _, undecided = typed({**BOUGHT, "depreciation": None})
    assert "straight_line (life_years), annuity" in undecided
    assert "published 0.322:" in undecided


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"used_share": None, "use_share": 0.8}, "use_share, which mean", id="slip"),
        pytest.param({"used_share": 80}, "used_share", id="percent"),
        pytest.param({"date": "2999-01-01"}, "is in the future", id="future"),
        pytest.param({"owned": 3}, "owned is no mapping", id="no-mapping"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(typed, change, words):
    code, _, said = typed({**BOUGHT, **change})
    assert code == 2
    assert words in said


def test_the_example_of_the_page_costs_what_the_page_says(typed, request):
    page = (request.config.rootpath / "docs" / "hardware.md").read_text()
    (block,) = [each for each in page.split("```yaml\n") if each.startswith("usd_per_device:")]
    example, _, after = block.partition("```\n")
    said = after.partition("```text\n")[2].partition("```")[0]
    assert said
    assert typed(yaml.safe_load(example.replace("2026-01-31", '"2026-01-31"')))[1].startswith(said)
