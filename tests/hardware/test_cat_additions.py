"""A user's own entries over the shipped ones."""

from __future__ import annotations

import pytest

from farthing.artifacts.yaml_reader import read_yaml
from farthing.errors import ConfigError, UnknownHardwareError
from farthing.hardware.additions import copy_into, read_file
from farthing.hardware.catalogue import read_catalogue

MINE = """\
sources:
  - {id: sheet, title: "Data sheet", url: "https://example.org", read: 2026-01-31,
     licence: "none stated", kind: maker}
accelerators:
  - id: abacus
    name: "Abacus 3000"
    maker: "Farthing"
    driver_names: ["ABACUS 3000 80GB"]
    source: sheet
    peaks: {bf16: 100e12}
    memory_bytes: 80e9
    memory_bytes_per_second: {value: 2e12, low: 1e12, high: 2e12, note: "two revisions"}
    tdp_watts: 300
    blanks: {intra_node_bytes_per_second: "not stated", inter_node_bits_per_second: "not stated"}
sites:
  - {id: shed, name: "Shed", source: sheet, pue: 1.3, blanks: {litres_per_kwh: "not stated"}}
regions:
  - {provider: verda, region: FIN-01, grid: FIN, place: Helsinki, source: sheet}
"""


def _catalogue(tmp_path, text):
    (tmp_path / "hardware").mkdir(exist_ok=True)
    (tmp_path / "hardware" / "mine.yaml").write_text(text)
    return read_catalogue(tmp_path)


def test_own_entries_stand_beside_the_shipped_ones(tmp_path):
    catalogue = _catalogue(tmp_path, MINE)
    abacus = catalogue.accelerator("abacus 3000 80gb")
    assert abacus.peak("bf16").value == 100e12
    assert abacus.peak("bf16").source == "sheet"
    assert abacus.figure("memory_bytes_per_second").range() == (1e12, 2e12)
    assert catalogue.site("shed").pue.value == 1.3
    assert catalogue.region_grid("verda", "FIN-01").value == catalogue.grid("FIN").value
    assert catalogue.accelerator("h100-sxm").peak("bf16").value == 989.4e12


def test_an_entry_that_says_so_stands_for_a_shipped_one(tmp_path):
    text = MINE.replace("id: abacus\n", "id: h20\n    replaces: h20\n")
    catalogue = _catalogue(tmp_path, text)
    assert catalogue.accelerator("h20").name == "Abacus 3000"
    with pytest.raises(UnknownHardwareError):
        catalogue.accelerator("NVIDIA H20")


def test_a_workspace_without_additions_has_what_ships(tmp_path):
    assert read_catalogue(tmp_path).accelerators == read_catalogue().accelerators


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("id: abacus", "id: h100-sxm", "'h100-sxm' is taken"),
        ("id: shed", "id: aws", "'aws' is taken"),
        ("id: sheet", "id: genai-prices", "'genai-prices' is taken"),
        (
            "source: sheet\n    peaks",
            "source: shete\n    peaks",
            "'shete', which is described nowhere",
        ),
        ("id: abacus\n", "id: abacus\n    replaces: h101\n", "replaces 'h101'"),
        ("id: abacus\n", "id: abacus\n    replaces: h20\n", "add abacus as a new one"),
        ('"ABACUS 3000 80GB"', '"NVIDIA L4"', "'NVIDIA L4' names both"),
        ("    tdp_watts: 300\n", "", "no tdp_watts"),
        ("tdp_watts: 300", "tdp_watts: -300", "tdp_watts.value = -300"),
        ("{bf16: 100e12}", "{bf16: 100e12, fp8: 90e12}", "with sparsity"),
        ("{bf16: 100e12}", "{bfloat16: 100e12}", "bfloat16"),
        ("memory_bytes: 80e9", "memory_bytes: {value: 80, unit: GB}", "is in 'GB'"),
        ("{bf16: 100e12}", "{bf16: 500}", "in FLOP/s: 500e12 for 500 TFLOP/s"),
        ("memory_bytes: 80e9", "memory_bytes: 80", "in bytes: 80e9 for 80 GB"),
        ("{value: 2e12, low: 1e12", "{value: 2e12, low: 1", "= 1 is too little"),
        ("low: 1e12", "low: 3e12", "outside its range"),
        ("pue: 1.3", "pue: 0.9", "pue = 0.9"),
        ('{litres_per_kwh: "not stated"}', '{litre: "not stated"}', "no litres_per_kwh"),
        ("read: 2026-01-31", "read: soon", "read = 'soon'"),
        ("licence: ", "license: ", "licence"),
        ("grid: FIN", "grid: FINN", "'FINN'"),
        ("sites:", "site:", "no section 'site'"),
    ],
)
def test_a_wrong_entry_is_refused_by_what_is_wrong_in_it(tmp_path, old, new, what):
    assert old in MINE
    with pytest.raises((ConfigError, UnknownHardwareError)) as caught:
        _catalogue(tmp_path, MINE.replace(old, new, 1))
    assert what in str(caught.value)
    assert caught.value.remedy


def test_the_block_of_an_unknown_device_is_taken_once_filled_in(tmp_path):
    with pytest.raises(UnknownHardwareError) as caught:
        read_catalogue().accelerator("Abacus 4000")
    block = caught.value.remedy.partition("add my.yaml`:\n")[2]
    assert set(read_yaml(block, where="remedy")) == {"sources", "accelerators"}
    catalogue = _catalogue(tmp_path, block)
    assert catalogue.accelerator("ABACUS 4000").peak("bf16").value == 100e12


def test_the_blocks_of_an_unknown_grid_site_and_making_are_taken_too(tmp_path):
    plain = read_catalogue()
    for number, ask in enumerate(
        (
            lambda one: one.grid("verda:MARS-1"),
            lambda one: one.site("basement"),
            lambda one: one.embodied_of("l4"),
        )
    ):
        with pytest.raises(UnknownHardwareError) as caught:
            ask(plain)
        block = caught.value.remedy.partition("add my.yaml`:\n")[2]
        root = tmp_path / str(number)
        root.mkdir()
        assert ask(_catalogue(root, block)) is not None


def test_a_file_is_copied_once_and_never_over_another(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    assert set(read_file(file)) == {"sources", "accelerators", "sites", "regions"}
    copied = copy_into(tmp_path / "ws", file)
    assert copied == copy_into(tmp_path / "ws", file)
    file.write_text(MINE + "\n# changed\n")
    with pytest.raises(ConfigError, match="stays as it is"):
        copy_into(tmp_path / "ws", file)
    assert copied.read_text() == MINE


def test_the_example_of_the_page_is_taken(tmp_path, request):
    page = (request.config.rootpath / "docs" / "hardware.md").read_text()
    (block,) = [each for each in page.split("```yaml\n") if each.startswith("sources:")]
    block = block.partition("```")[0]
    assert _catalogue(tmp_path, block).accelerator("abacus-3000").peak("fp8").value == 200e12


def test_a_site_is_found_however_its_capitals_are_written_unless_that_is_open(tmp_path):
    assert read_catalogue().site("AWS").id == "aws"
    assert read_catalogue().site("On Premises").id == "on-premises"
    catalogue = _catalogue(tmp_path, MINE.replace("id: shed", "id: AWS"))
    assert catalogue.site("aws").name.startswith("Amazon")
    assert catalogue.site("AWS").name == "Shed"
    with pytest.raises(UnknownHardwareError, match="no site 'Aws'"):
        catalogue.site("Aws")
