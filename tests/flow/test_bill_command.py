"""`farthing bill` on a trained family: its forms, its rates, and the shares of its children."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

W = ("--workspace", "w")
SHAPE = ("--shape", "3L-4E-1K")
PRICE = """\
prices:
  spot: {usd_per_device_hour: 0.5, date: 2026-01-31, source: list}
grid_grams_per_kwh: {grams_per_kwh: 100, source: supplier}
pue: {value: 1.5, source: site}
hardware: {name: cpu, watts_per_device: 5, source: sheet}
"""


@pytest.fixture(autouse=True)
def at_home(family: Path, tmp_path: Path, environment) -> None:
    """Each test has the family to itself."""
    shutil.copytree(family / "w", tmp_path / "w")
    shutil.copytree(family / "home", environment["FARTHING_HOME"], dirs_exist_ok=True)


def entries(tmp_path: Path) -> list[dict]:
    lines = (tmp_path / "w/book.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_what_is_recorded_is_reckoned_again_from_the_book_by_plain_arithmetic(
    farthing, tmp_path: Path
):
    (tmp_path / "w/farthing.yaml").write_text(PRICE)
    unbooked = json.loads(farthing("bill", *W, "--json", "--book-only").stdout)
    assert unbooked["total"]["usd"]["spot"] is None
    farthing("extract", *W, *SHAPE)
    said = farthing("bill", *W, "--record", "--format", "json", "--book-only")
    assert "entered for all runs: entries" in said.stderr
    assert "nothing new" in farthing("bill", *W, "--record").stderr
    bill = json.loads(said.stdout)
    usd = kwh = 0.0
    for line in entries(tmp_path):
        if line["kind"] == "run.end":
            work = line["body"]["work"]
            usd += work["device_seconds"] / 3600 * 0.5
            kwh += work["joules"] / 3.6e6 * 1.5
    assert bill["total"]["usd"]["spot"]["value"] == pytest.approx(usd, rel=1e-9)
    assert bill["total"]["kwh"]["value"] == pytest.approx(kwh, rel=1e-9)
    assert bill["total"]["kg_co2e"]["value"] == pytest.approx(kwh * 0.1, rel=1e-9)
    assert farthing("verify", *W).returncode == 0


def test_a_member_is_billed_by_its_folder_in_every_form(farthing, tmp_path: Path):
    (tmp_path / "w/farthing.yaml").write_text(PRICE)
    place = farthing("extract", *W, *SHAPE).stdout.strip()
    of = ("bill", *W, "--artifact", place)
    bill = json.loads(farthing(*of, "--format", "json").stdout)
    assert {line["relation"] for line in bill["lines"]} == {"own", "parent"}
    loaded = bill["views"]["fully_loaded"]["wall_hours"]["value"]
    assert bill["total"]["wall_hours"]["value"] == pytest.approx(loaded)
    assert bill["views"]["marginal"]["wall_hours"]["value"] < loaded
    named = json.loads(farthing("bill", *W, "--artifact", bill["artifact"][:12], "--json").stdout)
    assert named["total"] == bill["total"]
    farthing(*of, "--format", "csv", "--out", "bill.csv")
    rows = list(csv.DictReader((tmp_path / "bill.csv").read_text("utf-8").splitlines()))
    hours = sum(float(row["value"]) for row in rows if row["quantity"] == "wall_hours")
    assert hours == pytest.approx(loaded, rel=1e-9)
    farthing(*of, "--format", "html", "--out", "bill.html")
    assert bill["artifact"] in (tmp_path / "bill.html").read_text("utf-8")
    text = farthing(*of, "--view", "marginal").stdout
    (tmp_path / "bill.txt").write_text(text + farthing("bill", *W).stdout)
    assert "parent excluded" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "is there already" in farthing(*of, "--out", "bill.csv", check=2).stderr
    assert "0 artifacts" in farthing("bill", *W, "--artifact", "nothing", check=2).stderr
    assert "--artifact" in farthing("bill", *W, "--view", "marginal", check=2).stderr


def test_the_first_child_signs_all_of_its_parent_and_the_next_what_is_left(
    farthing, tmp_path: Path
):
    for steps in ("1", "2"):
        words = ("--from", "tiny", "--set", f"train.steps={steps}", "--set", f"name=child{steps}")
        farthing("train", "--recipe", "tiny.yaml", *W, *words)
    plans = [line["body"] for line in entries(tmp_path) if line["kind"] == "plan"]
    assert [[each["share"] for each in plan["inherits"]] for plan in plans] == [[], [1.0], [0.0]]
    assert len({each["digest"] for plan in plans for each in plan["inherits"]}) == 1
    bills = [
        json.loads(farthing("bill", *W, "--artifact", f"child{steps}", "--json").stdout)
        for steps in ("1", "2")
    ]
    inherited = [
        bill["views"]["amortised"]["wall_hours"]["value"]
        - bill["views"]["marginal"]["wall_hours"]["value"]
        for bill in bills
    ]
    assert inherited[0] > 0
    assert inherited[1] == pytest.approx(0)
    assert all(
        bill["views"]["fully_loaded"]["wall_hours"]["value"]
        > bill["views"]["marginal"]["wall_hours"]["value"]
        for bill in bills
    )
