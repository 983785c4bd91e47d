"""Level 2 on text: the pinned one, what is released of it, and what the verifier brings."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.manifest import read_manifest, write_manifest
from farthing.errors import ClaimError, CorpusError
from farthing.flow.verification.fresh import (
    MOST_BYTES,
    expected_fresh,
    fresh,
    read_fresh,
    read_texts,
)
from farthing.flow.verification.overlap import WINDOW, known_windows, overlap, window_hashes
from farthing.flow.verification.pinned import reevaluate


def failed(findings):
    return [finding for finding in findings if not finding.ok]


@pytest.mark.parametrize(
    "name", ["dev/und/tokens.bin", "train/und/starts.npy", "dev/und/shard.json"]
)
def test_text_that_the_manifest_does_not_list_is_not_pinned(world, tmp_path, name):
    released = other_manifest(world.handed_out(tmp_path / "answer"), leave_out=name)
    with pytest.raises(ClaimError, match=f"does not list {name}"):
        _ = released.corpus


def test_a_domain_does_not_lead_out_of_the_corpus(world, tmp_path):
    released = world.handed_out(tmp_path / "answer")
    shutil.copytree(released.folder / "corpus/dev/und", tmp_path / "outside")
    odd = other_manifest(released, held_out_domains=["../../../outside"])
    with pytest.raises(ClaimError, match="does not list"):
        _ = odd.corpus


def other_manifest(released, *, leave_out=None, **detail):
    """As if the draft had registered a corpus whose manifest says otherwise."""
    path = released.folder / "corpus/manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["files"].pop(leave_out, None)
    manifest["detail"] |= detail
    parts = {name: manifest[name] for name in ("kind", "files", "detail")}
    manifest["content_digest"] = digest_json(parts)
    path.write_text(json.dumps(manifest))
    draft = released.draft.model_copy(update={"corpus_digest": manifest["content_digest"]})
    return replace(released, draft=draft)


def test_held_out_bytes_that_the_text_does_not_have(world, tmp_path):
    """More bytes, fewer bits for each: every score would look better."""
    released = world.handed_out(tmp_path / "answer")
    folder = released.folder / "corpus"
    old = read_manifest(folder, kind="corpus")
    detail = json.loads(json.dumps(old.detail))
    detail["splits"]["dev"]["und"]["bytes"] *= 2
    write_manifest(folder, kind="corpus", input_key=old.input_key, detail=detail)
    digest = read_manifest(folder, kind="corpus").content_digest
    draft = released.draft.model_copy(update={"corpus_digest": digest})
    problems = failed(reevaluate(replace(released, draft=draft)))
    assert {problem.check for problem in problems} == {"held-out text", "scores"}


def test_a_method_that_knows_the_pinned_text_only(world, tmp_path):
    released = world.released
    text = tmp_path / "fresh.jsonl"
    text.write_text("".join(json.dumps({"text": f"door {n} " * 40}) + "\n" for n in range(40)))
    runs = [
        run.model_copy(update={"bpb": {name: bpb / 1.5 for name, bpb in run.bpb.items()}})
        if run.arm == "method"
        else run
        for run in released.claim.runs
    ]
    flattered = released.claim.model_copy(update={"runs": tuple(runs)})
    found = fresh(replace(released, claim=flattered), read_fresh([text]))
    problems = failed(found)
    assert [problem.where for problem in problems] == list(runs[0].bpb)
    assert any("0 of " in each.detail and "stand in the training" in each.detail for each in found)


def test_fresh_text_is_read_and_must_be_long_enough(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n\n{"text": "two"}\n')
    assert read_texts(path) == ["one", "two"]
    with pytest.raises(CorpusError, match="6 bytes"):
        read_fresh([path])
    for odd in ('{"words": 1}\n', '{"text": "\\ud800"}\n', "[" * 100_000):
        path.write_text(odd)
        with pytest.raises(CorpusError, match="no such text"):
            read_texts(path)
    other = tmp_path / "b.txt"
    for data, words in ((b"\xff" * 9000, "no such text"), (b"", "0 bytes")):
        other.write_bytes(data)
        with pytest.raises(CorpusError, match=words):
            read_fresh([other])
    with other.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(CorpusError, match="at most"):
        read_fresh([other])


def test_a_fresh_text_that_was_trained_on_is_told(world):
    corpus = world.released.corpus
    shard = corpus.shard("train", corpus.domains[0])
    ids = shard.tokens[shard.starts[0] + 1 : shard.starts[1]].tolist()
    known = corpus.tokenizer.decode_bytes(ids).decode()
    unknown = os.urandom(500).hex()
    found, count = known_windows(corpus, [known])
    assert found == count > 0
    assert known_windows(corpus, [unknown]) == (0, 1000 // WINDOW)
    assert known_windows(corpus, ["x" * (WINDOW - 1)]) == (0, 0)


@pytest.mark.parametrize(
    ("line", "pinned", "expected"),
    [
        ([(1.0, 2.0), (2.0, 4.0)], 1.5, 3.0),
        ([(2.0, 4.0), (1.0, 2.0), (3.0, 5.0)], 2.5, 4.5),
        ([(1.0, 2.0), (2.0, 4.0), (3.0, 5.0)], 4.0, 6.0),
        ([(1.0, 2.0), (2.0, 4.0)], 0.5, 1.0),
        ([(2.0, 3.0)], 1.0, 1.5),
    ],
)
def test_the_baselines_line(line, pinned, expected):
    assert expected_fresh(line, pinned) == pytest.approx(expected)


def test_window_hashes_tell_texts_apart():
    text = np.frombuffer(os.urandom(3 * WINDOW), dtype=np.uint8)
    twice = np.concatenate([text, text])
    hashes = window_hashes(twice)
    assert len(hashes) == len(twice) - WINDOW + 1
    assert np.array_equal(hashes[: 2 * WINDOW], hashes[3 * WINDOW : 5 * WINDOW])
    assert len(np.unique(hashes)) == 3 * WINDOW
    assert len(window_hashes(text[: WINDOW - 1])) == 0


def test_held_out_text_in_the_training_text_is_found(world, tmp_path):
    clean = overlap(world.released)
    assert failed(clean) == []
    released = world.handed_out(tmp_path / "answer")
    corpus = released.folder / "corpus"
    held, train = corpus / "dev/und", corpus / "train/und"
    tokens = np.fromfile(held / "tokens.bin", dtype="<u2")
    starts = np.load(held / "starts.npy")
    own = np.fromfile(train / "tokens.bin", dtype="<u2")
    # In the place of what stood there, so that no index need change.
    document = tokens[1 : starts[1]][: len(own) // 2]
    own[1 : 1 + len(document)] = document
    own.tofile(train / "tokens.bin")
    old = read_manifest(corpus, kind="corpus")
    write_manifest(corpus, kind="corpus", input_key=old.input_key, detail=old.detail)
    digest = read_manifest(corpus, kind="corpus").content_digest
    draft = released.draft.model_copy(update={"corpus_digest": digest})
    (problem,) = failed(overlap(replace(released, draft=draft)))
    assert "stand in the training text" in problem.detail
