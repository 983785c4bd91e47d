"""Accelerators: what one device can do at most, what it draws, and under which names it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import ClassVar, Literal

from pydantic import Field

from farthing.errors import UnknownHardwareError
from farthing.hardware.datafile import shipped_sections
from farthing.hardware.figure import DTYPES, Entry, Figure

Dtype = Literal["fp4", "fp8", "int8", "fp16", "bf16", "tf32", "fp32"]


class Accelerator(Entry):
    """One variant of an accelerator; figures are per device as its driver counts them."""

    UNITS: ClassVar[Mapping[str, str | None]] = {
        "peaks": "FLOP/s",
        "memory_bytes": "B",
        "memory_bytes_per_second": "B/s",
        "intra_node_bytes_per_second": "B/s",
        "inter_node_bits_per_second": "bit/s",
        "tdp_watts": "W",
    }
    TABLES: ClassVar[frozenset[str]] = frozenset({"peaks"})
    # Figures copied from a data sheet without their prefix are the usual slip.
    LEAST: ClassVar[Mapping[str, tuple[float, str]]] = {
        "peaks": (1e9, "in FLOP/s: 500e12 for 500 TFLOP/s"),
        "memory_bytes": (1e6, "in bytes: 80e9 for 80 GB"),
        "memory_bytes_per_second": (1e6, "in bytes/s: 2e12 for 2 TB/s"),
        "intra_node_bytes_per_second": (1e6, "in bytes/s: 900e9 for 900 GB/s"),
        "inter_node_bits_per_second": (1e6, "in bit/s: 400e9 for 400 Gbit/s"),
    }

    name: str = Field(min_length=1, description="the device, as bills name it")
    maker: str = Field(min_length=1, description="who makes it")
    driver_names: tuple[str, ...] = Field(
        default=(), description="the whole names by which its driver calls it"
    )
    price_names: tuple[str, ...] = Field(
        default=(), description="names in price lists that can mean this variant only"
    )
    usual_for: tuple[str, ...] = Field(
        default=(),
        description="plain names that leave the variant open and usually mean this one; a plan "
        "reads them so and says it, nothing else does",
    )
    chips_per_rental: int = Field(
        default=1, ge=1, description="devices in what price lists call one (a superchip holds 2)"
    )
    peaks: dict[Dtype, Figure] = Field(
        default_factory=dict, description="dense FLOP/s by data type (int8: operations/s)"
    )
    memory_bytes: Figure | None = Field(default=None, description="memory of the device, bytes")
    memory_bytes_per_second: Figure | None = Field(
        default=None, description="bandwidth of that memory, bytes/s"
    )
    intra_node_bytes_per_second: Figure | None = Field(
        default=None, description="link to the other devices of a machine, bytes/s"
    )
    inter_node_bits_per_second: Figure | None = Field(
        default=None, description="link to other machines, bit/s for each device"
    )
    tdp_watts: Figure | None = Field(default=None, description="thermal design power, W")

    def problems(self) -> Iterator[str]:
        """As of every entry; and peaks that are not all dense."""
        yield from super().problems()
        # The usual slip is to copy a data sheet's sparse figure for one type only.
        order = [self.peaks[name].value for name in _NARROW_TO_WIDE if name in self.peaks]
        if order != sorted(order, reverse=True):
            yield (
                f"of {', '.join(_NARROW_TO_WIDE)} a wider type has the higher peak: is one of them "
                "with sparsity?"
            )

    def peak(self, dtype: str) -> Figure:
        """The dense peak for matrix products of `dtype`.

        Raises:
            UnknownHardwareError: the catalogue has none, with the reason.
        """
        for name, figure in self.peaks.items():
            if name == dtype:
                return figure
        raise self._blank(f"peaks.{dtype}", "peaks")

    def figure(self, field: str) -> Figure:
        """The figure of a field such as `tdp_watts`.

        Raises:
            UnknownHardwareError: the catalogue has none, with the reason.
        """
        for name, figure in self.figures():
            if name == field:
                return figure
        raise self._blank(field)

    def _blank(self, *fields: str) -> UnknownHardwareError:
        reasons = [self.blanks[field] for field in fields if field in self.blanks]
        if not reasons and fields[0].startswith("peaks."):
            reasons = [f"known are {', '.join(self.peaks)}; data types are {', '.join(DTYPES)}"]
        return UnknownHardwareError(
            f"the catalogue has no {fields[0]} of {self.name}: {'; '.join(reasons) or 'not given'}",
            remedy="give your own figure: copy what `farthing hardware show "
            f"{self.id} --yaml` prints, add the figure with its source and `replaces: {self.id}`, "
            "then `farthing hardware add FILE`; or measure it with `farthing bench`",
        )


# tf32 and fp16 stand apart: processors differ in which of them has the matrix units.
_NARROW_TO_WIDE: tuple[Dtype, ...] = ("fp4", "fp8", "bf16", "fp32")


@cache
def accelerators() -> tuple[Accelerator, ...]:
    """The accelerators that ship with farthing."""
    return shipped_sections("accelerators", "accelerators", Accelerator)


def names_of(entry: Accelerator) -> tuple[str, ...]:
    """Every name that means this variant and no other."""
    return (entry.id, entry.name, *entry.driver_names, *entry.price_names)


def variants_of(name: str, known: Iterable[Accelerator]) -> list[str]:
    """Ids of the accelerators whose names hold all words of `name`, as whole parts of them."""
    words = _words(name)
    return [entry.id for entry in known if words and words <= _words(" ".join(names_of(entry)))]


def usual_variant(name: str, known: Iterable[Accelerator]) -> Accelerator | None:
    """The accelerator that a plain name such as H100 usually means, or None."""
    asked = _words(name)
    for entry in known:
        if any(asked == _words(plain) for plain in entry.usual_for):
            return entry
    return None


def _words(name: str) -> set[str]:
    return set(name.casefold().replace("-", " ").replace("_", " ").split())
