"""The verb that measures: this machine, and a recipe's training step on it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli.options import HERE, JsonOption, RecipeOption, SetOption, WorkspaceOption
from farthing.cli.output import load_run, make_show, print_json, print_measurement


def bench(
    recipe: RecipeOption = "quickstart",
    changes: SetOption = [],  # noqa: B006
    device: Annotated[
        str | None, typer.Option(help="Instead of the recipe's train.device: auto, cpu, ...")
    ] = None,
    threads: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Numbers of threads to try; 1, 2, 4, ... if left out."),
    ] = None,
    seconds: Annotated[
        int, typer.Option(min=1, help="About how long to measure; more narrows the spread.")
    ] = 40,
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write; WORKSPACE/measurements/NAME-DATE.json if left out."),
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Measure this machine and a recipe's training step on it, part by part, against its floor."""
    from farthing.artifacts.workspace import Workspace
    from farthing.bench.run import run_bench

    changes = [*changes, *([f"train.device={device}"] if device is not None else [])]
    run = load_run(recipe, changes, workspace)
    words = ["farthing", "bench", "--recipe", recipe]
    for change in changes:
        words += ["--set", change]
    words += ["--threads", threads] if threads is not None else []
    words += ["--seconds", str(seconds)]
    made, place = run_bench(
        run,
        command=shlex.join(words),
        threads=threads,
        seconds=seconds,
        out=out,
        workspace=Workspace(workspace),
        say=make_show(as_json).line,
    )
    if as_json:
        print_json({"file": str(place), **made.to_json()})
        return
    print_measurement(made)
    print(place)
