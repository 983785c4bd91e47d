"""What each variant of an elastic recipe is worth: its family against the recipe's, equal FLOPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farthing.studies.compare.figures import Cells, percent
from farthing.studies.compare.names import SAME_FLOPS
from farthing.studies.statistics import Sample, mean_over, paired


@dataclass(frozen=True)
class Variant:
    """One variant against the recipe, with the seeds that both have.

    Attributes:
        name: as `compare.variants` has it; empty for the recipe itself.
        changes: what it sets otherwise.
        steps: of its runs, on average: as many as the recipe's FLOPs pay for.
        differences: by member, the variant's bits per byte less the recipe's, seed by seed: below
            zero, the variant is better. Zeros for the recipe itself.
        mean_difference: over the members.
        tax: the full shape against the plain run of as many FLOPs, in per cent.
    """

    name: str
    changes: tuple[str, ...]
    steps: float
    differences: dict[str, Sample]
    mean_difference: Sample
    tax: Sample | None


def ablation(cells: Cells, changes: Mapping[str, Sequence[str]]) -> list[Variant]:
    """The recipe, then its variants, the one with the best family first.

    A variant counts with the seeds it was run with: fewer than the comparison's where a screening
    with one seed came first.

    Args:
        cells: all results.
        changes: of every variant, by name.
    """
    recipe = _by_seed(cells, "elastic", "")
    if not changes or not recipe:
        return []
    plain = _by_seed(cells, "plain", SAME_FLOPS)
    found = []
    for name in ("", *changes):
        own = _by_seed(cells, "variant", name) if name else recipe
        seeds = sorted(own.keys() & recipe.keys())
        if seeds:
            own_changes = tuple(changes.get(name, ()))
            found.append(_variant(cells.members, name, own_changes, seeds, own, recipe, plain))
    first, *others = found
    return [first, *sorted(others, key=lambda variant: variant.mean_difference.mean)]


_BySeed = dict[int, tuple[dict[str, float], int]]


def _by_seed(cells: Cells, arm: str, name: str) -> _BySeed:
    """Bits per byte by member, and steps, of each seed's run."""
    return {
        cell.seed: (
            {scored.member: scored.score.mean_bpb for scored in cell.scored},
            cell.runs[0].steps,
        )
        for cell in cells.of(arm)
        if cell.scored and cell.name == name and (arm == "plain" or cell.length == 1.0)
    }


def _variant(
    members: Sequence[str],
    name: str,
    changes: tuple[str, ...],
    seeds: Sequence[int],
    own: _BySeed,
    recipe: _BySeed,
    plain: _BySeed,
) -> Variant:
    differences = {
        member: paired(
            [own[seed][0][member] for seed in seeds], [recipe[seed][0][member] for seed in seeds]
        )
        for member in members
    }
    full = members[0]
    controlled = [seed for seed in seeds if seed in plain]
    tax = percent(
        [own[seed][0][full] for seed in controlled], [plain[seed][0][full] for seed in controlled]
    )
    return Variant(
        name=name,
        changes=changes,
        steps=sum(own[seed][1] for seed in seeds) / len(seeds),
        differences=differences,
        mean_difference=mean_over(each.values for each in differences.values()),
        tax=tax if controlled else None,
    )
