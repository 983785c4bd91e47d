"""Small corpora straight from `encode`: nothing is filtered, every document says its side."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from farthing.artifacts.manifest import write_manifest
from farthing.documents.batch import large_strings
from farthing.stages.curate.encode import EncodedPiece, encode_piece, join_pieces
from farthing.text.corpus import KIND, Corpus
from farthing.text.tokenizer import Tokenizer

Row = dict[str, Any]


def made_up_rows(count: int, seed: int = 2) -> list[Row]:
    """Documents of two domains, of which every eighth is in dev and every eighth in test."""
    draw = random.Random(seed)
    words = {"en": ["the", " ship", " sailed", "'s", " 12", "\n"], "zh": [*"山水之間有一老人。"]}
    return [
        {
            "id": f"d{n}",
            "text": "".join(draw.choices(words[("en", "zh")[n % 2]], k=draw.randint(1, 40))),
            "source": f"s{n % 3}",
            "licence": ("MIT", "CC0-1.0")[n % 5 == 0],
            "language": ("en", "zh")[n % 2],
            "domain": ("en", "zh")[n % 2],
            "work": f"w{n}",
            "split": {2: "dev", 3: "dev", 6: "test", 7: "test"}.get(n % 8, "train"),
            "file": n % 2,
            "record": n + 1,
        }
        for n in range(count)
    ]


def batch_of(rows: Sequence[Row]) -> pa.RecordBatch:
    columns: dict[str, Any] = {
        name: pa.array([row[name] for row in rows]) for name in rows[0] if name != "text"
    }
    columns["text"] = large_strings([row["text"] for row in rows])
    return pa.RecordBatch.from_pydict(columns)


def make_corpus(
    folder: Path,
    pieces: Sequence[Sequence[Row]],
    tokenizer: Tokenizer,
    *,
    batch_rows: int = 7,
    domains: Sequence[str] = ("en", "zh"),
    more: dict[str, Any] | None = None,
) -> Corpus:
    """A corpus of `pieces` in `folder`, encoded `batch_rows` at a time."""
    directory = folder / "corpus"
    directory.mkdir(parents=True)
    encoded = []
    for number, rows in enumerate(pieces):
        part = folder / f"piece-{number}"
        part.mkdir()
        cuts = range(0, len(rows), batch_rows)
        encode_piece((batch_of(rows[at : at + batch_rows]) for at in cuts), tokenizer, part)
        encoded.append(EncodedPiece(part, {f"raw-{number}": f"{number:02}"}))
    tokenizer.save(directory)
    files = [{"file": n, "name": f"{n}.jsonl", "bytes": 9, "sha256": "ab"} for n in (0, 1)]
    detail = {
        "domains": list(domains),
        "tokenizer": {"kind": "bpe", "fingerprint": tokenizer.fingerprint, "vocab_size": 1},
        **join_pieces(encoded, tokenizer, directory, domains, files),
        **(more or {}),
    }
    write_manifest(directory, kind=KIND, input_key="key", detail=detail)
    return Corpus.open(directory, verify=True)
