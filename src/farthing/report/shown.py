"""A figure as the page shows it: text, how it came to be, how far it may be off, and from where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from farthing.ledger.figures import Figures
from farthing.quantity import MARKS, Quantity
from farthing.report.numbers import plain

MARK_OF_KIND = {str(provenance): mark for provenance, mark in MARKS.items()}


@dataclass(frozen=True)
class Shown:
    """One figure.

    Attributes:
        text: the number with its unit, or `unknown`.
        kind: `measured`, `estimated`, `assumed`, `bounds` (only the ends are known) or `unknown`.
        extent: the range that it may lie in, or "".
        source: on what it rests, or "".
    """

    text: str
    kind: str
    extent: str
    source: str

    @property
    def mark(self) -> str:
        """The sign before the number, as in `farthing bill`."""
        return MARK_OF_KIND.get(self.kind, "")


UNKNOWN = Shown("unknown", "unknown", "", "")


def show(
    value: Quantity | None,
    write: Callable[[float], str] = plain,
    unit: str = "",
    write_end: Callable[[float], str] | None = None,
) -> Shown:
    """A quantity, or that nobody knows it.

    Args:
        value: the quantity.
        write: turns its number into text.
        unit: goes after that text.
        write_end: the same for the ends of its range; fewer digits do. `write` for None.
    """
    if value is None:
        return UNKNOWN
    end = write_end or write
    extent = f"{end(value.low)} to {end(value.high)}" if value.low != value.high else ""
    text = f"{write(value.value)}{unit and ' '}{unit}"
    return Shown(text, str(value.provenance), extent, value.source)


def show_carbon(figures: Figures, factor: float, unit: str = "") -> Shown:
    """Kilograms times `factor`; only the range between two grids where no grid is set."""
    end = f" {unit}" if unit else ""
    if figures.kg_co2e_range is not None:
        low, high = (plain(kilograms * factor, 1) for kilograms in figures.kg_co2e_range)
        source = "from the cleanest to the dirtiest grid of the catalogue: no grid is set"
        return Shown(f"{low} to {high}{end}", "bounds", "", source)
    return show(figures.kg_co2e, lambda kilograms: plain(kilograms * factor), unit)
