"""The verbs that use a family: extract, generate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farthing.cli.options import (
    HERE,
    JsonOption,
    RerunOption,
    RunOption,
    ShapeOption,
    WorkspaceOption,
    read_parameters,
)
from farthing.cli.output import make_show, print_json
from farthing.errors import UsageError


def extract(
    shape: Annotated[
        str | None, typer.Option("--shape", help="The member to cut out, as 4L-8E-2K.")
    ] = None,
    max_active: Annotated[
        int | None,
        typer.Option(
            parser=read_parameters,
            metavar="COUNT",
            help="Instead: the best scored member with at most this many active parameters, "
            "as 1.2M.",
        ),
    ] = None,
    max_total: Annotated[
        int | None,
        typer.Option(
            parser=read_parameters, metavar="COUNT", help="And with at most this many in all."
        ),
    ] = None,
    gguf: Annotated[
        list[str], typer.Option("--gguf", help="Also a GGUF file: F32, F16 or Q8_0; repeatable.")
    ] = [],  # noqa: B006 - typer reads the default
    run: RunOption = None,
    workspace: WorkspaceOption = HERE,
    rerun: RerunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Cut a member out of its supernet as a Hugging Face model with its card."""
    from farthing import flow
    from farthing.artifacts.workspace import Workspace
    from farthing.model.shape import Shape
    from farthing.session import open_session
    from farthing.stages.extract.gguf import read_encoding

    by_size = max_active is not None or max_total is not None
    if (shape is not None) == by_size:
        raise UsageError(
            "extract takes either --shape, or --max-active or --max-total or both of these",
            remedy="for example: farthing extract --shape 4L-8E-2K",
        )
    encodings = [read_encoding(text) for text in gguf]
    place = Workspace(workspace)
    config, supernet = flow.open_run(flow.find_run(place, run))
    wanted = (
        Shape.parse(shape, supernet.model.config)
        if shape is not None
        else flow.choose_member(supernet, place, max_active=max_active, max_total=max_total)
    )
    session = open_session(workspace, make_show(as_json))
    member = flow.run_extract(wanted, config.name, supernet, session, rerun=rerun)
    files = [
        flow.run_gguf(member, encoding, config.name, supernet, session, rerun=rerun)
        for encoding in encodings
    ]
    if as_json:
        print_json({"member": str(member), "shape": str(wanted), "gguf": [str(f) for f in files]})
        return
    for made in (member, *files):
        print(made)


def generate(
    prompt: Annotated[str, typer.Argument(help="The beginning of the text.")] = "",
    run: RunOption = None,
    workspace: WorkspaceOption = HERE,
    model: Annotated[
        Path | None, typer.Option(help="The folder of a run or an extracted member.")
    ] = None,
    shape: ShapeOption = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="At most this many new tokens.")] = 100,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 0.8,
    top_p: Annotated[
        float, typer.Option(min=0.01, max=1, help="Sample among the likeliest, up to this share.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same text.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Let any member of a family continue a text. Not a run: it does not enter the book."""
    from farthing import flow
    from farthing.artifacts.workspace import Workspace
    from farthing.stages.serve.continue_text import continue_text

    if model is not None and run is not None:
        raise UsageError(
            "--model and --run both say which model", remedy="leave one of the two out"
        )
    opened = flow.open_model(model or flow.find_run(Workspace(workspace), run))
    text = continue_text(
        opened,
        prompt,
        shape=shape,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
    )
    if as_json:
        print_json({"model": str(opened.directory), "prompt": prompt, "text": text})
    else:
        print(prompt + text)
