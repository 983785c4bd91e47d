"""The price of a device-hour per basis, out of whichever way `farthing.yaml` gives it.

    dated = dated_prices(settings, catalogue)
    dated["on_demand"].usd_per_device_hour, dated["on_demand"].snapshot

A typed price stands as it is; a price of a list is looked up and names its day and digest; what was
paid for a device is spread over its use.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from farthing.artifacts.prices import AnyPrice, ListedPrice, Ownership
from farthing.artifacts.rates import PriceRate, Rate
from farthing.artifacts.settings import BASES, Basis, WorkspaceSettings, tier_of
from farthing.hardware.catalogue import Catalogue
from farthing.hardware.owned import owned_usd_per_device_hour
from farthing.quantity import Quantity, assumed


@dataclass(frozen=True)
class DatedPrice:
    """A price with its day.

    Attributes:
        usd_per_device_hour: USD/h, with source and range.
        date: the day on which it held.
        snapshot: digest of the price list that it stands in; None for the user's own.
        device: the kind of device that it is of, as the list names it; None for the user's own.
    """

    usd_per_device_hour: Quantity
    date: datetime.date
    snapshot: str | None = None
    device: str | None = None

    def booked(self) -> PriceRate:
        """The same, to be entered into the book."""
        return PriceRate(
            usd_per_device_hour=Rate.of(self.usd_per_device_hour),
            date=self.date,
            snapshot=self.snapshot,
            device=self.device,
        )


def dated_prices(settings: WorkspaceSettings, catalogue: Catalogue) -> dict[Basis, DatedPrice]:
    """The price of every basis that has one.

    Args:
        settings: the user's.
        catalogue: with the workspace's own price lists.

    Raises:
        UnknownHardwareError: no list has a price that they name; says which come near.
        ConfigError: several rows of a list fit, and their prices differ.
    """
    return {basis: _dated(basis, price, catalogue) for basis, price in settings.prices.items()}


def priced(settings: WorkspaceSettings, catalogue: Catalogue) -> dict[Basis, Quantity | None]:
    """US dollars per device-hour by basis; None where nobody has given a price.

    Raises:
        UnknownHardwareError, ConfigError: see `dated_prices`.
    """
    dated = dated_prices(settings, catalogue)
    return {basis: dated[basis].usd_per_device_hour if basis in dated else None for basis in BASES}


def devices_priced(settings: WorkspaceSettings, catalogue: Catalogue) -> dict[Basis, str]:
    """The only kind of device that a price is of, for every basis where a list says it.

    Raises:
        UnknownHardwareError, ConfigError: see `dated_prices`.
    """
    dated = dated_prices(settings, catalogue)
    return {basis: price.device for basis, price in dated.items() if price.device is not None}


def _dated(basis: Basis, price: AnyPrice, catalogue: Catalogue) -> DatedPrice:
    if isinstance(price, Ownership):
        return DatedPrice(owned_usd_per_device_hour(price), price.date)
    if isinstance(price, ListedPrice):
        listed = catalogue.listed_price(price, tier_of(basis, price))
        return DatedPrice(
            listed.quantity(), listed.row.date, listed.snapshot.digest, listed.row.device
        )
    day = str(price.date)
    said = price.source if day in price.source else f"{price.source}, {day}"
    return DatedPrice(assumed(price.usd_per_device_hour, "USD/h", said), price.date)
