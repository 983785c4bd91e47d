"""Processors: watts per hardware thread, found by the kernel's description of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import ClassVar

from pydantic import Field

from farthing.hardware.datafile import shipped_section
from farthing.hardware.figure import Entry, Figure, Source
from farthing.quantity import Quantity


class CpuEntry(Entry):
    """One kind of processor; peaks are measured (`farthing bench`), never taken from a list."""

    UNITS: ClassVar[Mapping[str, str | None]] = {"watts_per_thread": "W"}

    name: str = Field(min_length=1, description="the processor, as bills name it")
    vendor: str = Field(description="the vendor's mark in the kernel's description")
    family: int = Field(description="family number in the kernel's description")
    models: tuple[int, ...] = Field(description="model numbers of this kind")
    name_contains: str | None = Field(
        default=None, description="a word of the model name, where the numbers are shared"
    )
    launched: str = Field(description="when the first part of this kind came out")
    watts_per_thread: Figure | None = Field(
        default=None, description="watts per hardware thread under load"
    )

    def quantity(self, sources: Mapping[str, Source]) -> Quantity | None:
        """Watts per hardware thread with range and source; None where nobody has given it.

        Args:
            sources: of the catalogue that it stands in, by id.
        """
        if self.watts_per_thread is None:
            return None
        said = sources[self.watts_per_thread.source].title
        return self.watts_per_thread.quantity(f"{self.name}, {said}")

    def matches(self, vendor: str, family: int, model: int, model_name: str) -> bool:
        """Whether a processor with these marks is of this kind."""
        if (vendor, family) != (self.vendor, self.family) or model not in self.models:
            return False
        if self.name_contains is None:
            return True
        # The mark is a whole word: the 8358P is not the 8358.
        pattern = rf"(?<!\w){re.escape(self.name_contains.strip())}(?![\w+])"
        return re.search(pattern, model_name) is not None


@cache
def cpus() -> tuple[CpuEntry, ...]:
    """The processors that ship with farthing, the most particular first."""
    return shipped_section("cpus.yaml", "cpus", CpuEntry)
