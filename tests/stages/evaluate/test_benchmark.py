"""A whole evaluation on benchmarks: what is written, what it costs, what stops it beforehand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from farthing.artifacts.benchmarks import BenchmarkMatrix, open_benchmarks
from farthing.cost.flops import forward_flops
from farthing.errors import ConfigError, CorpusError, FarthingError, ShapeError
from farthing.model.shape import Shape
from farthing.stages.evaluate.benchmark import benchmark
from farthing.stages.evaluate.benchmark_config import BenchmarkConfig
from farthing.stages.evaluate.sources import AskedBenchmark, read_benchmarks
from farthing.text.tokenizer import Tokenizer, byte_vocabulary


def inputs_of(config: BenchmarkConfig) -> dict:
    asked = read_benchmarks(config, byte_vocabulary(), 512)
    return {one.definition.name: one.inputs for one in asked}


def row(question: str, choices: list[str], label: int, part: str = "a") -> dict:
    return {"question": question, "choices": choices, "label": label, "part": part}


ROWS = [
    row("what?", ["this", "that", "these"], 2, "a"),
    row("who?", ["he", "she"], 0, "b"),
    row("tied?", ["same", "same"], 0, "b") | {"choices": ["same", "same", "other"]},
    row("a question longer than what the model sees at once", ["yes", "no"], 1, "a"),
]


def read(config: BenchmarkConfig, supernet) -> tuple[AskedBenchmark, ...]:
    tokenizer = Tokenizer.load(supernet.directory)
    return read_benchmarks(config, tokenizer, supernet.model.config.context)


def ask(supernet, folder: Path | None, out: Path, **settings: object) -> BenchmarkMatrix:
    config = BenchmarkConfig(
        **{"members": ("3L-4E-2K",), "folder": folder and str(folder), **settings}
    )
    return benchmark(
        config,
        supernet,
        read(config, supernet),
        directory=out,
        input_key="1" * 64,
        on_answered=lambda *_: None,
        on_scored=lambda *_: None,
    )[0]


def test_the_matrix_says_what_was_asked_and_found(supernet, own_benchmark, tmp_path: Path):
    folder = own_benchmark(ROWS)
    matrix = ask(supernet, folder, tmp_path / "out", members=("3L-4E-2K", "2L-2E-1K"))
    (asked,) = matrix.benchmarks
    assert (asked.name, asked.items, asked.shortened, asked.file) == ("mine", 4, 1, "mine.jsonl")
    assert asked.chance == pytest.approx((1 / 3 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert asked.source == "made up; all 4 questions of the file"
    assert [member.label for member in matrix.members] == ["3L-4E-2K", "2L-2E-1K"]
    for member in matrix.members:
        score = member.scores["mine"]
        assert score.ties == 1
        assert score.acc <= 3 / 4, "a tie counted as right"
        assert score.acc == pytest.approx((score.groups["a"] + score.groups["b"]) / 2)
    reopened, manifest = open_benchmarks(tmp_path / "out")
    assert reopened == matrix
    assert manifest.detail["supernet"] == supernet.digest


def test_the_size_of_a_batch_changes_no_accuracy(supernet, own_benchmark, tmp_path: Path):
    folder = own_benchmark(ROWS)
    one = ask(supernet, folder, tmp_path / "one", batch_rows=1)
    assert one == ask(supernet, folder, tmp_path / "many", batch_rows=32)


def test_the_hooks_see_every_benchmark_with_its_tokens_and_flops(
    supernet, own_benchmark, tokenizer, tmp_path: Path
):
    rows = [row("a", ["bc", "def"], 0), row("a", ["bc", "gh"], 1)]
    own_benchmark(rows, "one")
    folder = own_benchmark(rows[:1] * 2, "two")
    answered, scored = [], []
    config = BenchmarkConfig(members=("2L-2E-1K",), folder=str(folder))
    benchmark(
        config,
        supernet,
        read(config, supernet),
        directory=tmp_path / "out",
        input_key="1" * 64,
        on_answered=lambda *seen: answered.append(seen),
        on_scored=lambda *seen: scored.append(seen),
    )
    shape = Shape.parse("2L-2E-1K", supernet.model.config)
    # Bytes are tokens: what opens the document, "Q: a\nA:", and the choice without its last byte.
    lengths = {"one": [1 + 7 + 2, 1 + 7 + 3, 1 + 7 + 2], "two": [1 + 7 + 2, 1 + 7 + 3]}
    for name, each in lengths.items():
        flops = forward_flops(
            supernet.model.config,
            tokenizer.vocab_size,
            shape,
            tokens=sum(each),
            attended_pairs=sum(length * (length + 1) // 2 for length in each),
        )
        assert (shape, name, sum(each), flops) in answered
    assert [(seen[0], set(seen[1])) for seen in scored] == [(shape, {"one", "two"})]


def test_a_limit_is_told(supernet, own_benchmark, tmp_path: Path):
    folder = own_benchmark(ROWS * 5)
    (asked,) = ask(supernet, folder, tmp_path / "out", limit=7).benchmarks
    assert (asked.items, asked.source) == (
        7,
        "made up; 7 of the file's 20 questions, evenly spread",
    )


def test_the_embedded_sample_asks_english_and_chinese_grammar(supernet, tmp_path: Path):
    matrix = ask(supernet, None, tmp_path / "out", limit=40)
    assert [(asked.name, asked.language) for asked in matrix.benchmarks] == [
        ("blimp", "en"),
        ("sling", "zh"),
    ]
    assert all("the embedded sample" in asked.source for asked in matrix.benchmarks)
    assert all(asked.published for asked in matrix.benchmarks)


PIQA_ROW = {"goal": "sit", "sol1": "chair", "sol2": "cloud", "label": 0}


@pytest.mark.parametrize(
    ("stem", "limit", "complete"),
    [
        ("piqa_val", None, True),
        ("piqa_val", 9, True),
        ("piqa_val", 3, False),
        ("piqa_val_A", None, False),
    ],
)
def test_a_limit_that_leaves_questions_out_and_half_a_set_are_not_complete(
    supernet, tmp_path: Path, stem: str, limit: int | None, complete: bool
):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / f"{stem}.jsonl").write_text((json.dumps(PIQA_ROW) + "\n") * 5)
    (asked,) = ask(supernet, folder, tmp_path / "out", limit=limit).benchmarks
    assert asked.complete is complete
    assert ("a part of the published set" in asked.source) == (stem == "piqa_val_A")


def test_the_embedded_sample_is_not_complete(supernet):
    config = BenchmarkConfig(members=("3L",))
    assert [one.complete for one in read(config, supernet)] == [False, False]


def test_an_own_definition_may_say_that_its_file_is_a_part(supernet, own_benchmark, tmp_path: Path):
    folder = own_benchmark(ROWS, partial_files=["mine"])
    (asked,) = ask(supernet, folder, tmp_path / "out").benchmarks
    assert not asked.complete


def test_the_matrix_names_the_definition_by_the_digest_among_the_inputs(
    supernet, own_benchmark, tmp_path: Path
):
    folder = own_benchmark(ROWS)
    (asked,) = ask(supernet, folder, tmp_path / "out").benchmarks
    inputs = inputs_of(BenchmarkConfig(members=("3L",), folder=str(folder)))
    assert asked.definition_digest == inputs["mine"]["definition"]


def test_once_read_the_files_are_not_needed_any_more(supernet, own_benchmark, tmp_path: Path):
    folder = own_benchmark(ROWS)
    config = BenchmarkConfig(members=("2L-2E-1K",), folder=str(folder))
    asked = read(config, supernet)
    shutil.rmtree(folder)
    matrix, _ = benchmark(
        config,
        supernet,
        asked,
        directory=tmp_path / "out",
        input_key="1" * 64,
        on_answered=lambda *_: None,
        on_scored=lambda *_: None,
    )
    assert matrix.benchmarks[0].items == 4


def broken_line(folder: Path) -> None:
    (folder / "mine.jsonl").write_text('{"question": "?", "part": "", "label": 0}\n')


def no_data(folder: Path) -> None:
    (folder / "mine.jsonl").unlink()


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def nothing_known(folder: Path) -> None:
    for path in folder.iterdir():
        path.rename(path.with_suffix(".old"))


@pytest.mark.parametrize(
    ("spoil", "settings", "error", "complaint"),
    [
        (broken_line, {}, CorpusError, "line 1: there is no field 'choices'"),
        (no_data, {}, ConfigError, "put it there as mine, ending in .jsonl"),
        (no_folder, {}, CorpusError, "is no folder"),
        (nothing_known, {}, ConfigError, "known are: blimp"),
        (None, {"benchmarks": ("hellaswog",)}, ConfigError, "did you mean 'hellaswag'"),
        (None, {"benchmarks": ("blimp",)}, ConfigError, "no file for the benchmark blimp"),
        (None, {"members": ("9L",)}, ShapeError, "depth of 9"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    supernet,
    own_benchmark,
    tmp_path: Path,
    spoil: Callable[[Path], None] | None,
    settings: dict,
    error: type[FarthingError],
    complaint: str,
):
    folder = own_benchmark(ROWS)
    if spoil:
        spoil(folder)
    with pytest.raises(error) as caught:
        ask(supernet, folder, tmp_path / "out", **settings)
    assert complaint in str(caught.value)
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_choices_that_no_context_holds_are_an_error_that_says_so(
    supernet, own_benchmark, tmp_path: Path
):
    folder = own_benchmark([row("?", ["x" * 50, "y"], 0)] * 3)
    with pytest.raises(CorpusError, match="3 of 3 questions have a choice of more than 40 tokens"):
        ask(supernet, folder, tmp_path / "out")


def test_an_own_definition_takes_the_place_of_a_shipped_one(
    supernet, own_benchmark, tmp_path: Path
):
    folder = own_benchmark(ROWS, "piqa")
    (asked,) = ask(supernet, folder, tmp_path / "out").benchmarks
    assert (asked.name, asked.title) == ("piqa", "Mine")


def test_the_inputs_change_with_the_data_and_with_the_definition(own_benchmark):
    folder = own_benchmark(ROWS)
    config = BenchmarkConfig(members=("3L",), folder=str(folder))
    first = inputs_of(config)
    assert first == inputs_of(config)
    own_benchmark(ROWS[:3])
    other_data = inputs_of(config)
    own_benchmark(ROWS, title="Yours")
    other_definition = inputs_of(config)
    assert first["mine"]["file"] != other_data["mine"]["file"]
    assert first["mine"]["definition"] == other_data["mine"]["definition"]
    assert first["mine"]["file"] == other_definition["mine"]["file"]
    assert first["mine"]["definition"] != other_definition["mine"]["definition"]
