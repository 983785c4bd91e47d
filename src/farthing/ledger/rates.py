"""Which rates each run is priced by: those in the book, else those of `farthing.yaml`.

A rate that the book holds is never replaced by what `farthing.yaml` says later: a bill of the same
book stays the same bill. A rate that the book lacks is taken from `farthing.yaml` and said to be
"not in the book"; with `--book-only` it stays unknown. `farthing bill --record` enters the rates of
today for all runs: the former ones stay in the book, and a later entry holds.

Of carbon by the hour the book holds the file's name and digest; `ledger.hourly` meets it with the
hours of each run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from farthing.artifacts.entries import MachineRecord, Record, RunStart
from farthing.artifacts.rates import GridRate, Rate, RatesRecord
from farthing.artifacts.settings import BASES, WorkspaceSettings
from farthing.hardware.catalogue import read_catalogue
from farthing.ledger.book import Book
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Rates
from farthing.ledger.footprint import booked_footprint
from farthing.ledger.given_rates import make_rates
from farthing.ledger.prices import dated_prices
from farthing.quantity import Quantity

NOT_BOOKED = "farthing.yaml, not in the book"


@dataclass(frozen=True)
class BookedRates:
    """The rates of an entry, and which entry that is."""

    record: RatesRecord
    entry: EntryRef


@dataclass(frozen=True)
class Pricing:
    """The rates of every run of a book.

    Attributes:
        booked: those that the book holds, in the order of the runs that they begin with; of two
            for the same run only the later entry.
        settings: those of `farthing.yaml`; None where only the book may speak.
        hourly: g/kWh of the runs whose carbon goes by the hour; None is unknown, as is a run that
            is not there.
        idle_hourly: the same of idle time whose carbon goes by the hour, by the number of the
            entry of a holding.
        machines: what each run held: a price of a list is of one kind of device.
    """

    booked: tuple[BookedRates, ...]
    settings: Rates | None
    hourly: Mapping[int, Quantity | None] = field(default_factory=dict)
    idle_hourly: Mapping[int, Quantity | None] = field(default_factory=dict)
    machines: Mapping[int, MachineRecord] = field(default_factory=dict)

    def entry_of(self, run: int) -> EntryRef | None:
        """The entry whose rates hold for a run; None where the book has none for it."""
        found = self._booked(run)
        return found.entry if found else None

    def of(self, run: int) -> Rates:
        """The rates of a run: carbon by the hour as its own hours make it, prices of its devices.

        A price of another kind of device is none.
        """
        rates = self.declared(run)
        if run in self.machines:
            rates = rates.on(self.machines[run])
        if rates.series is None:
            return rates
        return replace(rates, grams_per_kwh=self.hourly.get(run))

    def of_idle(self, holding: int, run: int) -> Rates:
        """The rates of `run` for the idle time of a holding, carbon by the hours of that time.

        Args:
            holding: number of its entry.
            run: whose rates it has.
        """
        rates = self.of(run)
        if rates.series is None:
            return rates
        return replace(rates, grams_per_kwh=self.idle_hourly.get(holding))

    def declared(self, run: int) -> Rates:
        """The rates of a run as the book or `farthing.yaml` says them."""
        found = self._booked(run)
        if found is None:
            return self._unbooked()
        return _completed(found.record, self.settings)

    def spans(self, runs: int) -> tuple[tuple[range, Rates, EntryRef | None], ...]:
        """The rates of the runs 0 to `runs` - 1 as they are said: one item for each stretch."""
        borders = [0, *(each.record.from_run for each in self.booked)]
        starts = sorted({border for border in borders if border < runs} | {0})
        ends = [*starts[1:], runs]
        return tuple(
            (range(first, end), self.declared(first), self.entry_of(first))
            for first, end in zip(starts, ends, strict=True)
        )

    def _booked(self, run: int) -> BookedRates | None:
        return next((each for each in reversed(self.booked) if each.record.from_run <= run), None)

    def _unbooked(self) -> Rates:
        if self.settings is None:
            return Rates(
                usd_per_device_hour=dict.fromkeys(BASES),
                grams_per_kwh=None,
                grams_range=None,
                pue=None,
                watts_per_device=None,
            )
        return _marked(self.settings)


def make_pricing(
    records: Iterable[Record],
    settings: WorkspaceSettings,
    root: Path,
    *,
    book_only: bool = False,
) -> Pricing:
    """The rates of the runs of a book.

    Args:
        records: of the book.
        settings: the user's; they fill what the book lacks.
        root: of the workspace.
        book_only: take nothing from `settings`.

    Raises:
        UnknownHardwareError: `settings` name a grid, a site or a water that the catalogue lacks.
        ConfigError: what the user added to the catalogue is wrong, or the series of `settings`.
    """
    every = list(records)
    booked = _booked_rates(every)
    starts = (record.body for record in every if isinstance(record.body, RunStart))
    machines = {start.run: start.machine for start in starts}
    if book_only:
        return Pricing(booked, None, machines=machines)
    return Pricing(booked, _of_devices(make_rates(settings, root), every), machines=machines)


def book_rates(
    settings: WorkspaceSettings, book: Book, *, accelerator: str | None = None
) -> EntryRef | None:
    """Enter the rates of `farthing.yaml` for the runs to come, unless the book holds them already.

    Args:
        settings: `farthing.yaml`.
        book: of the workspace.
        accelerator: id of the devices that the runs to come hold; None for processors.

    Returns:
        The new entry; None where there was nothing to enter.

    Raises:
        UnknownHardwareError: the grid, the site or the water is not in the catalogue.
        ConfigError: what the user added to the catalogue is wrong, or the series is.
        WorkspaceError: the disk is full; the book is as it was.
    """
    book.refresh()
    following = sum(isinstance(record.body, RunStart) for record in book.records)
    given = make_rates(settings, book.workspace.root)
    rates = _of_devices(given, book.records, accelerator)
    return _enter(_rates_record(settings, rates, following, book.workspace.root), book)


def record_rates(settings: WorkspaceSettings, book: Book) -> tuple[EntryRef, ...]:
    """Enter the rates of `farthing.yaml` for all runs, those that are over included.

    Raises:
        UnknownHardwareError: the grid, the site or the water is not in the catalogue.
        ConfigError: what the user added to the catalogue is wrong, or the series is.
        WorkspaceError: the disk is full.
    """
    book.refresh()
    rates = _of_devices(make_rates(settings, book.workspace.root), book.records)
    # An entry holds until one for a later run: each stretch needs one of its own.
    found = {each.record.from_run for each in _booked_rates(book.records)}
    root = book.workspace.root
    wanted = (_rates_record(settings, rates, run, root) for run in sorted({0, *found}))
    entered = (_enter(record, book) for record in wanted)
    return tuple(entry for entry in entered if entry is not None)


def other_rates(pricing: Pricing, runs: int) -> tuple[str, ...]:
    """What `farthing.yaml` says otherwise than the book, in words; empty where they agree."""
    if pricing.settings is None:
        return ()
    differing: dict[str, str] = {}
    for _, rates, entry in pricing.spans(runs):
        devices = rates.footprint.by_device
        today = _named(pricing.settings, devices)
        for name, booked in _named(rates, devices).items() if entry else ():
            now = today.get(name)
            if booked is not None and now is not None and booked != now:
                differing[name] = f"{name}: {_said(booked)} in the book, {_said(now)} now"
    if not differing:
        return ()
    return (
        "farthing.yaml says other rates than the book, whose rates are billed: "
        f"{'; '.join(differing.values())}. Runs to come take the new ones; "
        "`farthing bill --record` enters them for all runs",
    )


def _booked_rates(records: Iterable[Record]) -> tuple[BookedRates, ...]:
    found: dict[int, BookedRates] = {}
    for record in records:
        if isinstance(record.body, RatesRecord):
            found[record.body.from_run] = BookedRates(record.body, EntryRef.of(record))
    return tuple(found[run] for run in sorted(found))


def _of_devices(rates: Rates, records: Iterable[Record], *more: str | None) -> Rates:
    """The rates without those of devices that the book does not know and that are not `more`."""
    held = set(more)
    for body in (record.body for record in records):
        if isinstance(body, RunStart):
            held.add(body.machine.accelerator)
        elif isinstance(body, RatesRecord):
            # Once in the book it stays: an entry more for each change of machine says nothing new.
            held.update(body.embodied_of)
    return replace(rates, footprint=rates.footprint.only(held))


def _rates_record(
    settings: WorkspaceSettings, rates: Rates, from_run: int, root: Path
) -> RatesRecord:
    """The rates that `settings` gave, as an entry for the runs from `from_run` on."""
    grams, bounds, beside = rates.grams_per_kwh, rates.grams_range, rates.footprint
    grid = None
    if grams is not None or rates.series is not None:
        grid = GridRate(grams_per_kwh=_rate(grams), code=settings.grid, series=rates.series)
    return RatesRecord(
        from_run=from_run,
        prices={
            basis: price.booked()
            for basis, price in dated_prices(settings, read_catalogue(root)).items()
        },
        grid=grid,
        grid_range=(Rate.of(bounds[0]), Rate.of(bounds[1])) if bounds and not grid else None,
        pue=_rate(rates.pue),
        water_site=_rate(beside.water_site),
        water_source=_rate(beside.water_source),
        embodied=beside.embodied,
        embodied_of=dict(beside.by_device),
        watts_per_device=_rate(rates.watts_per_device),
    )


def _enter(wanted: RatesRecord, book: Book) -> EntryRef | None:
    holding = Pricing(_booked_rates(book.records), None)._booked(wanted.from_run)
    same = {"from_run": wanted.from_run}
    if holding is not None and holding.record.model_copy(update=same) == wanted:
        return None
    return EntryRef.of(book.append(wanted))


def _completed(record: RatesRecord, settings: Rates | None) -> Rates:
    """The rates of an entry; what it lacks, from `farthing.yaml`."""
    booked = _as_booked(record)
    if settings is None:
        return booked
    others = _marked(settings)
    # One figure or a series: what the book holds of the grid, it holds whole.
    of_grid = booked if record.grid is not None else others
    lacking = {
        basis: device
        for basis, device in others.price_devices.items()
        if booked.usd_per_device_hour[basis] is None
    }
    return Rates(
        usd_per_device_hour={
            basis: booked.usd_per_device_hour[basis] or others.usd_per_device_hour[basis]
            for basis in BASES
        },
        price_devices={**booked.price_devices, **lacking},
        grams_per_kwh=of_grid.grams_per_kwh,
        grams_range=None if of_grid.series else booked.grams_range or others.grams_range,
        pue=booked.pue or others.pue,
        watts_per_device=booked.watts_per_device or others.watts_per_device,
        footprint=booked.footprint.or_else(others.footprint),
        series=of_grid.series,
    )


def _as_booked(record: RatesRecord) -> Rates:
    grid = record.grid
    return Rates(
        usd_per_device_hour={
            basis: record.prices[basis].usd_per_device_hour.quantity()
            if basis in record.prices
            else None
            for basis in BASES
        },
        grams_per_kwh=_quantity(grid.grams_per_kwh) if grid else None,
        grams_range=(
            (record.grid_range[0].quantity(), record.grid_range[1].quantity())
            if record.grid_range
            else None
        ),
        pue=_quantity(record.pue),
        watts_per_device=_quantity(record.watts_per_device),
        footprint=booked_footprint(record),
        series=grid.series if grid else None,
        price_devices={
            basis: price.device
            for basis, price in record.prices.items()
            if price.device is not None
        },
    )


def _marked(settings: Rates) -> Rates:
    """The user's rates, each saying that the book does not hold it."""
    mark, series = f"({NOT_BOOKED})", settings.series
    return replace(
        settings,
        usd_per_device_hour={
            basis: _unbooked(usd) for basis, usd in settings.usd_per_device_hour.items()
        },
        grams_per_kwh=_unbooked(settings.grams_per_kwh),
        pue=_unbooked(settings.pue),
        watts_per_device=_unbooked(settings.watts_per_device),
        footprint=settings.footprint.marked(mark),
        series=series.model_copy(update={"source": f"{series.source} {mark}"}) if series else None,
    )


def _unbooked(rate: Quantity | None) -> Quantity | None:
    return replace(rate, source=f"{rate.source} ({NOT_BOOKED})") if rate else None


def _named(rates: Rates, devices: Iterable[str]) -> dict[str, float | str | None]:
    """Every rate by its name, to compare: a figure, or the name of a series.

    Args:
        rates: to be named.
        devices: of which making one is named apart from the others.
    """
    quantities: dict[str, Quantity | None] = {
        **{f"USD {basis} per device-hour": usd for basis, usd in rates.usd_per_device_hour.items()},
        "g CO2e per kWh": rates.grams_per_kwh,
        "PUE": rates.pue,
        **rates.footprint.named(devices),
    }
    named: dict[str, float | str | None] = {
        name: rate.value if rate else None for name, rate in quantities.items()
    }
    if rates.series is not None:
        named["g CO2e per kWh"] = f"{rates.series.file} ({rates.series.digest[:12]})"
    return named


def _said(rate: float | str) -> str:
    return rate if isinstance(rate, str) else f"{rate:g}"


def _rate(quantity: Quantity | None) -> Rate | None:
    return Rate.of(quantity) if quantity else None


def _quantity(rate: Rate | None) -> Quantity | None:
    return rate.quantity() if rate else None
