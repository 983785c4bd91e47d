"""A model that is there is trained on with: whole, cut out or grown, from the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from farthing.cli.main import main

W = ("--workspace", "w")
TINY = ("--recipe", "tiny.yaml")
OTHER_TOKENIZER = ("--set", "corpus.tokenizer=bpe", "--set", "corpus.vocab_size=300")
FEW = ("--set", "train.steps=3")


# Each test has the family to itself.
pytestmark = pytest.mark.usefixtures("trained")


@pytest.fixture
def train(farthing):
    """`farthing train --json`, from something; what it prints, and its lines."""

    def run(*words: str, workspace: str = "w") -> tuple[dict, str]:
        done = farthing("train", *TINY, "--workspace", workspace, *FEW, *words, "--json")
        return json.loads(done.stdout), done.stderr

    return run


def only_run(tmp_path: Path) -> Path:
    (place,) = (tmp_path / "w/runs").glob("tiny-*")
    return place


def test_a_member_is_trained_on_with_scored_cut_out_and_trained_on_again(
    farthing, train, tmp_path: Path
):
    made, said = train("--from", "tiny", "--shape", "3L-4E-1K")
    assert "3L-4E-1K, instead of the recipe's" in said
    assert "reuse     w/corpora/tiny-" in said, "the text is the same under any name"
    assert Path(made["run"]).name.startswith("continued-tiny-")
    assert made["start"]["shape"] == "layers=0-1,3/experts=4/top_k=1"
    # Twelve steps of four sequences have been read.
    assert made["start"]["first_sequence"] == 48
    assert made["data_order"]["next_sequence"] == 60
    # The name of the source still finds it: the same command finds what it made.
    again, said = train("--from", "tiny", "--shape", "3L-4E-1K")
    assert again == made
    assert f"reuse     {made['run']}" in said
    scores = json.loads(farthing("evaluate", *W, "--run", "continued", "--json").stdout)
    assert [member["label"] for member in scores["members"]] == ["3L-4E-1K"]
    member = farthing("extract", *W, "--run", "continued", "--shape", "3L-2E-1K").stdout.strip()
    card = (tmp_path / member / "README.md").read_text("utf-8")
    assert made["start"]["parent"] in card
    further, _ = train("--from", member, "--set", "name=further")
    assert Path(further["run"]).name.startswith("further-")
    assert further["start"]["parent"] == made["digest"]
    assert further["data_order"]["next_sequence"] == 72
    assert further["start"]["tokens"] == (12 + 3) * 4 * 128
    farthing("verify", *W)


def test_the_bill_says_what_was_inherited_and_what_another_book_says(
    farthing, train, tmp_path: Path
):
    made, _ = train("--from", "tiny", "--shape", "3L-4E-1K")
    bill = json.loads(farthing("bill", *W, "--json").stdout)
    first, second = bill["families"]
    by_run = {
        run["name"]: run["wall_hours"]["value"]
        for run in bill["runs"]
        if run["purpose"] == "training"
    }
    assert second["inherited"]["wall_hours"]["value"] == pytest.approx(by_run["tiny"])
    assert first["inherited"] is None
    loaded = second["members"][0]["fully_loaded"]["wall_hours"]["value"]
    assert loaded == pytest.approx(bill["total"]["wall_hours"]["value"])
    # The same model in another workspace: its cost stands in its own book.
    moved, _ = train("--from", str(only_run(tmp_path)), "--shape", "3L-4E-1K", workspace="other")
    assert moved["start"] == made["start"]
    bill = json.loads(farthing("bill", "--workspace", "other", "--json").stdout)
    assert bill["families"][0]["outside"] == made["start"]["parent"]
    assert any(made["start"]["parent"] in line for line in bill["unknown"])


def test_a_model_grows(farthing, train):
    made, said = train(
        *("--from", "tiny"),
        *("--set", "model.num_layers=6", "--set", "model.num_experts=8"),
        *("--set", "start.grow.layers=stack", "--set", "start.grow.experts=copy"),
        *("--set", "evaluate.members=[4L-4E-2K]"),
    )
    assert "grown to 6L-8E-2K, whose member 4L-4E-2K is the source" in said
    assert "computes something else" in said
    assert "members to be registered: 6L-8E-2K, 4L-4E-2K" in said
    assert made["start"]["grow"] == {"layers": "stack", "experts": "copy", "noise": 0.05}
    scores = json.loads(farthing("evaluate", *W, "--run", "continued", "--json").stdout)
    assert [member["label"] for member in scores["members"]] == ["6L-8E-2K", "4L-4E-2K"]


def test_a_recipe_says_itself_what_it_starts_from(farthing, tmp_path: Path):
    recipe = yaml.safe_load((tmp_path / "tiny.yaml").read_text("utf-8"))
    del recipe["model"]
    recipe["train"] |= {"elastic": None, "steps": 3}
    recipe |= {"name": "own", "evaluate": {"members": ["3L-4E-1K"]}}
    recipe["start"] = {"from": "tiny", "shape": "3L-4E-1K", "optimizer": "carried"}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    own = json.loads(farthing("train", "--recipe", "own.yaml", *W, "--json").stdout)
    assert Path(own["run"]).name.startswith("own-")
    assert own["start"]["optimizer"] == "carried"
    # Sizes that contradict the model are an error, where a recipe gives both.
    recipe["model"] = yaml.safe_load((tmp_path / "tiny.yaml").read_text("utf-8"))["model"]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    words = ("--set", "model.hidden_dim=32")
    refused = farthing("train", "--recipe", "own.yaml", *W, *words, check=2)
    assert "num_layers is 4 in the recipe, and 3" in refused.stderr
    assert "hidden_dim" in refused.stderr


def test_a_finished_run_is_found_again_wherever_its_source_stands(train, tmp_path: Path):
    made, _ = train("--from", "tiny", "--shape", "3L-4E-1K")
    elsewhere = tmp_path / "elsewhere"
    os.rename(only_run(tmp_path), elsewhere)
    again, said = train("--from", "elsewhere", "--shape", "3L-4E-1K")
    assert again == made
    assert f"reuse     {made['run']}" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "nothing"), "0 finished runs"),
        (("--shape", "3L"), "--from"),
        (("--from", "tiny", "--shape", "9L"), "4 layers"),
        (("--from", "w/runs"), "neither a finished run nor an extracted member"),
        (("--from", "tiny", "--set", "start.optimiser=fresh"), "did you mean 'optimizer'"),
        (("--from", "tiny", *OTHER_TOKENIZER), "fingerprint"),
        (
            ("--from", "tiny", "--set", "train.seed=1", "--set", "start.first_sequence=follow"),
            "seed was 0, is 1",
        ),
        (("--from", "tiny", "--set", "start.grow.layers=stack"), "raise model.num_layers"),
    ],
)
def test_what_cannot_be_continued_says_why_and_no_run_starts(
    tmp_path: Path, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(tmp_path)
    before = len(list((tmp_path / "w/runs").iterdir()))
    assert main(["train", *TINY, *W, *words]) == 2
    assert message in capsys.readouterr().err
    assert len(list((tmp_path / "w/runs").iterdir())) == before


@pytest.mark.slow
def test_the_commands_of_the_page_run_in_its_order(
    farthing, tmp_path: Path, tmp_path_factory, environment
):
    # Typed in the workspace itself, whose keys stand elsewhere.
    environment["FARTHING_HOME"] = str(tmp_path_factory.mktemp("keys"))
    page = Path(__file__).resolve().parents[2] / "docs/elastic.md"
    section = page.read_text("utf-8").partition("## Continue from a member")[2]
    section = section.partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert [words[:2] for words in lines].count(["farthing", "train"]) == 3
    # A recipe that takes seconds in the place of the one that takes minutes.
    recipe = (tmp_path / "tiny.yaml").read_text("utf-8").replace("name: tiny", "name: page")
    recipe = recipe.replace("num_experts: 4", "num_experts: 8")
    (tmp_path / "page.yaml").write_text(recipe, "utf-8")
    farthing("train", "--recipe", "page.yaml")
    for words in lines:
        farthing(
            *(
                "page.yaml" if before == "--recipe" else word.replace("quickstart", "page")
                for before, word in pairwise(words)
            )
        )
    assert len(list((tmp_path / "runs").glob("[!.]*"))) == 4
