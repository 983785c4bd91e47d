"""The catalogue as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from farthing.hardware.accelerators import Accelerator
from farthing.hardware.catalogue import Catalogue
from farthing.hardware.figure import Figure

# A blank: a figure that nobody has given, or that the device does not have.
BLANK = "-"

_COLUMNS = 80
_SHOWN = "`farthing hardware show ID` names the source"


def kinds() -> tuple[str, ...]:
    """What `table_of` can list."""
    return tuple(_TABLES)


def table_of(kind: str, catalogue: Catalogue) -> Table:
    """The table of one kind of entries."""
    return _TABLES[kind](catalogue)


class _NarrowTable(Table):
    """A table of at most 80 columns, in a pipe or on a wide terminal too: long cells fold."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrow = options.update(width=min(options.max_width, _COLUMNS))
        yield from super().__rich_console__(console, narrow)


def _accelerators(catalogue: Catalogue) -> Table:
    table = _table("Accelerators, per device: dense peaks in TFLOP/s", "id")
    _tighten(table)
    for heading in ("fp8", "bf16", "fp16", "fp32", "GB", "TB/s", "W"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    for entry in catalogue.accelerators:
        table.add_row(
            entry.id,
            *(_peak(entry, dtype) for dtype in ("fp8", "bf16", "fp16", "fp32")),
            _scaled(entry.memory_bytes, 1e9),
            _scaled(entry.memory_bytes_per_second, 1e12),
            _scaled(entry.tdp_watts, 1),
            entry.source,
        )
    table.caption = (
        f"~ estimated, {BLANK} blank; `farthing hardware show ID` says why, and each source"
    )
    return table


def _cpus(catalogue: Catalogue) -> Table:
    table = _table("Processors: watts per hardware thread (TDP over threads)", "id")
    table.add_column("W", justify="right", no_wrap=True)
    table.add_column("range", justify="right", no_wrap=True)
    for entry in catalogue.cpus:
        watts = entry.watts_per_thread
        table.add_row(entry.id, _scaled(watts, 1), _range(watts))
    table.caption = f"{_SHOWN}; peaks of processors are measured: `farthing bench`"
    return table


def _prices(catalogue: Catalogue) -> Table:
    table = _table("Prices of rented devices, US dollars per device-hour", "device")
    _tighten(table)
    table.add_column("provider", no_wrap=True)
    table.add_column("region", overflow="fold")
    table.add_column("tier", no_wrap=True)
    table.add_column("$/h", justify="right", no_wrap=True)
    table.add_column("date", no_wrap=True)
    for snapshot in catalogue.snapshots:
        for row in snapshot.rows:
            price = f"{row.usd_per_device_hour:.4g}"
            table.add_row(
                row.device, row.provider, row.region or BLANK, row.tier, price, str(row.date)
            )
    names = (f"{one.name} {one.digest[:12]} ({one.source})" for one in catalogue.snapshots)
    table.caption = "snapshots: " + "; ".join(names)
    return table


def _grids(catalogue: Catalogue) -> Table:
    table = _table("Electricity grids, grams of CO2e per kWh", "id")
    table.add_column("name", overflow="fold")
    table.add_column("g/kWh", justify="right", no_wrap=True)
    table.add_column("year", no_wrap=True)
    for entry in catalogue.grids:
        grams, year = _scaled(entry.grams_per_kwh, 1), str(entry.year or BLANK)
        table.add_row(entry.id, entry.name, grams, year)
    for region in catalogue.regions:
        place = f"{region.place}: see {region.grid}"
        table.add_row(f"{region.provider}:{region.region}", place, "", "")
    table.caption = (
        "countries: CO2e of the life cycle; US states: CO2e, Chinese provinces: CO2, both of "
        "generation; cloud regions: as the provider states it. Not to be compared across kinds. "
        + _SHOWN
    )
    return table


def _sites(catalogue: Catalogue) -> Table:
    table = _table("Sites: power (PUE) and water (WUE, litres per kWh) over IT energy", "id")
    for heading in ("PUE", "range", "WUE"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("name", overflow="fold")
    table.add_column("source", overflow="fold")
    for entry in catalogue.sites:
        water = _scaled(entry.litres_per_kwh, 1)
        table.add_row(
            entry.id, _scaled(entry.pue, 1), _range(entry.pue), water, entry.name, entry.source
        )
    for made in catalogue.electricity_water:
        water = _scaled(made.litres_per_kwh, 1)
        table.add_row(made.id, "", "", water, f"{made.name} (at the power stations)", made.source)
    return table


def _embodied(catalogue: Catalogue) -> Table:
    table = _table("Carbon of making a device, kg CO2e", "id")
    for heading in ("kg", "years"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("covers", overflow="fold")
    table.add_column("source", overflow="fold")
    for entry in catalogue.embodied:
        kilograms, years = _scaled(entry.kg_co2e, 1), _scaled(entry.life_years, 1)
        table.add_row(entry.id, kilograms, years, entry.covers, entry.source)
    return table


def _api_prices(catalogue: Catalogue) -> Table:
    table = _table("Public prices, US dollars per million tokens", "provider/model")
    _tighten(table)
    for heading in ("input", "output", "cached"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("date", no_wrap=True)
    for entry in catalogue.api_prices:
        table.add_row(
            entry.id,
            _scaled(entry.usd_per_million_input, 1),
            _scaled(entry.usd_per_million_output, 1),
            _scaled(entry.usd_per_million_cached_input, 1),
            str(entry.date),
        )
    table.caption = "other models, other quality: never a baseline; date: when the price was seen"
    return table


_TABLES: dict[str, Callable[[Catalogue], Table]] = {
    "accelerators": _accelerators,
    "cpus": _cpus,
    "prices": _prices,
    "grids": _grids,
    "sites": _sites,
    "embodied": _embodied,
    "api_prices": _api_prices,
}


def _table(title: str, first: str) -> Table:
    table = _NarrowTable(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD)
    table.padding = (0, 1, 0, 0)
    table.show_edge = table.pad_edge = False
    table.caption_justify, table.caption_style = "left", ""
    table.add_column(first, overflow="fold")
    return table


def _tighten(table: Table) -> None:
    """One space between columns, where they are many."""
    table.padding = 0


def _peak(entry: Accelerator, dtype: str) -> str:
    figures = {name: figure for name, figure in entry.figures() if name == f"peaks.{dtype}"}
    return _scaled(figures.get(f"peaks.{dtype}"), 1e12)


def _scaled(figure: Figure | None, unit: float) -> str:
    if figure is None:
        return BLANK
    mark = "~" if figure.provenance == "estimated" else ""
    return f"{mark}{figure.value / unit:.4g}"


def _range(figure: Figure | None) -> str:
    if figure is None or figure.range()[0] == figure.range()[1]:
        return BLANK
    low, high = figure.range()
    return f"{low:.3g}-{high:.3g}"
