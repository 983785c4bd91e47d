"""Reading the catalogue's data files; nothing here knows a vendor."""

from __future__ import annotations

import difflib
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, TypeAdapter

from farthing.artifacts.config import Config
from farthing.errors import UnknownHardwareError
from farthing.quantity import Provenance, Quantity

_DATA = Path(__file__).parent / "data"

ProvenanceName = Literal["measured", "estimated", "assumed"]


class CpuEntry(Config):
    """One kind of processor in `cpus.yaml`; watts are per hardware thread."""

    name: str = Field(description="the processor, as bills name it")
    vendor: str = Field(description="the vendor's mark in the kernel's description")
    family: int = Field(description="family number in the kernel's description")
    models: tuple[int, ...] = Field(description="model numbers of this kind")
    name_contains: str | None = Field(
        default=None, description="a word of the model name, where the numbers are shared"
    )
    watts: float = Field(gt=0, description="watts per hardware thread under load")
    low: float = Field(gt=0, description="least watts per hardware thread of this kind")
    high: float = Field(gt=0, description="most watts per hardware thread of this kind")
    date: str = Field(description="when the figure was read")
    provenance: ProvenanceName = Field(description="how the figure came to be")
    source: str = Field(description="where the figure comes from")

    def quantity(self) -> Quantity:
        """Watts per hardware thread with range and source."""
        return Quantity(
            value=self.watts,
            unit="W",
            provenance=Provenance[self.provenance.upper()],
            source=f"{self.name}: {self.source}",
            low=self.low,
            high=self.high,
        )

    def matches(self, vendor: str, family: int, model: int, model_name: str) -> bool:
        """Whether a processor with these marks is of this kind."""
        if (vendor, family) != (self.vendor, self.family) or model not in self.models:
            return False
        if self.name_contains is None:
            return True
        # The mark is a whole word: the 8358P is not the 8358.
        pattern = rf"(?<!\w){re.escape(self.name_contains.strip())}(?![\w+])"
        return re.search(pattern, model_name) is not None


class GridEntry(Config):
    """One electricity grid in `grids.yaml`."""

    name: str = Field(description="country or region")
    grams_per_kwh: float = Field(ge=0, description="grams of CO2-equivalent per kWh")
    year: int = Field(description="year of the figure")


class GridFile(Config):
    """The whole of `grids.yaml`."""

    source: str = Field(description="where the figures come from")
    provenance: ProvenanceName = Field(description="how the figures came to be")
    grids: dict[str, GridEntry] = Field(description="by three-letter country code")


class PriceEntry(Config):
    """One reference price in `prices.yaml`."""

    name: str = Field(description="provider and kind of machine")
    device: str = Field(description="the kind of device priced")
    basis: str = Field(description="on_demand, spot, reserved or owned")
    usd_per_device_hour: float = Field(ge=0, description="US dollars per device-hour")
    date: str = Field(description="when the price held")
    provenance: ProvenanceName = Field(description="how the figure came to be")
    source: str = Field(description="where the price comes from")


@cache
def cpus() -> tuple[CpuEntry, ...]:
    """All processors of the catalogue, the most particular first."""
    return TypeAdapter(tuple[CpuEntry, ...]).validate_python(_as_tuples(_load("cpus.yaml")))


@cache
def grid_file() -> GridFile:
    """The grids with their common source."""
    return GridFile.model_validate(_load("grids.yaml"))


@cache
def reference_prices() -> tuple[PriceEntry, ...]:
    """Prices to compare with. No bill uses them; the quick start copies them into farthing.yaml."""
    return TypeAdapter(tuple[PriceEntry, ...]).validate_python(tuple(_load("prices.yaml")))


def grid(code: str) -> Quantity:
    """Carbon intensity of a grid in g/kWh (grams of CO2-equivalent).

    Args:
        code: a three-letter country code, or the country's name.

    Raises:
        UnknownHardwareError: with the nearest names.
    """
    file = grid_file()
    by_name = {entry.name: key for key, entry in file.grids.items()}
    key = by_name.get(code, code)
    if key not in file.grids:
        names = [*file.grids, *by_name]
        raise _unknown_grid(code, names)
    return _intensity(file, file.grids[key])


def grid_range() -> tuple[Quantity, Quantity]:
    """The cleanest and the dirtiest grid of the catalogue, in g/kWh."""
    file = grid_file()
    ordered = sorted(file.grids.values(), key=lambda entry: entry.grams_per_kwh)
    return _intensity(file, ordered[0]), _intensity(file, ordered[-1])


def _intensity(file: GridFile, entry: GridEntry) -> Quantity:
    return Quantity(
        value=entry.grams_per_kwh,
        unit="g/kWh",
        provenance=Provenance[file.provenance.upper()],
        source=f"{entry.name} {entry.year}: {file.source}",
        low=entry.grams_per_kwh,
        high=entry.grams_per_kwh,
    )


def _unknown_grid(name: str, names: list[str]) -> UnknownHardwareError:
    lowered = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.3)
    hint = f"the nearest are {', '.join(lowered[known] for known in near)}; " if near else ""
    return UnknownHardwareError(
        f"the catalogue has no grid {name!r}",
        remedy=f"{hint}or give your own figure in farthing.yaml as "
        "grid_grams_per_kwh: {grams_per_kwh, source}",
    )


def _load(name: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    return yaml.safe_load((_DATA / name).read_text(encoding="utf-8"))


def _as_tuples(entries: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple({**entry, "models": tuple(entry["models"])} for entry in entries)
