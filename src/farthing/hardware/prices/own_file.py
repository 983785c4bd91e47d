"""Reading a user's own price table: CSV or YAML with the fields of a price row.

prices:
  - {provider: my-cloud, tier: on_demand, device: h100-sxm, devices: 8,
     usd_per_instance_hour: 20.0, date: 2026-01-31, source: "offer no. 17"}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from farthing.artifacts.dates import past
from farthing.errors import ConfigError
from farthing.hardware.datafile import read_mapping, read_table
from farthing.hardware.prices.snapshot import (
    REQUIRED_COLUMNS,
    PriceRow,
    PriceSnapshot,
    make_snapshot,
    row_of,
)

_YAML_SUFFIXES = (".yaml", ".yml")


def read_own(path: Path) -> PriceSnapshot:
    """The prices of a file; each row carries its own date and source.

    Raises:
        ConfigError: naming the row and what is wrong in it: no date, a future one, a negative
            price, ...
    """
    rows = _yaml_rows(path) if path.suffix in _YAML_SUFFIXES else _csv_rows(path)
    if not rows:
        raise ConfigError(f"{path}: there is no price in it", remedy="write one row for each price")
    date = max(row.date for row in rows).isoformat()
    return make_snapshot(
        rows, name=f"{date}-{path.stem}", source=path.name, licence="own", where=str(path)
    )


def _csv_rows(path: Path) -> list[PriceRow]:
    return [
        _row(fields, f"{path}, line {line}") for line, fields in read_table(path, REQUIRED_COLUMNS)
    ]


def _yaml_rows(path: Path) -> list[PriceRow]:
    data = read_mapping(path)
    entries = data.get("prices")
    if not isinstance(entries, list) or len(data) != 1:
        raise ConfigError(
            f"{path}: expected the one key `prices` with a list of rows",
            remedy=f"each row has {', '.join(REQUIRED_COLUMNS)}",
        )
    return [
        _row(entry if isinstance(entry, dict) else {}, f"{path}, price {number}")
        for number, entry in enumerate(entries, start=1)
    ]


def _row(fields: dict[str, Any], where: str) -> PriceRow:
    row = row_of(fields, where=where)
    # Asked on the way in only: a list that was taken stays readable where a clock is wrong.
    try:
        past(row.date)
    except ValueError as error:
        raise ConfigError(
            f"{where}: date: {error}", remedy="write the day on which the price was seen to hold"
        ) from error
    return row
