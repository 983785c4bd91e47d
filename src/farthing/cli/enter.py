"""The verbs that enter into the book what no meter of a run sees, and that take it back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from farthing.cli.options import HERE, JsonOption, WorkspaceOption
from farthing.cli.output import print_json

if TYPE_CHECKING:
    from farthing.ledger.desk import Desk, Entered
    from farthing.quantity import Quantity

Basis = Literal["on_demand", "spot", "reserved", "owned"]
Method = Literal["psu", "cloud"]

enter_app = typer.Typer(
    help="Enter expenses, other meters' readings and what was held into the book, for good.",
    no_args_is_help=True,
)

_RunsOption = Annotated[
    str | None, typer.Option(metavar="NUMBERS", help="Runs by number, as 3,4 or 3-6.")
]
_MOST_RUNS = 100_000
_NAMES = {
    "wall_hours": "wall h",
    "device_hours": "device-h",
    "cpu_hours": "CPU-h",
    "flops": "FLOP, model",
    "optimizer_flops": "FLOP, optimizer",
    "kwh": "kWh",
    "kg_co2e": "kg CO2e",
    "kg_embodied": "kg CO2e, embodied",
    "litres": "litres of water",
}


@enter_app.command("expense")
def enter_expense(
    what: Annotated[str, typer.Option(help='What it was spent on: "object storage, March".')],
    usd: Annotated[float, typer.Option(help="How much, in US dollars.")],
    source: Annotated[str, typer.Option(help="Where that can be looked up: an invoice's number.")],
    date: Annotated[
        str | None, typer.Option(help="The day on which it was due, as 2026-01-31. Required.")
    ] = None,
    basis: Annotated[
        Basis | None, typer.Option(help="The only price basis that it belongs to; all if left out.")
    ] = None,
    runs: _RunsOption = None,
    plan: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIGEST",
            help="The plan whose runs caused it. Without --runs and --plan, all runs did.",
        ),
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Enter money that was spent beside the hours of devices: storage, traffic, an invoice."""
    from farthing.ledger.enter_costs import enter_expense as enter

    causes = _numbers(runs)
    entered = enter(
        _desk(workspace),
        what=what,
        usd=usd,
        date=date,
        source=source,
        basis=basis,
        runs=causes,
        plan=plan,
    )
    _print(entered, as_json=as_json)


@enter_app.command("reading")
def enter_reading(
    method: Annotated[
        Method, typer.Option(help="psu: a meter at the plug. cloud: the provider's.")
    ],
    covers: Annotated[str, typer.Option(help='What the meter saw: "the whole machine".')],
    source: Annotated[str, typer.Option(help="Which meter, and who read it.")],
    runs: _RunsOption = None,
    held: Annotated[
        int | None,
        typer.Option(
            metavar="ENTRY", help="Instead of runs: while what that entry holds was idle."
        ),
    ] = None,
    kwh: Annotated[float | None, typer.Option(help="How much, in kWh, before any PUE.")] = None,
    low: Annotated[float | None, typer.Option(help="kWh: the least that it may have been.")] = None,
    high: Annotated[float | None, typer.Option(help="kWh: the most.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Instead of --kwh: lines of JSON with time_utc and watts or joules, added up over "
            "the time of the runs (or the idle time). The book keeps the file's digest."
        ),
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Enter energy that another meter read; it stands in the place of what the runs' own said."""
    from farthing.ledger.enter_readings import enter_reading as enter

    of_runs = _numbers(runs)
    entered = enter(
        _desk(workspace),
        method=method,
        covers=covers,
        source=source,
        runs=of_runs,
        held=held,
        kwh=kwh,
        low=low,
        high=high,
        file=file,
    )
    _print(entered, as_json=as_json)


@enter_app.command("held")
def enter_held(
    since: Annotated[str, typer.Option("--from", help="The beginning, as 2026-03-01T09:00Z.")],
    until: Annotated[str, typer.Option(help="The end, as 2026-03-01T17:30Z.")],
    devices: Annotated[int, typer.Option(help="How many devices were paid for.")],
    machine: Annotated[
        str | None,
        typer.Option(help="Its id or name, as runs have it, where they ran on several."),
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where that can be looked up.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Enter for how long a machine was paid: what no run held of it is billed as idle."""
    from farthing.ledger.enter_costs import enter_holding as enter

    entered = enter(
        _desk(workspace),
        since=since,
        until=until,
        devices=devices,
        machine=machine,
        source=source,
    )
    _print(entered, as_json=as_json)


@enter_app.command("withdrawal")
def enter_withdrawal(
    entry: Annotated[int, typer.Option(metavar="NUMBER", help="The entry that was wrong.")],
    reason: Annotated[str, typer.Option(help="Why: the bill says it.")],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Take back what was entered here by mistake; the entry stays, and no bill counts it."""
    from farthing.ledger.enter_withdrawals import enter_withdrawal as enter

    _print(enter(_desk(workspace), number=entry, reason=reason), as_json=as_json)


def _desk(workspace: Path) -> Desk:
    from farthing.artifacts.settings import load_settings
    from farthing.artifacts.workspace import Workspace
    from farthing.ledger.desk import Desk

    of = Workspace(workspace)
    return Desk(of, load_settings(of))


def _numbers(text: str | None) -> tuple[int, ...]:
    """Numbers of runs, as bills print them."""
    from farthing.errors import ConfigError

    found: list[int] = []
    for part in text.split(",") if text is not None else ():
        match = re.fullmatch(r"\s*([0-9]{1,9})(?:\s*-\s*([0-9]{1,9}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < first + _MOST_RUNS:
            raise ConfigError(
                f"--runs {text!r}: {part.strip()!r} is no number of a run",
                remedy="write numbers as the bill shows them: --runs 3,4 or --runs 3-6",
            )
        found += range(first, last + 1)
    return tuple(found)


def _print(entered: Entered, *, as_json: bool) -> None:
    """The entry, and what it does to the total of the bill."""
    if as_json:
        print_json(entered.to_json())
        return
    print(f"entry {entered.entry.number}, {entered.body.kind_name}: {entered.entry.digest}")
    changes = entered.changes()
    print("the bill's total:" if changes else "the bill's total stays as it was")
    for name, before, after in changes:
        print(f"  {_NAMES.get(name, name):<18}{_figure(before)} -> {_figure(after)}")
    if unknown := entered.still_unknown():
        named = "; ".join(_NAMES.get(name, name) for name in unknown)
        print(f"  unknown before and after: {named}")


def _figure(value: Quantity | None) -> str:
    return "unknown" if value is None else f"{value.value:.6g} {value.unit}"
