"""The verb that says what a run will take and how good it will be, before a cent is spent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli.options import HERE, JsonOption, SetOption, WorkspaceOption
from farthing.cli.output import print_json

if TYPE_CHECKING:
    from farthing.flow.planning.run import PlanRequest
    from farthing.stages.plan.result import RunPlan

_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


Budget = Annotated[
    str | None, typer.Option("--budget", metavar="USD", help="Most to spend, as 500, 5k or 1M.")
]
Hours = Annotated[float | None, typer.Option("--hours", help="Most wall-clock hours.")]
Kwh = Annotated[float | None, typer.Option("--kwh", help="Most energy, kWh.")]
Kg = Annotated[float | None, typer.Option("--kg-co2e", help="Most carbon, kg; needs a grid.")]
Bpb = Annotated[
    float | None, typer.Option("--bpb", help="Bits per byte to reach; left out: the best family.")
]
Hardware = Annotated[
    str | None,
    typer.Option(
        "--hardware",
        metavar="WHICH",
        help="NAME:COUNT[@USD] and more behind a +; left out, or `here`: this machine.",
    ),
]
Tier = Annotated[
    str, typer.Option("--tier", help="Whose price: on_demand, spot, reserved_1y, owned.")
]
Grid = Annotated[
    str | None, typer.Option("--grid", help="A country, state or region, as FRA or US-OR.")
]
Corpus = Annotated[
    Path | None, typer.Option("--corpus", help="The folder of text that it will read.")
]
Tokens = Annotated[
    str | None, typer.Option("--tokens", metavar="N", help="How much text there is, as 2B tokens.")
]
Members = Annotated[int, typer.Option("--members", help="Shapes in the family.")]
FromModel = Annotated[
    str | None,
    typer.Option("--from-model", metavar="NAME", help="Plan a published model, as deepseek-v3."),
]
Cluster = Annotated[
    str | None,
    typer.Option("--cluster", metavar="WHAT", help="usd=1e9 or mw=100: what it trains a year."),
]
BeyondTheLaw = Annotated[
    bool, typer.Option("--beyond-the-law", help="Predict quality where no run backs it.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Memory and time of a rank, part by part.")]
Explain = Annotated[bool, typer.Option("--explain", help="Where each figure comes from.")]
Write = Annotated[
    Path | None,
    typer.Option("--write", metavar="FILE", help="Write the recipe, for `farthing train`."),
]


def plan(
    budget: Budget = None,
    hours: Hours = None,
    kwh: Kwh = None,
    kg_co2e: Kg = None,
    bpb: Bpb = None,
    hardware: Hardware = None,
    tier: Tier = "on_demand",
    grid: Grid = None,
    corpus: Corpus = None,
    tokens: Tokens = None,
    members: Members = 4,
    from_model: FromModel = None,
    cluster: Cluster = None,
    beyond_the_law: BeyondTheLaw = False,
    dry_run: DryRun = False,
    explain: Explain = False,
    write: Write = None,
    changes: SetOption = [],  # noqa: B006
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """A plan of a training run: the family, hours, dollars, energy, and how good it will be."""
    from farthing.flow.planning.run import PlanRequest
    from farthing.stages.plan.config import PlanConfig

    config = PlanConfig(
        budget_usd=_number(budget, "--budget"),
        hours=hours,
        kwh=kwh,
        kg_co2e=kg_co2e,
        bpb=bpb,
        basis=_basis(tier),  # type: ignore[arg-type]
        members=members,
        text_tokens=_number(tokens, "--tokens"),
        beyond_the_law=beyond_the_law,
    )
    request = PlanRequest(
        config,
        hardware=hardware,
        grid=grid,
        corpus=corpus,
        workspace=workspace,
        change=_change(changes) if changes else None,
    )
    if cluster is not None or from_model is not None:
        _print_other(request, cluster, from_model, dry_run, explain, write, as_json)
        return
    _print_run(request, dry_run, explain, write, as_json)


def _print_run(
    request: PlanRequest, dry_run: bool, explain: bool, write: Path | None, as_json: bool
) -> None:
    from farthing.flow.planning.run import plan_run
    from farthing.stages.plan.text import explained_lines, plan_lines

    made = plan_run(request)
    if write is not None:
        _write(made, write)
    if as_json:
        print_json(made.to_json())
        return
    for line in plan_lines(made):
        print(line)
    if dry_run:
        print()
        for line in made.ledger:
            print(line)
    if explain:
        print()
        for line in explained_lines(made.explained):
            print(line)
    if write is not None:
        print(write)


def _print_other(
    request: PlanRequest,
    cluster: str | None,
    from_model: str | None,
    dry_run: bool,
    explain: bool,
    write: Path | None,
    as_json: bool,
) -> None:
    """The capital question, or a published model."""
    from farthing.errors import PlanError
    from farthing.flow.planning.cluster import plan_cluster
    from farthing.flow.planning.published import plan_published
    from farthing.stages.plan.text import explained_lines

    if cluster is not None and from_model is not None:
        raise PlanError(
            "--cluster and --from-model ask two questions", remedy="ask them one after the other"
        )
    if write is not None:
        raise PlanError(
            "--write: no recipe comes out of --cluster and --from-model",
            remedy="leave --write out; a plan with --budget or --hours has one",
        )
    made = (
        plan_cluster(request, cluster)
        if cluster is not None
        else plan_published(request, from_model or "")
    )
    if as_json:
        print_json(made.values)
        return
    for line in made.lines:
        print(line)
    for line in made.ledger if dry_run else ():
        print(line)
    for line in explained_lines(made.explained) if explain else ():
        print(line)


def _write(made: RunPlan, path: Path) -> None:
    from farthing.artifacts.storage import make_directory, write_atomic
    from farthing.errors import ConfigError
    from farthing.hardware.show import yaml_text

    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(
            f"--write {path}: a recipe's name ends in .yaml", remedy=f"--write {path}.yaml"
        )
    if path.exists():
        raise ConfigError(
            f"{path} exists already and stays as it is",
            remedy="name another file, or move that one away",
        )
    make_directory(path.parent)
    head = f"# planned: {made.goal}, on {made.pool}\n"
    write_atomic(path, (head + yaml_text(made.recipe)).encode())


def _change(changes: list[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    from farthing.recipes.loader import overridden

    def change(recipe: dict[str, Any]) -> dict[str, Any]:
        for each in changes:
            recipe = overridden(recipe, each)
        return recipe

    return change


def _basis(tier: str) -> str:
    from farthing.artifacts.settings import BASES
    from farthing.errors import PlanError

    basis = "reserved" if tier in ("reserved_1y", "reserved") else tier
    if basis not in BASES:
        raise PlanError(
            f"--tier {tier}: there is none",
            remedy="give on_demand, spot, reserved_1y or owned",
        )
    return basis


def _number(text: str | None, option: str) -> float | None:
    """A number such as 500, $5,000, 5k, 2B or 1e9."""
    from farthing.errors import PlanError

    if text is None:
        return None
    plain = text.strip().removeprefix("$").replace(",", "").replace("_", "").casefold()
    scale = _SCALES.get(plain[-1:], 1.0)
    try:
        return float(plain[:-1] if scale != 1.0 else plain) * scale
    except ValueError as error:
        raise PlanError(
            f"{option} {text!r} is no number", remedy="write it as 500, 5k, 1M, 2B or 1e9"
        ) from error
