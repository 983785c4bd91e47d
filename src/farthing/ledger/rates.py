"""Which rates each run is priced by: those in the book, else those of `farthing.yaml`.

A rate that the book holds is never replaced by what `farthing.yaml` says later: a bill of the same
book stays the same bill. A rate that the book lacks is taken from `farthing.yaml` and said to be
"not in the book"; with `--book-only` it stays unknown. `farthing bill --record` enters the rates of
today for all runs: the former ones stay in the book, and a later entry holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from farthing.artifacts.entries import Record, RunStart
from farthing.artifacts.rates import GridRate, Rate, RatesRecord
from farthing.artifacts.settings import BASES, WorkspaceSettings
from farthing.hardware.catalogue import read_catalogue
from farthing.ledger.book import Book
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Rates, make_rates
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
    """

    booked: tuple[BookedRates, ...]
    settings: Rates | None

    def entry_of(self, run: int) -> EntryRef | None:
        """The entry whose rates hold for a run; None where the book has none for it."""
        found = self._booked(run)
        return found.entry if found else None

    def of(self, run: int) -> Rates:
        """The rates of a run."""
        found = self._booked(run)
        if found is None:
            return self._unbooked()
        return _completed(found.record, self.settings)

    def spans(self, runs: int) -> tuple[tuple[range, Rates, EntryRef | None], ...]:
        """The rates of the runs 0 to `runs` - 1, one item for each stretch with the same ones."""
        borders = [0, *(each.record.from_run for each in self.booked)]
        starts = sorted({border for border in borders if border < runs} | {0})
        ends = [*starts[1:], runs]
        return tuple(
            (range(first, end), self.of(first), self.entry_of(first))
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
    root: Path | None = None,
    *,
    book_only: bool = False,
) -> Pricing:
    """The rates of the runs of a book.

    Args:
        records: of the book.
        settings: the user's; they fill what the book lacks.
        root: of the workspace, whose own price lists count.
        book_only: take nothing from them.

    Raises:
        UnknownHardwareError: `settings` name a grid that the catalogue lacks.
    """
    found: dict[int, BookedRates] = {}
    for record in records:
        if isinstance(record.body, RatesRecord):
            found[record.body.from_run] = BookedRates(record.body, EntryRef.of(record))
    booked = tuple(found[run] for run in sorted(found))
    return Pricing(booked, None if book_only else make_rates(settings, root))


def rates_record(
    settings: WorkspaceSettings, from_run: int, root: Path | None = None
) -> RatesRecord:
    """What `farthing.yaml` says, as an entry for the runs from `from_run` on.

    Raises:
        UnknownHardwareError: the grid is not in the catalogue.
    """
    rates = make_rates(settings, root)
    grams, bounds = rates.grams_per_kwh, rates.grams_range
    return RatesRecord(
        from_run=from_run,
        prices={
            basis: price.booked()
            for basis, price in dated_prices(settings, read_catalogue(root)).items()
        },
        grid=GridRate(grams_per_kwh=Rate.of(grams), code=settings.grid) if grams else None,
        grid_range=(Rate.of(bounds[0]), Rate.of(bounds[1])) if bounds and not grams else None,
        pue=_rate(rates.pue),
        watts_per_device=_rate(rates.watts_per_device),
    )


def book_rates(settings: WorkspaceSettings, book: Book) -> EntryRef | None:
    """Enter the rates of `farthing.yaml` for the runs to come, unless the book holds them already.

    Returns:
        The new entry; None where there was nothing to enter.

    Raises:
        UnknownHardwareError: the grid is not in the catalogue.
        WorkspaceError: the disk is full; the book is as it was.
    """
    book.refresh()
    following = sum(isinstance(record.body, RunStart) for record in book.records)
    return _enter(rates_record(settings, following, book.workspace.root), book)


def record_rates(settings: WorkspaceSettings, book: Book) -> tuple[EntryRef, ...]:
    """Enter the rates of `farthing.yaml` for all runs, those that are over included.

    Raises:
        UnknownHardwareError: the grid is not in the catalogue.
        WorkspaceError: the disk is full.
    """
    book.refresh()
    # An entry holds until one for a later run: each stretch needs one of its own.
    root = book.workspace.root
    found = {each.record.from_run for each in make_pricing(book.records, settings, root).booked}
    entered = (_enter(rates_record(settings, run, root), book) for run in sorted({0, *found}))
    return tuple(entry for entry in entered if entry is not None)


def other_rates(pricing: Pricing, runs: int) -> tuple[str, ...]:
    """What `farthing.yaml` says otherwise than the book, in words; empty where they agree."""
    if pricing.settings is None:
        return ()
    today = _named(pricing.settings)
    differing: dict[str, str] = {}
    for _, rates, entry in pricing.spans(runs):
        for name, booked in _named(rates).items() if entry else ():
            now = today[name]
            if booked is not None and now is not None and booked.value != now.value:
                differing[name] = f"{name}: {booked.value:g} in the book, {now.value:g} now"
    if not differing:
        return ()
    return (
        "farthing.yaml says other rates than the book, whose rates are billed: "
        f"{'; '.join(differing.values())}. Runs to come take the new ones; "
        "`farthing bill --record` enters them for all runs",
    )


def _enter(wanted: RatesRecord, book: Book) -> EntryRef | None:
    holding = make_pricing(book.records, WorkspaceSettings(), book_only=True)._booked(
        wanted.from_run
    )
    same = {"from_run": wanted.from_run}
    if holding is not None and holding.record.model_copy(update=same) == wanted:
        return None
    return EntryRef.of(book.append(wanted))


def _completed(record: RatesRecord, settings: Rates | None) -> Rates:
    """The rates of an entry; what it lacks, from `farthing.yaml`."""
    booked = Rates(
        usd_per_device_hour={
            basis: record.prices[basis].usd_per_device_hour.quantity()
            if basis in record.prices
            else None
            for basis in BASES
        },
        grams_per_kwh=record.grid.grams_per_kwh.quantity() if record.grid else None,
        grams_range=(
            (record.grid_range[0].quantity(), record.grid_range[1].quantity())
            if record.grid_range
            else None
        ),
        pue=record.pue.quantity() if record.pue else None,
        watts_per_device=record.watts_per_device.quantity() if record.watts_per_device else None,
    )
    if settings is None:
        return booked
    others = _marked(settings)
    return Rates(
        usd_per_device_hour={
            basis: booked.usd_per_device_hour[basis] or others.usd_per_device_hour[basis]
            for basis in BASES
        },
        grams_per_kwh=booked.grams_per_kwh or others.grams_per_kwh,
        grams_range=booked.grams_range or others.grams_range,
        pue=booked.pue or others.pue,
        watts_per_device=booked.watts_per_device or others.watts_per_device,
    )


def _marked(settings: Rates) -> Rates:
    """The user's rates, each saying that the book does not hold it."""
    return replace(
        settings,
        usd_per_device_hour={
            basis: _unbooked(usd) for basis, usd in settings.usd_per_device_hour.items()
        },
        grams_per_kwh=_unbooked(settings.grams_per_kwh),
        pue=_unbooked(settings.pue),
        watts_per_device=_unbooked(settings.watts_per_device),
    )


def _unbooked(rate: Quantity | None) -> Quantity | None:
    return replace(rate, source=f"{rate.source} ({NOT_BOOKED})") if rate else None


def _named(rates: Rates) -> dict[str, Quantity | None]:
    prices: dict[str, Quantity | None] = {
        f"USD {basis} per device-hour": usd for basis, usd in rates.usd_per_device_hour.items()
    }
    return prices | {"g CO2e per kWh": rates.grams_per_kwh, "PUE": rates.pue}


def _rate(quantity: Quantity | None) -> Rate | None:
    return Rate.of(quantity) if quantity else None
