"""The questions as task files for lm-eval, which then asks them offline, in its own way.

farthing_blimp.yaml     the task
farthing_blimp.jsonl    its questions: context, choices, right
farthing.yaml           all of them as one group
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from farthing.artifacts.storage import staged_directory
from farthing.errors import ConfigError, WorkspaceError
from farthing.model.supernet import Supernet
from farthing.stages.evaluate.benchmark_config import BenchmarkConfig
from farthing.stages.evaluate.questions import Question
from farthing.stages.evaluate.sources import AskedBenchmark, read_benchmarks
from farthing.text.tokenizer import Tokenizer

GROUP = "farthing"
_HEADER = """\
# Written by farthing, for lm-eval 0.4.13 or later; nothing is fetched.
# The right choice stands last: lm-eval takes the first of equally likely choices, so that a tie
# never counts as right.
"""


def write_lm_eval_tasks(config: BenchmarkConfig, supernet: Supernet, folder: Path) -> list[str]:
    """Write the benchmarks of `config` into `folder`, just the questions that we would ask.

    Args:
        config: which benchmarks, and how many questions of each; `members` says nothing here.
        supernet: whose tokenizer and context decide which questions fit.
        folder: new; the tasks name their data by its absolute path.

    Returns:
        the names of the tasks.

    Raises:
        ConfigError: `folder` exists, or as `read_benchmarks`.
        CorpusError: as `read_benchmarks`.
        WorkspaceError: the disk refused.
    """
    with _naming(folder):
        place = folder.resolve()
        if place.exists():
            raise ConfigError(
                f"{folder} exists already and stays as it is",
                remedy="name a folder that does not exist yet, or move that one away",
            )
    context = supernet.model.config.context
    asked = read_benchmarks(config, Tokenizer.load(supernet.directory), context)
    with _naming(folder):
        return _write(asked, place)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Let what the disk refuses name `folder` as the user did, not where it is put together."""
    try:
        yield
    except (OSError, WorkspaceError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) else None
        raise WorkspaceError(
            f"{folder} cannot be written: {reason or cause}",
            remedy="name another folder for the tasks, or see to its permissions and free space",
        ) from error


def _write(asked: Sequence[AskedBenchmark], folder: Path) -> list[str]:
    names = []
    with staged_directory(folder) as staged:
        for one in asked:
            name = f"{GROUP}_{one.definition.name}"
            rows = [_row(question) for question in one.encoded.questions]
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (staged / f"{name}.jsonl").write_text(lines, encoding="utf-8")
            _write_yaml(staged / f"{name}.yaml", _task(one, name, folder / f"{name}.jsonl"))
            names.append(name)
        _write_yaml(staged / f"{GROUP}.yaml", {"group": GROUP, "task": names})
    return names


def _row(question: Question) -> dict[str, Any]:
    """The question with its right choice moved to the end; the others keep their order."""
    order = [i for i in range(question.size) if i != question.right] + [question.right]
    row: dict[str, Any] = {"right": question.size - 1, "group": question.group}
    if len(question.contexts) > 1:
        return row | {
            "contexts": [question.contexts[i] for i in order],
            "continuation": question.choices[0],
        }
    return row | {
        "context": question.contexts[0],
        "choices": [question.choices[i] for i in order],
    }


def _task(asked: AskedBenchmark, name: str, data: Path) -> dict[str, Any]:
    definition = asked.definition
    # Where the contexts differ, lm-eval takes the number of the right one as the text.
    asks = (
        {"doc_to_text": "right", "doc_to_target": "continuation", "doc_to_choice": "contexts"}
        if definition.contexts
        else {"doc_to_text": "context", "doc_to_target": "right", "doc_to_choice": "choices"}
    )
    metrics = ["acc", "acc_norm"] if definition.has_acc_norm else ["acc"]
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        **asks,
        "target_delimiter": definition.joint,
        "num_fewshot": 0,
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True}
            for metric in metrics
        ],
        "metadata": {"version": 1.0, "source": f"{definition.source}; {asked.asked}"},
    }


def _write_yaml(path: Path, value: dict[str, Any]) -> None:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    path.write_text(_HEADER + text, encoding="utf-8")
