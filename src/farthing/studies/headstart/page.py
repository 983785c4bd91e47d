"""The study as a Markdown page: the curves, what was grown, and a sentence for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from farthing.studies.compare.figures import Unit
from farthing.studies.headstart.config import HeadstartSettings
from farthing.studies.headstart.figures import BASES, Curves, Grown, Study
from farthing.studies.statistics import CONFIDENCE, Sample

_OVER_SCRATCH = (
    "less scratch at equal extra cost (p)",
    "at equal amortised cost (p)",
    "at equal total cost (p)",
)
_UNITS: tuple[tuple[Unit, str], ...] = (("flops", "FLOPs"), ("device_seconds", "device-seconds"))


def sentences(study: Study) -> list[str]:
    """What a reader must know if nothing else is read."""
    words = [sentence for curves in study.members for sentence in _on_member(curves)]
    words += [_on_growth(grown) for grown in study.grown]
    words += [
        f"Nothing came of {cell.arm} {cell.name} at length {cell.length:g} with seed {cell.seed}: "
        f"{cell.complaint.partition(' (')[0]}."
        for cell in study.cells
        if cell.complaint
    ]
    return words


def markdown(
    study: Study,
    settings: HeadstartSettings,
    *,
    title: str,
    command: str,
    pictures: Mapping[str, Sequence[str]],
) -> str:
    """The whole page.

    Args:
        study: the figures.
        settings: what was asked.
        title: of the page.
        command: that makes it again.
        pictures: file names of the drawings, by member.
    """
    machines = sorted({run.machine for cell in study.cells for run in cell.runs})
    codes = sorted({cell.code[:8] for cell in study.cells})
    parts = [
        f"# {title}\n",
        f"`{command}`, seeds {', '.join(map(str, study.seeds))}; {'; '.join(machines)}; code "
        f"{', '.join(codes)}. Bits per byte on dev text, mean over its domains; ± is the sample "
        "standard deviation over the seeds; all differences are paired by seed, p is one-sided. "
        "Every point is the end of a schedule of its own.\n",
        "\n".join(f"- {sentence}" for sentence in sentences(study)) + "\n",
    ]
    for curves in study.members:
        parts.append(f"## {curves.member}, trained on\n")
        parts += [f"![bits per byte over extra cost]({name})\n" for name in pictures[curves.member]]
        parts += [continued_table(curves), _note(curves), "Ways:\n", _ways(settings)]
        parts += ["The same in device-seconds, of a machine on which other work ran: noisy.\n"]
        parts += [_seconds_table(curves)]
        parts += ["The same size from random weights:\n", _scratch_table(curves)]
    if study.grown:
        parts += ["## Supernets grown from a smaller model\n", grown_table(study.grown, settings)]
    return "\n".join(parts).rstrip() + "\n"


def continued_table(curves: Curves) -> str:
    """A row for every way and length; costs in FLOPs."""
    heads = ["way", "extra cost", "steps", "bits per byte", "since cut out (p)"]
    heads += ["less the first way (p)", *_OVER_SCRATCH]
    rows = []
    for name, ends in curves.ways.items():
        for end in ends:
            row = [name, f"{end.length:.0%}", str(end.steps), _shown(end.bpb)]
            row += [_signed(end.since_cut), _signed(end.over_first)]
            rows.append([*row, *(_signed(end.over_scratch["flops"][basis]) for basis in BASES)])
    return _table(heads, rows)


def _seconds_table(curves: Curves) -> str:
    heads = ["way", "extra cost", "device-seconds", "bits per byte", *_OVER_SCRATCH]
    rows = []
    for name, ends in curves.ways.items():
        for end in ends:
            seconds, over = end.spent["device_seconds"], end.over_scratch["device_seconds"]
            row = [name, f"{end.length:.0%}", f"{seconds:,.1f}", _shown(end.bpb)]
            rows.append([*row, *(_signed(over[basis]) for basis in BASES)])
    return _table(heads, rows)


def grown_table(grown: Sequence[Grown], settings: HeadstartSettings) -> str:
    """A row for every growth."""
    labels = list(grown[0].members)
    heads = ["growth", "from", "steps", "mean over members (p)", *labels]
    heads += [f"{word} over scratch" for _, word in _UNITS]
    rows = []
    for each in grown:
        asked = settings.grow[each.name]
        small, large = each.steps
        row = [each.name, f"{asked.member}, {asked.share:.0%} of the FLOPs", f"{small} + {large}"]
        row += [_signed(each.mean_difference)]
        row += [f"{_shown(each.members[m])}, {_signed(each.differences[m])}" for m in labels]
        rows.append([*row, *(f"{each.cost[unit].mean:.3f}" for unit, _ in _UNITS)])
    return _table(heads, rows) + (
        "\nBits per byte of each member, and less those of the elastic run that began with random "
        "weights: below zero, growing is better. Cost: the smaller model and the grown run, over "
        "that elastic run. Steps: of the smaller model, then of the grown supernet.\n"
    )


def _on_member(curves: Curves) -> Iterable[str]:
    yield (
        f"{curves.member} as it is cut out: {curves.cut.mean:.4f} bits per byte. The elastic run "
        f"cost {curves.parent['flops'] / 1e12:.2f} TFLOP."
    )
    lengths = dict.fromkeys(end.length for ends in curves.ways.values() for end in ends)
    for length in lengths:
        found = {
            name: end for name, ends in curves.ways.items() for end in ends if end.length == length
        }
        name = min(found, key=lambda way: found[way].bpb.mean)
        best = found[name]
        over = best.over_scratch["flops"]
        parts = [
            f"For {length:.0%} more, best is {name}: {best.bpb.mean:.4f}, "
            f"{_words(best.since_cut)} than as cut out"
        ]
        if (extra := over["extra"]) is not None:
            parts.append(f"{_words(extra)} than the same size from scratch at equal extra FLOPs")
        if (amortised := over["amortised"]) is not None:
            parts.append(f"{_words(amortised)} with its share of the elastic run charged")
        if (total := over["total"]) is not None:
            parts.append(f"{_words(total)} with all of the elastic run charged")
        yield "; ".join(parts) + "."


def _on_growth(grown: Grown) -> str:
    return (
        f"Grown ({grown.name}), the family is {_words(grown.mean_difference)} than from random "
        f"weights, mean over {len(grown.members)} members, for {grown.cost['flops'].mean:.3f} of "
        "the FLOPs, the smaller model's included."
    )


def _words(difference: Sample) -> str:
    """By how much one side is better, and whether by more than chance."""
    better = difference.mean < 0
    ours = difference if better else Sample(tuple(-value for value in difference.values))
    p = ours.chance_above_zero()
    sure = "one seed" if p is None else f"p = {p:.2g}"
    if p is not None and p > 1 - CONFIDENCE:
        sure += ", no more than chance"
    return f"{abs(difference.mean):.4f} {'better' if better else 'worse'} ({sure})"


def _note(curves: Curves) -> str:
    flops, seconds = curves.parent["flops"], curves.parent["device_seconds"]
    return (
        f"Extra cost: in shares of the elastic run's FLOPs ({flops / 1e12:.2f} TFLOP, "
        f"{seconds:,.0f} device-seconds), a teacher's forward passes included. Below zero, what "
        "was cut out and trained on is better. Beside what training on cost, amortised charges the "
        f"member with its share of the elastic run by active FLOPs ({curves.share:.0%}), total "
        "with all of it, as if it had made no other member. From scratch: between finished runs, "
        "empty outside of them.\n"
    )


def _ways(settings: HeadstartSettings) -> str:
    lines = []
    for name, changes in settings.ways.items():
        said = ", ".join(f"`{change}`" for change in changes) or "the recipe's own settings"
        lines.append(f"- {name}: {said}")
    return "\n".join(lines) + "\n"


def _scratch_table(curves: Curves) -> str:
    rows = [
        [
            f"{end.length:.0%}",
            str(end.steps),
            f"{end.spent['flops'] / 1e12:.3f}",
            f"{end.spent['device_seconds']:,.1f}",
            _shown(end.bpb),
        ]
        for end in curves.scratch
    ]
    return _table(["cost", "steps", "TFLOP", "device-seconds", "bits per byte"], rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _shown(sample: Sample) -> str:
    deviation = sample.deviation
    return f"{sample.mean:.4f}" + (f" ± {deviation:.4f}" if deviation is not None else "")


def _signed(difference: Sample | None) -> str:
    if difference is None:
        return ""
    p = difference.chance_above_zero()
    return f"{difference.mean:+.4f}" + (f" ({p:.2g})" if p is not None else "")
