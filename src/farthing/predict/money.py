"""What an hour of a pool costs: dollars on four bases, kWh, kg of CO2-equivalent.

    usd, missing = pool_prices(groups, catalogue, asked="spot")
    usd["spot"], missing.get("reserved"), kwh_per_device_hour(device, usual_pue(catalogue))

Rented hours have the prices of a dated list, or the user's own. Owned hours follow Epoch AI's model
(`hardware/owned.py`) from a published purchase price. Energy is design power x what the server adds
x mean draw x PUE. What nobody has given a figure for stays unknown, with the reason.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from farthing.artifacts.prices import Between, Ownership, Tier
from farthing.artifacts.settings import BASES, Basis
from farthing.errors import UnknownHardwareError
from farthing.hardware.accelerators import Accelerator
from farthing.hardware.catalogue import Catalogue
from farthing.hardware.figure import Figure
from farthing.hardware.owned import owned_usd_per_device_hour, ownership_constants
from farthing.predict.pool import Group
from farthing.quantity import Provenance, Quantity, assumed, total

TIERS: dict[Basis, Tier] = {
    "on_demand": "on_demand",
    "spot": "spot",
    "reserved": "reserved_1y",
}
USED_SHARE = Between(value=0.8, low=0.6, high=1.0)
# Of a site of nobody's naming: a large colocation.
USUAL_SITE = "colocation"
_USUAL_ELECTRICITY = "usd_per_kwh.usa-2025"
_DATE = datetime.date(2025, 3, 17)
_GRAMS_PER_KG = 1000.0
_WATTS_PER_KILOWATT = 1000.0


def pool_prices(
    groups: Sequence[Group], catalogue: Catalogue, *, asked: Basis, needed: bool = True
) -> tuple[dict[Basis, Quantity], dict[Basis, str]]:
    """Dollars per hour of the whole pool by basis, and why a basis has none.

    Args:
        groups: the devices. A price of the user's own holds on the basis that is asked for.
        catalogue: with the workspace's lists.
        asked: the basis of the budget.
        needed: whether it has to have a price.

    Raises:
        UnknownHardwareError: the basis that is needed has no price; says how to give one.
    """
    found: dict[Basis, Quantity] = {}
    missing: dict[Basis, str] = {}
    for basis in BASES:
        try:
            parts = [_group_price(group, basis, catalogue, own=basis == asked) for group in groups]
        except UnknownHardwareError as error:
            if basis == asked and needed:
                raise UnknownHardwareError(error.what, remedy=_with_own_price(error)) from error
            missing[basis] = error.what
            continue
        together = total(parts, "USD/h")
        assert together is not None
        found[basis] = together
    return found, missing


def owned_price(device: Accelerator, catalogue: Catalogue) -> Quantity:
    """Dollars for an hour of one owned device at a published purchase price.

    Raises:
        UnknownHardwareError: no purchase price or no design power is known.
    """
    return owned_usd_per_device_hour(ownership_of(device, catalogue))


def ownership_of(
    device: Accelerator, catalogue: Catalogue, usd_per_device: float | None = None
) -> Ownership:
    """A device bought at a published price, or at the user's, and used as such devices are.

    Raises:
        UnknownHardwareError: no purchase price or no design power is known.
    """
    constants = ownership_constants()
    price = constants.get(f"usd_per_device.{device.id}")
    if usd_per_device is None and (price is None or price.figure is None):
        known = [name.partition(".")[2] for name in constants if name.startswith("usd_per_device.")]
        raise UnknownHardwareError(
            f"the catalogue has no purchase price of {device.name}",
            remedy=f"known are those of {', '.join(known)}; or reckon yours with `farthing "
            "hardware price --owned FILE` and give what an hour comes to behind an @ with --tier "
            "owned",
        )
    bought = price.figure if price is not None and price.figure is not None else None
    site = catalogue.site(USUAL_SITE)
    assert site.pue is not None
    return Ownership(
        usd_per_device=_fixed(usd_per_device)
        if usd_per_device is not None or bought is None
        else _between(bought),
        depreciation="loss_of_value",
        loss_of_value_per_year=_constant("loss_of_value_per_year"),
        interconnect_share=_constant("interconnect_share"),
        device_watts=_between(device.figure("tdp_watts")),
        server_watts_per_device_watt=server_factor(device),
        mean_draw_share=_constant("mean_draw_share"),
        pue=_between(site.pue),
        usd_per_kwh=_constant(_USUAL_ELECTRICITY),
        used_share=USED_SHARE,
        date=_DATE,
        source="your purchase price" if usd_per_device is not None else _said(bought, catalogue),
    )


def server_factor(device: Accelerator) -> Between:
    """Design power of a server over that of its devices: its own, else between the known ones."""
    constants = ownership_constants()
    stem = "server_watts_per_device_watt."
    known = {
        name.removeprefix(stem): entry.figure.value
        for name, entry in constants.items()
        if name.startswith(stem) and entry.figure is not None
    }
    for kind, factor in known.items():
        if device.id.startswith(kind):
            return _fixed(factor)
    ordered = sorted(known.values())
    return Between(value=ordered[len(ordered) // 2], low=ordered[0], high=ordered[-1])


def kwh_per_device_hour(device: Accelerator, pue: Quantity) -> Quantity:
    """Energy of an hour of one device with its share of the server, at the site's meter, kWh.

    Raises:
        UnknownHardwareError: no design power is known.
    """
    tdp = device.figure("tdp_watts")
    draw, server, watts = _constant("mean_draw_share"), server_factor(device), _between(tdp)
    it = Quantity(
        value=watts.value * server.value * draw.value / _WATTS_PER_KILOWATT,
        unit="kWh",
        provenance=Provenance.ASSUMED,
        source=f"design power {tdp.value:g} W of {device.id} x {server.value:.3g} (server) x "
        f"{draw.value:g} (mean draw)",
        low=watts.low * server.low * draw.low / _WATTS_PER_KILOWATT,
        high=watts.high * server.high * draw.high / _WATTS_PER_KILOWATT,
    )
    return it.times(pue, "kWh")


def usual_pue(catalogue: Catalogue) -> Quantity:
    """The PUE of a site of nobody's naming."""
    site = catalogue.site(USUAL_SITE)
    assert site.pue is not None
    return site.pue.quantity(f"PUE of {site.name.lower()} (no site is named)")


def carbon(
    kwh: Quantity | None, grams_per_kwh: Quantity | None, catalogue: Catalogue
) -> tuple[Quantity | None, tuple[float, float] | None]:
    """CO2-equivalent of some energy, kg, and where no grid is named the range of all grids."""
    if kwh is None:
        return None, None
    if grams_per_kwh is not None:
        return kwh.times(grams_per_kwh, "kg").scaled(1 / _GRAMS_PER_KG), None
    cleanest, dirtiest = catalogue.grid_range()
    return None, (
        kwh.low * cleanest.value / _GRAMS_PER_KG,
        kwh.high * dirtiest.value / _GRAMS_PER_KG,
    )


def _group_price(group: Group, basis: Basis, catalogue: Catalogue, *, own: bool) -> Quantity:
    if own and group.usd_per_device_hour is not None:
        price = assumed(group.usd_per_device_hour, "USD/h", "your own price")
    elif basis == "owned":
        price = owned_price(group.device, catalogue)
    else:
        price = catalogue.price(group.device.id, tier=TIERS[basis]).quantity()
    return price.scaled(group.count)


def _with_own_price(error: UnknownHardwareError) -> str:
    return (
        "give your own in dollars per device-hour behind an @ (--hardware NAME:COUNT@1.25), or "
        "another --tier, or add a list with `farthing hardware update prices`.\n    "
        f"{error.remedy}"
    )


def _constant(name: str) -> Between:
    figure = ownership_constants()[name].figure
    assert figure is not None
    return _between(figure)


def _between(figure: Figure) -> Between:
    low, high = figure.range()
    return Between(value=figure.value, low=low, high=high)


def _fixed(value: float | None) -> Between:
    assert value is not None
    return Between(value=value, low=value, high=value)


def _said(figure: Figure | None, catalogue: Catalogue) -> str:
    assert figure is not None
    return catalogue.citation(figure.source)
