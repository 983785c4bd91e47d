"""The whole study on a model of a few thousand weights: equal ground, nothing done twice."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import nullcontext

import pytest
from tiny_models import TINY

from farthing.artifacts.config import parse_config
from farthing.artifacts.entries import Evaluation, RunStart
from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError
from farthing.ledger.book import Book
from farthing.session import Show, open_session
from farthing.stages.curate.config import CurateConfig
from farthing.studies.worth.config import WorthConfig
from farthing.studies.worth.run import PAGE, measure_worth

pytestmark = pytest.mark.slow
WORDS = ("the", "of", "and", "that", "to", "with", "river", "mill", "barge", "rain", "stone")


def _config(text, **corpus):
    settings = {
        "name": "tiny",
        "corpus": {
            "sources": [str(text)],
            "tokenizer": "bytes",
            "held_out_share": 0.2,
            **corpus,
        },
        "model": TINY.model_dump(mode="json") | {"num_dense_layers": 1},
        "train": {
            "steps": 4,
            "batch_sequences": 4,
            "precision": "fp32",
            "mixture": {"zh": 0.5, "en": 0.5},
            "elastic": {"depths": [3], "expert_counts": [2], "top_ks": [1]},
        },
        "evaluate": {"members": ["4L-4E-2K"], "batch_sequences": 64},
        "worth": {"seeds": [0, 1], "arms": ["raw", "mixed"], "raw_lengths": [0.5]},
    }
    return parse_config(WorthConfig, settings, where="a test")


def _session(root):
    show = Show(line=lambda _: None, training=lambda *_: nullcontext(lambda *_: None))
    return open_session(root, show)


def _english(source):
    lines = (" ".join(source.choice(WORDS) for _ in range(12)) for _ in range(25))
    return "".join(f"{line.capitalize()}.\n" for line in lines)


def _chinese(source):
    letters = "日月山水风云花草人心天地春秋江河老少来去高低远近东西南北上下左右前后大小多有"
    lines = ("".join(source.choice(letters) for _ in range(20)) for _ in range(25))
    return "".join(f"{line}。\n" for line in lines)


def _digits(source):
    return " ".join(str(source.randrange(10**6)) for _ in range(200))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Works in two languages, and numbers that the rules drop."""
    path = tmp_path_factory.mktemp("letters") / "works.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(36):
            language, write = (("en", _english), ("zh", _chinese), ("en", _digits))[number % 3]
            body = write(random.Random(number))
            line = {"id": str(number), "text": body, "language": language, "licence": "CC0-1.0"}
            file.write(json.dumps(line) + "\n")
    return path


def test_every_model_has_its_own_text_and_all_are_scored_on_one(text, tmp_path):
    study = measure_worth(_config(text), _session(tmp_path / "ws"), jobs=1, command="farthing")
    assert Counter((cell.arm, cell.length) for cell in study.cells) == {
        ("raw", 1.0): 2,
        ("raw", 0.5): 2,
        ("mixed", 1.0): 2,
    }
    assert study.texts["raw"].documents > study.texts["mixed"].documents
    whole = [cell.run for cell in study.cells if cell.length == 1.0]
    assert len({(run.tokens, run.steps) for run in whole}) == 1
    # Attention stops at the ends of documents, and those lie elsewhere in each text.
    flops = [run.flops + run.optimizer_flops for run in whole]
    assert max(flops) < 1.05 * min(flops)
    bodies = [record.body for record in Book.open(Workspace(tmp_path / "ws")).records]
    starts = [body for body in bodies if isinstance(body, RunStart)]
    read = {
        ref.digest
        for start in starts
        if start.purpose == "evaluation"
        for ref in start.inputs
        if ref.role == "corpus"
    }
    assert read <= {study.texts["mixed"].digest}
    assert len([body for body in bodies if isinstance(body, Evaluation)]) == len(study.cells)
    assert {tuple(cell.bpb) for cell in study.cells} == {("en", "zh")}
    # Half of the batches are Chinese in the arm that mixes; raw text has as much of each anyway.
    recipes = [json.loads(path.read_text()) for path in tmp_path.glob("ws/runs/*/recipe.json")]
    assert {recipe["name"]: recipe["train"]["mixture"] for recipe in recipes} == {
        "tiny-worth-raw": None,
        "tiny-worth-mixed": {"en": 0.5, "zh": 0.5},
    }
    assert all(recipe["train"]["elastic"] is None for recipe in recipes)
    assert (study.directory / PAGE).read_text("utf-8").startswith("# tiny: what each step")
    again = measure_worth(_config(text), _session(tmp_path / "ws"), jobs=1, command="farthing")
    after = [record.body for record in Book.open(Workspace(tmp_path / "ws")).records]
    assert sum(isinstance(body, RunStart) for body in after) == len(starts)
    assert again.cells == study.cells


def test_the_embedded_sample_has_no_raw_text(tmp_path):
    config = _config("unused").model_copy(update={"corpus": CurateConfig()})
    with pytest.raises(ConfigError, match="embedded sample"):
        measure_worth(config, _session(tmp_path / "ws"), jobs=1, command="farthing")
