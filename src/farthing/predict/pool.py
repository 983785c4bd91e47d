"""Which devices a plan may use: `h100:8`, `h100-sxm:32@1.25+h100-sxm:32@1.60`, or this machine.

for group in read_pool("h100:8", catalogue):
    print(group.device.id, group.count, group.usd_per_device_hour, group.read_as)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from farthing.errors import PlanError, UnknownHardwareError
from farthing.hardware.accelerators import Accelerator, usual_variant
from farthing.hardware.catalogue import Catalogue

_FORM = (
    "write NAME:COUNT as in h100-sxm:8, with a price of your own in dollars per device-hour behind "
    "an @ (h100-sxm:8@2.10), and a + between kinds; or `here` for this machine"
)
_MOST_DEVICES = 10**7


@dataclass(frozen=True)
class Group:
    """Devices of one kind at one price.

    Attributes:
        device: of the catalogue.
        count: how many.
        usd_per_device_hour: the user's own price; None for the catalogue's.
        read_as: how a name that leaves the variant open was read; None for an exact one.
    """

    device: Accelerator
    count: int
    usd_per_device_hour: float | None = None
    read_as: str | None = None


def read_pool(text: str, catalogue: Catalogue) -> tuple[Group, ...]:
    """The groups that a `--hardware` names, equal ones put together.

    Raises:
        PlanError: it cannot be read, or a count or price is absurd.
        UnknownHardwareError: the catalogue has no such device, or several by that name.
    """
    groups: dict[tuple[str, float | None], Group] = {}
    for part in text.split("+"):
        group = _read_group(part.strip(), text, catalogue)
        key = (group.device.id, group.usd_per_device_hour)
        known = groups.get(key)
        groups[key] = replace(known, count=known.count + group.count) if known else group
    found = tuple(groups.values())
    if device_count(found) > _MOST_DEVICES:
        raise PlanError(f"--hardware {text}: more devices than anybody has", remedy=_FORM)
    return found


def device_count(groups: Sequence[Group]) -> int:
    """All devices of a pool."""
    return sum(group.count for group in groups)


def find_device(name: str, catalogue: Catalogue) -> tuple[Accelerator, str | None]:
    """A device by its name, and how an open name was read.

    Raises:
        UnknownHardwareError: there is none by that name, or several and no usual one.
    """
    try:
        return catalogue.accelerator(name), None
    except UnknownHardwareError:
        usual = usual_variant(name, catalogue.accelerators)
        if usual is None:
            raise
        return usual, f"{name!r} was read as {usual.id} ({usual.name}), what it usually means"


def pool_words(groups: Sequence[Group]) -> str:
    """The pool in words: `8 x h100-sxm`, with prices of the user's own."""
    return " + ".join(
        f"{group.count:,} x {group.device.id}"
        + ("" if group.usd_per_device_hour is None else f" at ${group.usd_per_device_hour:g}/h")
        for group in groups
    )


def _read_group(part: str, text: str, catalogue: Catalogue) -> Group:
    rest, at, price = part.partition("@")
    name, colon, count = rest.strip().partition(":")
    if not name.strip() or (at and not price.strip()) or (colon and not count.strip()):
        raise PlanError(f"--hardware {text}: {part!r} cannot be read", remedy=_FORM)
    device, read_as = find_device(name.strip(), catalogue)
    return Group(device, _count(count, text), _usd(price, text) if at else None, read_as)


def _count(count: str, text: str) -> int:
    try:
        number = int(count) if count else 1
    except ValueError:
        number = 0
    if not 1 <= number <= _MOST_DEVICES:
        raise PlanError(f"--hardware {text}: {count!r} is no number of devices", remedy=_FORM)
    return number


def _usd(price: str, text: str) -> float:
    try:
        usd = float(price)
    except ValueError:
        usd = math.nan
    if not 0 <= usd < math.inf:
        raise PlanError(f"--hardware {text}: {price!r} is no price", remedy=_FORM)
    return usd
