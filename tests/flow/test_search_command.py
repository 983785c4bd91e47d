"""A search from the command line: found, judged, booked, reused, and refused where it must be."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

W = ("--workspace", "w")


# Each test has the family to itself.
pytestmark = pytest.mark.usefixtures("trained")


def book(tmp_path: Path) -> list[dict]:
    lines = (tmp_path / "w/book.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def starts(tmp_path: Path) -> list[tuple[str, str]]:
    entries = [entry["body"] for entry in book(tmp_path) if entry["kind"] == "run.start"]
    return [(body["purpose"], body["name"]) for body in entries]


def search_runs(tmp_path: Path) -> int:
    return starts(tmp_path).count(("search", "tiny"))


@pytest.mark.slow
@pytest.mark.parametrize("space", ["portable", "free"])
def test_the_best_member_is_found_judged_and_booked(farthing, tmp_path: Path, space: str):
    # A little less than the whole supernet has.
    bound = 16_000
    words = ("search", *W, "--max-active", str(bound), "--space", space, "--budget", "20")
    found = json.loads(farthing(*words, "--json").stdout)
    search, verdict = found["search"], found["verdict"]
    assert all(one["active"] <= bound for one in search["candidates"] if one["fits"])
    named = {one["shape"]: one for one in search["candidates"]}
    finalists = {*search["finalists"], *search["uniform"]}
    assert all(named[shape]["fits"] for shape in finalists)
    # What was judged is what evaluate says of the same members, on all of the dev text.
    scores = {member["shape"]: member["mean_bpb"] for member in found["scores"]}
    assert set(scores) == finalists
    again = farthing("evaluate", *W, "--shape", verdict["shape"], "--json")
    assert json.loads(again.stdout)["members"][0]["mean_bpb"] == pytest.approx(verdict["bpb"])
    assert verdict["bpb"] == min(scores[shape] for shape in search["finalists"])
    assert verdict["uniform_bpb"] == min(scores[shape] for shape in search["uniform"])
    difference = 100 * (verdict["bpb"] - verdict["uniform_bpb"]) / verdict["uniform_bpb"]
    assert verdict["difference_percent"] == pytest.approx(difference, abs=1e-4)
    # What is said to be extractable is what one top-k, and two experts somewhere, make so.
    for one in search["candidates"]:
        top_k, experts = (one["shape"].split("/")[part].split("=")[1] for part in (2, 1))
        lonely = all(re.fullmatch(r"1|e\d+", each) for each in experts.split(","))
        assert one["extractable"] == ("," not in top_k and not lonely), one
    # All of it is in the book, under the family's plan, and on the bill.
    assert starts(tmp_path)[-4:-1] == [
        ("search", "tiny"),
        ("evaluation", "tiny"),
        ("search", "tiny-verdict"),
    ]
    runs = [e["body"] for e in book(tmp_path) if e["kind"] == "run.start"]
    plan = next(run["plan"] for run in runs if run["purpose"] == "training")
    assert plan
    assert {run["plan"] for run in runs if run["purpose"] == "search"} == {plan}
    bill = json.loads(farthing("bill", *W, "--json").stdout)
    assert bill["purposes"]["search"]["flops"]["value"] > 0
    farthing("verify", *W)


@pytest.mark.slow
def test_the_same_search_is_found_again_and_a_person_is_told_what_to_type(farthing, tmp_path: Path):
    words = ("search", *W, "--max-total", "30K", "--budget", "12")
    first = farthing(*words)
    runs = len(starts(tmp_path))
    second = farthing(*words)
    assert second.stdout == first.stdout
    assert len(starts(tmp_path)) == runs
    assert second.stderr.count("reuse") == 3
    assert search_runs(tmp_path) == 1
    farthing(*words, "--seed", "1")
    assert search_runs(tmp_path) == 2
    assert max(len(line) for line in first.stdout.splitlines() if "│" in line) <= 80
    command = first.stdout.strip().splitlines()[-1].strip()
    assert command.startswith("farthing extract --shape '")
    farthing("extract", *W, "--shape", command.split("'")[1])


def test_memory_is_what_the_extracted_file_holds(farthing, tmp_path: Path):
    words = ("search", *W, "--max-memory", "0.05", "--budget", "12", "--json")
    found = json.loads(farthing(*words).stdout)
    shape = found["verdict"]["shape"]
    candidate = next(one for one in found["search"]["candidates"] if one["shape"] == shape)
    assert candidate["weight_mib"] <= 0.05
    member = Path(farthing("extract", *W, "--shape", shape).stdout.strip())
    size = (tmp_path / member / "model.safetensors").stat().st_size
    header = int.from_bytes((tmp_path / member / "model.safetensors").read_bytes()[:8], "little")
    assert candidate["weight_mib"] * 2**20 == size - header - 8


def test_latency_is_measured_for_every_finalist(farthing):
    words = ("search", *W, "--max-latency", "10000", "--budget", "8", "--json")
    found = json.loads(farthing(*words).stdout)["search"]
    named = {one["shape"]: one for one in found["candidates"]}
    times = [named[shape]["milliseconds"] for shape in (*found["finalists"], *found["uniform"])]
    assert all(0 < milliseconds <= 10000 for milliseconds in times)


def test_a_budget_in_seconds_ends_the_search(fresh_farthing):
    words = ("search", *W, "--max-total", "1M", "--space", "free", "--budget", "0.01s", "--json")
    found = json.loads(fresh_farthing(*words).stdout)["search"]
    # The whole supernet fits: it is the largest uniform member; the smallest is always measured.
    assert [one["origin"] for one in found["candidates"]] == ["full", "smallest"]


@pytest.mark.parametrize(
    "limits", [(), ("--max-active", "1M", "--max-total", "1M")], ids=["none", "two"]
)
def test_a_search_takes_one_limit(farthing, limits):
    refused = farthing("search", *W, *limits, check=2)
    assert "one limit" in refused.stderr
    assert "--max-latency" in refused.stderr


def test_a_limit_below_the_smallest_member_names_it_and_costs_nothing(farthing, tmp_path: Path):
    before = len(book(tmp_path))
    for limit, unit in (("--max-active", "active parameters"), ("--max-memory", "MiB of weights")):
        refused = farthing(
            "search", *W, limit, "1" if limit == "--max-active" else "0.001", check=2
        )
        assert "the smallest, 2L-2E-1K" in refused.stderr
        assert unit in refused.stderr
    assert len(book(tmp_path)) == before
    refused = farthing("search", *W, "--max-latency", "0.0001", check=2)
    assert "the smallest, 2L-2E-1K" in refused.stderr
    assert "ms per token" in refused.stderr


def test_what_cannot_be_searched_is_named(farthing):
    assert "holds 0 finished runs" in farthing("search", "--max-total", "1M", check=2).stderr
    assert (
        "no budget" in farthing("search", *W, "--max-total", "1M", "--budget", "x", check=2).stderr
    )
    wrong = farthing("search", *W, "--max-total", "1M", "--space", "wide", check=2)
    assert "portable" in wrong.stderr
    assert "max_latency" not in wrong.stderr


def test_a_search_without_its_corpus_says_how_to_make_it(farthing, tmp_path: Path):
    (corpus,) = (tmp_path / "w/corpora").glob("[!.]*")
    os.rename(corpus, tmp_path / "elsewhere")
    assert "farthing curate" in farthing("search", *W, "--max-total", "1M", check=1).stderr
