"""The tables: every benchmark once, guessing and others below, never wider than the terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from farthing.artifacts.benchmarks import (
    Benchmark,
    BenchmarkMatrix,
    BenchmarkScore,
    MemberBenchmarks,
    Published,
)
from farthing.stages.evaluate.benchmark_table import benchmark_tables

NAMES = ("blimp", "agieval_gaokao_zh", "commonsenseqa", *(f"other_{i}" for i in range(12)))


def benchmark(name: str, other: str = "GPT-2 (124M)") -> Benchmark:
    figure = Published(model=other, accuracy=0.83, source="paper", note="")
    return Benchmark(
        name=name,
        title=name,
        language="en",
        form="multiple_choice",
        metric="acc_norm" if name == "commonsenseqa" else "acc",
        items=1221,
        shortened=0,
        chance=0.2,
        file="f",
        file_digest="0",
        definition_digest="0",
        complete=True,
        source="s",
        licence="l",
        hub_dataset=None,
        published=(figure,) if name == "blimp" else (),
    )


def printed(width: int = 100, other: str = "GPT-2 (124M)") -> str:
    score = BenchmarkScore(
        acc=0.6124, acc_stderr=0.0241, acc_norm=0.5, acc_norm_stderr=0.1, ties=3, groups={}
    )
    members = tuple(
        MemberBenchmarks(shape=label, label=label, scores={name: score for name in NAMES})
        for label in ("12L-64E-8K", "6L-8E-2K")
    )
    asked = tuple(benchmark(name, other) for name in NAMES)
    matrix = BenchmarkMatrix(supernet="0", benchmarks=asked, members=members)
    written = io.StringIO()
    Console(width=width, file=written).print(benchmark_tables(matrix))
    return written.getvalue()


@pytest.fixture(scope="module")
def text() -> str:
    return printed()


def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(text: str):
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text


def test_every_member_has_one_figure_for_every_benchmark(text: str):
    assert text.count("61.2 ±2.4") == 2 * (len(NAMES) - 1)
    assert text.count("50.0 ±10.0") == 2, "the benchmark that the field quotes per character"


def test_guessing_and_others_stand_below(text: str):
    assert text.count("20.0") == len(NAMES)
    assert text.count("GPT-2 (124M)") == text.count("83.0") == 1


@pytest.mark.parametrize("other", ["other [/b]", "[bold]other", "other :smile:", "模型[中文]\\"])
def test_what_others_are_called_is_printed_as_it_stands(other: str):
    text = printed(other=other)
    assert text.count(other) == 1
    assert max(map(cell_len, text.splitlines())) <= 100
