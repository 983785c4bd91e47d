"""The verb that says what a trained model is worth as a beginning."""

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
from farthing.cli.output import make_show, print_json


def headstart(
    recipe: RecipeOption = "headstart-sample",
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
    """Train members on, grow supernets, and compare both with the same from random weights.

    Draws bits per byte against what training on cost, beside the same size from scratch for as
    much, and for as much as the elastic run and training on cost together: docs/elastic.md. Goes
    on where it was stopped.
    """
    from farthing.recipes.loader import load_recipe
    from farthing.session import open_session
    from farthing.studies.headstart.config import HeadstartConfig
    from farthing.studies.headstart.page import sentences
    from farthing.studies.headstart.run import headstart as run_headstart
    from farthing.studies.headstart.run import read_headstart

    config = load_recipe(recipe, changes, HeadstartConfig)
    before = read_headstart(known).cells if known else ()
    session = open_session(workspace, make_show(as_json))
    command = typed_command("headstart", recipe=recipe, changes=changes)
    made = run_headstart(config, session, jobs=jobs, command=command, known=before)
    if as_json:
        cells = [cell.model_dump(mode="json") for cell in made.cells]
        print_json({"headstart": str(made.directory), "cells": cells})
        return
    for sentence in sentences(made.study):
        print(f"- {sentence}")
    print(made.directory)
