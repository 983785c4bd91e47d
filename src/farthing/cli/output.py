"""What the verbs print: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farthing.errors import FarthingError

if TYPE_CHECKING:
    from rich.console import Console

    from farthing import flow
    from farthing.artifacts.benchmarks import BenchmarkMatrix
    from farthing.artifacts.measurement import Measurement
    from farthing.artifacts.scores import ScoreMatrix
    from farthing.artifacts.workspace import Workspace
    from farthing.ledger.bill import Bill
    from farthing.session import Show as Show

_PIPE_WIDTH = 160


def load_run(recipe: str, changes: list[str]) -> flow.RunConfig:
    """The settings of a recipe with its overrides."""
    from farthing.flow import RunConfig
    from farthing.recipes.loader import load_recipe

    return load_recipe(recipe, changes, RunConfig)


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

    return make_bill(workspace, load_settings(workspace))


def print_bill(made: Bill) -> None:
    """The bill as tables."""
    from farthing.ledger.bill_text import print_bill as print_tables

    print_tables(made, _stdout())


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
    print(f"farthing: {error}", file=sys.stderr)
    return error.exit_code
