"""Serving a member and the cost of a loss, typed as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farthing.artifacts.serving import open_serving

W = ("--workspace", "w")

pytestmark = pytest.mark.usefixtures("trained")


def bodies(tmp_path: Path, kind: str) -> list[dict]:
    lines = (tmp_path / "w/book.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry["body"] for entry in entries if entry["kind"] == kind]


@pytest.mark.slow
def test_serving_is_measured_priced_and_booked_under_the_familys_plan(farthing, tmp_path: Path):
    (tmp_path / "w/farthing.yaml").write_text(
        "prices:\n  spot: {usd_per_device_hour: 0.5, date: 2026-01-31, source: a list}\n"
    )
    words = ("bench", *W, "--serve", "3L-4E-1K", "--batches", "1,2", "--threads", "1")
    made = json.loads(farthing(*words, "--json").stdout)
    found = open_serving(tmp_path / made["folder"])[0]
    assert found.model_dump(mode="json") == made["measurement"]
    assert [point.batch for point in found.points] == [1, 2]
    start, end = bodies(tmp_path, "run.start")[-1], bodies(tmp_path, "run.end")[-1]
    assert (start["purpose"], start["plan"] is not None) == ("serving", True)
    assert start["inputs"] == [{"role": "supernet", "digest": found.supernet}]
    assert (end["status"], end["artifact"]["kind"]) == ("completed", "serving")
    # Six turns (one warms up) of both batches: 128 read, 32 written with a pass of their own.
    assert end["work"]["tokens"] == 6 * (1 + 2) * (128 + 32)
    assert end["work"]["flops"] > 0
    devices = start["machine"]["devices"]
    for point, price in zip(found.points, made["prices"], strict=True):
        for phase, name in ((point.prefill, "input"), (point.decode, "output")):
            by_hand = 0.5 * devices * 1e6 / (phase.rate.value * 3600)
            assert price[name]["usd_per_million"]["spot"]["value"] == pytest.approx(by_hand)
            assert price[name]["usd_per_million"]["on_demand"] is None
    assert all(row["date"] for row in made["public_prices"])
    assert made["basis"][0] == "spot: 0.5 USD per device-hour (a list, 2026-01-31)"
    # Measured again, it is another run; nothing about it is unknown to verify and the report.
    shown = farthing(*words).stdout
    for text in ("Tokens per second", "Per million tokens", "Public prices", "busy all the time"):
        assert text in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert len(list((tmp_path / "w/serving").glob("[!.]*"))) == 2
    farthing("verify", *W)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(("--serve", "9L"), "9", id="no such member"),
        pytest.param(("--serve", "3L-4E-1K", "--batches", "0"), "--batches 1,8", id="no batch"),
        pytest.param(("--serve", "3L-4E-1K", "--threads", "0"), "hardware threads", id="no thread"),
        pytest.param(("--batches", "1"), "belong to --serve", id="no member"),
    ],
)
def test_what_cannot_be_served_is_said_before_a_run_begins(
    farthing, tmp_path: Path, options, words
):
    before = len(bodies(tmp_path, "run.start"))
    done = farthing("bench", *W, *options, check=2)
    assert words in done.stderr
    assert "remedy" in done.stderr
    assert len(bodies(tmp_path, "run.start")) == before


@pytest.mark.slow
def test_what_a_loss_costs_comes_out_of_a_real_run(farthing, tmp_path: Path):
    scores = json.loads(farthing("evaluate", *W, "--json").stdout)
    best = min(member["mean_bpb"] for member in scores["members"])
    reached = json.loads(farthing("bill", *W, "--to-bpb", str(best), "--json").stdout)
    (text,) = reached["texts"]
    assert text["best_bpb"] == best
    (hours,) = [cost for cost in text["costs"] if cost["unit"] == "device-hours"]
    starts = {body["run"]: body["purpose"] for body in bodies(tmp_path, "run.start")}
    ends = bodies(tmp_path, "run.end")
    whole = sum(end["work"]["device_seconds"] for end in ends) / 3600
    training = [end for end in ends if starts[end["run"]] == "training"]
    least = sum(end["work"]["device_seconds"] for end in training) / 3600
    # Curation and training are in it; of the evaluation, the other members' parts are not.
    assert least < hours["cost"]["value"] < whole
    assert "no run reached" in farthing("bill", *W, "--to-bpb", str(best / 2)).stdout
    assert "no loss" in farthing("bill", *W, "--to-bpb", "0", check=2).stderr
