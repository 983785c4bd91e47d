"""What was paid for a device, from a file of its own: its price before any run is priced by it.

    usd_per_device: 35000
    depreciation: straight_line
    life_years: 4
    used_share: 0.8
    ...

The keys are those of `prices: {owned: ...}` in `farthing.yaml`, whose whole file will do as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from farthing.artifacts.config import parse_config
from farthing.artifacts.prices import DEPRECIATION_NEEDS, Ownership
from farthing.errors import ConfigError
from farthing.hardware.datafile import read_mapping
from farthing.hardware.figure import Figure
from farthing.hardware.owned import owned_parts, ownership_constants
from farthing.hardware.sources import sources
from farthing.quantity import Quantity

# Where else the catalogue has a figure for it.
_ELSEWHERE = {
    "device_watts": "`farthing hardware show DEVICE` has tdp_watts",
    "pue": "`farthing hardware list --kind sites` has some",
}


def read_owned(path: Path) -> tuple[Ownership, dict[str, Any]]:
    """The purchase that a file describes, and its keys as they were written.

    Raises:
        ConfigError: the file cannot be read, a value is wrong, or keys are missing: it names all of
            these with what they mean, and the published figures that there are.
    """
    given = _purchase(read_mapping(path), path)
    if missing := _missing(given):
        unknown = [str(name) for name in given if name not in Ownership.model_fields]
        strange = f"; it has {', '.join(unknown)}, which mean nothing here" if unknown else ""
        raise ConfigError(
            f"{path} lacks {len(missing)} of the keys of a purchase: {', '.join(missing)}{strange}",
            remedy="add them; each figure is a number, or {value, low, high}:\n"
            + "\n".join(f"      {line}" for name in missing for line in _meaning(name))
            + _publishers(missing),
        )
    return parse_config(Ownership, given, where=str(path)), given


def part_lines(owned: Ownership, price: Quantity) -> Iterator[str]:
    """The price and its parts line by line, in USD per device-hour, with their ranges.

    Args:
        owned: the purchase.
        price: of it, as `owned_usd_per_device_hour` reckons it.
    """
    yield f"{_money(price.value, price.low, price.high)} USD per device-hour"
    for name, part in parts_json(owned).items():
        if part["high"]:
            yield f"  {name:<12}{_money(part['value'], part['low'], part['high'])}"
    yield price.source


def parts_json(owned: Ownership) -> dict[str, dict[str, float]]:
    """Value, low and high of each part of the price, USD per device-hour."""
    value, low, high = (owned_parts(owned, end) for end in ("value", "low", "high"))
    return {
        name: {"value": usd, "low": low[name], "high": high[name]} for name, usd in value.items()
    }


def _purchase(data: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The keys of the purchase: the file's own, or those of a `farthing.yaml`."""
    found: Any = data
    for key in ("prices", "owned"):
        found = found.get(key, found)
        if not isinstance(found, dict):
            raise ConfigError(
                f"{path}: {key} is no mapping", remedy="write one key of the purchase a line"
            )
    return dict(found)


def _missing(given: Mapping[str, Any]) -> list[str]:
    """Names of the keys that a purchase needs and that are not given, in the order of the model."""
    needed = {name for name, field in Ownership.model_fields.items() if field.is_required()}
    needed |= set(DEPRECIATION_NEEDS.get(str(given.get("depreciation")), ()))
    return [name for name in Ownership.model_fields if name in needed and given.get(name) is None]


def _meaning(name: str) -> Iterator[str]:
    """What a key means, and below it what is published for it."""
    yield f"{name}: {Ownership.model_fields[name].description}"
    if name in _ELSEWHERE:
        yield f"  {_ELSEWHERE[name]}"
    for figure, words in _published(name):
        yield f"  published {figure.value:g}: {words}"


def _published(name: str) -> Iterator[tuple[Figure, str]]:
    """The published constants for a key, each with what it is."""
    # Whoever has not chosen a depreciation sees what the published one loses in a year.
    stem = "loss_of_value_per_year" if name == "depreciation" else name
    for constant in ownership_constants().values():
        if constant.id.partition(".")[0] == stem and constant.figure is not None:
            yield constant.figure, constant.name


def _publishers(missing: Iterable[str]) -> str:
    """Who says what is published for these keys, each once."""
    named = {figure.source for name in missing for figure, _ in _published(name)}
    said = "; ".join(sources()[one].citation() for one in sorted(named))
    return f"\n    published by {said}" if said else ""


def _money(value: float, low: float, high: float) -> str:
    """Three digits; the range where there is one."""
    return f"{value:.3g}" if low == high else f"{value:.3g} ({low:.3g} to {high:.3g})"
