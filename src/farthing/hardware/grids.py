"""Electricity grids: grams of CO2 per kWh by country, state, province and cloud region.

Figures of different bases are not alike, so each says what it covers: a life cycle in CO2e
(countries), generation only in CO2e (US states) or in CO2 (Chinese provinces), or what a cloud
states of a region.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar, Literal

from pydantic import Field

from farthing.artifacts.config import Config, parse_config
from farthing.hardware.datafile import DATA, parse_entry, read_mapping, read_table
from farthing.hardware.figure import Entry, Figure

Basis = Literal["location", "market", "unstated"]
Kind = Literal["country", "state", "province", "cloud region", "own"]


class GridEntry(Entry):
    """One electricity grid; `id` is FRA, US-CA, CN-BJ or gcp:us-central1."""

    UNITS: ClassVar[Mapping[str, str | None]] = {"grams_per_kwh": "g/kWh"}

    name: str = Field(min_length=1, description="country, state, province or place")
    kind: Kind = Field(default="own", description="what the figure is of")
    year: int | None = Field(description="year of the figure; null where its source gives none")
    basis: Basis = Field(description="location (what the plug draws), market, or unstated")
    covers: str = Field(min_length=1, description="which gases, and which part of the life cycle")
    parent: str | None = Field(default=None, description="the grid around it")
    grams_per_kwh: Figure | None = Field(default=None, description="grams of CO2 or CO2e per kWh")


class RegionEntry(Config):
    """A cloud region without a figure of its own, and the grid it draws from."""

    provider: str = Field(min_length=1, description="the cloud, as price lists name it")
    region: str = Field(min_length=1, description="its name for the region")
    grid: str = Field(min_length=1, description="the id of a grid")
    place: str = Field(min_length=1, description="where it stands")
    source: str = Field(min_length=1, description="the source that says where it stands")


class _TableHead(Config):
    source: str = Field(description="of every figure in the table")
    kind: Kind = Field(description="what its rows are")
    basis: Basis = Field(description="of every figure in the table")
    covers: str = Field(description="which gases, and which part of the life cycle")


_TABLES = ("countries", "us_states", "cn_provinces", "gcp_regions")


@cache
def grids() -> tuple[GridEntry, ...]:
    """The grids that ship with farthing: countries, then states, provinces, cloud regions."""
    return tuple(entry for table in _TABLES for entry in _read_grids(table))


@cache
def regions() -> tuple[RegionEntry, ...]:
    """The cloud regions that ship with farthing and have no figure of their own."""
    path = DATA / "grids" / "regions.csv"
    source = read_mapping(path.with_suffix(".yaml"))["source"]
    return tuple(
        parse_config(RegionEntry, {**row, "source": source}, where=f"{path}, line {line}")
        for line, row in read_table(path, ("provider", "region", "grid", "place"))
    )


def _read_grids(table: str) -> tuple[GridEntry, ...]:
    path = DATA / "grids" / f"{table}.csv"
    head = parse_config(
        _TableHead, read_mapping(path.with_suffix(".yaml")), where=str(path.with_suffix(".yaml"))
    ).model_dump()
    return tuple(
        parse_entry(GridEntry, _plain(row, head), where=f"{path}, line {line}")
        for line, row in read_table(path, ("code", "name", "grams_per_kwh", "year"))
    )


def _plain(row: Mapping[str, str], head: Mapping[str, str]) -> dict[str, object]:
    return {
        **head,
        "id": row["code"],
        "name": row["name"],
        "year": int(row["year"]) if row["year"] else None,
        "parent": row.get("parent"),
        "grams_per_kwh": float(row["grams_per_kwh"]),
    }
