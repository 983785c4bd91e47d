"""Cells in colour: how much each expert of each layer is used, around an equal share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.charts.svg import document, element, marked, number, path, text

WIDTH = 400.0
_LEFT, _TOP, _BOTTOM, _RIGHT = 30.0, 8.0, 36.0, 2.0
_HIGHEST_CELL = 26.0
_GAP = 1.5
# Beyond so many cells nobody reads one; they are drawn by colour, without tips.
_MOST_TIPS = 512

# Times an equal share at which a colour ends; the classes are l0 (less) to l7 (more).
LOAD_BOUNDS = (0.25, 0.5, 0.8, 1.25, 2.0, 4.0)
DEAD = "dead"


@dataclass(frozen=True)
class HeatRow:
    """One layer: its name and, per expert, the load over an equal share; None is no cell."""

    name: str
    loads: tuple[float | None, ...]


def load_class(times_uniform: float) -> str:
    """The colour class of a load: `dead` for none, else `l0` to `l6`."""
    if times_uniform == 0:
        return DEAD
    return f"l{sum(times_uniform >= bound for bound in LOAD_BOUNDS)}"


def quality_class(value: float, best: float, worst: float) -> str:
    """The colour class of a score: `q0` for the worst to `q6` for the best."""
    if worst <= best:
        return "q6"
    return f"q{min(6, int(7 * (worst - value) / (worst - best)))}"


def draw_heat(rows: Sequence[HeatRow], identity: str, title: str, description: str) -> str:
    """The chart: a row per layer, the first at the top; a column per expert."""
    count = max(len(row.loads) for row in rows)
    cell = (WIDTH - _LEFT - _RIGHT) / count
    high = min(_HIGHEST_CELL, max(cell, 9.0))
    bottom = _TOP + high * len(rows)
    gap = _GAP if cell > 6 else 0.0
    body = [
        text(row.name, _LEFT - 8, _TOP + high * (place + 0.5) + 4, "tick end")
        for place, row in enumerate(rows)
    ]
    cells = [
        _Cell(
            x=_LEFT + cell * expert,
            y=_TOP + high * place,
            width=cell - gap,
            height=high - gap,
            load=load,
            tip=f"layer {row.name}, expert {expert}: {load:.2f} times an equal share",
        )
        for place, row in enumerate(rows)
        for expert, load in enumerate(row.loads)
        if load is not None
    ]
    body.append(_with_tips(cells) if len(cells) <= _MOST_TIPS else _by_colour(cells))
    every = -(-count // 16)
    for expert in range(0, count, every):
        body.append(text(str(expert), _LEFT + cell * (expert + 0.5), bottom + 13, "tick mid"))
    body.append(text("expert", WIDTH - _RIGHT, bottom + 29, "axis-name end"))
    body.append(text("layer", 0, bottom + 13, "axis-name"))
    return document(identity, title, description, (WIDTH, bottom + _BOTTOM), "".join(body))


@dataclass(frozen=True)
class _Cell:
    x: float
    y: float
    width: float
    height: float
    load: float
    tip: str


def _with_tips(cells: Sequence[_Cell]) -> str:
    drawn = []
    for cell in cells:
        box = element("rect", x=cell.x, y=cell.y, width=cell.width, height=cell.height, rx=1.5)
        # Colour alone must not say that an expert is dead.
        cross = path(_cross(cell), "cross") if cell.load == 0 else ""
        drawn.append(marked(box + cross, cell.tip, load_class(cell.load), focusable=False))
    return "".join(drawn)


def _by_colour(cells: Sequence[_Cell]) -> str:
    """One path per colour, a tenth of the size."""
    outlines: dict[str, list[str]] = {}
    for cell in cells:
        size = f"h{number(cell.width)}v{number(cell.height)}h-{number(cell.width)}z"
        corner = f"M{number(cell.x)} {number(cell.y)}"
        outlines.setdefault(load_class(cell.load), []).append(corner + size)
    return "".join(
        element("g", element("path", d="".join(parts)), class_=f"cells {kind}")
        for kind, parts in sorted(outlines.items())
    )


def _cross(cell: _Cell) -> list[tuple[float, float]]:
    reach = min(cell.width, cell.height) * 0.28
    x, y = cell.x + cell.width / 2, cell.y + cell.height / 2
    return [
        (x - reach, y - reach),
        (x + reach, y + reach),
        (x, y),
        (x - reach, y + reach),
        (x + reach, y - reach),
    ]
