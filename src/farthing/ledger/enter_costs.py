"""Entering an expense, or the time for which a machine was paid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from farthing.artifacts.dates import past
from farthing.artifacts.entries import Plan
from farthing.artifacts.expense import Expense
from farthing.artifacts.holding import Holding
from farthing.artifacts.settings import Basis
from farthing.errors import ConfigError
from farthing.ledger.accounts import RunAccount
from farthing.ledger.desk import Desk, Entered, made
from farthing.ledger.entry_ref import numbers_text
from farthing.ledger.holdings import runs_inside

_SHORTEST_DIGEST = 8


def enter_expense(
    desk: Desk,
    *,
    what: str,
    usd: float,
    date: str | None,
    source: str,
    basis: Basis | None = None,
    runs: Sequence[int] = (),
    plan: str | None = None,
) -> Entered:
    """Enter money that was spent beside the hours of devices.

    Args:
        desk: with the book open.
        what: it was spent on.
        usd: how much.
        date: the day on which it was due, as 2026-01-31.
        source: where that can be looked up.
        basis: the only price basis that it belongs to; None for all.
        runs: those that caused it.
        plan: the plan that did, by its name or the start of its digest.

    Raises:
        ConfigError: something of that cannot be, or the book has no such run or plan.
    """
    if runs and plan is not None:
        raise ConfigError(
            f"--runs {numbers_text(runs)} and --plan {plan}: an expense has one cause",
            remedy="name the runs, or the plan of all of them, or neither for everything",
        )
    desk.check_runs(runs)
    body = made(
        Expense,
        what=what,
        usd=usd,
        basis=basis,
        date=date,
        source=source,
        runs=tuple(runs),
        plan=None if plan is None else _plan(desk, plan),
    )
    try:
        # Here and not in the entry: a book can be read by a clock that is slow.
        past(body.date)
    except ValueError as error:
        raise ConfigError(
            f"--date {body.date}: {error}", remedy="enter it when it is due"
        ) from error
    return desk.enter(body)


def enter_holding(
    desk: Desk,
    *,
    since: str,
    until: str,
    devices: int,
    machine: str | None = None,
    source: str | None = None,
) -> Entered:
    """Enter the time for which a machine was paid.

    Args:
        desk: with the book open.
        since: the beginning, with its zone, as 2026-03-01T09:00Z.
        until: the end.
        devices: how many were paid for.
        machine: its name or id, as runs of the book have it; None for that of all runs.
        source: where that can be looked up.

    Raises:
        ConfigError: something of that cannot be, it is not over, another holding has a part of
            it, or which machine it is cannot be told.
    """
    body = made(
        Holding,
        since=since,
        until=until,
        devices=devices,
        machine=None if machine is None else _machine(desk, machine),
        source=source,
    )
    if body.until > datetime.now(UTC):
        raise ConfigError(
            f"--until {until} has not come yet: what is idle until then, nobody knows",
            remedy="enter what was held up to now, and the rest when it is over",
        )
    for record in desk.records:
        other = record.body
        if isinstance(other, Holding) and body.overlaps(other):
            raise ConfigError(
                f"--from {since} --until {until}: entry {record.entry.number} holds the "
                f"machine from {other.since:%Y-%m-%dT%H:%MZ} to {other.until:%Y-%m-%dT%H:%MZ}",
                remedy="enter only time that no entry has, or name another --machine",
            )
    _check_machine(desk, body)
    return desk.enter(body)


def _plan(desk: Desk, named: str) -> str:
    """The digest of the plan of that name, or whose digest begins so."""
    plans = [(r.entry.digest, r.body) for r in desk.records if isinstance(r.body, Plan)]
    found = [
        digest
        for digest, plan in plans
        if plan.name == named or (len(named) >= _SHORTEST_DIGEST and digest.startswith(named))
    ]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{plan.name} ({digest[:12]})" for digest, plan in plans)
    raise ConfigError(
        f"--plan {named!r}: {len(found)} plans of the book fit",
        remedy=f"name one of {there}" if there else "no plan was signed: leave --plan out",
    )


def _machine(desk: Desk, named: str) -> str:
    """The id of the machine of that name or id."""
    machines = _machines(desk.runs.values())
    found = [mark for mark, name in machines.items() if named in (mark, name)]
    if len(found) == 1:
        return found[0]
    raise ConfigError(
        f"--machine {named!r}: {len(found)} machines of this book's runs fit",
        remedy=f"name one of: {_named(machines)}",
    )


def _check_machine(desk: Desk, body: Holding) -> None:
    if not desk.runs:
        raise ConfigError(
            "the book has no runs: nothing says what a device is here, and what it costs",
            remedy="enter what was held once something was run",
        )
    machines = _machines(runs_inside(body, desk.runs.values()))
    if len(machines) > 1:
        raise ConfigError(
            f"runs of {len(machines)} machines fall into that time: {_named(machines)}",
            remedy="name the one that was held with --machine",
        )


def _machines(runs: Iterable[RunAccount]) -> dict[str, str]:
    """The machines of some runs, by id."""
    return {run.start.machine.id: run.start.machine.name for run in runs}


def _named(machines: dict[str, str]) -> str:
    return ", ".join(f"{mark} ({name})" for mark, name in sorted(machines.items())) or "none"
