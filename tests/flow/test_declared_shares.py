"""A recipe states the share of its source's cost that it carries: signed, checked, and billed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

W = ("--workspace", "w")
TRAIN = ("train", "--recipe", "tiny.yaml", *W)


# Each test has the family to itself.
pytestmark = pytest.mark.usefixtures("trained")


@pytest.fixture
def child(farthing):
    """Train a child of the family for one step; `share` as its recipe states it."""

    def run(name, share=None, check=0, **options):
        words = ["--from", "tiny", "--set", "train.steps=1", "--set", f"name={name}"]
        words += ["--set", f"train.seed={options.pop('seed', name[-1])}"]
        words += [] if share is None else ["--set", f"inherit.share={share}"]
        words += [f"--{each}" for each in options]
        return farthing(*TRAIN, *words, check=check)

    return run


def plans(tmp_path: Path) -> list[dict]:
    lines = map(json.loads, (tmp_path / "w/book.jsonl").read_text("utf-8").splitlines())
    return [line["body"] for line in lines if line["kind"] == "plan"]


def test_stated_shares_are_signed_up_to_the_whole_and_billed(farthing, child, tmp_path: Path):
    child("child1", 0.25)
    before = (tmp_path / "w/book.jsonl").read_bytes()
    refused = child("child2", 0.8, check=2)
    assert "takes 0.8" in refused.stderr
    assert "left 0.75 of it" in refused.stderr
    assert "state inherit.share 0.75 or less" in refused.stderr
    assert (tmp_path / "w/book.jsonl").read_bytes() == before
    child("child2", 0.5)
    child("child3")
    child("child4")
    signed = plans(tmp_path)
    assert [[each["share"] for each in plan["inherits"]] for plan in signed] == [
        [],
        [0.25],
        [0.5],
        [0.25],
        [0],
    ]
    assert all("inherit" not in plan["recipe"] for plan in signed)
    source = signed[1]["inherits"][0]["digest"]
    parent = json.loads(farthing("bill", *W, "--artifact", source, "--json").stdout)
    # One curation is every family's own; what is inherited is the rest of the parent's work.
    own = sum(
        line["device_hours"]["value"] for line in parent["lines"] if line["category"] != "data"
    )
    for name, share in (("child1", 0.25), ("child2", 0.5), ("child3", 0.25), ("child4", 0)):
        views = json.loads(farthing("bill", *W, "--artifact", name, "--json").stdout)["views"]
        hours = {view: figures["device_hours"]["value"] for view, figures in views.items()}
        assert hours["amortised"] - hours["marginal"] == pytest.approx(share * own)
        assert hours["fully_loaded"] - hours["marginal"] == pytest.approx(own)
    farthing("verify", *W)


def test_a_share_that_is_stated_too_late_is_refused(child, tmp_path: Path):
    child("child1", 0.25)
    before = (tmp_path / "w/book.jsonl").read_bytes()
    late = child("child1", 0.5, check=2)
    assert "made this already, under a plan that signed 0.25" in late.stderr
    assert "train.seed" in late.stderr
    # The share changes nothing about the training: the same one, or none, finds it again.
    assert "reuse" in child("child1", 0.25).stderr
    assert "reuse" in child("child1").stderr
    assert (tmp_path / "w/book.jsonl").read_bytes() == before
    again = child("child1", 0.5, rerun=True)
    assert "make" in again.stderr
    assert [plan["inherits"][0]["share"] for plan in plans(tmp_path)[1:]] == [0.25, 0.5]


@pytest.mark.parametrize(
    ("share", "said"),
    [("1.5", "inherit.share"), ("-0.1", "inherit.share"), ("half", "inherit.share")],
    ids=["more than all", "negative", "words"],
)
def test_a_share_that_cannot_be_is_refused(child, share, said):
    assert said in child("child1", share, check=2).stderr


def test_a_share_of_nothing_is_refused(farthing):
    refused = farthing(*TRAIN, "--set", "inherit.share=0.5", check=2)
    assert "starts from none" in refused.stderr
    assert "--from" in refused.stderr
