"""The task files: the same questions, the right choice last, nothing overwritten."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import yaml

from farthing.errors import ConfigError, CorpusError, WorkspaceError
from farthing.stages.evaluate.benchmark_config import BenchmarkConfig
from farthing.stages.evaluate.lm_eval_tasks import write_lm_eval_tasks


def row(question: str, choices: list[str], label: int, part: str = "a") -> dict:
    return {"question": question, "choices": choices, "label": label, "part": part}


WINOGRANDE = {"sentence": "He saw _ run.", "option1": "Al", "option2": "Bo", "answer": "1"}


def write(supernet, folder: Path, out: Path) -> list[str]:
    config = BenchmarkConfig(members=("3L",), folder=str(folder))
    return write_lm_eval_tasks(config, supernet, out)


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_right_choice_stands_last(supernet, own_benchmark, tmp_path: Path):
    folder = own_benchmark([row("甲?", ["a", "b", "c"], 0), row("?", ["a", "b"], 1)])
    assert write(supernet, folder, tmp_path / "tasks") == ["farthing_mine"]
    first, second = rows_of(tmp_path / "tasks" / "farthing_mine.jsonl")
    assert first == {
        "context": "Q: 甲?\nA:",
        "choices": ["b", "c", "a"],
        "right": 2,
        "group": "a",
    }
    assert (second["choices"], second["right"]) == (["a", "b"], 1)


def test_a_task_names_its_data_its_joint_and_its_metrics(supernet, own_benchmark, tmp_path: Path):
    folder = own_benchmark([row("?", ["a", "b"], 1)] * 2, delimiter="")
    write(supernet, folder, tmp_path / "tasks")
    text = (tmp_path / "tasks" / "farthing_mine.yaml").read_text(encoding="utf-8")
    task = yaml.safe_load(text)
    assert "a tie" in text
    assert Path(task["dataset_kwargs"]["data_files"]["test"]).is_file()
    assert (task["target_delimiter"], task["num_fewshot"]) == ("", 0)
    assert [metric["metric"] for metric in task["metric_list"]] == ["acc", "acc_norm"]
    group = yaml.safe_load((tmp_path / "tasks" / "farthing.yaml").read_text(encoding="utf-8"))
    assert group == {"group": "farthing", "task": ["farthing_mine"]}


def test_where_contexts_differ_the_right_one_stands_last(supernet, tmp_path: Path):
    lines = (json.dumps(WINOGRANDE) + "\n") * 2
    (tmp_path / "winogrande_val.jsonl").write_text(lines)
    write(supernet, tmp_path, tmp_path / "tasks")
    first = rows_of(tmp_path / "tasks" / "farthing_winogrande.jsonl")[0]
    assert first["contexts"] == ["He saw Bo", "He saw Al"]
    assert (first["continuation"], first["right"]) == ("run.", 1)
    task = yaml.safe_load((tmp_path / "tasks" / "farthing_winogrande.yaml").read_text())
    assert [metric["metric"] for metric in task["metric_list"]] == ["acc"]


def test_a_question_that_the_model_cannot_see_is_not_written(
    supernet, own_benchmark, tmp_path: Path
):
    rows = [row("?", ["a", "b"], 1), row("?", ["x" * 60, "b"], 1), row("!", ["a", "b"], 1)]
    write(supernet, own_benchmark(rows), tmp_path / "tasks")
    written = rows_of(tmp_path / "tasks" / "farthing_mine.jsonl")
    assert [each["context"] for each in written] == ["Q: ?\nA:", "Q: !\nA:"]


def test_a_folder_that_exists_stays_as_it_is(supernet, own_benchmark):
    folder = own_benchmark([row("?", ["a", "b"], 1)] * 2)
    with pytest.raises(ConfigError, match="exists already"):
        write(supernet, folder, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["mine.jsonl", "mine.yaml"]


def test_a_wrong_line_leaves_nothing_behind(supernet, own_benchmark, tmp_path: Path):
    folder = own_benchmark([row("?", ["a", "b"], 5)] * 2)
    with pytest.raises(CorpusError, match="line 1"):
        write(supernet, folder, tmp_path / "tasks")
    assert [path.name for path in tmp_path.glob("*tasks*")] == []


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(
    supernet, own_benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = own_benchmark([row("?", ["a", "b"], 1)] * 2)
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    # A name of 250 characters fits, but not with the mark of a folder that is being written.
    for given in ("file/tasks", "/proc/tasks", "t" * 250, "t" * 300):
        with pytest.raises(WorkspaceError) as caught:
            write(supernet, folder, Path(given))
        assert caught.value.what.startswith(f"{given} cannot be written: ")
        assert ".partial" not in str(caught.value)
        assert "--workspace" not in caught.value.remedy


def test_a_full_disk_is_said_of_the_folder_that_was_given(
    supernet, own_benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = own_benchmark([row("?", ["a", "b"], 1)] * 2)
    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(WorkspaceError, match=r"tasks cannot be written: No space left"):
        write(supernet, folder, tmp_path / "tasks")
    assert [path.name for path in tmp_path.glob("*tasks*")] == []
