"""Where an artifact comes from, out of the book alone: its lines are read as plain JSON."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

W = ("--workspace", "w")
SHAPE = ("--shape", "3L-4E-1K")


@pytest.fixture(autouse=True)
def at_home(family: Path, tmp_path: Path, environment) -> None:
    """Each test has the family to itself."""
    shutil.copytree(family / "w", tmp_path / "w")
    shutil.copytree(family / "home", environment["FARTHING_HOME"], dirs_exist_ok=True)


@pytest.fixture
def digest_of(tmp_path: Path):
    """The content digest of the only artifact that a pattern of folders names."""

    def read(pattern: str) -> str:
        (manifest,) = tmp_path.glob(f"{pattern}/manifest.json")
        return json.loads(manifest.read_bytes())["content_digest"]

    return read


@pytest.fixture
def inputs_of(tmp_path: Path):
    """What the run that made an artifact says it read: pairs of role and digest."""

    def read(digest: str) -> set[tuple[str, str]]:
        lines = (tmp_path / "w/book.jsonl").read_text("utf-8").splitlines()
        starts, makers = {}, []
        for line in map(json.loads, lines):
            body = line["body"]
            if line["kind"] == "run.start":
                starts[body["run"]] = body["inputs"]
            elif line["kind"] == "run.end" and (body["artifact"] or {}).get("digest") == digest:
                makers.append(body["run"])
        (maker,) = makers
        return {(each["role"], each["digest"]) for each in starts[maker]}

    return read


def test_a_file_for_llama_cpp_goes_back_to_its_corpus(farthing, digest_of, inputs_of):
    farthing("extract", *W, *SHAPE, "--gguf", "F16")
    farthing("evaluate", *W, *SHAPE)
    ((role, member),) = inputs_of(digest_of("w/models/*-F16-*"))
    assert (role, member) == ("weights", digest_of("w/models/tiny-3L-4E-1K-[!F]*"))
    ((role, supernet),) = inputs_of(member)
    assert (role, supernet) == ("supernet", digest_of("w/runs/tiny-*/supernet"))
    read = dict(inputs_of(supernet))
    assert set(read) == {"corpus", "tokenizer"}
    corpus = read["corpus"]
    assert corpus == digest_of("w/corpora/*")
    assert inputs_of(corpus) == set(), "raw text is nobody's artifact"
    scores = inputs_of(digest_of("w/scores/*"))
    assert scores == {("supernet", supernet), ("corpus", corpus)}


def test_what_trained_on_goes_back_through_member_and_teacher(
    farthing, digest_of, inputs_of, tmp_path: Path
):
    member = farthing("extract", *W, *SHAPE).stdout.strip()
    words = ("--recipe", "tiny.yaml", *W, "--from", member, "--set", "train.steps=2")
    farthing("train", *words, "--set", "start.distill.weight=0.5")
    read = inputs_of(digest_of("w/runs/continued-*/supernet"))
    source = digest_of(os.path.relpath(tmp_path / member, tmp_path))
    corpus, supernet = digest_of("w/corpora/*"), digest_of("w/runs/tiny-*/supernet")
    assert {pair for pair in read if pair[0] != "tokenizer"} == {
        ("corpus", corpus),
        ("weights", source),
        ("teacher", source),
    }
    assert inputs_of(source) == {("supernet", supernet)}
    farthing("verify", *W)
