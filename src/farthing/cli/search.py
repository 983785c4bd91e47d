"""The verb that looks for the best member within a limit."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from farthing.cli.options import (
    HERE,
    JsonOption,
    RerunOption,
    RunOption,
    WorkspaceOption,
    read_parameters,
)
from farthing.cli.output import make_show, print_json, print_search
from farthing.errors import UsageError

_EXAMPLE = "for example: farthing search --max-active 1.2M"


def read_budget(text: str) -> dict[str, float]:
    """A budget such as 200 (members measured) or 90s (seconds of measuring)."""
    try:
        if text.endswith("s"):
            seconds = float(text[:-1])
            if 0 < seconds < float("inf"):
                return {"seconds": seconds}
        elif (evaluations := int(text)) >= 1:
            return {"evaluations": evaluations}
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is no budget: write 200 for members, 90s for seconds")


ActiveOption = Annotated[
    int | None,
    typer.Option(
        parser=read_parameters,
        metavar="COUNT",
        help="The limit: at most this many active parameters, as 1.2M.",
    ),
]
TotalOption = Annotated[
    int | None,
    typer.Option(
        parser=read_parameters, metavar="COUNT", help="Or: at most this many parameters in all."
    ),
]
LatencyOption = Annotated[
    float | None,
    typer.Option(
        metavar="MS", help="Or: at most so many milliseconds per generated token on this machine."
    ),
]
MemoryOption = Annotated[
    float | None,
    typer.Option(metavar="MIB", help="Or: at most so many MiB of weights, as extracted."),
]
SpaceOption = Annotated[
    str,
    typer.Option(
        help="portable: one expert count and one top-k for all layers, which every tool can run; "
        "free: its own in each layer."
    ),
]
BudgetOption = Annotated[
    dict[str, float] | None,
    typer.Option(
        parser=read_budget,
        metavar="N or SECONDSs",
        help="Members to measure, as 200, or a time, as 90s; about 4 % of the training's FLOPs "
        "if left out, 48 to 400 members.",
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed finds the same member.")]


def search(
    run: RunOption = None,
    workspace: WorkspaceOption = HERE,
    max_active: ActiveOption = None,
    max_total: TotalOption = None,
    max_latency: LatencyOption = None,
    max_memory: MemoryOption = None,
    space: SpaceOption = "portable",
    budget: BudgetOption = None,
    seed: SeedOption = 0,
    rerun: RerunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find the layers, experts and top-k with the fewest bits per byte within a limit."""
    from farthing import flow
    from farthing.artifacts.config import parse_config
    from farthing.artifacts.workspace import Workspace
    from farthing.session import open_session
    from farthing.studies.search.config import SearchConfig
    from farthing.studies.search.run import run_search

    limits = {
        "active": max_active,
        "total": max_total,
        "latency": max_latency,
        "memory": max_memory,
    }
    settings: dict[str, Any] = {**_one_limit(limits), "space": space, "seed": seed}
    wanted = parse_config(SearchConfig, settings | (budget or {}), where="farthing search")
    place = Workspace(workspace)
    config, supernet = flow.open_run(flow.find_run(place, run))
    corpus = flow.corpus_of(supernet, place)
    session = open_session(workspace, make_show(as_json))
    outcome = run_search(wanted, config, supernet, corpus, session, rerun=rerun)
    if as_json:
        print_json(outcome.to_json())
    else:
        print_search(outcome)


def _one_limit(limits: dict[str, float | None]) -> dict[str, Any]:
    given = {kind: bound for kind, bound in limits.items() if bound is not None}
    if len(given) != 1:
        options = ", ".join(f"--max-{kind}" for kind in limits)
        raise UsageError(f"search takes one limit, not {len(given)}: {options}", remedy=_EXAMPLE)
    ((kind, bound),) = given.items()
    return {"limit": kind, "bound": float(bound)}
