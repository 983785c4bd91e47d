from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError, CorpusError
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import Curated
from farthing.stages.curate.run import curate as curate_with_trail
from farthing.stages.curate.sources import source_identity
from farthing.text.corpus import SPLITS, Corpus
from farthing.text.tokenizer import train_bpe

# Of the embedded sample as bytes: its tokens, and no more of how it was made.
SAMPLE_DIGEST = "ab06a4ca97d398df7c12a0bdd023581f80805c0c76b7d2c80f6305873b8780bf"


def curate(config: CurateConfig, *place: object) -> Corpus:
    made: Curated = curate_with_trail(config, *place)
    return made.corpus


def raw(*sources: str, **settings: object) -> CurateConfig:
    """Made-up words would fail every rule of quality."""
    return CurateConfig(sources=sources, until="raw", **settings)


def made_up_text(seed: int, words: int = 80) -> str:
    draw = random.Random(seed)
    return " ".join(
        "".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(2, 9))) for _ in range(words)
    )


def write(path: Path, rows: list[dict[str, str]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def rows() -> list[dict[str, str]]:
    return [
        {
            "id": f"d{i}",
            "text": made_up_text(i),
            "work": f"w{i // 3}",
            "domain": "ab"[i % 2],
            "license": "MIT",
        }
        for i in range(90)
    ]


def split_of(corpus: Corpus) -> dict[str, str]:
    return {
        record.id: record.split
        for split in SPLITS
        for domain in corpus.domains
        for record in corpus.documents(split, domain)
    }


def test_a_corpus_holds_the_text_it_was_made_from(tmp_path, rows):
    config = raw(write(tmp_path / "x.jsonl", rows), vocab_size=400)
    corpus = curate(config, tmp_path / "corpus", "the-key")
    found = {}
    for split in SPLITS:
        for domain in corpus.domains:
            shard = corpus.shard(split, domain)
            for n, record in enumerate(corpus.documents(split, domain)):
                tokens = shard.tokens[shard.starts[n] : shard.starts[n + 1]].tolist()
                assert tokens[0] == corpus.tokenizer.end_of_text
                found[record.id] = corpus.tokenizer.decode(tokens[1:])
    assert found == {row["id"]: row["text"] for row in rows}
    assert corpus.manifest.input_key == "the-key"
    assert corpus.manifest.detail["licences"] == {"MIT": sum(len(row["text"]) for row in rows)}


def test_a_work_is_never_split_and_the_order_of_documents_does_not_matter(tmp_path, rows):
    config = raw(write(tmp_path / "x.jsonl", rows), tokenizer="bytes")
    sides = split_of(curate(config, tmp_path / "one", "k"))
    for row in rows:
        assert sides[row["id"]] == sides[f"d{int(row['work'][1:]) * 3}"]
    write(tmp_path / "x.jsonl", rows[::-1])
    assert split_of(curate(config, tmp_path / "two", "k")) == sides


def test_curating_twice_gives_the_same_digest(tmp_path, rows):
    config = raw(write(tmp_path / "x.jsonl", rows), vocab_size=350)
    phases: list[str] = []
    first = curate(config, tmp_path / "one", "k", lambda phase, _: phases.append(phase))
    assert curate(config, tmp_path / "two", "k").digest == first.digest
    assert list(dict.fromkeys(phases))[-1] == "encode"


def test_the_tokenizer_never_sees_held_out_text(tmp_path, rows):
    config = raw(write(tmp_path / "x.jsonl", rows), vocab_size=350)
    corpus = curate(config, tmp_path / "corpus", "k")
    sides = split_of(corpus)
    train = [row["text"] for row in rows if sides[row["id"]] == "train"]
    assert len(train) < len(rows)
    assert corpus.tokenizer.fingerprint == train_bpe(train, 350).fingerprint


def test_copies_of_held_out_text_leave_the_training_side_and_are_counted(tmp_path, rows):
    # The aim is a fixed number of bytes, so that the added copies do not move the split.
    config = raw(
        write(tmp_path / "x.jsonl", rows),
        tokenizer="bytes",
        held_out_share=0.2,
        held_out_bytes=1500,
    )
    sides = split_of(curate(config, tmp_path / "one", "k"))
    held = next(row for row in rows if sides[row["id"]] == "test")
    taught = next(row for row in rows if sides[row["id"]] == "train")
    copies = [
        {"id": "exact", "text": held["text"]},
        {"id": "edited", "text": held["text"].upper().replace(" ", "\n") + " the end"},
        {"id": "inside", "text": made_up_text(999, 4000) + " " + held["text"]},
        {"id": "again", "text": taught["text"]},
    ]
    more = [{**taught, **copy} for copy in copies]
    write(tmp_path / "x.jsonl", rows + more)
    corpus = curate(config, tmp_path / "two", "k")
    assert split_of(corpus) == {**sides, "again": "train"}
    # Raw text keeps what repeats in training alone.
    dropped = {"train_near_duplicate_of_held_out": 3}
    assert corpus.manifest.detail["dropped"] == dropped


def test_too_little_text_to_split_and_bad_domains_are_errors_that_leave_no_corpus(tmp_path, rows):
    source = write(tmp_path / "x.jsonl", [{**row, "work": "one"} for row in rows])
    with pytest.raises(CorpusError, match="'a' has too little text to split: 1 works"):
        curate(raw(source), tmp_path / "corpus", "k")
    write(tmp_path / "x.jsonl", [{**rows[0], "domain": "../up"}])
    with pytest.raises(CorpusError, match=r"1 of 1 records cannot be read \(bad_domain 1\)"):
        curate(raw(source), tmp_path / "corpus", "k")
    # Finished pieces are kept for whoever names them again.
    assert sorted(path.name for path in tmp_path.iterdir()) == [".corpus.work", "x.jsonl"]


def test_three_works_are_enough_and_each_side_gets_one(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(made_up_text(ord(name)))
    config = raw(str(tmp_path), tokenizer="bytes")
    corpus = curate(config, tmp_path / "corpus", "k")
    assert sorted(split_of(corpus).values()) == ["dev", "test", "train"]


def test_the_input_key_changes_with_the_bytes_of_the_sources(tmp_path, rows):
    config = raw(write(tmp_path / "x.jsonl", rows))
    before = source_identity(config)
    write(tmp_path / "x.jsonl", rows[1:])
    assert source_identity(config) != before
    assert [side for side, _ in source_identity(CurateConfig())] == [
        "train.jsonl.zst",
        "dev.jsonl.zst",
        "test.jsonl.zst",
    ]


def test_the_input_key_changes_with_the_order_of_the_sources(tmp_path, rows):
    one, two = write(tmp_path / "x.jsonl", rows), write(tmp_path / "y.jsonl", rows[1:])
    there, back = (source_identity(CurateConfig(sources=s)) for s in ((one, two), (two, one)))
    assert there == back[::-1] != back


def test_settings_are_described_and_checked():
    assert all(field.description for field in CurateConfig.model_fields.values())
    assert parse_config(CurateConfig, {"sources": ["a", "b"]}, where="x").sources == ("a", "b")
    with pytest.raises(ConfigError, match="vocab_size"):
        parse_config(CurateConfig, {"vocab_size": 3}, where="x")


def test_the_embedded_sample_keeps_its_split_and_loses_nothing(tmp_path):
    corpus = curate(CurateConfig(tokenizer="bytes"), tmp_path / "corpus", "k")
    assert corpus.domains == ("code", "en", "maths", "zh")
    # Another digest is another tokenisation or other text: models of before would not compare.
    assert corpus.text_digest == SAMPLE_DIGEST
    # It was built with a stricter share, so nothing is near enough to drop.
    assert corpus.manifest.detail["dropped"] == {}
    sides = split_of(corpus)
    assert sides["niutrans/古文原文/老残游记/第一回/text.txt"] == "test"
