"""Idle time: what of a machine was paid for and no run held.

    idle device-hours   devices x time held, less the device-hours of the runs in that time
    idle hours          the time held in which no run held anything

A run that reaches over a border of the holding counts in the part of its time that is inside. What
the runs hold of more than the holding has makes nothing negative: the idle rest is zero then, and
the bill says so. Energy is what a reading of that holding says, and unknown without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import fsum

from farthing.artifacts.entries import MachineRecord, Record
from farthing.artifacts.expense import Reading
from farthing.artifacts.holding import Holding
from farthing.artifacts.work import Work, joules_of, method_of
from farthing.ledger.accounts import RunAccount
from farthing.ledger.categories import Category
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Figures, make_figures
from farthing.ledger.meter import NO_WORK
from farthing.ledger.parts import held_seconds
from farthing.ledger.rates import Pricing
from farthing.ledger.readings import last_of_each
from farthing.ledger.shared_costs import SharedCost
from farthing.ledger.spans import Span, outside, run_span, total_seconds
from farthing.ledger.withdrawals import standing
from farthing.quantity import Quantity, assumed

_SECONDS_PER_HOUR = 3600.0
# Of the runs' times, which the book writes in milliseconds.
_ROUNDING_SECONDS = 1e-3

_NO_MACHINE = MachineRecord(
    id="none",
    name="no machine",
    device="none",
    devices=0,
    watts=None,
    watts_low=None,
    watts_high=None,
    watts_source=None,
)


@dataclass(frozen=True)
class BookedHolding(SharedCost):
    """A holding of the book, and what of it was idle.

    Attributes:
        body: what the entry says.
        idle: the time in which no run held anything, the device-seconds that no run held, and the
            energy that was read of them.
        too_much: device-seconds that the runs held of more than the holding has.
        inside: the runs that held something in its time.
        priced_as: the run whose rates and kind of device it has, carbon by the hour excepted: the
            last that began before its end, else the first of all; None in a book without runs.
        readings: the entries that say its energy.
    """

    body: Holding
    idle: Work
    too_much: float
    inside: tuple[RunAccount, ...]
    priced_as: RunAccount | None
    readings: tuple[EntryRef, ...]

    @property
    def category(self) -> Category:
        """Always that of idle time."""
        return "idle"

    @property
    def what(self) -> str:
        """Which time, of how many devices."""
        since, until = self.body.since, self.body.until
        end = f"{until:%H:%M}" if since.date() == until.date() else f"{until:%Y-%m-%d %H:%M}"
        devices = "1 device" if self.body.devices == 1 else f"{self.body.devices} devices"
        return f"idle time of {devices} held {since:%Y-%m-%d %H:%M} to {end} UTC"

    @property
    def energy_unknown(self) -> bool:
        """Whether something was idle and nobody read its energy."""
        return self.idle.joules is None

    def figures(self, share: float, pricing: Pricing, run: int = 0) -> Figures:  # noqa: ARG002
        """A share of it as a cost vector, by the rates of `priced_as`."""
        machine = self.priced_as.start.machine if self.priced_as else _NO_MACHINE
        rates = pricing.of(self._rates_of)
        if self.readings:
            rates = pricing.of_idle(self.entry.number, self._rates_of)
        # A processor that idles does not draw what the model of energy under load says.
        rates = replace(rates, watts_per_device=None)
        said = self.body.source or "nobody said where that can be looked up"
        source = f"held by entry {self.entry.number} ({said}), less what the runs held"
        device_hours = _hours(self.idle.device_seconds, source)
        figures = replace(
            make_figures(self.idle, machine, rates),
            wall_hours=_hours(self.idle.wall_seconds, source),
            device_hours=device_hours,
            usd={
                basis: device_hours.times(price, "USD") if price is not None else None
                for basis, price in rates.usd_per_device_hour.items()
            },
        )
        return figures if share == 1.0 else figures.scaled(share)

    def entries(self, pricing: Pricing) -> tuple[EntryRef, ...]:
        """The holding, the runs in it, the readings, and the rates."""
        rates = pricing.entry_of(self._rates_of)
        of_runs = {entry for run in self.inside for entry in run.entries}
        found = {self.entry, *of_runs, *self.readings, *((rates,) if rates else ())}
        return tuple(sorted(found))

    @property
    def _rates_of(self) -> int:
        return self.priced_as.start.run if self.priced_as else 0


def window(body: Holding) -> Span:
    """When a machine was held."""
    return Span(body.since.timestamp(), body.until.timestamp())


def runs_inside(body: Holding, runs: Iterable[RunAccount]) -> tuple[RunAccount, ...]:
    """The runs on the held machine that held something in its time."""
    whole = window(body)
    return tuple(
        run
        for run in runs
        if body.machine in (None, run.start.machine.id) and run_span(run).within(whole) is not None
    )


def idle_spans(body: Holding, runs: Iterable[RunAccount]) -> tuple[Span, ...]:
    """The time of a holding in which no run held anything."""
    return outside(window(body), (run_span(run) for run in runs_inside(body, runs)))


def booked_holdings(
    records: Sequence[Record], runs: Sequence[RunAccount]
) -> tuple[BookedHolding, ...]:
    """The holdings of a book; like an expense without a cause, all runs share them."""
    seconds = {run.start.run: held_seconds(run) for run in runs}
    readings: dict[str, list[Record]] = {}
    for record in standing(records):
        if isinstance(record.body, Reading) and record.body.held is not None:
            readings.setdefault(record.body.held, []).append(record)
    found = []
    for record in standing(records):
        if isinstance(record.body, Holding):
            read = last_of_each(readings.get(record.entry.digest, []))
            found.append(_booked(record, record.body, runs, seconds, read))
    return tuple(found)


def _booked(
    record: Record,
    body: Holding,
    runs: Sequence[RunAccount],
    seconds: dict[int, float],
    readings: Sequence[Record],
) -> BookedHolding:
    inside = runs_inside(body, runs)
    used = fsum(_device_seconds_inside(run, window(body)) for run in inside)
    rest = body.devices * body.seconds - used
    rest = 0.0 if abs(rest) < _ROUNDING_SECONDS * body.devices else rest
    idle = NO_WORK.model_copy(
        update={
            "wall_seconds": total_seconds(idle_spans(body, runs)),
            "device_seconds": max(0.0, rest),
        }
    )
    parts = tuple(each.body.energy for each in readings if isinstance(each.body, Reading))
    if parts:
        idle = idle.with_energy(joules_of(parts), method_of(parts), parts)
    elif idle.wall_seconds or idle.device_seconds:
        idle = idle.with_energy(None, "none")
    return BookedHolding(
        entry=EntryRef.of(record),
        seconds=seconds,
        body=body,
        idle=idle,
        too_much=max(0.0, -rest),
        inside=inside,
        priced_as=_priced_as(body, runs),
        readings=tuple(EntryRef.of(each) for each in readings),
    )


def _device_seconds_inside(run: RunAccount, whole: Span) -> float:
    """Device-seconds that a run held within a time: its time there times the devices it held."""
    part = run_span(run).within(whole)
    if part is None:
        return 0.0
    work = run.work
    # Of a run that lost its journal the work is the least, and the machine says the most.
    known = run.evidence != "clock" and work.wall_seconds > 0
    devices = work.device_seconds / work.wall_seconds if known else run.start.machine.devices
    return part.seconds * devices


def _priced_as(body: Holding, runs: Sequence[RunAccount]) -> RunAccount | None:
    """The last run on the held machine that began before the end, else the first of all."""
    on_it = [run for run in runs if body.machine in (None, run.start.machine.id)] or list(runs)
    begun = [run for run in on_it if datetime.fromisoformat(run.started) < body.until]
    return begun[-1] if begun else next(iter(on_it), None)


def _hours(seconds: float, source: str) -> Quantity:
    return assumed(seconds / _SECONDS_PER_HOUR, "h", source)
