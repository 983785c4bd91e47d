"""A price snapshot: rows of one day or a few, each dated, with a digest over all of them.

    2026-08-20-gcp.csv     provider,region,tier,device,devices,vcpus,memory_gib,instance,
                           usd_per_instance_hour,date,source,url
    2026-08-20-gcp.yaml    date, source, licence, digest of the rows

A price is per *instance*, which may hold several devices; `usd_per_device_hour` divides. Nothing
here is live: a bill quotes the snapshot's digest, and the snapshot does not change.
"""

from __future__ import annotations

import csv
import datetime
import difflib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.config import Config, parse_config
from farthing.artifacts.dates import IsoDate
from farthing.artifacts.prices import Tier
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.errors import ArtifactError, ConfigError, UnknownHardwareError
from farthing.hardware.datafile import DATA, read_mapping, read_table
from farthing.hardware.sources import sources
from farthing.quantity import Quantity, assumed


class PriceRow(Config):
    """What one kind of instance costs at one provider, in one region, on one tier, on one day."""

    provider: str = Field(min_length=1, description="who rents it out, in lower case")
    region: str | None = Field(default=None, description="the provider's region, if it names one")
    tier: Tier = Field(description="on_demand, spot, reserved_1y or reserved_3y")
    device: str = Field(min_length=1, description="the device's id in the catalogue")
    devices: float = Field(gt=0, description="how many of them the instance holds")
    vcpus: float | None = Field(default=None, gt=0, description="hardware threads of the instance")
    memory_gib: float | None = Field(default=None, ge=0, description="its main memory, GiB")
    instance: str | None = Field(default=None, description="the provider's name for the instance")
    usd_per_instance_hour: float = Field(
        ge=0, description="US dollars per hour of the whole instance; never negative"
    )
    date: IsoDate = Field(description="the day on which the price held, as 2026-01-31")
    source: str = Field(min_length=1, description="where the price was read")
    url: str | None = Field(default=None, description="the page, or an archived copy of it")

    @property
    def usd_per_device_hour(self) -> float:
        """US dollars per hour of one device."""
        return self.usd_per_instance_hour / self.devices

    def quantity(self) -> Quantity:
        """The same as a figure with its source."""
        return assumed(self.usd_per_device_hour, "USD/h", self.describe())

    def describe(self) -> str:
        """Provider, region, instance, tier, date and source in one line."""
        place = " ".join(part for part in (self.provider, self.region, self.instance) if part)
        known = sources().get(self.source)
        return f"{place}, {self.tier}, {self.date} ({known.title if known else self.source})"


COLUMNS = tuple(PriceRow.model_fields)
REQUIRED_COLUMNS = tuple(
    name for name, field in PriceRow.model_fields.items() if field.is_required()
)
_NEAREST = 6
_NUMBERS = ("devices", "vcpus", "memory_gib", "usd_per_instance_hour")


class _Head(Config):
    date: IsoDate = Field(description="the last day of its rows")
    source: str = Field(min_length=1, description="where the rows come from")
    licence: str = Field(min_length=1, description="the licence that the source states")
    digest: str = Field(min_length=64, max_length=64, description="SHA-256 of the rows")


@dataclass(frozen=True)
class PriceSnapshot:
    """Rows that were read together.

    Attributes:
        name: of its files, without ending.
        date: the last day of its rows.
        source, licence: of the whole; each row has a source too.
        digest: SHA-256 of the rows' canonical JSON.
    """

    name: str
    date: datetime.date
    source: str
    licence: str
    rows: tuple[PriceRow, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the rows, in order."""
        return digest_json([row.model_dump(mode="json") for row in self.rows])

    def to_json(self) -> dict[str, Any]:
        """What `--json` shows of it: the head, without the rows."""
        return {
            "name": self.name,
            "date": self.date.isoformat(),
            "source": self.source,
            "licence": self.licence,
            "digest": self.digest,
            "rows": len(self.rows),
        }


def row_of(fields: dict[str, Any], *, where: str) -> PriceRow:
    """A price row from the fields of a table or of YAML.

    Raises:
        ConfigError: naming the line and the field: no date, no source, a negative price, ...
    """
    plain: dict[str, Any] = {key: value for key, value in fields.items() if value != ""}
    for name in _NUMBERS:
        if isinstance(plain.get(name), str):
            plain[name] = _number(plain[name], name, where)
    return parse_config(PriceRow, plain, where=where)


def make_snapshot(
    rows: Sequence[PriceRow], *, name: str, source: str, licence: str, where: str
) -> PriceSnapshot:
    """A snapshot of these rows, dated by the last of them.

    Raises:
        ConfigError: there are no rows.
    """
    if not rows:
        raise ConfigError(f"{where}: there is no price in it", remedy="name a file with prices")
    date = max(row.date for row in rows)
    return PriceSnapshot(name=name, date=date, source=source, licence=licence, rows=tuple(rows))


def save_snapshot(snapshot: PriceSnapshot, folder: Path) -> Path:
    """Write table and head into `folder`; returns the table.

    Raises:
        ConfigError: one of that name is there and holds something else.
        WorkspaceError: the disk refused.
    """
    table = folder / f"{snapshot.name}.csv"
    if table.exists() and load_snapshot(table).digest != snapshot.digest:
        raise ConfigError(
            f"{table} exists already with other rows and stays as it is",
            remedy="a snapshot never changes: give the new one another date, name or --provider, "
            "or remove that one with its .yaml first",
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in snapshot.rows:
        plain = row.model_dump(mode="json")
        writer.writerow(["" if plain[name] is None else plain[name] for name in COLUMNS])
    head = {
        "date": snapshot.date.isoformat(),
        "source": snapshot.source,
        "licence": snapshot.licence,
        "digest": snapshot.digest,
    }
    make_directory(folder)
    body = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=100)
    write_atomic(table, text.getvalue().encode())
    write_atomic(table.with_suffix(".yaml"), body.encode())
    return table


def load_snapshot(table: Path) -> PriceSnapshot:
    """Read a snapshot after comparing its rows with the digest of its head.

    Raises:
        ArtifactError: the rows are not those of the digest.
        ConfigError: head or rows cannot be read.
    """
    head = parse_config(
        _Head, read_mapping(table.with_suffix(".yaml")), where=str(table.with_suffix(".yaml"))
    )
    rows = [
        row_of(fields, where=f"{table}, line {line}")
        for line, fields in read_table(table, REQUIRED_COLUMNS)
    ]
    snapshot = make_snapshot(
        rows, name=table.stem, source=head.source, licence=head.licence, where=str(table)
    )
    if snapshot.digest != head.digest or snapshot.date != head.date:
        raise ArtifactError(
            f"{table} was changed: its rows are not those of the digest in {head.digest[:12]}...",
            remedy="take the file from where it came from again, or import your prices anew with "
            "`farthing hardware update prices --from FILE`",
        )
    return snapshot


@cache
def shipped_snapshots() -> tuple[PriceSnapshot, ...]:
    """The snapshots that ship with farthing, the latest first."""
    return latest_first(load_snapshot(path) for path in (DATA / "prices").glob("*.csv"))


def latest_first(snapshots: Iterable[PriceSnapshot]) -> tuple[PriceSnapshot, ...]:
    """The snapshots, the latest first, by name where the dates are equal."""
    return tuple(sorted(snapshots, key=lambda one: (one.date, one.name), reverse=True))


def find_price(
    snapshots: Sequence[PriceSnapshot],
    device: str,
    *,
    provider: str | None = None,
    region: str | None = None,
    tier: Tier = "on_demand",
) -> PriceRow:
    """The cheapest fitting row of the first snapshot that has one.

    Args:
        snapshots: in the order in which they count.
        device: its id in the catalogue; `cpu-thread` for processors.
        provider: only this one; any if left out.
        region: only this one; any if left out.
        tier: how it is rented.

    Raises:
        UnknownHardwareError: no row fits; says which come near and how to add one.
    """
    wanted = {"provider": provider, "region": region, "tier": tier}
    for snapshot in snapshots:
        fitting = [
            row
            for row in snapshot.rows
            if row.device == device
            and all(value in (None, getattr(row, name)) for name, value in wanted.items())
        ]
        if fitting:
            return min(fitting, key=lambda row: row.usd_per_device_hour)
    raise unknown_price(device, wanted, snapshots)


def unknown_price(
    device: str, wanted: Mapping[str, str | None], snapshots: Sequence[PriceSnapshot]
) -> UnknownHardwareError:
    """No row fits: where else the device has a price, or which devices have one.

    Args:
        device: its id in the catalogue.
        wanted: fields of a row that were asked for; None asks for nothing.
        snapshots: where it was looked for.
    """
    asked = " ".join([device, *(value for value in wanted.values() if value)])
    near = _near(device, wanted, snapshots)
    have = f"the nearest are {'; '.join(near)}"
    if not near:
        named = sorted({row.device for snapshot in snapshots for row in snapshot.rows})
        close = difflib.get_close_matches(device.casefold(), named, n=_NEAREST, cutoff=0.4)
        have = f"the devices with a price are {', '.join(close or named) or 'none'}"
    return UnknownHardwareError(
        f"the catalogue has no price of {asked}; {have}",
        remedy="name one of these, put your own price into farthing.yaml (`prices:`), or add a "
        f"table with the columns {','.join(REQUIRED_COLUMNS)} by `farthing hardware update prices "
        "--format own --from FILE`",
    )


def _near(
    device: str, wanted: Mapping[str, str | None], snapshots: Sequence[PriceSnapshot]
) -> list[str]:
    """Where else the device has a price: first what differs least from what is wanted."""
    differing = {
        f"{row.provider} {row.region or '(no region)'} {row.tier}": sum(
            value not in (None, getattr(row, name)) for name, value in wanted.items()
        )
        for snapshot in snapshots
        for row in snapshot.rows
        if row.device == device
    }
    asked = " ".join(value for value in wanted.values() if value)

    def likeness(place: str) -> float:
        return difflib.SequenceMatcher(None, asked, place).ratio()

    return sorted(differing, key=lambda one: (differing[one], -likeness(one), one))[:_NEAREST]


def _number(text: str, name: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(
            f"{where}: {name} = {text!r} is no number", remedy="write it as 2.29"
        ) from error
