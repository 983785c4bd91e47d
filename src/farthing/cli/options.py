"""Options that several verbs share."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

_SCALES = {"K": 10**3, "M": 10**6, "B": 10**9}


def read_parameters(text: str) -> int:
    """A count of parameters such as 1200000, 1.2M or 3B."""
    scale = _SCALES.get(text[-1:].upper())
    try:
        # Decimal: 1.001M is 1,001,000 and not one less.
        count = Decimal(text[:-1]) * scale if scale else Decimal(text)
        if count < 1 or count != int(count):
            raise ValueError(text)
        return int(count)
    except (ArithmeticError, ValueError) as error:
        raise typer.BadParameter(
            f"{text!r} is no count: write it as 1200000, 1.2M or 3B"
        ) from error


WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", help="The directory with book, corpora and runs.")
]
RecipeOption = Annotated[
    str, typer.Option("--recipe", "-r", help="A recipe's name, or a .yaml file of your own.")
]
SetOption = Annotated[
    list[str], typer.Option("--set", help="Change a setting: --set train.steps=200.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
RerunOption = Annotated[bool, typer.Option("--rerun", help="Make it again even if it is there.")]
RunOption = Annotated[
    str | None, typer.Option("--run", help="A folder under runs/; its start is enough.")
]
ShapeOption = Annotated[
    str | None,
    typer.Option("--shape", help="A member, as 4L-8E-2K; the whole supernet if left out."),
]
FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="PLACE",
        help="Start from a trained model: a finished run (a folder under runs/, its start is "
        "enough, or any path) or an extracted member's folder.",
    ),
]
CutOption = Annotated[
    str | None,
    typer.Option("--shape", help="Of what --from names, start from this member only."),
]

HERE = Path()


def typed_command(*words: str, recipe: str, changes: Sequence[str]) -> str:
    """A command as somebody would type it, for the page that it makes."""
    settings = (word for change in changes for word in ("--set", change))
    return shlex.join(["farthing", *words, "--recipe", recipe, *settings])
