from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.text.corpus import Corpus

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


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Two domains of made-up text, 60 documents each, as byte tokens."""
    folder = tmp_path_factory.mktemp("small_corpus")
    source = write_jsonl(folder / "raw.jsonl", made_up_documents(60))
    config = CurateConfig(sources=(str(source),), tokenizer="bytes", held_out_share=0.1)
    return curate(config, folder / "corpus", "key")


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[[list[dict[str, object]]], Path]:
    return lambda rows: write_jsonl(tmp_path / "raw.jsonl", rows)
