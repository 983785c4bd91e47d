"""What making the hardware emitted and what water was used, beside energy and operational carbon.

rates = footprint_rates(settings, read_catalogue(workspace.root))
found = footprint(device_hours, it_kwh, site_kwh, rates, accelerator=machine.accelerator)
found.kg_embodied, found.water.litres
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farthing.artifacts.rates import EmbodiedRate, RatesRecord
from farthing.artifacts.settings import WorkspaceSettings
from farthing.hardware.catalogue import Catalogue
from farthing.ledger.embodied import embodied, embodied_rate
from farthing.ledger.water import Water, site_rates, water
from farthing.quantity import Quantity


@dataclass(frozen=True, kw_only=True)
class FootprintRates:
    """What turns hours and energy into embodied carbon and water; None is unknown.

    Attributes:
        water_site: L/kWh of IT energy.
        water_source: L/kWh at the site's meter.
        embodied: of every device, as the user or the book says; goes before `by_device`.
        by_device: of accelerators, by their id in the catalogue.
    """

    water_site: Quantity | None = None
    water_source: Quantity | None = None
    embodied: EmbodiedRate | None = None
    by_device: Mapping[str, EmbodiedRate] = field(default_factory=dict)

    def of_device(self, accelerator: str | None) -> EmbodiedRate | None:
        """The rate of a machine's devices; None where nobody has given it."""
        if self.embodied is not None or accelerator is None:
            return self.embodied
        return self.by_device.get(accelerator)


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Of some work; None is unknown."""

    kg_embodied: Quantity | None
    water: Water


def footprint_rates(settings: WorkspaceSettings, catalogue: Catalogue) -> FootprintRates:
    """What `farthing.yaml` says, and where it says nothing of the devices, the catalogue.

    Raises:
        UnknownHardwareError: it names a site, or a water of electricity, that is not there.
    """
    site = site_rates(settings, catalogue)
    devices = {device for entry in catalogue.embodied for device in entry.devices}
    rates = {device: embodied_rate(settings, catalogue, device) for device in sorted(devices)}
    return FootprintRates(
        water_site=site.water_site,
        water_source=site.water_source,
        embodied=embodied_rate(settings, catalogue, None),
        by_device={device: rate for device, rate in rates.items() if rate is not None},
    )


def booked_footprint(record: RatesRecord) -> FootprintRates:
    """The rates that the book holds."""
    return FootprintRates(
        water_site=record.water_site.quantity() if record.water_site else None,
        water_source=record.water_source.quantity() if record.water_source else None,
        embodied=record.embodied,
    )


def footprint(
    device_hours: Quantity | None,
    it_kwh: Quantity | None,
    site_kwh: Quantity | None,
    rates: FootprintRates,
    *,
    accelerator: str | None,
) -> Footprint:
    """Embodied carbon and water of some work on one machine.

    Args:
        device_hours: hours held times devices.
        it_kwh: energy of the machine, before any PUE.
        site_kwh: at the site's meter; `it_kwh` where no PUE is known.
        rates: what turns them into carbon and water.
        accelerator: the devices' id in the catalogue; None for a machine without one.
    """
    return Footprint(
        kg_embodied=embodied(device_hours, rates.of_device(accelerator)),
        water=water(it_kwh, site_kwh, rates.water_site, rates.water_source),
    )
