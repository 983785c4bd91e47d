"""The plain sentences of a comparison: which arm won, and whether by more than chance."""

from __future__ import annotations

from farthing.studies.compare.figures import Against, FamilyRatio, Tax, Unmatched
from farthing.studies.statistics import Sample, seeds_needed

_CHANCE = 0.05
NAMES = {
    "plain": "the plain run",
    "scratch": "training each size from scratch",
    "pruned": "pruning afterwards",
    "mixed": "tuning with mixed top-k",
}


def verdict_on(other: Against) -> str:
    """Elastic against one arm, on the mean over members."""
    sample = other.mean_difference
    name = NAMES[other.arm]
    size = f"{abs(sample.mean):.4f} bits per byte on average over {len(other.members)} members"
    p = sample.chance_above_zero()
    if p is None:
        return f"One seed says nothing about chance: elastic less {name} is {sample.mean:+.4f}."
    better, worse = p < _CHANCE, 1 - p < _CHANCE
    if better:
        return f"Elastic beats {name} by {size} (p = {p:.2g})."
    if worse:
        return f"Elastic loses to {name} by {size} (p = {1 - p:.2g})."
    return f"Elastic and {name} differ by no more than chance: {size} (p = {min(p, 1 - p):.2g})."


def verdict_on_tax(tax: Tax) -> str:
    """What elasticity costs the full shape, with the bound that a promise could rest on."""
    if tax.percent is None:
        return f"not known at {tax.basis}: no plain run was as short or as long"
    bound = tax.percent.upper
    words = f"{tax.percent.mean:+.2f} % of bits per byte at {tax.basis}"
    return words if bound is None else f"{words}, at most {bound:+.2f} % (one-sided 95 %)"


def verdict_on_family(ratio: FamilyRatio) -> str:
    """What the family cost over the same models of a baseline."""
    unit = {"flops": "FLOPs", "device_seconds": "device-seconds"}[ratio.unit]
    words = (
        f"{len(ratio.members)} members for {ratio.fully_loaded.mean:.3f} of what {ratio.baseline} "
        f"needs for them, in {unit}, fully loaded"
    )
    if ratio.fully_loaded.lower is not None and ratio.fully_loaded.upper is not None:
        words += (
            f" (one-sided 95 %: {ratio.fully_loaded.lower:.3f} to {ratio.fully_loaded.upper:.3f})"
        )
    return f"{words}{_not_counted(ratio)}."


def verdict_on_none(baseline: Unmatched) -> str:
    """Why there is no cost ratio to a baseline."""
    return f"No cost ratio to {baseline.baseline}{_not_counted(baseline)}."


def _not_counted(ratio: FamilyRatio | Unmatched) -> str:
    words = ""
    if ratio.unreached:
        words += f"; not counted, as it did not reach them: {', '.join(ratio.unreached)}"
    if ratio.unbounded:
        words += (
            "; not counted, as its shortest runs are already better, so that nobody knows what "
            f"the cheapest costs: {', '.join(ratio.unbounded)}"
        )
    return words


def advice_on_seeds(difference: Sample, effect_percent: float, bpb: float) -> str:
    """How many seeds would see the smallest difference that matters."""
    deviation = difference.deviation
    if deviation is None:
        return "With one seed no spread is known: run at least two."
    effect = effect_percent / 100 * bpb
    needed, there = seeds_needed(deviation, effect), len(difference.values)
    enough = "enough" if there >= needed else "too few"
    return (
        f"Paired differences spread by {deviation:.4f} bits per byte: {needed} seeds would see "
        f"{effect_percent:g} % ({effect:.4f}) four times out of five; {there} were run, {enough}."
    )
