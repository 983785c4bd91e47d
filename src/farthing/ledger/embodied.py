"""Embodied carbon: making a device, spread over its life by the hours that it was held.

    M = device-hours x kg per device / hours of its life              (ISO/IEC 21031, TE x TR x RR)

Hours are those of the calendar, idle ones included, as `device-hours` are hours held: nobody else
could use the device meanwhile. What a device idles between its users is on nobody's bill.
"""

from __future__ import annotations

from farthing.artifacts.rates import EmbodiedRate, Rate
from farthing.artifacts.settings import WorkspaceSettings
from farthing.errors import UnknownHardwareError
from farthing.hardware.catalogue import Catalogue
from farthing.hardware.owned import HOURS_PER_YEAR
from farthing.quantity import Quantity, assumed


def embodied(
    device_hours: Quantity | None, rate: EmbodiedRate | None, share: float = 1.0
) -> Quantity | None:
    """The part of making the devices that falls on some hours of them.

    Args:
        device_hours: hours held times devices held.
        rate: kg of one device, and how long it serves.
        share: of each device that was reserved: 1, or less for a slice of one.

    Returns:
        kg of CO2-equivalent, or None if either is unknown. Its least rests on the longest life, its
        most on the shortest.

    Raises:
        ValueError: a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"{share} of a device: a share is between 0 and 1")
    if device_hours is None or rate is None:
        return None
    kilograms, life = rate.kg_per_device.quantity(), rate.life_hours.quantity()
    spent = device_hours.times(kilograms, "kg").scaled(share)
    return Quantity(
        value=spent.value / life.value,
        unit="kg",
        provenance=max(spent.provenance, life.provenance),
        source=f"{spent.source}; {life.source}",
        low=spent.low / life.high,
        high=spent.high / life.low,
    )


def embodied_rate(
    settings: WorkspaceSettings, catalogue: Catalogue, accelerator: str | None
) -> EmbodiedRate | None:
    """What making one of the devices emitted: the user's figure, else the catalogue's.

    Args:
        settings: `farthing.yaml`.
        catalogue: what ships, and what the workspace adds.
        accelerator: the devices' id in the catalogue; None for a machine without one.

    Returns:
        None where neither has a figure; `why_no_embodied` says why.
    """
    own = settings.embodied
    if own is not None:
        said = f"farthing.yaml: {own.source}, {own.date}"
        return EmbodiedRate(
            kg_per_device=Rate.of(assumed(own.kg_per_device, "kg", said)),
            life_hours=Rate.of(assumed(own.life_years * HOURS_PER_YEAR, "h", said)),
        )
    try:
        entry = catalogue.embodied_of(accelerator) if accelerator is not None else None
    except UnknownHardwareError:
        return None
    if entry is None or entry.kg_co2e is None or entry.life_years is None:
        return None
    making, life = entry.kg_co2e, entry.life_years
    said = f"{entry.name} ({entry.covers}): {catalogue.citation(making.source)}"
    years = life.quantity(catalogue.citation(life.source))
    return EmbodiedRate(
        kg_per_device=Rate.of(making.quantity(said)),
        life_hours=Rate.of(years.scaled(HOURS_PER_YEAR, "h")),
    )


def why_no_embodied(catalogue: Catalogue, accelerator: str | None) -> str:
    """Why the embodied carbon of a machine is unknown, and how to give it."""
    how = "set embodied: {kg_per_device, life_years, date, source} in farthing.yaml"
    if accelerator is None:
        return f"the catalogue has no figure for this machine ({how})"
    try:
        entry = catalogue.embodied_of(accelerator)
    except UnknownHardwareError:
        return f"the catalogue has no figure for {accelerator} ({how})"
    reasons = [entry.blanks[field] for field in ("kg_co2e", "life_years") if field in entry.blanks]
    return f"{entry.name}: {'; '.join(reasons)} ({how})"
