"""The verb that measures: this machine, a recipe's training step on it, or serving a member."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from farthing.artifacts.serving import ServingMeasurement
    from farthing.artifacts.workspace import Workspace
    from farthing.ledger.serving_price import ServingPrice
    from farthing.model.shape import Shape
    from farthing.model.supernet import Supernet

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
    from farthing.artifacts.settings import load_settings
    from farthing.artifacts.workspace import Workspace
    from farthing.bench.serve import read_batches, run_serving
    from farthing.ledger.bill import read_accounts
    from farthing.ledger.serving_price import rests_on, serving_prices
    from farthing.session import open_session

    place, sizes = Workspace(workspace), read_batches(batches)
    model, shape = _member(place, member, run)
    count = _thread_count(threads, model)
    words = ["farthing", "bench", "--serve", member]
    words += ["--run", run] if run is not None else []
    words += ["--batches", ",".join(map(str, sizes))]
    words += ["--threads", threads] if threads is not None else []
    found, start, made = run_serving(
        model,
        shape,
        open_session(workspace, make_show(as_json)),
        name=shape.label(model.model.config),
        command=shlex.join(words),
        batches=sizes,
        threads=count,
    )
    accounts = read_accounts(place, load_settings(place), hours_may_lack=True)
    rates = accounts.pricing.of(start.run)
    prices = serving_prices(found, start.machine, rates)
    if as_json:
        _print_served_json(made, found, prices, rests_on(rates))
        return
    print_serving(found, prices, rests_on(rates))
    print(made)


def _member(place: Workspace, member: str, run: str | None) -> tuple[Supernet, Shape]:
    """The model that holds a member, and its shape there: a run's, or a folder's own."""
    from farthing import flow
    from farthing.model.shape import Shape

    folder = Path(member)
    if folder.is_dir():
        model = flow.open_model(folder)
        return model, Shape.full(model.model.config)
    model = flow.open_model(flow.find_run(place, run))
    return model, Shape.parse(member, model.model.config)


def _thread_count(threads: str | None, model: Supernet) -> int | None:
    from farthing.bench.threads import read_threads

    if not threads:
        return None
    counts = read_threads(threads, model.model.embed_tokens.weight.device)
    if len(counts) > 1:
        raise UsageError(
            f"--threads {threads}: serving is measured on one number of threads at a time",
            remedy=f"write it as --threads {counts[0]}",
        )
    return counts[0]


def _print_served_json(
    made: Path,
    found: ServingMeasurement,
    prices: Sequence[ServingPrice],
    basis: Sequence[str],
) -> None:
    from farthing.hardware.api_prices import api_prices

    print_json(
        {
            "folder": str(made),
            "measurement": found.model_dump(mode="json"),
            "prices": [price.to_json() for price in prices],
            "basis": list(basis),
            "public_prices": [each.model_dump(mode="json") for each in api_prices()],
        }
    )
