"""What the verbs print: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farthing.charts.visible import visible
from farthing.errors import FarthingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from farthing import flow
    from farthing.artifacts.benchmarks import BenchmarkMatrix
    from farthing.artifacts.measurement import Measurement
    from farthing.artifacts.scores import ScoreMatrix
    from farthing.artifacts.serving import ServingMeasurement
    from farthing.artifacts.workspace import Workspace
    from farthing.ledger.bill import Bill
    from farthing.ledger.serving_price import ServingPrice
    from farthing.report.to_bpb import CostToBpb
    from farthing.session import Show as Show
    from farthing.studies.compare.run import Comparison
    from farthing.studies.search.run import SearchOutcome

_PIPE_WIDTH = 160


def load_run(
    recipe: str,
    changes: list[str],
    workspace: Path,
    *,
    place: str | None = None,
    shape: str | None = None,
) -> flow.RunConfig:
    """The settings of a recipe with its overrides.

    Args:
        recipe: its name or file.
        changes: of settings, as `--set` takes them.
        workspace: in which names of runs are looked up, where the recipe starts from one.
        place: what to start from instead of random weights.
        shape: what to cut out of it.

    Raises:
        ConfigError: a wrong recipe or change, or there is no such thing to start from.
    """
    from farthing.artifacts.config import parse_config
    from farthing.artifacts.workspace import Workspace
    from farthing.flow import RunConfig, borrow, take_sizes
    from farthing.recipes.loader import read_recipe

    data, where = read_recipe(recipe, changes)
    if isinstance(data, dict):
        if place is not None:
            say = make_show(as_json=False).line
            named = any(change.partition("=")[0].strip() == "name" for change in changes)
            data = borrow(data, place, shape, Workspace(workspace), say, named=named)
        data = take_sizes(data, Workspace(workspace), where=where)
    return parse_config(RunConfig, data, where=where)


def make_show(as_json: bool) -> Show:
    """Progress on stderr; with --json a script is reading, so no bar."""
    from rich.console import Console

    from farthing.session import Show
    from farthing.stages.train.progress import StepWatch

    console = Console(stderr=True, force_terminal=False if as_json else None)
    return Show(
        line=lambda text: console.print(text, highlight=False, soft_wrap=True, markup=False),
        training=lambda spending, steps, first: StepWatch(steps, first, spending, console),
    )


def write_reference_price(root: Path) -> None:
    """Give a new workspace a `farthing.yaml` with the catalogue's reference price, and say so."""
    from farthing.artifacts.workspace import Workspace
    from farthing.hardware.reference import write_reference_settings

    if write_reference_settings(Workspace(root)):
        print(
            f"wrote {root / 'farthing.yaml'} with a reference price: replace it by what you pay",
            file=sys.stderr,
        )


def read_bill(workspace: Workspace) -> Bill:
    """The bill of a workspace, on the prices of its `farthing.yaml`."""
    from farthing.artifacts.settings import load_settings
    from farthing.ledger.bill import make_bill

    return make_bill(workspace, load_settings(workspace), hours_may_lack=True)


def print_bill(made: Bill) -> None:
    """The bill as tables."""
    from farthing.ledger.bill_text import print_bill as print_tables

    print_tables(made, _stdout())


def print_cost_to_bpb(answer: CostToBpb) -> None:
    """What a loss costs, as tables."""
    _stdout().print(answer.tables(), highlight=False, soft_wrap=True)


def print_scores(matrix: ScoreMatrix) -> None:
    """The score matrix as a table."""
    from farthing.stages.evaluate.table import score_table

    _stdout().print(score_table(matrix))


def print_benchmarks(matrix: BenchmarkMatrix) -> None:
    """The benchmark scores as tables."""
    from farthing.stages.evaluate.benchmark_table import benchmark_tables

    _stdout().print(benchmark_tables(matrix))


def print_measurement(measurement: Measurement) -> None:
    """What a machine makes of a training step, as tables."""
    from farthing.bench.table import measurement_tables

    _stdout().print(measurement_tables(measurement), highlight=False, soft_wrap=True)


def print_serving(
    measurement: ServingMeasurement, prices: Sequence[ServingPrice], basis: Sequence[str]
) -> None:
    """Speed and price of serving a member, beside public prices."""
    from farthing.bench.serving_table import serving_tables
    from farthing.hardware.api_prices import api_prices

    tables = serving_tables(measurement, prices, basis, api_prices())
    _stdout().print(tables, highlight=False, soft_wrap=True)


def print_table(table: Table) -> None:
    """One table."""
    _stdout().print(table)


def print_search(outcome: SearchOutcome) -> None:
    """What a search found, as a table and a few lines."""
    from farthing.studies.search.table import outcome_lines, outcome_table

    console = _stdout()
    console.print(outcome_table(outcome))
    for line in outcome_lines(outcome):
        console.print(line, highlight=False, markup=False, soft_wrap=line.startswith("  "))


def print_comparison(made: Comparison) -> None:
    """What a comparison says: its table, then its sentences."""
    from farthing.studies.compare.page import Summary
    from farthing.studies.compare.table import comparison_table

    summary = Summary(made.cells, made.config.compare)
    _stdout().print(comparison_table(summary))
    for sentence in summary.sentences():
        print(f"- {sentence}")


def _stdout() -> Console:
    from rich.console import Console

    console = Console()
    # A table in a file or a pipe keeps its columns; a terminal has the width it has.
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)


def print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """One JSON object, and nothing else, on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


def print_error(error: FarthingError, *, as_json: bool) -> int:
    """What happened and how to mend it; returns the exit code."""
    if as_json:
        kind = type(error).__name__
        print_json({"error": {"kind": kind, "what": error.what, "remedy": error.remedy}})
    # It may name what stands in a workspace of somebody else's.
    print(visible(f"farthing: {error}"), file=sys.stderr)
    return error.exit_code
