"""Water: evaporated where the machines stand, and used where their electricity is made.

    litres = IT energy x site's litres per kWh + energy at the site's meter x electricity's

The first acts on the energy of the machines, the second on all that the site draws, so a PUE goes
into the second only. The two are kept apart: they are different rivers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from farthing.artifacts.settings import WorkspaceSettings
from farthing.errors import UnknownHardwareError
from farthing.hardware.catalogue import Catalogue
from farthing.hardware.figure import Figure
from farthing.quantity import Quantity, assumed, total


@dataclass(frozen=True, kw_only=True)
class SiteRates:
    """What a site makes of each kWh; None is unknown, never zero and never a PUE of 1.

    Attributes:
        pue: energy at the site's meter per IT energy.
        water_site: L/kWh of IT energy.
        water_source: L/kWh at the site's meter.
        unknown: why one is missing and how to give it, by the name of the field.
    """

    pue: Quantity | None
    water_site: Quantity | None
    water_source: Quantity | None
    unknown: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Water:
    """Litres of some work; None is unknown."""

    site: Quantity | None
    source: Quantity | None

    @property
    def litres(self) -> Quantity | None:
        """Both together; unknown if one of them is."""
        return total((self.site, self.source), "L")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null is unknown."""
        parts = {"site": self.site, "source": self.source, "litres": self.litres}
        return {name: value.to_json() if value else None for name, value in parts.items()}


def water(
    it_kwh: Quantity | None,
    site_kwh: Quantity | None,
    site: Quantity | None,
    source: Quantity | None,
) -> Water:
    """Water of some energy.

    Args:
        it_kwh: of the machines, before any PUE.
        site_kwh: at the site's meter; where no PUE is known, that of the machines.
        site: L/kWh of `it_kwh`.
        source: L/kWh of `site_kwh`.
    """
    return Water(site=_times(it_kwh, site), source=_times(site_kwh, source))


def site_rates(settings: WorkspaceSettings, catalogue: Catalogue) -> SiteRates:
    """PUE and water as `farthing.yaml` gives them: its own figures, else those of its site.

    Raises:
        UnknownHardwareError: it names a site, or a water of electricity, that is not there.
    """
    pue, water_site, unknown = _of_site(settings, catalogue)
    water_source = _electricity(settings, catalogue)
    own = settings.water
    if own is not None:
        said = f"water: {own.source}, {own.date}"
        if own.site_litres_per_kwh is not None:
            water_site = assumed(own.site_litres_per_kwh, "L/kWh", said)
        if own.electricity_litres_per_kwh is not None:
            water_source = assumed(own.electricity_litres_per_kwh, "L/kWh", said)
    if settings.pue is not None:
        pue = assumed(settings.pue.value, "1", f"PUE: {settings.pue.source}")
    reasons = {
        **unknown,
        "water_source": "water of making the electricity: not set (electricity_water or "
        "water.electricity_litres_per_kwh in farthing.yaml)",
    }
    found = {"pue": pue, "water_site": water_site, "water_source": water_source}
    missing = {name: reasons[name] for name, rate in found.items() if rate is None}
    return SiteRates(**found, unknown=missing)


def _of_site(
    settings: WorkspaceSettings, catalogue: Catalogue
) -> tuple[Quantity | None, Quantity | None, dict[str, str]]:
    """PUE and water of the site, and why one may be missing."""
    if settings.site is None:
        return (
            None,
            None,
            {
                "pue": "PUE: not set (site or pue in farthing.yaml)",
                "water_site": "water at the site: not set (site or "
                "water.site_litres_per_kwh in farthing.yaml)",
            },
        )
    entry = catalogue.site(settings.site)
    pue, litres = (
        _rate(figure, f"{name} of {entry.name}", catalogue) if figure is not None else None
        for name, figure in (("PUE", entry.pue), ("water", entry.litres_per_kwh))
    )
    reasons = entry.blanks
    return (
        pue,
        litres,
        {
            "pue": f"PUE of {entry.name}: {reasons.get('pue', 'no figure')} (pue in farthing.yaml)",
            "water_site": f"water at {entry.name}: "
            f"{reasons.get('litres_per_kwh', 'no figure')} "
            "(water.site_litres_per_kwh in farthing.yaml)",
        },
    )


def _electricity(settings: WorkspaceSettings, catalogue: Catalogue) -> Quantity | None:
    """The catalogue's water of making the electricity that `farthing.yaml` names.

    Raises:
        UnknownHardwareError: it is not there.
    """
    asked = settings.electricity_water
    if asked is None:
        return None
    for entry in catalogue.electricity_water:
        if entry.id == asked:
            figure = entry.litres_per_kwh
            return _rate(figure, f"water of {entry.name}", catalogue) if figure else None
    known = ", ".join(entry.id for entry in catalogue.electricity_water)
    raise UnknownHardwareError(
        f"the catalogue has no water of electricity {asked!r}",
        remedy=f"it has {known}; or set water.electricity_litres_per_kwh in farthing.yaml, or add "
        "an entry under electricity_water with `farthing hardware add FILE`",
    )


def _rate(figure: Figure, what: str, catalogue: Catalogue) -> Quantity:
    rate = figure.quantity(f"{what}: {catalogue.citation(figure.source)}")
    # Sums tell their sources apart by semicolons: one source has none.
    return replace(rate, source=rate.source.replace("; ", ", "))


def _times(kwh: Quantity | None, litres: Quantity | None) -> Quantity | None:
    return None if kwh is None or litres is None else kwh.times(litres, "L")
