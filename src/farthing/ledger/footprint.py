"""What making the hardware emitted and what water was used, beside energy and operational carbon.

rates = footprint_rates(settings, read_catalogue(workspace.root))
found = footprint(device_hours, it_kwh, site_kwh, rates, accelerator=machine.accelerator)
found.kg_embodied, found.water.litres
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

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
        by_device: of accelerators, by their id in the catalogue.
        embodied: of every other device.
    """

    water_site: Quantity | None = None
    water_source: Quantity | None = None
    by_device: Mapping[str, EmbodiedRate] = field(default_factory=dict)
    embodied: EmbodiedRate | None = None

    @property
    def knows_devices(self) -> bool:
        """Whether the embodied carbon of any device is known."""
        return self.embodied is not None or bool(self.by_device)

    def of_device(self, accelerator: str | None) -> EmbodiedRate | None:
        """The rate of a machine's devices; None where nobody has given it."""
        found = self.by_device.get(accelerator) if accelerator is not None else None
        return found or self.embodied

    def only(self, accelerators: Container[str | None]) -> FootprintRates:
        """The same, without the devices that are not among `accelerators`."""
        kept = {name: rate for name, rate in self.by_device.items() if name in accelerators}
        return replace(self, by_device=kept)

    def or_else(self, others: FootprintRates) -> FootprintRates:
        """The same, and what is unknown here as the others say it."""
        by_device = self.by_device
        if self.embodied is None:
            by_device = {**others.by_device, **self.by_device}
        return FootprintRates(
            water_site=self.water_site or others.water_site,
            water_source=self.water_source or others.water_source,
            by_device=by_device,
            embodied=self.embodied or others.embodied,
        )

    def marked(self, mark: str) -> FootprintRates:
        """The same, each source with `mark` behind it."""
        return FootprintRates(
            water_site=_marked(self.water_site, mark),
            water_source=_marked(self.water_source, mark),
            by_device={name: _marked_rate(rate, mark) for name, rate in self.by_device.items()},
            embodied=_marked_rate(self.embodied, mark) if self.embodied else None,
        )

    def named(self, devices: Iterable[str]) -> dict[str, Quantity | None]:
        """Every rate by its name in words, with its unit; that of `devices` each apart."""
        embodied: dict[str, Quantity | None] = {}
        rates = {**{name: self.of_device(name) for name in devices}, "device": self.embodied}
        for name, rate in rates.items():
            kilograms, life = (rate.kg_per_device, rate.life_hours) if rate else (None, None)
            embodied[f"kg CO2e of making one {name}"] = kilograms.quantity() if kilograms else None
            embodied[f"hours that one {name} serves"] = life.quantity() if life else None
        return embodied | {
            "L of water at the site per kWh": self.water_site,
            "L of water per kWh of electricity": self.water_source,
        }


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Of some work; None is unknown."""

    kg_embodied: Quantity | None
    water: Water


def footprint_rates(settings: WorkspaceSettings, catalogue: Catalogue) -> FootprintRates:
    """What `farthing.yaml` says; where it says nothing of the devices, the catalogue.

    Raises:
        UnknownHardwareError: it names a site, or a water of electricity, that is not there.
    """
    site = site_rates(settings, catalogue)
    own = embodied_rate(settings, catalogue, None)
    devices = {device for entry in catalogue.embodied for device in entry.devices}
    rates = {device: embodied_rate(settings, catalogue, device) for device in sorted(devices)}
    # The user's figure is of every device, and goes before the catalogue's.
    known = {device: rate for device, rate in rates.items() if rate is not None and own is None}
    return FootprintRates(
        water_site=site.water_site,
        water_source=site.water_source,
        by_device=known,
        embodied=own,
    )


def booked_footprint(record: RatesRecord) -> FootprintRates:
    """The rates that the book holds."""
    return FootprintRates(
        water_site=record.water_site.quantity() if record.water_site else None,
        water_source=record.water_source.quantity() if record.water_source else None,
        by_device=record.embodied_of,
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


def _marked(rate: Quantity | None, mark: str) -> Quantity | None:
    return replace(rate, source=f"{rate.source} {mark}") if rate else None


def _marked_rate(rate: EmbodiedRate, mark: str) -> EmbodiedRate:
    kilograms, life = rate.kg_per_device, rate.life_hours
    return EmbodiedRate(
        kg_per_device=kilograms.model_copy(update={"source": f"{kilograms.source} {mark}"}),
        life_hours=life.model_copy(update={"source": f"{life.source} {mark}"}),
    )
