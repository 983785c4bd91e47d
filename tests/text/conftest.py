from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from farthing.artifacts.manifest import write_manifest
from farthing.documents.batch import large_strings
from farthing.stages.curate.encode import EncodedPiece, encode_piece, join_pieces
from farthing.text.corpus import KIND, Corpus
from farthing.text.tokenizer import byte_vocabulary

WORDS = {
    "en": [
        "the",
        "old",
        "ship",
        "sailed",
        "past",
        "a",
        "quiet",
        "harbour",
        "while",
        "two",
        "gulls",
        "followed",
        "its",
        "wake",
    ],
    "zh": [
        "山",
        "水",
        "之",
        "間",
        "有",
        "一",
        "老",
        "人",
        "獨",
        "坐",
        "看",
        "雲",
        "起",
        "時",
        "風",
        "吹",
        "過",
        "竹",
        "林",
    ],
}


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def made_up_documents(count: int) -> list[dict[str, object]]:
    draw = random.Random(7)
    return [
        {
            "id": f"{language}{i}",
            "text": ("" if language == "zh" else " ").join(
                draw.choices(WORDS[language], k=draw.randint(5, 60))
            ),
            "language": language,
            "work": f"{language}-work{i // 2}",
        }
        for language in WORDS
        for i in range(count)
    ]


def batch_of(documents: list[dict[str, object]]) -> pa.RecordBatch:
    """The documents as curation hands them over; every tenth in dev, every tenth in test."""
    names = ("id", "language", "work")
    columns = {name: pa.array([str(each[name]) for each in documents]) for name in names}
    columns["text"] = large_strings([str(each["text"]) for each in documents])
    columns["domain"] = columns["language"]
    columns["source"] = columns["licence"] = pa.array(["unstated"] * len(documents))
    sides = {3: "dev", 7: "test"}
    columns["split"] = pa.array([sides.get(n % 10, "train") for n in range(len(documents))])
    return pa.RecordBatch.from_pydict(columns)


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Two domains of made-up text, 60 documents each, as byte tokens."""
    folder = tmp_path_factory.mktemp("small_corpus")
    piece, corpus = folder / "piece", folder / "corpus"
    tokenizer = byte_vocabulary()
    for made in (piece, corpus):
        made.mkdir()
    encode_piece([batch_of(made_up_documents(60))], tokenizer, piece)
    tokenizer.save(corpus)
    detail = join_pieces([EncodedPiece(piece, {"raw": "00"})], tokenizer, corpus, ("en", "zh"))
    stated = {"fingerprint": tokenizer.fingerprint, "vocab_size": tokenizer.vocab_size}
    detail = {"domains": ["en", "zh"], "tokenizer": {"kind": "bytes", **stated}, **detail}
    write_manifest(corpus, kind=KIND, input_key="key", detail=detail)
    return Corpus.open(corpus, verify=True)


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[[list[dict[str, object]]], Path]:
    return lambda rows: write_jsonl(tmp_path / "raw.jsonl", rows)
