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
    ranks: Sequence[Sequence[PriceSnapshot]], wanted: ListedPrice, *, device: str, tier: Tier
) -> Listed:
    """The price that `wanted` means: of the first rank that has one, and there the latest day's.

    Lists of one rank that price it on the same day stand side by side.

    Args:
        ranks: snapshots in the order in which they count: the user's, then the shipped ones.
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
    _check_name(ranks, wanted.snapshot)
    for rank in ranks:
        fitting = [
            [
                Listed(row, snapshot)
                for row in snapshot.rows
                if (row.device, row.tier) == (device, tier)
                and all(getattr(row, name) == value for name, value in places.items())
            ]
            for snapshot in rank
            if wanted.snapshot in (None, snapshot.name)
        ]
        if any(fitting):
            return _only(_latest_of(fitting), wanted)
    every = [snapshot for rank in ranks for snapshot in rank]
    raise unknown_price(device, {**places, "tier": tier}, every)


def _check_name(ranks: Sequence[Sequence[PriceSnapshot]], name: str | None) -> None:
    names = [snapshot.name for rank in ranks for snapshot in rank]
    if name is not None and name not in names:
        raise UnknownHardwareError(
            f"there is no price list {name!r}", remedy=f"the lists are: {', '.join(names)}"
        )


def _latest_of(lists: Iterable[list[Listed]]) -> list[Listed]:
    """The prices of the lists that have one of the last day, each as `_latest` has it."""
    dated = [(max(one.row.date for one in each), each) for each in lists if each]
    last = max(day for day, _ in dated)
    return [one for day, each in dated if day == last for one in _latest(each)]


def _latest(fitting: Iterable[Listed]) -> list[Listed]:
    """Of each region and instance of one list, the rows of its last day."""
    found: dict[tuple[str | None, str | None, float], list[Listed]] = {}
    for one in fitting:
        found.setdefault((one.row.region, one.row.instance, one.row.devices), []).append(one)
    newest = [(each, max(one.row.date for one in each)) for each in found.values()]
    return [one for each, day in newest for one in each if one.row.date == day]


def _only(fitting: list[Listed], wanted: ListedPrice) -> Listed:
    # A price per instance divided by its devices: equal but for rounding is equal.
    if len({f"{one.row.usd_per_device_hour:.6g}" for one in fitting}) == 1:
        return fitting[0]
    lists = sorted({one.snapshot.name for one in fitting})
    several = [
        _in_words(one, with_list=len(lists) > 1)
        for one in sorted(fitting, key=lambda one: one.row.usd_per_device_hour)
    ]
    more = f" and {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
    row = fitting[0].row
    raise ConfigError(
        f"farthing.yaml: {wanted.provider} has several prices of {row.device}, {row.tier}, in "
        f"{' and '.join(lists)}: {', '.join(several[:_SHOWN])}{more} USD/h",
        remedy=_narrower([one.row for one in fitting], lists),
    )


def _in_words(one: Listed, *, with_list: bool) -> str:
    instance = f" {one.row.instance}" if one.row.instance else ""
    said = f"{one.row.region or '(no region)'}{instance} {one.row.usd_per_device_hour:.4g}"
    return f"{said} ({one.snapshot.name})" if with_list else said


def _narrower(rows: Sequence[PriceRow], lists: Sequence[str]) -> str:
    """What to add to a name that means several prices."""
    if len(lists) > 1:
        return f"name the list beside the provider: `snapshot: {lists[0]}`, for example"
    for name in ("region", "instance"):
        if len({getattr(row, name) for row in rows}) > 1:
            return f"name its `{name}` beside the provider"
    return "name another list by `snapshot`: this one contradicts itself"
