"""Does it hold elsewhere: the comparison domain by domain, and benchmark by benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from farthing.studies.compare.figures import (
    Cells,
    FamilyRatio,
    Measure,
    Unmatched,
    family_ratio,
)
from farthing.studies.compare.results import Scored
from farthing.studies.statistics import Ratio, Sample, mean_over, paired


@dataclass(frozen=True)
class Aspect:
    """One domain, or one benchmark.

    Attributes:
        name: of the domain or benchmark.
        kind: bits per byte (less is better) or accuracy (more is).
        elastic: the family's mean over its members, by seed.
        differences: elastic less each other arm, mean over the members that both have.
        ratios: by baseline, the family's cost (FLOPs, fully loaded) over the baseline's for the
            same bits per byte in this domain; empty for a benchmark, whose few questions order no
            two runs.
    """

    name: str
    kind: Literal["bits per byte", "accuracy"]
    elastic: Sample
    differences: dict[str, Sample]
    ratios: dict[str, Ratio]


def aspects(cells: Cells, arms: Sequence[str], baselines: Sequence[str]) -> list[Aspect]:
    """Domains, then benchmarks, in the order of their names.

    Args:
        cells: all results.
        arms: that are compared member by member.
        baselines: as `family_ratio` takes them.
    """
    elastic = cells.of("elastic")
    if not elastic:
        return []
    first = elastic[0].scored[0]
    found = []
    for name in sorted(first.score.bpb):
        ratios = [family_ratio(cells, each, "flops", _domain(name)) for each in baselines]
        found.append(_aspect(cells, name, "bits per byte", _domain(name), arms, ratios))
    for name in sorted(first.accuracy):
        found.append(_aspect(cells, name, "accuracy", _benchmark(name), arms, ()))
    return [each for each in found if each is not None]


def _domain(name: str) -> Measure:
    def measure(scored: Scored) -> float:
        return scored.score.bpb[name]

    return measure


def _benchmark(name: str) -> Measure:
    def measure(scored: Scored) -> float:
        return scored.accuracy[name]

    return measure


def _aspect(
    cells: Cells,
    name: str,
    kind: Literal["bits per byte", "accuracy"],
    measure: Measure,
    arms: Sequence[str],
    ratios: Sequence[FamilyRatio | Unmatched | None],
) -> Aspect | None:
    ours = {member: cells.scores("elastic", member, measure) for member in cells.members}
    whole = [scores for scores in ours.values() if scores is not None]
    if not whole:
        return None
    differences = {}
    for arm in arms:
        pairs = [(ours[member], cells.scores(arm, member, measure)) for member in cells.members]
        both = [paired(a, b).values for a, b in pairs if a is not None and b is not None]
        if both:
            differences[arm] = mean_over(both)
    return Aspect(
        name=name,
        kind=kind,
        elastic=mean_over(whole),
        differences=differences,
        ratios={r.baseline: r.fully_loaded for r in ratios if isinstance(r, FamilyRatio)},
    )
