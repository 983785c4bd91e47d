"""Reading a provider's price table in the format of SkyPilot's catalogue.

The columns are InstanceType, AcceleratorName, AcceleratorCount, vCPUs, MemoryGiB, Price, Region,
GpuInfo, SpotPrice, in an order that differs by provider. `Price` is per instance and hour. A blank
Price means that the instance is to be had as spot only, a blank SpotPrice that it is not; a blank
AcceleratorName is an instance of processors alone, whose devices are its hardware threads. The
table has no date: that of the commit it was read at has to be given.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

from farthing.artifacts.prices import Tier
from farthing.errors import ConfigError
from farthing.hardware.datafile import read_table
from farthing.hardware.prices.snapshot import PriceRow, PriceSnapshot, make_snapshot, row_of

_COLUMNS = (
    "InstanceType",
    "AcceleratorName",
    "AcceleratorCount",
    "vCPUs",
    "MemoryGiB",
    "Price",
    "Region",
    "SpotPrice",
)
_TIER_COLUMNS: tuple[tuple[Tier, str], ...] = (("on_demand", "Price"), ("spot", "SpotPrice"))


def read_skypilot(
    path: Path,
    *,
    provider: str,
    date: datetime.date,
    source: str,
    licence: str,
    device_of: Callable[[str], str],
    thread: str,
) -> PriceSnapshot:
    """The prices of one provider's table.

    Args:
        path: the CSV file.
        provider: whose table it is; the file does not say.
        date: of the commit that the file was read at; the file does not say.
        source: where it was read, and at which commit.
        licence: what its publisher states.
        device_of: from a name in the table to a device of the catalogue, or to the name itself
            where the catalogue cannot tell which variant is meant.
        thread: the name under which hardware threads are counted.

    Raises:
        ConfigError: naming the line and what is wrong in it.
    """
    rows: list[PriceRow] = []
    for line, fields in read_table(path, _COLUMNS):
        where = f"{path}, line {line}"
        accelerated = bool(fields["AcceleratorName"])
        common = {
            "provider": provider,
            "region": fields["Region"],
            "device": device_of(fields["AcceleratorName"]) if accelerated else thread,
            "devices": fields["AcceleratorCount"] if accelerated else fields["vCPUs"],
            "vcpus": fields["vCPUs"],
            "memory_gib": fields["MemoryGiB"],
            "instance": fields["InstanceType"],
            "date": date.isoformat(),
            "source": source,
        }
        found = list(_tiers(fields, common, where))
        if not found:
            raise ConfigError(
                f"{where}: neither Price nor SpotPrice is given",
                remedy="give one of them, or leave the line out",
            )
        rows += found
    name = f"{date.isoformat()}-{provider}"
    return make_snapshot(rows, name=name, source=source, licence=licence, where=str(path))


def _tiers(fields: dict[str, str], common: dict[str, str], where: str) -> Iterator[PriceRow]:
    for tier, column in _TIER_COLUMNS:
        if fields[column]:
            price = {"tier": tier, "usd_per_instance_hour": fields[column]}
            yield row_of({**common, **price}, where=f"{where}, {column}")
