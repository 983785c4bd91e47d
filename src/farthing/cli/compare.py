"""The verb that puts elastic training to the test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farthing.cli.options import (
    HERE,
    JsonOption,
    RecipeOption,
    SetOption,
    WorkspaceOption,
    typed_command,
)
from farthing.cli.output import make_show, print_comparison, print_json


def compare(
    recipe: RecipeOption = "compare-sample",
    workspace: WorkspaceOption = HERE,
    changes: SetOption = [],  # noqa: B006
    jobs: Annotated[
        int, typer.Option(min=1, help="Runs at a time, each on hardware threads of its own.")
    ] = 1,
    known: Annotated[
        Path | None,
        typer.Option(help="A folder with cells.json: what was run elsewhere is not run again."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare an elastic recipe with its controls at equal cost; goes on where it was stopped."""
    from farthing.recipes.loader import load_recipe
    from farthing.session import open_session
    from farthing.studies.compare.config import ComparisonConfig
    from farthing.studies.compare.run import compare as run_comparison
    from farthing.studies.compare.run import read_comparison

    config = load_recipe(recipe, changes, ComparisonConfig)
    before = read_comparison(known).cells.every if known else ()
    session = open_session(workspace, make_show(as_json))
    command = typed_command("compare", recipe=recipe, changes=changes)
    made = run_comparison(config, session, jobs=jobs, command=command, known=before)
    if as_json:
        cells = [cell.model_dump(mode="json") for cell in made.cells.every]
        print_json({"comparison": str(made.directory), "cells": cells})
        return
    print_comparison(made)
    print(made.directory)
