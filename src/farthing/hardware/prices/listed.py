"""The one price of a dated list that a name in `farthing.yaml` means; several are an error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from farthing.artifacts.prices import ListedPrice, Tier
from farthing.errors import ConfigError, UnknownHardwareError
from farthing.hardware.prices.snapshot import PriceRow, PriceSnapshot, unknown_price
from farthing.quantity import Quantity, assumed

_SHOWN = 6
_DIGEST_SHOWN = 12


@dataclass(frozen=True)
class Listed:
    """A row, and the snapshot that it stands in."""

    row: PriceRow
    snapshot: PriceSnapshot

    def quantity(self) -> Quantity:
        """US dollars per device-hour; the source names list and digest."""
        digest = self.snapshot.digest[:_DIGEST_SHOWN]
        named = f"{self.row.device} of {self.row.describe()}"
        named += f", price list {self.snapshot.name}, digest {digest}"
        return assumed(self.row.usd_per_device_hour, "USD/h", named)


def listed_price(
    snapshots: Sequence[PriceSnapshot], wanted: ListedPrice, *, device: str, tier: Tier
) -> Listed:
    """The price that `wanted` means in the first snapshot that has one: the latest day's.

    Args:
        snapshots: in the order in which they count.
        wanted: as the user named it.
        device: its device, under the id that price lists use.
        tier: how it is rented.

    Raises:
        UnknownHardwareError: no row fits; says which come near and how to add one.
        ConfigError: several rows fit, and their prices differ.
    """
    places = {
        name: value
        for name in ("provider", "region", "instance")
        if (value := getattr(wanted, name)) is not None
    }
    for snapshot in _named(snapshots, wanted.snapshot):
        fitting = [
            row
            for row in snapshot.rows
            if (row.device, row.tier) == (device, tier)
            and all(getattr(row, name) == value for name, value in places.items())
        ]
        if fitting:
            return Listed(_only(_latest(fitting), wanted, snapshot), snapshot)
    raise unknown_price(device, {**places, "tier": tier}, snapshots)


def _named(snapshots: Sequence[PriceSnapshot], name: str | None) -> Sequence[PriceSnapshot]:
    if name is None:
        return snapshots
    found = [snapshot for snapshot in snapshots if snapshot.name == name]
    if not found:
        raise UnknownHardwareError(
            f"there is no price list {name!r}",
            remedy=f"the lists are: {', '.join(snapshot.name for snapshot in snapshots)}",
        )
    return found


def _latest(rows: Iterable[PriceRow]) -> list[PriceRow]:
    """Of each region and instance, the rows of its last day."""
    found: dict[tuple[str | None, str | None, float], list[PriceRow]] = {}
    for row in rows:
        found.setdefault((row.region, row.instance, row.devices), []).append(row)
    newest = [(each, max(row.date for row in each)) for each in found.values()]
    return [row for each, day in newest for row in each if row.date == day]


def _only(rows: list[PriceRow], wanted: ListedPrice, snapshot: PriceSnapshot) -> PriceRow:
    # A price per instance divided by its devices: equal but for rounding is equal.
    if len({f"{row.usd_per_device_hour:.6g}" for row in rows}) == 1:
        return rows[0]
    several = [
        f"{row.region or '(no region)'}{f' {row.instance}' if row.instance else ''} "
        f"{row.usd_per_device_hour:.4g}"
        for row in sorted(rows, key=lambda row: row.usd_per_device_hour)
    ]
    missing = [name for name in ("region", "instance") if len({getattr(r, name) for r in rows}) > 1]
    more = f" and {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
    raise ConfigError(
        f"farthing.yaml: {wanted.provider} has several prices of {rows[0].device}, "
        f"{rows[0].tier}, in {snapshot.name}: {', '.join(several[:_SHOWN])}{more} USD/h",
        remedy=f"name its `{missing[0]}` beside the provider"
        if missing
        else "name another list by `snapshot`: this one contradicts itself",
    )
