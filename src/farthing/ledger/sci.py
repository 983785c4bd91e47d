"""Software Carbon Intensity of a training, ISO/IEC 21031 and its profile for AI.

    SCI = (E x I + M) per R

E x I is the operational carbon (`ledger.carbon`), M the embodied one (`ledger.embodied`), R what it
is spread over: a token trained on, a FLOP, a parameter. A figure without its boundary says nothing,
so both come together: which stages of a model's making are in, with how many failed runs, and which
are not. Offsets and certificates are never taken off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from farthing.artifacts.entries import Purpose
from farthing.quantity import Quantity, marked, marked_with_range

Unit = Literal["token", "FLOP", "parameter"]
# gross: of all runs, failed and discarded ones too. effective: of what the model kept.
Counted = Literal["gross", "effective"]

UNKNOWN_SCI = "unknown: it needs operational and embodied carbon, and FLOPs that were counted"

_GRAMS_PER_KG = 1000.0

# The stages that the provider of a model answers for, and the one of who uses it.
_STAGES: tuple[tuple[str, tuple[Purpose, ...]], ...] = (
    ("collecting and preparing data", ("curation",)),
    ("synthetic data", ("synthesis",)),
    ("training", ("training",)),
    ("searches, tuning, ablations and baselines", ("search", "tuning", "ablation", "baseline")),
    ("evaluation", ("evaluation",)),
    ("extraction", ("extraction",)),
    ("use of the model, which is the consumer's side", ("serving",)),
)
_NEVER_IN = (
    "work that is not in this book",
    "network, storage and building beyond what the energy method and the PUE cover",
    "offsets and certificates, which are not taken off",
)


@dataclass(frozen=True)
class Boundary:
    """What a figure holds and what it does not, in words."""

    included: tuple[str, ...]
    excluded: tuple[str, ...]

    def sentence(self) -> str:
        """Both lists in one line."""
        inside = "; ".join(self.included) or "nothing"
        return f"In: {inside}. Out: {'; '.join(self.excluded)}."


@dataclass(frozen=True, kw_only=True)
class Sci:
    """Grams of CO2-equivalent per unit of work, and of which work.

    Attributes:
        intensity: g per `per`.
        operational: kg, E x I.
        embodied: kg, M.
        units: R.
        per: what R counts.
        counted: whether R counts all of it, or only what the model kept.
        boundary: what E, I and M are of.
    """

    intensity: Quantity
    operational: Quantity
    embodied: Quantity
    units: Quantity
    per: Unit
    counted: Counted
    boundary: Boundary

    def formula(self) -> str:
        """How the figure came out of its three parts."""
        return (
            f"({marked(self.operational)} kg operational + {marked(self.embodied)} kg embodied) / "
            f"{marked(self.units)} {self.per}s"
        )

    def line(self) -> str:
        """The figure with its unit and its mark, without the boundary."""
        return f"{marked_with_range(self.intensity)} g CO2e per {self.per} ({self.counted})"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "intensity": self.intensity.to_json(),
            "operational": self.operational.to_json(),
            "embodied": self.embodied.to_json(),
            "units": self.units.to_json(),
            "per": self.per,
            "counted": self.counted,
            "included": list(self.boundary.included),
            "excluded": list(self.boundary.excluded),
        }


def sci(
    operational: Quantity | None,
    embodied: Quantity | None,
    units: Quantity | None,
    *,
    per: Unit,
    counted: Counted,
    boundary: Boundary,
) -> Sci | None:
    """(E x I + M) / R.

    Args:
        operational: kg, E x I.
        embodied: kg, M.
        units: R: tokens, FLOPs or parameters.
        per: what `units` counts.
        counted: how it counts them.
        boundary: what the three are of.

    Returns:
        None if one of them is unknown: a figure without M is no SCI. None too where nothing was
        counted.

    Raises:
        ValueError: a carbon that is not in kg.
    """
    if operational is None or embodied is None or units is None or units.low <= 0:
        return None
    if {operational.unit, embodied.unit} != {"kg"}:
        raise ValueError(f"carbon in {operational.unit} and {embodied.unit}: both must be in kg")
    grams = (operational + embodied).scaled(_GRAMS_PER_KG, "g")
    intensity = Quantity(
        value=grams.value / units.value,
        unit=f"g/{per}",
        provenance=max(grams.provenance, units.provenance),
        source=f"{grams.source}; {units.source}",
        low=grams.low / units.high,
        high=grams.high / units.low,
    )
    return Sci(
        intensity=intensity,
        operational=operational,
        embodied=embodied,
        units=units,
        per=per,
        counted=counted,
        boundary=boundary,
    )


def boundary_of(runs: Iterable[tuple[Purpose, str]]) -> Boundary:
    """The boundary that some runs draw.

    Args:
        runs: purpose and status of each run that E and M are of.
    """
    every = list(runs)
    inside, outside = [], []
    for stage, purposes in _STAGES:
        statuses = Counter(status for purpose, status in every if purpose in purposes)
        count = statuses.total()
        if not count:
            outside.append(f"{stage}: no run of it here")
            continue
        unfinished = count - statuses["completed"]
        runs_text = "1 run" if count == 1 else f"{count} runs"
        ended = f", {unfinished} of them failed, stopped or open" if unfinished else ""
        inside.append(f"{stage} ({runs_text}{ended})")
    return Boundary(tuple(inside), (*outside, *_NEVER_IN))


def sci_text(found: Sci | None) -> tuple[str, ...]:
    """The figure, its parts and its boundary, a line each; or what it lacks."""
    if found is None:
        return (UNKNOWN_SCI,)
    return found.line(), f"= {found.formula()}", found.boundary.sentence()
