"""Code keeps the lines that its files share, whatever its domain is called."""

from __future__ import annotations

import json

import numpy as np
import pytest

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.phases.repeats import keeps_lines
from farthing.stages.curate.profiles import build_rules
from farthing.stages.curate.run import curate
from farthing.text.corpus import SPLITS

FILES = 12
SHARED = "from collections.abc import Iterable, Iterator, Mapping, Sequence"


def program(number: int) -> str:
    """A file of its own, but for the first line."""
    body = "\n\n".join(
        f"def step_{number}_{part}(values: list[int]) -> int:\n"
        f"    total_{number} = sum(value * {number + part} for value in values)\n"
        f"    return total_{number} if total_{number} > {part} else -{number}"
        for part in range(4)
    )
    return f"{SHARED}\n\n\n{body}\n"


def prose(number: int) -> str:
    """A page of its own, but for the first line."""
    return f"{SHARED}\n" + " ".join(
        f"In the year {1700 + number + part} the miller of the village {number} had sold {part} "
        f"sacks of flour to a baker who lived by the river {number * 7 + part}."
        for part in range(6)
    )


def kept_lines(folder, domain, text_of) -> set[bool]:
    texts = {f"d{n}": text_of(n) for n in range(FILES)}
    rows = [{"id": name, "text": text, "domain": domain} for name, text in texts.items()]
    path = folder / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = {
        "sources": [str(path)],
        "tokenizer": "bytes",
        "until": "deduplicated",
        "workers": 1,
        "held_out_share": 0.2,
        "rules": {"apply": False},
        "duplicates": {"near": False},
        "near_duplicate_share": 1.0,
    }
    config = parse_config(CurateConfig, settings, where="test")
    corpus = curate(config, folder / "corpus", "key").corpus
    records = [record for split in SPLITS for record in corpus.documents(split, domain)]
    assert {record.id for record in records} == set(texts)
    lost = {
        len(texts[record.id].encode()) - record.bytes
        for record in records
        if record.split == "train"
    }
    assert lost <= {0, len(SHARED) + 1}
    return {not each for each in lost}


@pytest.mark.parametrize(
    ("domain", "text_of", "kept"),
    [("github", program, True), ("code", prose, False)],
    ids=["code of another domain", "prose of a domain called code"],
)
def test_the_profile_says_whose_lines_stay(tmp_path, domain, text_of, kept):
    assert kept_lines(tmp_path, domain, text_of) == {kept}


def test_the_profiles_are_those_that_are_set():
    names = [*build_rules(CurateConfig().rules).profiles]
    codes = np.array([names.index(name) for name in ("en", "code", "maths")] + [-1], dtype=np.int16)
    config = parse_config(CurateConfig, {"duplicates": {"lines_stay_in": ["en", "none"]}}, where="")
    assert keeps_lines(codes, CurateConfig()).tolist() == [False, True, True, False]
    assert keeps_lines(codes, config).tolist() == [True, False, False, True]
    unknown = parse_config(CurateConfig, {"duplicates": {"lines_stay_in": ["github"]}}, where="")
    with pytest.raises(ConfigError, match="there is no profile 'github'"):
        keeps_lines(codes, unknown)
