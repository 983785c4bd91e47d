"""Tables of exact counts beside published figures: what docs/results/cost.md shows of them.

    python bench/cost/tables.py

Tests in tests/cost hold the same figures to their bounds; nothing is measured here.
"""

from __future__ import annotations

from dataclasses import dataclass

from farthing.cost.decode import cache_bytes
from farthing.cost.parameters import architecture_parameters
from farthing.cost.published import (
    PublishedFlops,
    PublishedModel,
    further_published,
    published,
    recounted,
)
from farthing.cost.training import training_flops_of

PARAMETERS_WITHIN, FLOPS_WITHIN = 0.01, 0.05
_CONVENTIONS = {
    "six_n": "6 N D",
    "model": "model FLOPs",
    "main_model": "model FLOPs, without the further prediction",
    "full_attention": "model FLOPs, masked pairs counted",
    "recomputed": "hardware FLOPs, all layers recomputed",
}


@dataclass(frozen=True)
class Table:
    """A table and what stands around it.

    Attributes:
        before: sentences before it.
        columns: their names, the first one of text.
        rows: cells.
        after: a line each, behind it.
    """

    before: str
    columns: list[str]
    rows: list[list[str]]
    after: list[str]


def parameters_table() -> Table:
    """T0: parameters of the published architectures."""
    rows, reasons, within, to_the_digit = [], [], 0, 0
    for model in published():
        assert model.parameters is not None
        stated, found = model.parameters, architecture_parameters(model.sizes)
        error = found.total / stated.total - 1
        met = abs(error) <= PARAMETERS_WITHIN
        within += met
        to_the_digit += found.total == stated.total
        total = f"{stated.total:,}" if stated.exact else f"{stated.total / 1e9:.4g} billion"
        rows.append(
            [
                model.name,
                f"{found.total:,}",
                total,
                f"{100 * error:+.3f} %" + ("" if met else " **off**"),
                f"{found.active / 1e9:.2f} billion",
                stated.grade,
                stated.source,
            ]
        )
        reasons += [f"{model.name}: {text}" for text in (stated.how, stated.why_off) if text]
    return Table(
        before=f"{within} of {len(rows)} within 1 % (wanted: 27), {to_the_digit} of them to the "
        "last digit. A published total without all its digits is as rounded as its maker left it.",
        columns=["model", "counted", "published", "error", "a token touches", "grade", "source"],
        rows=rows,
        after=reasons,
    )


def flops_table() -> Table:
    """T1: FLOPs of training, each in the convention of who published it."""
    figures = [
        (model, figure) for model in (*published(), *further_published()) for figure in model.flops
    ]
    rows = [_flops_row(model, figure) for model, figure in figures]
    compared = [pair for pair in figures if pair[1].excluded is None]
    within = sum(_flops_error(*pair) <= FLOPS_WITHIN for pair in compared)
    return Table(
        before=f"{within} of {len(compared)} figures that name or fit a convention within 5 %; "
        f"{len(figures) - len(compared)} fit none and are listed with the reason. Model FLOPs "
        "count every product once forward and twice backward, with causal pairs.",
        columns=["model", "published", "convention", "counted so", "error", "model FLOPs", "grade"],
        rows=rows,
        after=[f"{model.name}: {figure.excluded}" for model, figure in figures if figure.excluded],
    )


def cache_table() -> Table:
    """Published sizes of the decoding cache."""
    rows = [
        [model.name, f"{cache_bytes(model.sizes, 1):,}", f"{model.cache.bytes_per_token:,}"]
        for model in (*published(), *further_published())
        if model.cache is not None
    ]
    return Table(
        before="Bytes of keys and values of one position in bfloat16 (arXiv 2505.09343, table 1).",
        columns=["model", "counted", "published"],
        rows=rows,
        after=[],
    )


def _flops_row(model: PublishedModel, figure: PublishedFlops) -> list[str]:
    error = recounted(model, figure) / figure.value - 1
    mark = " left out" if figure.excluded else "" if abs(error) <= FLOPS_WITHIN else " **off**"
    tokens = model.tokens if figure.of == "run" else 1
    flops = training_flops_of(model.sizes, tokens=tokens, length=figure.context)
    return [
        model.name,
        f"{figure.value:.4g}" + (" a token" if figure.of == "token" else ""),
        _CONVENTIONS[figure.convention],
        f"{recounted(model, figure):.4g}",
        f"{100 * error:+.1f} %{mark}",
        f"{flops:.4g} ({100 * (flops / figure.value - 1):+.1f} %)",
        figure.grade,
    ]


def _flops_error(model: PublishedModel, figure: PublishedFlops) -> float:
    return abs(recounted(model, figure) / figure.value - 1)


def markdown(table: Table) -> str:
    """The table as a page shows it."""
    lines = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    body = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    notes = "".join(f"- {line.rstrip('.')}.\n" for line in table.after)
    return f"{table.before}\n\n{body}" + (f"\n{notes}" if notes else "")


if __name__ == "__main__":
    for make in (parameters_table, flops_table, cache_table):
        print(markdown(make()))
