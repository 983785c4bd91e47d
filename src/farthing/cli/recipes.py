"""The verbs of recipes: list, show, copy."""

from __future__ import annotations

import textwrap
from pathlib import Path

import typer

from farthing.cli.options import JsonOption
from farthing.cli.output import print_json

_COLUMNS = 80

recipes_app = typer.Typer(help="List, show and copy recipes.", no_args_is_help=True)


@recipes_app.command("list")
def recipes_list(as_json: JsonOption = False) -> None:
    """The recipes that ship with farthing."""
    from farthing.recipes.loader import list_recipes

    found = list_recipes()
    if as_json:
        print_json({"recipes": [vars(info) for info in found]})
        return
    names = max(len(info.name) for info in found) + 2
    for info in found:
        first, rest = f"{info.name:<{names}}", " " * names
        print(textwrap.fill(info.summary, _COLUMNS, initial_indent=first, subsequent_indent=rest))


@recipes_app.command("show")
def recipes_show(name: str, as_json: JsonOption = False) -> None:
    """The YAML of one recipe."""
    from farthing.recipes.loader import recipe_text

    text = recipe_text(name)
    if as_json:
        print_json({"name": name, "text": text})
    else:
        print(text, end="")


@recipes_app.command("copy")
def recipes_copy(name: str, target: Path, as_json: JsonOption = False) -> None:
    """Copy a recipe to a file or folder, to change it."""
    from farthing.recipes.loader import copy_recipe

    file = copy_recipe(name, target)
    if as_json:
        print_json({"file": str(file)})
    else:
        print(file)
