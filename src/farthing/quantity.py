"""A number with its unit, where it came from, and how far it may be off.

An estimate never sits in the place of a measurement: sums carry the weakest provenance of
their parts, and a part that nobody knows makes the sum unknown (`None`), never smaller.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Provenance(IntEnum):
    """How a figure came to be, strongest first; a sum takes the weakest (`max`)."""

    MEASURED = 0
    ESTIMATED = 1
    ASSUMED = 2

    def __str__(self) -> str:
        """`measured`, `estimated` or `assumed`, as bills and tables print it."""
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A value with unit, provenance, source and the range it may lie in.

    `low` and `high` default to the value itself: a figure without a stated range.
    """

    value: float
    unit: str
    provenance: Provenance
    source: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} {self.unit} is outside [{self.low}, {self.high}]")

    def __add__(self, other: Quantity) -> Quantity:
        if self.unit != other.unit:
            raise ValueError(f"cannot add {other.unit} to {self.unit}")
        sources = {*self.source.split("; "), *other.source.split("; ")}
        return Quantity(
            value=self.value + other.value,
            unit=self.unit,
            provenance=max(self.provenance, other.provenance),
            source="; ".join(sorted(sources)),
            low=self.low + other.low,
            high=self.high + other.high,
        )

    def times(self, factor: Quantity, unit: str) -> Quantity:
        """The product of two non-negative figures, in `unit`."""
        return Quantity(
            value=self.value * factor.value,
            unit=unit,
            provenance=max(self.provenance, factor.provenance),
            source=f"{self.source}; {factor.source}",
            low=self.low * factor.low,
            high=self.high * factor.high,
        )

    def scaled(self, factor: float, unit: str | None = None) -> Quantity:
        """The figure times an exact, non-negative number (a unit change, a share)."""
        return Quantity(
            value=self.value * factor,
            unit=unit or self.unit,
            provenance=self.provenance,
            source=self.source,
            low=self.low * factor,
            high=self.high * factor,
        )

    def to_json(self) -> dict[str, float | str]:
        """The same as plain JSON values."""
        return {
            "value": self.value,
            "unit": self.unit,
            "provenance": str(self.provenance),
            "source": self.source,
            "low": self.low,
            "high": self.high,
        }


def measured(value: float, unit: str, source: str) -> Quantity:
    """A figure read from an instrument or counted exactly."""
    return _exact(value, unit, Provenance.MEASURED, source)


def assumed(value: float, unit: str, source: str) -> Quantity:
    """A figure somebody set: a price, a PUE."""
    return _exact(value, unit, Provenance.ASSUMED, source)


def estimated(value: float, unit: str, source: str, *, low: float, high: float) -> Quantity:
    """A figure that a fit or a model gives, with the range it may lie in."""
    return Quantity(
        value=value,
        unit=unit,
        provenance=Provenance.ESTIMATED,
        source=source,
        low=low,
        high=high,
    )


def total(parts: Iterable[Quantity | None], unit: str) -> Quantity | None:
    """The sum of `parts`, or `None` if any part is unknown; zero for no parts."""
    result = measured(0.0, unit, "nothing spent")
    first = True
    for part in parts:
        if part is None:
            return None
        result = part if first else result + part
        first = False
    return result


MARKS = {Provenance.MEASURED: "", Provenance.ESTIMATED: "~", Provenance.ASSUMED: "≈"}
MARKS_EXPLAINED = (
    "Marks: none = measured or counted, ~ = estimated, ≈ = rests on an assumed figure "
    "(a price, a PUE, a grid)."
)


def marked(value: Quantity | None) -> str:
    """Three digits behind the mark of their provenance; `unknown` for None."""
    return "unknown" if value is None else f"{MARKS[value.provenance]}{value.value:.3g}"


def marked_with_range(value: Quantity | None) -> str:
    """`marked`, with the range where there is one."""
    if value is None or value.low == value.high:
        return marked(value)
    return f"{marked(value)} ({value.low:.2g} to {value.high:.2g})"


def _exact(value: float, unit: str, provenance: Provenance, source: str) -> Quantity:
    return Quantity(
        value=value, unit=unit, provenance=provenance, source=source, low=value, high=value
    )
