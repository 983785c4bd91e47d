"""What the cost of a claim does not hold, in words: never an empty list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farthing.artifacts.claims.statement import LOGGED_ONLY, CostLine, Excluded
from farthing.artifacts.expense import Expense
from farthing.artifacts.holding import Holding
from farthing.artifacts.work import SENSORS
from farthing.ledger.withdrawals import standing as standing_entries
from farthing.studies.claim.standing import Standing
from farthing.studies.claim.trainings import BookView

_ALWAYS = (
    Excluded(
        what=LOGGED_ONLY,
        why="work on other machines, under other keys or outside of farthing leaves no trace here; "
        "no software can see it",
    ),
    Excluded(what="staff", why="nobody's working time is in the book"),
    Excluded(
        what="making the machine",
        why="the price of buying it and the carbon of making it are in a bill at most, "
        "in none of these lines",
    ),
    Excluded(what="cooling and the site", why="kWh are those of the machine, without a PUE"),
    Excluded(
        what="network and storage", why="the book meters processors and accelerators, and hours"
    ),
)


def excluded(view: BookView, standing: Standing, lines: Sequence[CostLine]) -> tuple[Excluded, ...]:
    """The list of a claim; the first is always `LOGGED_ONLY`."""
    return (
        *_ALWAYS,
        Excluded(what="tuning before the draft", why=standing.draft.tuning.before),
        *_idle(view),
        *_energy(lines),
        *_expenses(view),
        *_others(lines),
        *_given_up(standing),
    )


def _idle(view: BookView) -> Iterator[Excluded]:
    held = [
        record.body for record in standing_entries(view.records) if isinstance(record.body, Holding)
    ]
    if held:
        hours = sum(body.devices * body.seconds for body in held) / 3600.0
        why = (
            f"the book says that {hours:.3g} device-hours were held; what no run held of them is "
            "in the bill, in none of these lines"
        )
    else:
        why = "the book does not say for how long the machine was held between the runs"
    yield Excluded(what="idle time of the machine", why=why)


def _energy(lines: Sequence[CostLine]) -> Iterator[Excluded]:
    methods = {line.amounts.energy_method for line in lines if line.amounts.device_hours > 0} - set(
        SENSORS
    )
    if methods:
        yield Excluded(
            what="measured energy",
            why=f"some kWh are not read from a sensor (method {', '.join(sorted(methods))}), so "
            "no ratio is made of them",
        )


def _expenses(view: BookView) -> Iterator[Excluded]:
    spent = [
        record.body.usd
        for record in standing_entries(view.records)
        if isinstance(record.body, Expense)
    ]
    if spent:
        yield Excluded(
            what="expenses of the book",
            why=f"USD {sum(spent):,.2f} beside the hours of devices are in the bill, in none of "
            "these lines",
        )


def _others(lines: Sequence[CostLine]) -> Iterator[Excluded]:
    (other,) = (line.amounts for line in lines if line.what == "other")
    if other.runs:
        yield Excluded(
            what="other runs of the book",
            why=f"{other.runs} runs, {other.device_hours:.3g} device-hours: they stand in the "
            "line `other` and in no ratio",
        )


def _given_up(standing: Standing) -> Iterator[Excluded]:
    if standing.given_up:
        entries = ", ".join(map(str, standing.given_up))
        yield Excluded(
            what="drafts given up",
            why=f"entries {entries} of the book drafted {standing.draft.name} otherwise, before "
            "the nonce of the one that counts was known",
        )
