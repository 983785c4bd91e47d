"""Questions for lm-eval, and what farthing's own scorer makes of them.

FOLDER/NAME/tasks/               task files for lm-eval
FOLDER/NAME/benchmarks.json      farthing's accuracies and standard errors
"""

from __future__ import annotations

import json
from pathlib import Path

from texts import HELD_OUT

from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.stages.evaluate.benchmark import benchmark
from farthing.stages.evaluate.benchmark_config import BenchmarkConfig
from farthing.stages.evaluate.lm_eval_tasks import write_lm_eval_tasks
from farthing.stages.evaluate.sources import read_benchmarks
from farthing.text.tokenizer import Tokenizer

QUESTIONS = 40
CHOICES = 3
DEFINITION = """\
name: endings
title: How a text goes on
language: en
form: multiple_choice
context: "{context}"
choices_field: choices
answer: {field: label}
source: cut out of the texts of these checks
licence: none
"""


def ask(folder: Path, supernet: Supernet, shape: Shape) -> None:
    """Let one member answer the embedded pairs, and endings of which some are equally likely."""
    _ask(folder / "sample", supernet, shape, None)
    endings = folder / "endings-data"
    endings.mkdir(parents=True)
    (endings / "endings.yaml").write_text(DEFINITION, encoding="utf-8")
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _endings())
    (endings / "endings.jsonl").write_text(rows, encoding="utf-8")
    _ask(folder / "endings", supernet, shape, str(endings))


def _ask(folder: Path, supernet: Supernet, shape: Shape, data: str | None) -> None:
    config = BenchmarkConfig(members=(str(shape),), folder=data)
    tokenizer = Tokenizer.load(supernet.directory)
    benchmark(
        config,
        supernet,
        read_benchmarks(config, tokenizer, supernet.model.config.context),
        directory=folder,
        input_key="conformance",
        on_answered=lambda *_: None,
        on_scored=lambda *_: None,
    )
    write_lm_eval_tasks(config, supernet, folder / "tasks")


def _endings() -> list[dict]:
    text = " ".join(HELD_OUT)
    step = len(text) // (QUESTIONS + 1)
    rows = []
    for place in range(QUESTIONS):
        start = place * step
        context, right = text[start : start + 20], text[start + 20 : start + 32]
        others = [text[-start - 9 * n - 20 : -start - 9 * n - 10] for n in range(1, CHOICES)]
        # Every fifth question has its right choice twice: a tie, which is never right.
        if place % 5 == 0:
            others[0] = right
        label = place % CHOICES
        choices = [*others[:label], right, *others[label:]]
        rows.append({"context": context, "choices": choices, "label": label})
    return rows
