"""Loss over what was spent: the mean and the spread of steps, attempts, and repeated work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farthing.charts.grid import PIXELS_PER_TICK_DOWN, Axis, draw_grid, plain
from farthing.charts.scale import Scale, padded
from farthing.charts.svg import document, element, marked, path, text

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 18.0, 22.0, 46.0
_PIXELS_PER_TICK = 84.0
_FEWEST_PIXELS_FOR_WORDS = 60.0


@dataclass(frozen=True)
class Dot:
    """One point of the curve: mean loss, the extremes around it, and what to say about it."""

    x: float
    mean: float
    low: float
    high: float
    tip: str


@dataclass(frozen=True)
class Piece:
    """Dots in a row; `kept` is False for work that was lost and done again."""

    kept: bool
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Band:
    """A stretch of the x axis with a word about it, such as lost work."""

    begin: float
    end: float
    words: str


@dataclass(frozen=True)
class CurveAxis:
    """The x axis: what it counts, how its ticks are written, and where it ends."""

    label: str
    write: Callable[[float], str]
    end: float


@dataclass(frozen=True)
class CurveDrawing:
    """What stands around the curve.

    Attributes:
        identity, title, description: of the SVG.
        width, height: in pixels.
        tip_every: of so many dots one has a tip; a narrow drawing has no room for all.
    """

    identity: str
    title: str
    description: str
    width: float
    height: float
    tip_every: int


def draw_curve(
    pieces: Sequence[Piece], bands: Sequence[Band], axis: CurveAxis, drawing: CurveDrawing
) -> str:
    """The chart. Loss is drawn on a linear scale that leaves out what lies below all losses."""
    dots = [dot for piece in pieces for dot in piece.dots]
    right, bottom = drawing.width - _RIGHT, drawing.height - _BOTTOM
    low, high = padded([dot.low for dot in dots] + [dot.high for dot in dots], 0.04)
    across = Scale(0.0, max(axis.end, max(dot.x for dot in dots)) or 1.0, _LEFT, right)
    down = Scale(low, high, bottom, _TOP)
    vertical = Axis("loss, nats per token", 11, PIXELS_PER_TICK_DOWN, plain)
    horizontal = Axis(axis.label, drawing.height - 6, _PIXELS_PER_TICK, axis.write, inside=True)
    body = [_bands(bands, across, bottom), draw_grid(across, down, horizontal, vertical)]
    for piece in sorted(pieces, key=lambda each: each.kept):
        body.append(_piece(piece, across, down))
    body.append(_end_label(pieces, across, down))
    body += [
        marked(
            element("circle", cx=across(dot.x), cy=down(dot.mean), r=5, class_="hit"),
            dot.tip,
            "kept" if piece.kept else "lost",
            focusable=False,
        )
        for piece in pieces
        for dot in piece.dots[:: drawing.tip_every]
    ]
    size = (drawing.width, drawing.height)
    return document(drawing.identity, drawing.title, drawing.description, size, "".join(body))


def _bands(bands: Sequence[Band], across: Scale, bottom: float) -> str:
    parts = []
    for band in bands:
        begin, end = across(band.begin), across(band.end)
        width = max(end - begin, 1.0)
        parts.append(
            element("rect", x=begin, y=_TOP, width=width, height=bottom - _TOP, class_="lost-band")
        )
        if width >= _FEWEST_PIXELS_FOR_WORDS or across.end - begin > 2 * _FEWEST_PIXELS_FOR_WORDS:
            parts.append(text(band.words, begin + 5, _TOP + 12, "lost-words"))
        else:
            parts.append(text(band.words, end - 5, _TOP + 12, "lost-words end"))
    return "".join(parts)


def _piece(piece: Piece, across: Scale, down: Scale) -> str:
    kind = "kept" if piece.kept else "lost"
    above = [(across(dot.x), down(dot.high)) for dot in piece.dots]
    below = [(across(dot.x), down(dot.low)) for dot in piece.dots]
    spread = path([*above, *below[::-1]], f"spread {kind}", closed=True)
    middle = path([(across(dot.x), down(dot.mean)) for dot in piece.dots], f"curve {kind}")
    return spread + middle


def _end_label(pieces: Sequence[Piece], across: Scale, down: Scale) -> str:
    kept = [piece for piece in pieces if piece.kept]
    if not kept:
        return ""
    last = kept[-1].dots[-1]
    x, y = across(last.x), down(last.mean)
    label = text(f"{last.mean:.2f}", x - 4, y - 14, "end-label end")
    return element("circle", cx=x, cy=y, r=3.5, class_="end-dot") + label
