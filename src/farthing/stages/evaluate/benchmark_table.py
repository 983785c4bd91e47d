"""Benchmark scores as tables for a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from farthing.artifacts.benchmarks import Benchmark, BenchmarkMatrix

WIDTH = 100
_CELL = len("100.0 ±0.0")
_GUESSING = "guessing"
_FRAME = 3  # what rich draws beside a cell: two spaces and a line
_TITLE = "Benchmarks: per cent right ± standard error, 0-shot; a tie is never right"
_CAPTION = (
    "norm: log-likelihood per character. Below the line: guessing, and what others measured, each\n"
    "by its own protocol (docs/benchmarks.md)."
)


def benchmark_tables(matrix: BenchmarkMatrix, width: int = WIDTH) -> Group:
    """One row per member, one column per benchmark; as many tables as the width asks for."""
    tables = [_table(matrix, part) for part in _parts(matrix, width)]
    return Group(_TITLE, *tables, _CAPTION)


def _parts(matrix: BenchmarkMatrix, width: int) -> Iterator[list[Benchmark]]:
    """The benchmarks in turn, as many together as fit."""
    part: list[Benchmark] = []
    for benchmark in matrix.benchmarks:
        if part and _width(matrix, [*part, benchmark]) > width:
            yield part
            part = []
        part.append(benchmark)
    yield part


def _width(matrix: BenchmarkMatrix, part: Sequence[Benchmark]) -> int:
    labels = [_GUESSING, *(member.label for member in matrix.members), *_others(part)]
    columns = [max(map(cell_len, labels))]
    columns += [max(_CELL, *map(len, _heading(benchmark).split("\n"))) for benchmark in part]
    return sum(column + _FRAME for column in columns) + 1


def _heading(benchmark: Benchmark) -> str:
    metric = "norm" if benchmark.metric == "acc_norm" else ""
    lines = [*benchmark.name.split("_"), f"{metric} n={benchmark.items}".strip()]
    return "\n".join(lines)


def _others(part: Sequence[Benchmark]) -> list[str]:
    names = (figure.model for benchmark in part for figure in benchmark.published)
    return list(dict.fromkeys(names))


def _table(matrix: BenchmarkMatrix, part: Sequence[Benchmark]) -> Table:
    # What people named is `Text`: rich would take "[/b]" in a plain string as its own markup.
    table = Table()
    table.add_column("member", no_wrap=True, vertical="bottom")
    for benchmark in part:
        table.add_column(Text(_heading(benchmark)), justify="right", no_wrap=True)
    for member in matrix.members:
        cells = []
        for benchmark in part:
            score = member.scores.get(benchmark.name)
            share, stderr = score.headline(benchmark.metric) if score else (None, None)
            cells.append("" if share is None else f"{100 * share:.1f} ±{100 * (stderr or 0):.1f}")
        table.add_row(Text(member.label), *cells)
    table.add_section()
    table.add_row(_GUESSING, *(f"{100 * benchmark.chance:.1f}     " for benchmark in part))
    for model in _others(part):
        figures = [
            next((f.accuracy for f in benchmark.published if f.model == model), None)
            for benchmark in part
        ]
        table.add_row(
            Text(model), *("" if share is None else f"{100 * share:.1f}     " for share in figures)
        )
    return table
