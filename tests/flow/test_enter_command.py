"""`farthing enter`: what a person types, what is said, and what is refused without an entry."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

W = ("--workspace", "w")
EXPENSE = ("--what", "object storage", "--usd", "12.5", "--date", "2026-03-31", "--source", "4711")
READING = ("--method", "psu", "--covers", "the whole machine", "--source", "rack meter")
PRICE = "prices: {spot: {usd_per_device_hour: 0.5, date: 2026-01-31, source: list}}\n"

# Each test has the family to itself.
pytestmark = pytest.mark.usefixtures("trained")


@pytest.fixture(autouse=True)
def prices(trained: Path, tmp_path: Path) -> None:
    assert trained.is_dir()
    (tmp_path / "w/farthing.yaml").write_text(PRICE)


def book(tmp_path: Path) -> list[dict]:
    lines = (tmp_path / "w/book.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def refused(farthing, tmp_path: Path):
    """What `farthing enter` says when it refuses; the book stays as it was."""

    def run(*words: str) -> str:
        before = (tmp_path / "w/book.jsonl").read_bytes()
        said = farthing("enter", words[0], *W, *words[1:], check=2).stderr
        assert (tmp_path / "w/book.jsonl").read_bytes() == before
        assert "remedy: " in said
        return said

    return run


def test_an_expense_is_entered_and_what_it_does_to_the_total_is_said(farthing, tmp_path: Path):
    said = farthing("enter", "expense", *W, *EXPENSE, "--runs", "0-1").stdout
    last = book(tmp_path)[-1]
    assert said.startswith(f"entry {last['n']}, expense: ")
    assert (last["kind"], last["body"]["runs"]) == ("expense", [0, 1])
    before, after = next(
        row.split()[2::3] for row in said.splitlines() if row.strip().startswith("USD spot")
    )
    assert float(after) - float(before) == pytest.approx(12.5, abs=1e-3)
    assert "unknown before and after: " in said
    assert "USD reserved" in said
    plan = next(line["body"]["name"] for line in book(tmp_path) if line["kind"] == "plan")
    words = ("--what", "traffic", *EXPENSE[2:], "--plan", plan, "--basis", "owned", "--json")
    entered = json.loads(farthing("enter", "expense", *W, *words).stdout)
    assert entered["entry"] == last["n"] + 1
    assert entered["body"]["basis"] == "owned"
    bill = json.loads(farthing("bill", *W, "--json").stdout)
    assert entered["total"] == bill["total"]
    assert [line["what"] for line in bill["expenses"]] == ["object storage", "traffic"]
    farthing("verify", *W)


def test_a_reading_is_entered_from_figures_or_from_a_file(farthing, tmp_path: Path):
    words = ("--runs", "0", "--kwh", "1.5", "--low", "1", "--high", "2", "--json")
    stated = json.loads(farthing("enter", "reading", *W, *READING, *words).stdout)
    assert stated["body"]["energy"]["joules"] == pytest.approx(1.5 * 3.6e6)
    bill = json.loads(farthing("bill", *W, "--json").stdout)
    assert bill["runs"][0]["kwh"]["value"] == pytest.approx(1.5)
    assert bill["runs"][0]["kwh"]["provenance"] == "estimated"
    end = next(
        line for line in book(tmp_path) if (line["kind"], line["body"].get("run")) == ("run.end", 1)
    )
    zero = datetime.fromisoformat(end["time"]) - timedelta(seconds=400)
    file = tmp_path / "readings.jsonl"
    with file.open("w") as out:
        for second in range(0, 402, 2):
            time = (zero + timedelta(seconds=second)).isoformat()
            out.write(json.dumps({"time_utc": time, "watts": 250}) + "\n")
    words = ("--runs", "1", "--file", "readings.jsonl", "--json")
    read = json.loads(farthing("enter", "reading", *W, *READING, *words).stdout)
    seconds = end["body"]["work"]["wall_seconds"]
    assert read["body"]["energy"]["joules"] == pytest.approx(250 * seconds)
    assert read["body"]["file_digest"] == hashlib.sha256(file.read_bytes()).hexdigest()
    farthing("verify", *W)


def test_what_was_held_makes_a_line_of_idle_time(farthing, tmp_path: Path):
    starts = [line for line in book(tmp_path) if line["kind"] == "run.start"]
    devices = starts[0]["body"]["machine"]["devices"]
    first = datetime.fromisoformat(starts[0]["time"])
    # Two hours that were over long before anything ran.
    times = [moment(first - timedelta(hours=hours)) for hours in (30, 28)]
    words = ("--from", times[0], "--until", times[1], "--devices", str(devices))
    said = farthing("enter", "held", *W, *words, "--source", "invoice 9").stdout
    assert "kWh" in said
    assert "-> unknown" in said
    bill = json.loads(farthing("bill", *W, "--json").stdout)
    (line,) = bill["expenses"]
    assert (line["category"], line["kwh"]) == ("idle", None)
    assert line["device_hours"]["value"] == pytest.approx(2 * devices)
    assert line["usd"]["spot"]["value"] == pytest.approx(devices)
    number = str(book(tmp_path)[-1]["n"])
    farthing("enter", "reading", *W, *READING, "--held", number, "--kwh", "0.1")
    text = farthing("bill", *W).stdout
    assert f"idle time of {devices} device" in " ".join(text.split())
    (line,) = json.loads(farthing("bill", *W, "--json").stdout)["expenses"]
    assert line["kwh"]["value"] == pytest.approx(0.1)
    farthing("verify", *W)


def test_what_was_wrong_is_taken_back_and_stays_in_the_book(farthing, tmp_path: Path):
    before = json.loads(farthing("bill", *W, "--json").stdout)
    farthing("enter", "reading", *W, *READING, "--runs", "1", "--kwh", "20000")
    number = book(tmp_path)[-1]["n"]
    words = ("--entry", str(number), "--reason", "watt-hours, not kilowatt-hours")
    said = json.loads(farthing("enter", "withdrawal", *W, *words, "--json").stdout)
    assert said["total_before"]["kwh"]["value"] > 20000
    bill = json.loads(farthing("bill", *W, "--json").stdout)
    assert bill["total"] == before["total"] == said["total"]
    (note,) = [note for note in bill["notes"] if f"entry {number} (reading)" in note]
    assert "watt-hours, not kilowatt-hours" in note
    assert [line["kind"] for line in book(tmp_path)][number:] == ["reading", "withdrawn"]
    farthing("verify", *W)
    # What was taken back can be entered rightly, and not be taken back again.
    farthing("enter", "reading", *W, *READING, "--runs", "1", "--kwh", "0.02")
    assert "still stands" in farthing("enter", "withdrawal", *W, *words, check=2).stderr
    farthing("enter", "withdrawal", *W, "--entry", "0", "--reason", "no", check=2)
    farthing("verify", *W)


def test_what_cannot_be_is_refused_with_what_and_how_and_nothing_is_entered(refused):
    assert "--usd -3" in refused("expense", *EXPENSE, "--usd", "-3")
    undated = [word for word in EXPENSE if word not in ("--date", "2026-03-31")]
    said = refused("expense", *undated)
    assert "--date is missing" in said
    assert "--date 2026-01-31" in said
    assert "--date 2999-01-01" in refused("expense", *EXPENSE, "--date", "2999-01-01")
    said = refused("expense", *EXPENSE, "--runs", "1,7")
    assert "no run 7; its runs are 0-1" in said
    assert "'x' is no number" in refused("expense", *EXPENSE, "--runs", "1,x")
    assert "'3-1' is no number" in refused("expense", *EXPENSE, "--runs", "3-1")
    assert "'' is no number" in refused("expense", *EXPENSE, "--runs", "")
    assert "one cause" in refused("expense", *EXPENSE, "--runs", "1", "--plan", "tiny")
    assert "name one of tiny (" in refused("expense", *EXPENSE, "--plan", "nobody")
    assert "Missing option '--usd'" in refused("expense", "--what", "x", "--source", "y")
    assert "spot" in refused("expense", *EXPENSE, "--basis", "monthly")
    assert "neither is named" in refused("reading", *READING, "--kwh", "1")
    assert "neither --kwh nor --file" in refused("reading", *READING, "--runs", "1")
    assert "no such file" in refused("reading", *READING, "--runs", "1", "--file", "nowhere")
    assert "--held 0" in refused("reading", *READING, "--held", "0", "--kwh", "1")
    assert "psu" in refused("reading", *READING, "--method", "rapl", "--runs", "1", "--kwh", "1")
    past = ("--from", "2026-03-01T09:00Z", "--until")
    assert "not after" in refused("held", *past, "2026-03-01T08:00Z", "--devices", "8")
    assert "--until 'noon'" in refused("held", *past, "noon", "--devices", "8")
    assert "--devices 0" in refused("held", *past, "2026-03-01T10:00Z", "--devices", "0")


def test_a_folder_without_a_book_gets_none(farthing, tmp_path: Path):
    said = farthing("enter", "expense", "--workspace", "elsewhere", *EXPENSE, check=1).stderr
    assert "no book" in said
    assert not (tmp_path / "elsewhere").exists()
