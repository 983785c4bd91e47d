"""The plain sentences of the study: what each step saved, and whether by more than chance."""

from __future__ import annotations

from farthing.studies.statistics import Ratio
from farthing.studies.worth.config import Arm
from farthing.studies.worth.figures import ArmWorth, Saving, Worth

_CHANCE = 0.05
STEPS: dict[Arm, str] = {
    "raw": "Raw text",
    "filtered": "Filtering",
    "deduplicated": "Deduplication",
    "scored": "Quality scoring",
    "mixed": "Mixing",
}


def sentences(worth: Worth) -> list[str]:
    """What a reader must know if nothing else is read."""
    words = [verdict_on_step(each) for each in worth.arms]
    if worth.arms:
        last = worth.arms[-1]
        words.append(f"All steps together, up to {last.arm}: {_on_saving(last.saving, 'FLOPs')}.")
        said = _on_saving(last.saving_with_curation, "CPU-seconds")
        words.append(f"With what curation itself used on both sides: {said}.")
        words.append(_on_domains(last))
    if len(worth.seeds) == 1:
        words.append("One seed says nothing about chance: run at least two.")
    return words


def verdict_on_step(each: ArmWorth) -> str:
    """One step against the text before it."""
    difference = each.less_before or each.less_raw
    loss = f"{difference.mean:+.4f} bits per byte"
    name = STEPS[each.arm]
    ratio = each.step_saving
    if ratio is not None:
        return f"{name}: {_on_ratio(ratio, 'FLOPs', len(difference.values))} ({loss})."
    p = difference.chance_above_zero()
    if p is None:
        return f"{name}: {loss}; the saving lies beyond the runs on raw text."
    if p < _CHANCE:
        how = f"better by more than chance (p = {p:.2g})"
    elif 1 - p < _CHANCE:
        how = f"worse by more than chance (p = {1 - p:.2g})"
    else:
        how = f"no difference that {len(difference.values)} seeds can show"
    return f"{name}: {loss}, {how}; as compute it lies beyond the runs on raw text."


def _on_saving(saving: Saving, unit: str) -> str:
    if saving.ratio is not None:
        return _on_ratio(saving.ratio, unit, saving.seeds)
    missing = saving.seeds - saving.inside
    if saving.at_least is not None:
        return (
            f"raw text needs at least {saving.at_least:.2f} times the {unit}; with {missing} of "
            f"{saving.seeds} seeds no run on it, of any length, is as good"
        )
    if saving.at_most is not None:
        return (
            f"no saving: raw text needs at most {saving.at_most:.2f} times the {unit}; with "
            f"{missing} of {saving.seeds} seeds even its shortest run is as good"
        )
    return "not known: some seeds lie beyond the longest run on raw text, some below the shortest"


def _on_ratio(ratio: Ratio, unit: str, seeds: int) -> str:
    size = f"{ratio.mean:.2f} times the {unit} of before for the same loss"
    if ratio.lower is None or ratio.upper is None:
        return f"{size}, with one seed"
    bounds = f"one-sided 95 %: {ratio.lower:.2f} to {ratio.upper:.2f}"
    if ratio.lower > 1:
        return f"saves compute: without it, {size} ({bounds})"
    if ratio.upper < 1:
        return f"costs compute: without it, only {size} ({bounds})"
    return f"saves nothing that {seeds} seeds can show: without it, {size} ({bounds})"


def _on_domains(last: ArmWorth) -> str:
    """Which domains gained and which lost: a mean over domains hides both."""
    gained: list[str] = []
    lost: list[str] = []
    for name, sample in last.domains_less_raw.items():
        words = f"{name} {sample.mean:+.3f}"
        (gained if sample.mean < 0 else lost).append(words)
    parts = [f"better in {', '.join(gained)}"] if gained else []
    parts += [f"no better in {', '.join(lost)}"] if lost else []
    return f"Against raw text, {last.arm} is {'; '.join(parts)}."
