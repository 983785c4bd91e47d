"""The bill of a workspace in which everything happened equals a sum made without farthing."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from adding_up import Sums

W = ("--workspace", "w")
TRAIN = ("train", "--recipe", "tiny.yaml", *W)
DEADLINE_SECONDS = 120
SETTINGS = """\
prices:
  spot: {usd_per_device_hour: 0.5, date: 2026-01-31, source: list}
  on_demand: {usd_per_device_hour: 2.0, date: 2026-01-31, source: list}
grid_grams_per_kwh: {grams_per_kwh: 100, source: supplier}
pue: {value: 1.5, source: site}
hardware: {name: cpu, watts_per_device: 5, source: sheet}
"""
DIVERGING = (
    *("--set", "train.optimizer.output_learning_rate=1e37"),
    *("--set", "train.checkpoint_every=1"),
    *("--set", "train.max_loss_jump_nats=0.5"),
)


@pytest.fixture
def kill(tmp_path: Path, environment, command):
    """Start a training in an interpreter of its own, and kill it after some steps."""

    def run(*arguments: str) -> None:
        before = set((tmp_path / "w/runs").glob("*/metrics.jsonl"))
        process = subprocess.Popen(
            command(*arguments),
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while set((tmp_path / "w/runs").glob("*/metrics.jsonl")) == before:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
        process.wait()

    return run


@pytest.fixture
def everything(trained: Path, farthing, kill, tmp_path: Path) -> None:
    """A family; a failed and a killed run; a search; scores, a member; an expense, a reading."""
    assert trained.is_dir()
    (tmp_path / "w/farthing.yaml").write_text(SETTINGS)
    farthing(*TRAIN, *DIVERGING, check=3)
    kill(*TRAIN, "--set", "train.steps=100000", "--set", "name=killed")
    farthing("search", *W, "--run", "tiny", "--max-total", "1M", "--budget", "4")
    farthing("evaluate", *W, "--run", "tiny")
    farthing("extract", *W, "--run", "tiny", "--shape", "3L-4E-1K")
    farthing("bill", *W, "--record")


def close(mine: float):
    return pytest.approx(mine, rel=1e-9, abs=1e-15)


def check(cost: dict[str, float], figures: dict) -> None:
    """Every figure that the sum made by hand has is the bill's."""
    for name, mine in cost.items():
        quantity, _, basis = name.partition(" ")
        found = figures[quantity][basis] if basis else figures[quantity]
        assert found["value"] == close(mine), name
    for basis in ("reserved", "owned"):
        assert figures["usd"][basis] is None, "nobody gave a price"


@pytest.mark.usefixtures("everything")
def test_the_bill_of_a_workspace_in_which_everything_happened_is_a_sum_made_by_hand(
    farthing, tmp_path: Path
):
    workspace = tmp_path / "w"
    sums = Sums(workspace)
    ends = [
        (sums.starts[body["run"]]["purpose"], body["status"], body["evidence"])
        for body in sums.bodies("run.end")
    ]
    assert ends[:4] == [
        ("curation", "completed", "meter"),
        ("training", "completed", "meter"),
        ("training", "failed", "meter"),
        ("training", "aborted", "heartbeat"),
    ]
    assert {purpose for purpose, _, _ in ends[4:]} == {"search", "evaluation", "extraction"}
    scored = max(run for run, start in sums.starts.items() if start["purpose"] == "evaluation")
    expense = ("--what", "object storage", "--usd", "12.5", "--date", "2026-03-31")
    causes = ("--source", "invoice 4711", "--runs", f"1,3,{scored}")
    farthing("enter", "expense", *W, *expense, *causes)
    everyone = ("--what", "traffic", "--usd", "0.75", "--date", "2026-03-31", "--basis", "spot")
    farthing("enter", "expense", *W, *everyone, "--source", "invoice 4712")
    reading = ("--method", "psu", "--covers", "the whole machine", "--source", "rack meter")
    farthing("enter", "reading", *W, *reading, "--runs", f"2,{scored}", "--kwh", "0.125")

    bill = json.loads(farthing("bill", *W, "--format", "json", "--book-only").stdout)
    sums = Sums(workspace)
    check(sums.total(), bill["total"])
    assert {line["run"]: line["status"] for line in bill["runs"]} == {
        body["run"]: body["status"] for body in sums.bodies("run.end")
    }
    for line in bill["runs"]:
        check(sums.runs[line["run"]], line)
    for purpose, figures in bill["purposes"].items():
        check(sums.of_purpose(purpose), figures)
    # What failed and what was killed is part of it, and so are the entries made by hand.
    assert all(sums.runs[run]["device_hours"] > 0 for run in (2, 3))
    assert bill["total"]["usd"]["spot"]["value"] > 13.25
    assert bill["total"]["kwh"]["value"] > 0.125 * 1.5

    (family,) = bill["families"]
    shares = {member["shape"]: member["share"] for member in family["members"]}
    views = sums.members(shares)
    assert len(views) == 3
    for member in family["members"]:
        for view, cost in views[member["shape"]].items():
            check(cost, member[view])
    farthing("verify", *W)
