"""A comparison as a Markdown page: what won, by how much, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from farthing.studies.compare.ablation import Variant, ablation
from farthing.studies.compare.breakdown import Aspect, aspects
from farthing.studies.compare.config import CompareConfig
from farthing.studies.compare.figures import (
    UNITS,
    Against,
    Cells,
    FamilyRatio,
    Tax,
    Unmatched,
    against,
    elastic_taxes,
    family_ratio,
)
from farthing.studies.compare.verdict import (
    NAMES,
    advice_on_seeds,
    verdict_on,
    verdict_on_family,
    verdict_on_none,
    verdict_on_tax,
)
from farthing.studies.statistics import Ratio, Sample

_UNIT_WORDS = {"flops": "FLOPs", "device_seconds": "device-seconds"}


class Summary:
    """All figures of a comparison, worked out once."""

    def __init__(self, cells: Cells, compare: CompareConfig) -> None:
        """Work out what `cells` say.

        Args:
            cells: what the runs gave.
            compare: what was asked: the smallest difference that matters, and the variants.
        """
        self.cells = cells
        self.effect = compare.effect
        found = [against(cells, arm) for arm in ("plain", "scratch", "pruned", "mixed")]
        self.others: list[Against] = [each for each in found if each is not None]
        self.taxes: list[Tax] = elastic_taxes(cells)
        baselines = ["scratch"] if cells.of("scratch") else []
        baselines += sorted({cell.name.partition("/")[0] for cell in cells.of("baseline")})
        ratios = [family_ratio(cells, name, unit) for name in baselines for unit in UNITS]
        self.variants: list[Variant] = ablation(cells, compare.variants)
        arms = [other.arm for other in self.others]
        self.aspects: list[Aspect] = aspects(cells, arms, baselines)
        self.families = [each for each in ratios if isinstance(each, FamilyRatio)]
        self.unmatched = [each for each in ratios if isinstance(each, Unmatched)]

    def sentences(self) -> list[str]:
        """What a reader must know if nothing else is read."""
        words = [verdict_on(other) for other in self.others if other.arm in ("pruned", "mixed")]
        words += [f"Elastic tax: {verdict_on_tax(tax)}." for tax in self.taxes]
        words += [verdict_on_family(ratio) for ratio in self.families]
        words += [verdict_on_none(each) for each in self.unmatched if each.unit == "flops"]
        if self.others:
            other = next((o for o in self.others if o.arm == "pruned"), self.others[0])
            bpb = Sample(tuple(v for each in other.members.values() for v in each.values)).mean
            words.append(advice_on_seeds(other.mean_difference, self.effect, bpb))
        runs = {run.input_key: run for cell in self.cells.every for run in cell.runs}.values()
        if lost := sum(run.lost_device_seconds for run in runs):
            words.append(
                f"Interruptions: {lost:,.0f} device-seconds were done again; they stand in the "
                "bill and in no figure here."
            )
        broken = [cell for cell in self.cells.every if cell.complaint]
        words += [
            f"Nothing came of {cell.name} at length {cell.length:g} with seed {cell.seed}: "
            f"{cell.complaint.partition(' (')[0]}."
            for cell in broken
        ]
        return words


def markdown(summary: Summary, *, title: str, command: str, picture: str | None) -> str:
    """The whole page.

    Args:
        summary: the figures.
        title: of the page.
        command: that makes it again.
        picture: file name of the drawing, if there is one.
    """
    cells = summary.cells
    machines = sorted({run.machine for cell in cells.every for run in cell.runs})
    codes = sorted({cell.code[:8] for cell in cells.every})
    parts = [
        f"# {title}\n",
        f"`{command}`, seeds {', '.join(map(str, cells.seeds))}; {'; '.join(machines)}; code "
        f"{', '.join(codes)}. Bits per byte on dev text, mean over its domains; ± is the sample "
        "standard deviation over the seeds; all differences are paired by seed.\n",
        "\n".join(f"- {sentence}" for sentence in summary.sentences()) + "\n",
        f"![bits per byte of every member by arm]({picture})\n" if picture else "",
        "## Members\n",
        _members(summary),
        "## What elasticity costs the full shape\n",
        _taxes(summary.taxes),
    ]
    if summary.variants:
        parts += ["## Variants of the recipe\n", _variants(summary.variants)]
    if summary.aspects:
        parts += ["## Domains and tasks\n", _aspects(summary)]
    if summary.families:
        parts += ["## What the family costs\n", _families(summary.families)]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def members_rows(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table of members: elastic, then every arm with its difference."""
    cells = summary.cells
    heads = ["member", "active", "elastic"]
    for other in summary.others:
        heads += [other.arm, "elastic - it (p)"]
    first = {scored.member: scored.score for scored in cells.of("elastic")[0].scored}
    rows = []
    for member in cells.members:
        ours = cells.scores("elastic", member)
        row = [member, f"{first[member].active_non_embedding / 1e6:.2f}M"]
        row.append(_shown(Sample(tuple(ours))) if ours else "")
        for other in summary.others:
            row += _difference(other.members.get(member), other.differences.get(member))
        rows.append(row)
    mean = ["mean over members", "", ""]
    for other in summary.others:
        mean += _difference(None, other.mean_difference)
    return heads, [*rows, mean]


def members_table(summary: Summary) -> str:
    """The table of members in Markdown."""
    return _table(*members_rows(summary))


def _members(summary: Summary) -> str:
    costs = []
    for other in summary.others:
        ratios = ", ".join(
            f"{_ratio(ratio)} in {_UNIT_WORDS[unit]}" for unit, ratio in other.cost.items()
        )
        if ratios:
            costs.append(f"{NAMES[other.arm]}: {ratios}")
    note = "active: parameters that a token visits, embeddings left out. "
    note += "Below zero, elastic is better; p: one-sided, that chance alone gives as much. "
    note += f"Training cost over the elastic run's: {'; '.join(costs)}.\n" if costs else "\n"
    return f"{members_table(summary)}\n{note}"


def _difference(members: Sample | None, difference: Sample | None) -> list[str]:
    return [_shown(members) if members else "", _signed(difference) if difference else ""]


def _taxes(taxes: Sequence[Tax]) -> str:
    rows = [
        [
            tax.basis,
            f"{tax.percent.mean:+.2f} %" if tax.percent else "not known",
            f"{tax.percent.upper:+.2f} %" if tax.percent and tax.percent.upper is not None else "",
            _ratio(tax.compute) if tax.compute else "",
        ]
        for tax in taxes
    ]
    heads = ["basis", "bits per byte", "upper bound (95 %)", "plain run's cost for the same loss"]
    return _table(heads, rows) + (
        "\nThe last column is over the elastic run's cost, between finished plain runs; below 1, "
        "elasticity wasted the rest; empty where no two plain runs' ends lie around that loss.\n"
    )


def _variants(variants: Sequence[Variant]) -> str:
    members = list(variants[0].differences)
    heads = ["variant", "steps", "seeds", "mean over members (p)", *members, "tax"]
    rows = []
    for variant in variants:
        changes = ", ".join(f"`{change}`" for change in variant.changes)
        tax = variant.tax
        rows.append(
            [
                f"{variant.name}: {changes}" if variant.name else "the recipe",
                f"{variant.steps:.0f}",
                str(len(variant.mean_difference.values)),
                _signed(variant.mean_difference) if variant.name else "",
                *(_signed(each) if variant.name else "" for each in variant.differences.values()),
                f"{tax.mean:+.2f} %" if tax else "",
            ]
        )
    return _table(heads, rows) + (
        "\nBits per byte less the recipe's, at the recipe's FLOPs; below zero, the variant is "
        "better. Tax: the full shape over the plain run of as many FLOPs.\n"
    )


def _aspects(summary: Summary) -> str:
    arms = [other.arm for other in summary.others]
    baselines = list(dict.fromkeys(name for each in summary.aspects for name in each.ratios))
    heads = ["", "measure", "elastic", *(f"elastic - {arm} (p)" for arm in arms)]
    heads += [f"cost over {name}" for name in baselines]
    rows = []
    for each in summary.aspects:
        scale = 100 if each.kind == "accuracy" else 1
        kind = "right, %" if each.kind == "accuracy" else each.kind
        row = [each.name, kind, f"{each.elastic.mean * scale:.{2 if scale > 1 else 4}f}"]
        for arm in arms:
            difference = each.differences.get(arm)
            row.append(_points(difference, each.kind) if difference else "")
        row += [_ratio(each.ratios[name]) if name in each.ratios else "" for name in baselines]
        rows.append(row)
    return _table(heads, rows) + (
        "\nElastic: mean over all members; differences: over those that both have. Bits per byte: "
        "below zero, elastic is better; right answers, in percentage points: above zero. Cost: "
        "the family's FLOPs, fully loaded, over the baseline's for the same bits per byte in this "
        "domain.\n"
    )


def _points(difference: Sample, kind: str) -> str:
    """A difference with the chance that it is none."""
    if kind != "accuracy":
        return _signed(difference)
    p = Sample(tuple(-value for value in difference.values)).chance_above_zero()
    return f"{difference.mean * 100:+.2f}" + (f" ({p:.2g})" if p is not None else "")


def _signed(difference: Sample) -> str:
    p = difference.chance_above_zero()
    return f"{difference.mean:+.4f}" + (f" ({p:.2g})" if p is not None else "")


def _families(families: Sequence[FamilyRatio]) -> str:
    heads = ["baseline", "unit", "members", "fully loaded", "95 % from", "to", "= bound"]
    heads += ["x efficiency", "x overheads", "amortised"]
    rows = []
    for ratio in families:
        loaded = ratio.fully_loaded
        amortised = ", ".join(f"{m} {_ratio(r)}" for m, r in ratio.amortised.items())
        rows.append(
            [
                ratio.baseline,
                _UNIT_WORDS[ratio.unit],
                f"{len(ratio.members)} of {_members_in_all(ratio)}",
                _ratio(loaded),
                f"{loaded.lower:.3f}" if loaded.lower is not None else "",
                f"{loaded.upper:.3f}" if loaded.upper is not None else "",
                *(_ratio(each) for each in (ratio.bound, ratio.efficiency, ratio.overheads)),
                amortised,
            ]
        )
    return _table(heads, rows) + (
        "\nThe family's cost over what the baseline needs for models as good, each by its cheapest "
        "run of any size, between finished runs. Bound: a parent as cheap as the dearest of those "
        "runs; efficiency: the parent over that run; overheads: curation and evaluation, counted "
        "on our side only. Members are cut out and scored; nothing else is theirs, so the marginal "
        "cost is the evaluation's.\n"
    )


def _members_in_all(ratio: FamilyRatio) -> int:
    return len(ratio.members) + len(ratio.unreached) + len(ratio.unbounded)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _shown(sample: Sample) -> str:
    deviation = sample.deviation
    return f"{sample.mean:.4f}" + (f" ± {deviation:.4f}" if deviation is not None else "")


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.mean:.3f}"
