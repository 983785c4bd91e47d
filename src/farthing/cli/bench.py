"""The verb that measures: this machine, a recipe's training step on it, or serving a member."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli.options import (
    HERE,
    JsonOption,
    RecipeOption,
    SetOption,
    WorkspaceOption,
)
from farthing.cli.output import (
    load_run,
    make_show,
    print_json,
    print_measurement,
    print_serving,
)
from farthing.errors import UsageError

ServeOption = Annotated[
    str | None,
    typer.Option(
        metavar="MEMBER",
        help="Instead of the training step: tokens per second and price of serving this member, "
        "as 4L-8E-2K, or of the model in this folder. A run of its own in the book.",
    ),
]
ServedRunOption = Annotated[
    str | None, typer.Option("--run", help="With --serve: whose member; a folder under runs/.")
]
BatchesOption = Annotated[
    str | None,
    typer.Option(metavar="N,N", help="With --serve: sequences at once; 1, 4, 16 if left out."),
]


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
    serve: ServeOption = None,
    run_name: ServedRunOption = None,
    batches: BatchesOption = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Measure this machine and a recipe's training step on it, part by part, against its floor."""
    from farthing.artifacts.workspace import Workspace
    from farthing.bench.run import run_bench

    if serve is not None:
        _serve(serve, run_name, batches, threads, workspace, as_json=as_json)
        return
    if run_name is not None or batches is not None:
        raise UsageError(
            "--run and --batches belong to --serve",
            remedy="for example: farthing bench --serve 4L-8E-2K --batches 1,8",
        )
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


def _serve(
    member: str,
    run: str | None,
    batches: str | None,
    threads: str | None,
    workspace: Path,
    *,
    as_json: bool,
) -> None:
    from farthing import flow
    from farthing.artifacts.settings import load_settings
    from farthing.artifacts.workspace import Workspace
    from farthing.bench.serve import read_batches, run_serving
    from farthing.bench.threads import read_threads
    from farthing.hardware.api_prices import api_prices
    from farthing.ledger.given_rates import make_rates
    from farthing.ledger.serving_price import serving_prices
    from farthing.model.shape import Shape
    from farthing.session import open_session

    place, sizes = Workspace(workspace), read_batches(batches)
    folder = Path(member)
    model = flow.open_model(folder if folder.is_dir() else flow.find_run(place, run))
    config = model.model.config
    shape = Shape.full(config) if folder.is_dir() else Shape.parse(member, config)
    counts = read_threads(threads, model.model.embed_tokens.weight.device) if threads else ()
    if len(counts) > 1:
        raise UsageError(
            f"--threads {threads}: serving is measured on one number of threads at a time",
            remedy=f"write it as --threads {counts[0]}",
        )
    rates = make_rates(load_settings(place), place.root)
    words = ["farthing", "bench", "--serve", member]
    words += ["--run", run] if run is not None else []
    words += ["--batches", ",".join(map(str, sizes))]
    words += ["--threads", threads] if threads is not None else []
    found, machine, made = run_serving(
        model,
        shape,
        open_session(workspace, make_show(as_json)),
        name=shape.label(config),
        command=shlex.join(words),
        batches=sizes,
        threads=counts[0] if counts else None,
    )
    prices = serving_prices(found, machine, rates)
    if as_json:
        print_json(
            {
                "folder": str(made),
                "measurement": found.model_dump(mode="json"),
                "prices": [price.to_json() for price in prices],
                "public_prices": [each.model_dump(mode="json") for each in api_prices()],
            }
        )
        return
    print_serving(found, prices)
    print(made)
