"""What a million tokens cost on one's own devices, from measured tokens per second.

    USD per million tokens = USD per device-hour x devices x 1e6 / (tokens per second x 3600)
    Wh per million tokens  = energy of the timed repeats x PUE / their tokens x 1e6

Both rest on a machine that is busy all the time: a server that waits half of the day costs twice as
much per token. Prefill and decode are priced apart, each as if it had the machine for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from farthing.artifacts.entries import MachineRecord
from farthing.artifacts.measurement import Figure
from farthing.artifacts.serving import Phase, ServingMeasurement
from farthing.artifacts.settings import Basis
from farthing.errors import ConfigError
from farthing.ledger.figures import Rates, make_figures
from farthing.quantity import Quantity

BUSY = "busy all the time: at a lower utilisation, divide by it"

_CPU, _CPU_DEVICE = "cpu", "cpu-thread"
_MILLION = 1e6
_SECONDS_PER_HOUR = 3600.0
_WH_PER_KWH = 1e3


@dataclass(frozen=True)
class TokenPrice:
    """A million tokens of one phase; None is unknown."""

    usd: dict[Basis, Quantity | None]
    wh: Quantity | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null is unknown."""
        return {
            "usd_per_million": {
                basis: value.to_json() if value else None for basis, value in self.usd.items()
            },
            "wh_per_million": self.wh.to_json() if self.wh else None,
        }


@dataclass(frozen=True)
class ServingPrice:
    """One batch size: `input` are tokens read, `output` are tokens written."""

    batch: int
    input: TokenPrice
    output: TokenPrice

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null is unknown."""
        return {
            "batch": self.batch,
            "input": self.input.to_json(),
            "output": self.output.to_json(),
        }


def serving_prices(
    measurement: ServingMeasurement, machine: MachineRecord, rates: Rates
) -> tuple[ServingPrice, ...]:
    """The price of every measured batch size.

    Args:
        measurement: the speeds.
        machine: what the prices in `rates` are for, as the book names it.
        rates: of the run that measured, as the book holds them.

    Raises:
        ConfigError: the speeds were measured on another machine or another kind of device.
    """
    check_device(measurement, machine)
    return tuple(
        ServingPrice(
            point.batch,
            _token_price(point.prefill, machine, rates),
            _token_price(point.decode, machine, rates),
        )
        for point in measurement.points
    )


def rests_on(rates: Rates) -> tuple[str, ...]:
    """The prices and the PUE behind a serving price, each with its source, one line each."""
    prices = [
        f"{basis}: {usd.value:.4g} USD per device-hour ({usd.source})"
        for basis, usd in rates.usd_per_device_hour.items()
        if usd is not None
    ]
    if rates.pue is None:
        return (*prices, "energy: IT energy only, PUE not set")
    return (*prices, f"energy: IT energy x PUE {rates.pue.value:g} ({rates.pue.source})")


def usd_per_million(rate: Figure, usd_per_device_hour: Quantity, devices: int) -> Quantity:
    """US dollars for a million tokens at `rate` (token/s) on so many devices.

    The range is that of the repeats: the slowest one costs the most.
    """
    dollars = usd_per_device_hour.scaled(devices * _MILLION / _SECONDS_PER_HOUR, "USD/Mtoken")
    return Quantity(
        value=dollars.value / rate.value,
        unit=dollars.unit,
        provenance=max(dollars.provenance, rate.quantity().provenance),
        source=f"{dollars.source}; {BUSY}",
        low=dollars.low / rate.high,
        high=dollars.high / rate.low,
    )


def check_device(measurement: ServingMeasurement, machine: MachineRecord) -> None:
    """Make sure that a price for the devices of `machine` is one for what was measured.

    Raises:
        ConfigError: it is not.
    """
    measured = (measurement.machine.id, measurement.held_device, measurement.held_devices)
    if measured != (machine.id, machine.device, machine.devices):
        raise ConfigError(
            f"the speeds were measured on {measurement.held_devices} x {measurement.held_device}, "
            f"{measurement.machine.name}, but the price is for {machine.devices} x "
            f"{machine.device}, {machine.name}",
            remedy="measure on the machine that the price is for: farthing bench --serve MEMBER",
        )
    check_held(measurement.machine.device, machine.device)


def check_held(ran_on: str, held: str) -> None:
    """Make sure that a run which holds one kind of device is no bill for work on another.

    Args:
        ran_on: what the products ran on, `cpu` or an accelerator's type.
        held: the device that the run is billed for, as the book names it.

    Raises:
        ConfigError: it is.
    """
    if (ran_on == _CPU) != (held == _CPU_DEVICE):
        raise ConfigError(
            f"the member runs on {ran_on}, but the run is billed in {held}: the price is for "
            "another device",
            remedy="measure on the device that the price is for",
        )


def _token_price(phase: Phase, machine: MachineRecord, rates: Rates) -> TokenPrice:
    kwh = make_figures(phase.work, machine, rates).kwh
    return TokenPrice(
        usd={
            basis: usd_per_million(phase.rate, price, machine.devices) if price else None
            for basis, price in rates.usd_per_device_hour.items()
        },
        wh=kwh.scaled(_WH_PER_KWH * _MILLION / phase.tokens, "Wh/Mtoken") if kwh else None,
    )
