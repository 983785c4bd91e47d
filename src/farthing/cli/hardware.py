"""The verbs of the catalogue: list, show, add, update, price. They read local files only."""

from __future__ import annotations

import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli.options import HERE, JsonOption, WorkspaceOption
from farthing.cli.output import print_json, print_table

if TYPE_CHECKING:
    from farthing.hardware.catalogue import Catalogue
    from farthing.hardware.figure import Entry
    from farthing.hardware.prices.snapshot import PriceRow, PriceSnapshot

hardware_app = typer.Typer(
    help="List, show and add devices, prices, grids: each figure with its source.",
    no_args_is_help=True,
)


class Kind(StrEnum):
    """What can be listed."""

    ACCELERATORS = "accelerators"
    CPUS = "cpus"
    PRICES = "prices"
    GRIDS = "grids"
    SITES = "sites"
    EMBODIED = "embodied"
    API_PRICES = "api_prices"


class What(StrEnum):
    """What can be brought up to date."""

    PRICES = "prices"


class Format(StrEnum):
    """Forms of price tables."""

    SKYPILOT = "skypilot"
    OWN = "own"


@hardware_app.command("list")
def hardware_list(
    kind: Annotated[Kind, typer.Option(help="Of what.")] = Kind.ACCELERATORS,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """What the catalogue knows, with what the workspace adds to it."""
    from farthing.hardware.catalogue import read_catalogue
    from farthing.hardware.tables import table_of

    catalogue = read_catalogue(workspace)
    if as_json:
        print_json({"kind": kind.value, **_listed(kind, catalogue)})
    else:
        print_table(table_of(kind.value, catalogue))


@hardware_app.command("show")
def hardware_show(
    name: Annotated[str, typer.Argument(help="An id or name: of a device, grid, site, ...")],
    workspace: WorkspaceOption = HERE,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print an entry to copy into a file of your own.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Every figure of one entry with its source, and what is blank and why."""
    from farthing.hardware.catalogue import read_catalogue
    from farthing.hardware.show import (
        as_block,
        find_named,
        measured_as,
        measured_lines,
        shown,
        wrapped,
    )

    catalogue = read_catalogue(workspace)
    every = [row for one in catalogue.snapshots for row in one.rows]
    known = bool(measured_as(workspace, name, ())) or name in {row.device for row in every}
    found = find_named(catalogue, name, known=known and not as_yaml)
    measured = measured_as(workspace, name, found)
    devices = {entry.id for kind, entry in found if kind == "accelerators"} | {name}
    rows = [row for row in every if row.device in devices]
    if as_json:
        entries = [_entry_json(kind, entry) for kind, entry in found]
        prices = [_row_json(row) for row in rows]
        peaks = [
            {"date": one.date, **product.model_dump(mode="json")}
            for one in measured
            for product in one.products
        ]
        cited = _cited(catalogue, found)
        print_json({"entries": entries, "prices": prices, "measured": peaks, **cited})
    elif as_yaml:
        print(as_block(found), end="")
    else:
        for line in wrapped((*shown(catalogue, found, rows), *measured_lines(measured))):
            print(line)


@hardware_app.command("add")
def hardware_add(
    file: Annotated[Path, typer.Argument(help="A .yaml file with sources and entries.")],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Check a file of entries and copy it into WORKSPACE/hardware, where it counts from then on."""
    from farthing.hardware.additions import copy_into, read_additions, read_file, with_file
    from farthing.hardware.catalogue import assemble
    from farthing.hardware.figure import Entry, Source
    from farthing.hardware.show import wrapped

    sections = read_file(file)
    assemble(with_file(read_additions(workspace, but=file.name), sections))
    copied = copy_into(workspace, file)
    counts = {section: len(entries) for section, entries in sections.items()}
    replaced = [
        (section, entry.id)
        for section, entries in sections.items()
        for entry in entries
        if isinstance(entry, (Entry, Source)) and entry.replaces is not None
    ]
    if as_json:
        named = [{"section": section, "id": name} for section, name in replaced]
        print_json({"file": str(copied), "added": counts, "replaces": named})
        return
    print(copied)
    said = ["; ".join(f"{count} {section}" for section, count in counts.items())]
    said += [f"{name} [{section}] stands for the shipped one now" for section, name in replaced]
    for line in wrapped(said):
        print(line)


@hardware_app.command("update")
def hardware_update(
    what: Annotated[What, typer.Argument(help="What to bring up to date: prices.")],
    file: Annotated[Path, typer.Option("--from", help="The table, a local file.")],
    form: Annotated[Format, typer.Option("--format", help="Its form.")] = Format.SKYPILOT,
    provider: Annotated[
        str | None, typer.Option(help="Whose prices they are (skypilot: required).")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="The day they held, as 2026-01-31 (skypilot: required).")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where the table was read, and at which commit.")
    ] = None,
    licence: Annotated[
        str, typer.Option(help="What its publisher states.")
    ] = "not stated by the table",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Turn a price table into a dated, hashed snapshot under WORKSPACE/hardware/prices."""
    from farthing.hardware.additions import FOLDER, PRICES
    from farthing.hardware.prices.own_file import read_own
    from farthing.hardware.prices.snapshot import save_snapshot
    from farthing.hardware.show import wrapped

    if form is Format.OWN:
        _refuse_what_rows_say(provider=provider, date=date, source=source)
        snapshot = read_own(file)
    else:
        snapshot = _read_skypilot(file, workspace, provider, date, source, licence)
    table = save_snapshot(snapshot, workspace / FOLDER / what.value)
    assert what.value == PRICES
    unknown = _unknown_devices(snapshot, workspace)
    if as_json:
        print_json({"file": str(table), **snapshot.to_json(), "unknown_devices": unknown})
        return
    print(table)
    said = [f"{len(snapshot.rows)} prices, latest of {snapshot.date}, digest", snapshot.digest]
    if unknown:
        said.append("not in the catalogue, or without their variant: " + ", ".join(unknown))
    for line in wrapped(said):
        print(line)
    print("to use one, in farthing.yaml:")
    print(_as_setting(snapshot.rows[0]), end="")


@hardware_app.command("price")
def hardware_price(
    file: Annotated[
        Path, typer.Option("--owned", help="A .yaml file of what was paid, and how it is used.")
    ],
    as_json: JsonOption = False,
) -> None:
    """What an hour of an owned device costs, part by part, and the lines for farthing.yaml."""
    from farthing.hardware.owned import owned_usd_per_device_hour
    from farthing.hardware.owned_file import part_lines, parts_json, read_owned
    from farthing.hardware.show import wrapped, yaml_text

    owned, given = read_owned(file)
    price = owned_usd_per_device_hour(owned)
    if as_json:
        settings = {"prices": {"owned": owned.model_dump(mode="json", exclude_none=True)}}
        parts = parts_json(owned)
        print_json({"usd_per_device_hour": price.to_json(), "parts": parts, "settings": settings})
        return
    for line in wrapped(part_lines(owned, price)):
        print(line)
    print("in farthing.yaml:")
    print(yaml_text({"prices": {"owned": given}}), end="")


def _as_setting(row: PriceRow) -> str:
    """The lines of `farthing.yaml` that mean this price."""
    from farthing.hardware.show import yaml_text

    fields = [("provider", row.provider), ("device", row.device), ("region", row.region)]
    fields.append(("instance", row.instance))
    basis = "reserved" if row.tier.startswith("reserved") else row.tier
    fields += [("tier", row.tier)] if basis != row.tier else []
    named = {name: value for name, value in fields if value}
    return yaml_text({"prices": {basis: named}})


def _read_skypilot(
    file: Path,
    workspace: Path,
    provider: str | None,
    date: str | None,
    source: str | None,
    licence: str,
) -> PriceSnapshot:
    from farthing.errors import ConfigError
    from farthing.hardware.catalogue import read_catalogue
    from farthing.hardware.machine import CPU_THREAD
    from farthing.hardware.prices.skypilot import read_skypilot

    if provider is None or date is None:
        missing = "--provider" if provider is None else "--date"
        raise ConfigError(
            f"{file}: a table of SkyPilot's format names neither provider nor date; {missing} is "
            "missing",
            remedy="add --provider NAME --date DAY, the day of the commit that the table is from; "
            "or --format own, if each row of the table has a provider and a date",
        )
    return read_skypilot(
        file,
        provider=provider,
        date=_day(date),
        source=source or file.name,
        licence=licence,
        device_of=read_catalogue(workspace).device_of,
        thread=CPU_THREAD,
    )


def _refuse_what_rows_say(**given: str | None) -> None:
    from farthing.errors import ConfigError

    for name, value in given.items():
        if value is not None:
            raise ConfigError(
                f"--{name} {value!r}: in a table of your own each row says its {name}",
                remedy=f"leave --{name} out, or name the form: --format skypilot",
            )


def _day(text: str) -> datetime.date:
    from pydantic import TypeAdapter, ValidationError

    from farthing.artifacts.dates import IsoDate, past
    from farthing.errors import ConfigError

    try:
        day: datetime.date = TypeAdapter(IsoDate).validate_python(text)
    except ValidationError as error:
        raise ConfigError(f"--date {text!r} is no day", remedy="write it as 2026-01-31") from error
    try:
        return past(day)
    except ValueError as error:
        raise ConfigError(
            f"--date {error}", remedy="give the day of the commit that the table is from"
        ) from error


def _unknown_devices(snapshot: PriceSnapshot, workspace: Path) -> list[str]:
    from farthing.hardware.catalogue import read_catalogue
    from farthing.hardware.machine import CPU_THREAD

    known = {entry.id for entry in read_catalogue(workspace).accelerators} | {CPU_THREAD}
    return sorted({row.device for row in snapshot.rows} - known)


def _listed(kind: Kind, catalogue: Catalogue) -> dict[str, Any]:
    if kind is Kind.PRICES:
        return {
            "snapshots": [one.to_json() for one in catalogue.snapshots],
            "rows": [_row_json(row) for one in catalogue.snapshots for row in one.rows],
        }
    found = [(section, entry) for section, entry in catalogue.entries() if section == kind.value]
    if kind is Kind.SITES:
        found += [pair for pair in catalogue.entries() if pair[0] == "electricity_water"]
    listed = {"entries": [_entry_json(*pair) for pair in found], **_cited(catalogue, found)}
    if kind is Kind.GRIDS:
        listed["regions"] = [one.model_dump(mode="json") for one in catalogue.regions]
    return listed


def _entry_json(section: str, entry: Entry) -> dict[str, Any]:
    return {"section": section, **entry.model_dump(mode="json", exclude_none=True)}


def _row_json(row: PriceRow) -> dict[str, Any]:
    plain = row.model_dump(mode="json", exclude_none=True)
    return {**plain, "usd_per_device_hour": row.usd_per_device_hour}


def _cited(catalogue: Catalogue, found: list[tuple[str, Entry]]) -> dict[str, Any]:
    used = {figure.source for _, entry in found for _, figure in entry.figures()}
    used |= {entry.source for _, entry in found}
    known = {name: catalogue.sources[name] for name in sorted(used & catalogue.sources.keys())}
    return {"sources": {name: one.model_dump(mode="json") for name, one in known.items()}}
