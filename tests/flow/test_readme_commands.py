"""The commands that README tells a user to type, typed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import zstandard

from farthing.text.sample import sample_file

README = Path(__file__).resolve().parents[2] / "README.md"
PROGRAM = ".venv/bin/farthing "


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith(PROGRAM)]
    return [shlex.split(line.removeprefix(PROGRAM)) for line in lines]


@pytest.mark.slow
def test_every_command_of_the_readme_runs_in_the_order_of_the_page(farthing, tmp_path: Path):
    # Written by people: made-up words would not pass the rules. Every document its own work, since
    # a domain needs three of them.
    with zstandard.open(sample_file("dev"), "rt", encoding="utf-8") as sample:
        lines = [json.dumps({**json.loads(line), "work": None}) + "\n" for line in sample]
    (tmp_path / "my-text.jsonl").write_text("".join(lines), encoding="utf-8")
    typed = commands()
    assert [words[0] for words in typed] == [
        "recipes",
        "recipes",
        "train",
        "evaluate",
        "evaluate",
        "generate",
        "extract",
        "extract",
        "report",
        "bill",
        "verify",
    ]
    for words in typed:
        # The recipe that takes seconds in the place of the one that takes minutes.
        farthing(*("smoke" if word == "quickstart" else word for word in words))


@pytest.mark.slow
def test_every_verb_prints_one_json_object_and_nothing_else(fresh_farthing, tmp_path: Path):
    """Each in an interpreter of its own: a verb that imports too little would fail there."""
    work = ("--workspace", "w")
    recipe = ("--recipe", "tiny.yaml")
    for words in (
        ("quickstart", *recipe, *work),
        ("bench", *recipe, *work, "--seconds", "1", "--threads", "1"),
        ("curate", *recipe, *work),
        ("train", *recipe, *work),
        ("evaluate", *work),
        ("evaluate", "--benchmarks", "sample", "--limit", "4", *work),
        ("extract", "--shape", "3L-4E-1K", *work),
        ("report", *work),
        ("generate", "The", *work, "--max-tokens", "3"),
        ("bill", *work),
        (
            *("enter", "expense", "--what", "storage", "--usd", "1", "--date", "2026-01-31"),
            *("--source", "invoice", *work),
        ),
        ("verify", *work),
        ("recipes", "list"),
        ("recipes", "show", "smoke"),
        ("recipes", "copy", "smoke", "copied.yaml"),
    ):
        assert isinstance(json.loads(fresh_farthing(*words, "--json").stdout), dict), words
    assert (tmp_path / "copied.yaml").is_file()


def test_what_is_there_is_reused_and_rerun_makes_it_again(farthing, fresh_farthing, tmp_path: Path):
    train = ("train", "--recipe", "tiny.yaml", "--workspace", "w")
    farthing(*train)
    entries = len((tmp_path / "w/book.jsonl").read_bytes().splitlines())
    assert "reuse" in farthing(*train).stderr
    assert len((tmp_path / "w/book.jsonl").read_bytes().splitlines()) == entries
    fresh_farthing(*train, "--rerun")
    runs = sorted((tmp_path / "w/runs").glob("tiny-*/supernet/model.safetensors"))
    assert len(runs) == 2
    assert runs[0].read_bytes() == runs[1].read_bytes()
    ambiguous = farthing("evaluate", "--workspace", "w", check=2)
    assert "--run" in ambiguous.stderr


def test_a_changed_setting_is_another_run_and_a_harmless_one_is_not(farthing, tmp_path: Path):
    train = ("train", "--recipe", "tiny.yaml", "--workspace", "w")
    farthing(*train)
    farthing(*train, "--set", "train.keep_checkpoints=1")
    assert len(list((tmp_path / "w/runs").glob("tiny-*/"))) == 1
    farthing(*train, "--set", "train.seed=1")
    assert len(list((tmp_path / "w/runs").glob("tiny-*/"))) == 2
