"""Bits per byte of a member over what training it on cost, as a drawing that stands alone."""

from __future__ import annotations

from farthing.charts.arms import Line, Mark, draw_arms, standing_alone
from farthing.studies.compare.figures import Unit
from farthing.studies.headstart.figures import Curves
from farthing.studies.statistics import Sample

# Distinct for the colour-blind too (Okabe and Ito), on white.
_WAYS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_CONTROLS = {"cut": "#999999", "extra": "#555555", "total": "#000000"}
_CAPTION = "bits per byte on dev text; bars: all seeds"
_SCALES: dict[Unit, tuple[float, str, str]] = {
    "flops": (1e12, "TFLOP", "extra training, TFLOP"),
    "device_seconds": (1.0, "s", "extra training, device-seconds (a shared machine's)"),
}


def picture(curves: Curves, unit: Unit) -> str:
    """SVG with its own style: a line for each way, the member as cut out, and from scratch."""
    scale, word, axis = _SCALES[unit]

    def mark(cost: float, bpb: Sample, what: str) -> Mark:
        tip = f"{what}, {cost / scale:.3g} {word}: {bpb.mean:.4f} bits per byte"
        return Mark(cost / scale, bpb.mean, min(bpb.values), max(bpb.values), tip)

    lines, colours = [], dict(_CONTROLS)
    for place, (name, ends) in enumerate(curves.ways.items()):
        kind = f"way{place}"
        colours[kind] = _WAYS[place % len(_WAYS)]
        marks = tuple(mark(end.spent[unit], end.bpb, name) for end in ends)
        lines.append(Line(name, kind, marks))
    reach = max(m.x for line in lines for m in line.marks) * scale if lines else 0.0
    least = min((m.x for line in lines for m in line.marks), default=0.0) * scale
    cut = tuple(mark(cost, curves.cut, "as cut out") for cost in sorted({least, reach}) if cost)
    # Beyond what training on cost there is nothing to compare.
    lengths = {end.length for ends in curves.ways.values() for end in ends}
    extra = tuple(
        mark(end.spent[unit], end.bpb, "from scratch")
        for end in curves.scratch
        if not lines or end.length in lengths
    )
    total = tuple(
        mark(cost, bpb, "from scratch at equal total cost")
        for cost, bpb in curves.scratch_at_total[unit]
    )
    controls = (("as cut out", "cut", cut), ("scratch, extra", "extra", extra))
    for name, kind, marks in (*controls, ("scratch, total", "total", total)):
        if marks:
            lines.append(Line(name, kind, marks))
    drawn = draw_arms(
        lines,
        (_CAPTION, axis),
        lambda cost: f"{cost:g}",
        f"headstart-{unit.replace('_', '-')}",
        f"{curves.member} trained on",
    )
    return standing_alone(drawn, colours)
