"""The storage that a draft promises, against the checkpoints that were written."""

from __future__ import annotations

import json

import pytest

from farthing.artifacts.claims.entries import ClaimDraft
from farthing.studies.claim.registered import run_of
from farthing.studies.claim.storage import checkpoint_bytes, training_bytes


@pytest.fixture
def draft(example):
    (found,) = (r.body for r in example.records() if isinstance(r.body, ClaimDraft))
    return found


@pytest.mark.parametrize(("place", "arm"), [(0, "method"), (2, "16")])
def test_a_checkpoint_is_as_large_as_its_tensors_say(example, draft, place, arm):
    (manifest,) = example.root.glob("corpora/*/manifest.json")
    vocabulary = json.loads(manifest.read_text())["detail"]["tokenizer"]["vocab_size"]
    run = run_of(draft.runs[place], seed=0)
    folder = sorted(example.root.glob(f"runs/tiny-{arm}-*/checkpoints"))[0]
    *_, last = sorted(folder.iterdir())
    state = (last / "state.safetensors").stat().st_size
    beside = sum(path.stat().st_size for path in last.iterdir()) - state
    promised = checkpoint_bytes(run, vocabulary)
    assert state + beside <= promised
    # What is promised beyond the tensors covers the two small files and no more than that.
    assert promised - state == pytest.approx(4096, abs=64)
    assert training_bytes(run, vocabulary) == promised * len(list(folder.iterdir()))
