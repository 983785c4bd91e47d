"""A comparison as a drawing that stands alone: bits per byte of every member by arm."""

from __future__ import annotations

from farthing.charts.arms import Line, Mark, draw_arms, standing_alone
from farthing.studies.compare.figures import Cells
from farthing.studies.statistics import Sample

_ARMS = {
    "elastic": "elastic",
    "pruned": "pruned",
    "mixed": "mixed top-k",
    "scratch": "from scratch",
    "plain": "plain",
}
_CAPTION = (
    "bits per byte on dev text; from scratch, plain: equal steps, others: equal FLOPs; "
    "bars: all seeds"
)
# Distinct for the colour-blind too (Okabe and Ito), on white.
_COLOURS = {
    "elastic": "#0072b2",
    "pruned": "#d55e00",
    "mixed": "#009e73",
    "scratch": "#555555",
    "plain": "#cc79a7",
}


def picture(cells: Cells, title: str) -> str:
    """SVG with its own style, for a page that has none."""
    first = {scored.member: scored.score for scored in cells.of("elastic")[0].scored}
    lines = []
    for arm, name in _ARMS.items():
        marks = []
        for member in cells.members:
            values = cells.scores(arm, member)
            if values is not None:
                sample = Sample(tuple(values))
                size = first[member].active_non_embedding
                tip = f"{member}, {name}: {sample.mean:.4f} bits per byte"
                marks.append(Mark(size, sample.mean, min(values), max(values), tip))
        if marks:
            lines.append(Line(name, arm, tuple(marks)))
    drawn = draw_arms(
        lines,
        (_CAPTION, "active parameters"),
        lambda size: f"{size / 1e6:g}M",
        "arms",
        title,
    )
    return standing_alone(drawn, _COLOURS)
