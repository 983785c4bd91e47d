"""A whole claim of models with a few thousand weights, made in seconds: for every test of claims.

One of its trainings is interrupted after its first checkpoint, so that something is done twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tiny_models import TINY

from farthing.artifacts.workspace import Workspace
from farthing.ledger.book import Book
from farthing.session import Session, Show, open_session
from farthing.studies.claim.answer import answer_claim
from farthing.studies.claim.config import read_claim_settings
from farthing.studies.claim.draft import draft_claim
from farthing.studies.claim.make import make_claim
from farthing.studies.claim.nonce import enter_nonce
from farthing.studies.claim.run import run_claim

NAME = "tiny"
NONCE = "00112233445566778899aabbccddeeff"
VERIFIER_NONCE = "ffeeddccbbaa99887766554433221100"
MEMBERS = ("4L-4E-2K", "3L-2E-1K")
LENGTHS = (4, 16)
STEPS, EVERY = 12, 2
# The step at which the first training is stopped: two steps after its first checkpoint are lost.
STOPPED_AT = 5
# Between the lengths of the baseline, and above all of them.
TARGETS = {"full": 6.95, MEMBERS[1]: 7.9}

PRICES = """\
prices:
  owned: {usd_per_device_hour: 0.02, date: 2026-01-31, source: a test}
"""


@dataclass(frozen=True)
class Example:
    """Where the parts of the claim are.

    Attributes:
        root: of the workspace.
        home: of key and heads.
        settings: the claim's YAML.
        bundle: the claim.
        answer: to `VERIFIER_NONCE`.
    """

    root: Path
    home: Path
    settings: Path
    bundle: Path
    answer: Path

    def records(self):
        return Book.open(Workspace(self.root)).records


def quiet(stop_at: int | None = None) -> Show:
    """Shows nothing; stops the first training at a step as Ctrl-C would."""

    @contextmanager
    def training(*_) -> Iterator[object]:
        def watch(result, _work):
            if result.step == stop_at:
                raise KeyboardInterrupt

        yield watch

    silent = lambda *_: nullcontext(lambda *_: None)  # noqa: E731
    return Show(line=lambda _: None, training=silent if stop_at is None else training)


def write_settings(folder: Path, **changes) -> Path:
    """Corpus, recipes and claim.yaml in a folder; `changes` are of the claim's settings."""
    text = folder / "text"
    text.mkdir(exist_ok=True)
    for number in range(12):
        words = " ".join(str(number * place % 97) for place in range(900))
        (text / f"{number}.txt").write_text(words)
    corpus = {
        "sources": [str(text)],
        "until": "raw",
        "workers": 1,
        "tokenizer": "bytes",
        "held_out_share": 0.2,
    }
    sizes = TINY.model_dump(mode="json") | {"num_dense_layers": 1}
    train = {
        "batch_sequences": 4,
        "precision": "fp32",
        "threads": 1,
        "checkpoint_every": EVERY,
    }
    method = {
        "name": "method",
        "corpus": corpus,
        "model": sizes,
        "train": {
            **train,
            "steps": STEPS,
            "elastic": {"depths": [3], "expert_counts": [2], "top_ks": [1]},
        },
        "evaluate": {"members": list(MEMBERS), "batch_sequences": 64},
    }
    dense = {**sizes, "num_experts": 0, "num_dense_layers": 4}
    baseline = {
        "name": "dense",
        "corpus": corpus,
        "model": dense,
        "train": {**train, "steps": STEPS, "elastic": None},
        "evaluate": {"members": ["4L"], "batch_sequences": 64},
    }
    for recipe in (method, baseline):
        (folder / f"{recipe['name']}.yaml").write_text(json.dumps(recipe))
    claim = {
        "name": NAME,
        "statement": "one tiny run costs less than two dense ones",
        "method": {"recipe": str(folder / "method.yaml")},
        "baseline": {
            "name": "dense",
            "recipe": str(folder / "dense.yaml"),
            "steps": list(LENGTHS),
        },
        "targets": TARGETS,
        "seeds": 3,
        "tuning": {"before": "nothing was tuned"},
        **changes,
    }
    path = folder / "claim.yaml"
    path.write_text(json.dumps(claim))
    return path


def make_example(folder: Path) -> Example:
    """The whole story, once; the caller points FARTHING_HOME at `folder / "home"` beforehand."""
    settings = write_settings(folder)
    root = folder / "ws"
    root.mkdir()
    (root / "farthing.yaml").write_text(PRICES)
    draft_claim(read_claim_settings(settings), _session(root))
    enter_nonce(NAME, NONCE, _session(root), verifier="a test")
    with pytest.raises(KeyboardInterrupt):
        run_claim(NAME, _session(root, stop_at=STOPPED_AT), jobs=1)
    run_claim(NAME, _session(root), jobs=1)
    made = make_claim(NAME, _session(root))
    answered = answer_claim(made.path, VERIFIER_NONCE, _session(root), drawn=4)
    return Example(root, folder / "home", settings, made.path, answered.path)


_MADE: list[Example] = []


def one_example(tmp_path_factory) -> Example:
    """The claim that all tests of a process share; nobody changes it.

    FARTHING_HOME is not set to its home.
    """
    if not _MADE:
        folder = tmp_path_factory.mktemp("claim")
        with home_at(folder / "home"):
            _MADE.append(make_example(folder))
    return _MADE[0]


@contextmanager
def home_at(home: Path) -> Iterator[None]:
    """One thread, no sensors, and the key and heads of the example, on whatever machine."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARTHING_HOME", str(home))
        patch.setattr("farthing.session.find_loads", lambda *_, **__: ())
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _session(root: Path, stop_at: int | None = None) -> Session:
    return open_session(root, quiet(stop_at))
