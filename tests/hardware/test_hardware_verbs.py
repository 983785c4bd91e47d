"""`farthing hardware list | show | add | update | price`, as typed."""

from __future__ import annotations

import io
import json

import pytest
import yaml
from rich.console import Console

from farthing.artifacts.config import parse_config
from farthing.artifacts.settings import WorkspaceSettings
from farthing.cli.main import main
from farthing.hardware.catalogue import read_catalogue
from farthing.hardware.tables import kinds, table_of
from farthing.ledger.prices import priced

ENTRY = """\
sources:
  - {id: sheet, title: "Data sheet", url: "https://example.org", read: 2026-01-31,
     licence: "none stated", kind: maker}
grids:
  - {id: "aws:eu-south-9", name: "Shire", year: 2025, basis: location, source: sheet,
     covers: "CO2e, life cycle", parent: FRA, grams_per_kwh: 50}
"""
PRICES = (
    "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,SpotPrice\n"
    "8xH200,H200,8,128,1000,32.0,FIN-01,\n"
    "1xP100,P100,1,8,50,1.0,FIN-01,\n"
)


@pytest.fixture
def typed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main(["hardware", *words])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_is_listed_as_a_table_and_as_json(typed, kind):
    code, table, _ = typed("list", "--kind", kind)
    assert code == 0
    listed = json.loads(typed("list", "--kind", kind, "--json")[1])
    assert listed["kind"] == kind
    entries = listed["rows"] if kind == "prices" else listed["entries"]
    assert len(entries) > 2
    assert len(table.splitlines()) > len(entries)
    for entry in entries[:5]:
        assert entry["device" if kind == "prices" else "id"] in table


def test_the_list_in_json_has_every_source_that_its_figures_name(typed):
    listed = json.loads(typed("list", "--json")[1])
    named = {
        figure["source"]
        for entry in listed["entries"]
        for figure in entry.get("peaks", {}).values()
    }
    assert named
    assert named <= listed["sources"].keys()
    assert all(source["licence"] and source["read"] for source in listed["sources"].values())


def test_an_entry_is_shown_with_figures_reasons_sources_and_prices(typed):
    code, printed, _ = typed("show", "NVIDIA H100 80GB HBM3")
    assert code == 0
    shown = " ".join(printed.split())
    broken = [line for line in printed.splitlines() if len(line) > 80 and " " in line.strip()]
    assert broken == []
    for said in (
        "peaks.bf16 989.4e12 FLOP/s, assumed [1]",
        "inter_node_bits_per_second none:",
        "printed with sparsity",
        "https://epoch.ai/data/machine-learning-hardware",
        "licence:",
        "gcp us-central1 a3-highgpu-8g",
    ):
        assert said in shown
    found = json.loads(typed("show", "h100-sxm", "--json")[1])
    assert found["entries"][0]["peaks"]["bf16"]["value"] == 989.4e12
    assert {row["provider"] for row in found["prices"]} >= {"gcp", "aws"}


def test_what_is_shown_as_yaml_can_be_changed_and_added(typed, tmp_path):
    _, block, _ = typed("show", "h20", "--yaml")
    assert "replaces: h20" in block
    (tmp_path / "h20.yaml").write_text(block.replace("148000000000000.0", "147e12"))
    code, said, _ = typed("add", "h20.yaml")
    assert (code, "h20 [accelerators] stands for the shipped one" in said) == (0, True)
    assert "147e12 FLOP/s" in typed("show", "h20")[1]
    (tmp_path / "h20.yaml").write_text(block)
    code, _, error = typed("add", "h20.yaml")
    assert code == 2
    assert "stays as it is" in error


def test_an_added_grid_counts_in_the_workspace_it_was_added_to(typed, tmp_path):
    assert typed("show", "aws:eu-south-9")[0] == 2
    (tmp_path / "mine.yaml").write_text(ENTRY)
    code, out, _ = typed("add", "mine.yaml", "-w", "ws", "--json")
    assert code == 0
    assert json.loads(out) == {
        "file": "ws/hardware/mine.yaml",
        "added": {"sources": 1, "grids": 1},
        "replaces": [],
    }
    assert "50 g/kWh" in typed("show", "aws:eu-south-9", "-w", "ws")[1]
    assert typed("show", "aws:eu-south-9")[0] == 2


def test_a_wrong_file_is_not_copied(typed, tmp_path):
    (tmp_path / "mine.yaml").write_text(ENTRY.replace("id: sheet", "id: shete"))
    code, _, error = typed("add", "mine.yaml")
    assert code == 2
    assert "'sheet', which is described nowhere" in error
    assert not (tmp_path / "hardware").exists()


def test_prices_are_brought_up_to_date_from_a_local_file(typed, tmp_path):
    (tmp_path / "vms.csv").write_text(PRICES)
    words = ("update", "prices", "--from", "vms.csv", "--provider", "verda", "--date", "2026-03-01")
    code, out, _ = typed(*words, "--json")
    assert code == 0
    made = json.loads(out)
    assert made["file"] == "hardware/prices/2026-03-01-verda.csv"
    assert made["unknown_devices"] == ["P100"]
    assert len(made["digest"]) == 64
    assert "not in the catalogue, or without their variant: P100" in typed(*words)[1]
    assert "    4 USD/h  on_demand    2026-03-01" in typed("show", "h200-sxm")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--provider", "verda"), "--date is missing"),
        (("--date", "2026-03-01"), "--provider is missing"),
        (("--provider", "verda", "--date", "yesterday"), "'yesterday' is no day"),
        (("--provider", "verda", "--date", "2999-01-01"), "2999-01-01 is in the future"),
        (("--format", "own", "--date", "2026-03-01"), "each row says its date"),
        (("--format", "own"), "no column 'provider'"),
        (("--format", "xml"), "xml"),
    ],
)
def test_prices_without_a_day_or_in_another_form_are_refused(typed, tmp_path, words, said):
    (tmp_path / "vms.csv").write_text(PRICES)
    code, _, error = typed("update", "prices", "--from", "vms.csv", *words)
    assert code == 2
    assert said in error
    assert not (tmp_path / "hardware").exists()


def test_what_nobody_knows_is_an_error_in_words_and_in_json(typed):
    code, out, error = typed("show", "H100", "--json")
    assert code == 2
    assert json.loads(out)["error"]["kind"] == "UnknownHardwareError"
    assert "h100-sxm" in error
    assert "h100-pcie" in error


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("kind", kinds())
def test_every_table_fits_80_columns_with_nothing_cut_off(kind, columns):
    console = Console(width=columns, file=io.StringIO())
    console.print(table_of(kind, read_catalogue()))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("kind", kinds())
def test_a_listing_in_a_pipe_is_as_narrow(typed, kind):
    assert max(map(len, typed("list", "--kind", kind)[1].splitlines())) <= 80


@pytest.mark.parametrize("name", ["H100 SXM", "h100_sxm", "nvidia h100 sxm5 80 gb"])
def test_a_device_is_found_however_its_name_is_written(typed, name):
    code, shown, _ = typed("show", name)
    assert code == 0
    assert shown.startswith("h100-sxm [accelerators]")


def test_hardware_threads_have_prices_to_show(typed):
    code, shown, _ = typed("show", "cpu-thread")
    assert code == 0
    assert "gcp us-central1 c4d-highcpu-192" in shown


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("H100", "h100-sxm, h100-pcie, h100-nvl", id="several-variants"),
        pytest.param("Foo 9000", "farthing hardware add FILE", id="nothing-like-it"),
        pytest.param("aws:eu-south-9", 'id: "aws:eu-south-9"', id="region"),
    ],
)
def test_what_is_unknown_is_an_error_that_says_how_to_go_on(typed, name, words):
    code, _, said = typed("show", name)
    assert code == 2
    assert words in said


def test_prices_are_sent_to_their_own_verb_which_says_how_to_use_them(typed, tmp_path):
    table = tmp_path / "mine.yaml"
    table.write_text(
        "prices:\n"
        "  - {provider: cellar, tier: reserved_1y, device: h20, devices: 8,\n"
        "     usd_per_instance_hour: 8, date: 2026-01-31, source: offer}\n"
    )
    code, _, said = typed("add", "mine.yaml")
    assert code == 2
    assert "farthing hardware update prices --format own --from mine.yaml" in said
    code, shown, _ = typed("update", "prices", "--format", "own", "--from", "mine.yaml")
    assert code == 0
    setting = shown.partition("in farthing.yaml:\n")[2]
    wanted = {"provider": "cellar", "device": "h20", "tier": "reserved_1y"}
    assert yaml.safe_load(setting) == {"prices": {"reserved": wanted}}
    price = parse_config(WorkspaceSettings, yaml.safe_load(setting), where="test")
    assert priced(price, read_catalogue(tmp_path))["reserved"].value == 1


def test_an_import_says_what_it_wrote_within_80_columns(typed, tmp_path):
    region, instance = "a-region-with-a-long-name", "an-instance-with-a-longer-name-than-most-have"
    chips = [f"unheard-of-chip-number-{number}" for number in range(5)]
    rows = [f"cellar,{region},spot,{chip},8,{instance},8,2026-01-31,offer 17\n" for chip in chips]
    head = "provider,region,tier,device,devices,instance,usd_per_instance_hour,date,source\n"
    (tmp_path / "mine.csv").write_text(head + "".join(rows))
    code, shown, _ = typed("update", "prices", "--format", "own", "--from", "mine.csv")
    assert code == 0
    assert max(map(len, shown.splitlines())) <= 80
    assert all(chip in shown for chip in chips)


def test_recipes_are_listed_with_a_gap_after_each_name_within_80_columns(capsys):
    assert main(["recipes", "list", "--json"]) == 0
    recipes = json.loads(capsys.readouterr().out)["recipes"]
    assert main(["recipes", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    gaps = "\n".join(lines)
    for recipe in recipes:
        assert f"{recipe['name']}  " in gaps
        assert " ".join(recipe["summary"].split()) in " ".join(gaps.split())
