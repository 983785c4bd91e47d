"""A figure of the catalogue and where it comes from: what every data file is made of.

In YAML a figure is a number, whose unit its key implies and whose source is the entry's, or a
mapping that says more:

    - id: my-chip
      name: My Chip
      source: my-data-sheet                # of every figure here that names no other
      tdp_watts: 300
      memory_bytes: {value: 80e9, source: my-other-source, note: "as the driver reports"}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from farthing.artifacts.config import Config
from farthing.artifacts.dates import IsoDate
from farthing.quantity import Provenance, Quantity

ProvenanceName = Literal["measured", "estimated", "assumed"]

# Integers have no floating-point operations.
_OPERATIONS = "op/s"


class Source(Config):
    """Something that a reader can follow: who says so, where, read when, under which licence."""

    id: str = Field(min_length=1, description="the name by which figures refer to it")
    title: str = Field(min_length=1, description="who says it, in which work, of which state")
    url: str = Field(min_length=1, description="where a reader finds it (any words will do)")
    read: IsoDate = Field(description="the day on which it was read, as 2026-01-31")
    licence: str = Field(min_length=1, description="the licence that its publisher states")
    kind: Literal["maker", "database", "paper", "press", "project", "measured"] = Field(
        description="maker, database, paper, press, project or measured"
    )
    replaces: str | None = Field(default=None, description="the id of a shipped source")

    def citation(self) -> str:
        """The source in one line, as bills and tables print it."""
        return f"{self.title} (read {self.read}, {self.url})"


class Figure(Config):
    """One number with unit, source, and the range it may lie in."""

    value: float = Field(ge=0, description="the figure, in its unit; never negative")
    unit: str = Field(min_length=1, description="its unit")
    provenance: ProvenanceName = Field(description="measured, estimated, or assumed (stated)")
    source: str = Field(min_length=1, description="the id of a source")
    low: float | None = Field(default=None, ge=0, description="the least that it may be")
    high: float | None = Field(default=None, ge=0, description="the most that it may be")
    note: str | None = Field(default=None, description="how it was read or derived")

    def range(self) -> tuple[float, float]:
        """The least and the most; the value itself where no range is given."""
        return (
            self.value if self.low is None else self.low,
            self.value if self.high is None else self.high,
        )

    def quantity(self, source: str) -> Quantity:
        """The same as the rest of farthing reckons with it; `source` in words, not as an id."""
        low, high = self.range()
        return Quantity(
            value=self.value,
            unit=self.unit,
            provenance=Provenance[self.provenance.upper()],
            source=f"{source}: {self.note}" if self.note else source,
            low=low,
            high=high,
        )


class Entry(Config):
    """One thing of the catalogue with its figures; base of all kinds of entries.

    Attributes:
        UNITS: field -> the unit of its figure; None where the data say it.
        TABLES: fields that hold figures by name; their unit stands in `UNITS` too.
        LEAST: field -> the least that is believed of its figure, and how to write one in its unit.
    """

    UNITS: ClassVar[Mapping[str, str | None]] = {}
    TABLES: ClassVar[frozenset[str]] = frozenset()
    LEAST: ClassVar[Mapping[str, tuple[float, str]]] = {}

    id: str = Field(min_length=1, description="its name in the catalogue")
    source: str = Field(min_length=1, description="the source of the figures that name no other")
    provenance: ProvenanceName = Field(
        default="assumed", description="of the figures that say nothing else"
    )
    note: str | None = Field(default=None, description="what to know about it")
    replaces: str | None = Field(
        default=None, description="the id of a shipped entry that this one stands for"
    )
    blanks: dict[str, str] = Field(
        default_factory=dict, description="what has no figure: field -> why"
    )

    def problems(self) -> Iterator[str]:
        """What is wrong with the entry, though each of its fields is right by itself."""
        for field in self.UNITS:
            given = bool(getattr(self, field))
            if not given and field not in self.blanks:
                yield f"there is no {field}: give it, or say why not under `blanks`"
            if given and field in self.blanks:
                yield f"there is a {field}, and a reason under `blanks` why there is none"
        known = {*self.UNITS, *(f"{table}.{name}" for table in self.TABLES for name in DTYPES)}
        for field in self.blanks.keys() - known:
            yield f"`blanks` speaks of {field!r}; the figures are {', '.join(sorted(known))}"
        for name, figure in self.figures():
            low, high = figure.range()
            if not low <= figure.value <= high:
                yield f"{name} = {figure.value:g} is outside its range, {low:g} to {high:g}"
            unit = self.unit_of(name)
            if unit not in (None, figure.unit):
                yield f"{name} is in {figure.unit!r}: convert it to {unit!r}"
            least, written = self.LEAST.get(name.partition(".")[0], (0.0, ""))
            if low < least:
                yield f"{name} = {low:g} is too little: write it {written}"

    def unit_of(self, name: str) -> str | None:
        """The unit of a figure such as `tdp_watts` or `peaks.bf16`; None where the data say it."""
        field, _, part = name.partition(".")
        return _OPERATIONS if part == "int8" else self.UNITS[field]

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Every figure under its name, those of tables as `peaks.bf16`."""
        for field in self.UNITS:
            value = getattr(self, field)
            if isinstance(value, Figure):
                yield field, value
            elif value is not None:
                for name, figure in value.items():
                    yield f"{field}.{name}", figure


# Names of data types, as `farthing bench` writes them; int8 counts operations, not FLOPs.
DTYPES = ("fp4", "fp8", "int8", "fp16", "bf16", "tf32", "fp32")


def write_out(cls: type[Entry], entry: Any) -> Any:  # noqa: ANN401 - plain YAML data
    """The plain data of an entry with every short figure written out in full."""
    if not isinstance(entry, dict):
        return entry
    whole = dict(entry)
    for field, unit in cls.UNITS.items():
        if field not in whole:
            continue
        given = whole[field]
        if field in cls.TABLES and isinstance(given, dict):
            whole[field] = {
                name: _in_full(figure, _OPERATIONS if name == "int8" else unit, entry)
                for name, figure in given.items()
            }
        else:
            whole[field] = _in_full(given, unit, entry)
    return whole


def _in_full(given: Any, unit: str | None, entry: dict[str, Any]) -> Any:  # noqa: ANN401
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        given = {"value": given}
    if not isinstance(given, dict):
        return given
    common: dict[str, Any] = {"provenance": entry.get("provenance", "assumed")}
    if "source" in entry:
        common["source"] = entry["source"]
    if unit is not None:
        common["unit"] = unit
    return {**common, **given}
