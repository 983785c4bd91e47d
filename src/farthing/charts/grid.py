"""What stands behind a chart of two quantities: lines across, both axes, their ticks and names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from farthing.charts.scale import Scale
from farthing.charts.svg import line, text

PIXELS_PER_TICK_DOWN = 44.0
_LAST_WORDS_PIXELS = 24.0


@dataclass(frozen=True)
class Axis:
    """One axis in words.

    Attributes:
        name: what it shows.
        name_y: baseline of its name, in pixels from the top of the chart.
        pixels_per_tick: as many as the text of a tick needs.
        write: how the value of a tick is written.
        inside: whether a tick near the end of the axis has its text before it and not under it,
            because the chart ends there.
    """

    name: str
    name_y: float
    pixels_per_tick: float
    write: Callable[[float], str]
    inside: bool = False


def plain(value: float) -> str:
    """A tick's value with as few digits as it has."""
    return f"{value:g}"


def draw_grid(across: Scale, down: Scale, horizontal: Axis, vertical: Axis) -> str:
    """Lines at the ticks of the vertical axis; the horizontal one at its low end.

    Args:
        across: scale of the horizontal quantity, in pixels.
        down: of the vertical one.
        horizontal: named below its right end.
        vertical: named above everything, at the left.
    """
    parts = [text(vertical.name, 0, vertical.name_y, "axis-name")]
    for value in down.ticks_every(vertical.pixels_per_tick):
        y = down(value)
        parts.append(line(across.start, y, across.end, y, "grid"))
        parts.append(text(vertical.write(value), across.start - 8, y + 4, "tick end"))
    base = down.start
    parts.append(line(across.start, base, across.end, base, "axis"))
    for value in across.ticks_every(horizontal.pixels_per_tick):
        x = across(value)
        parts.append(line(x, base, x, base + 4, "axis"))
        before = horizontal.inside and across.end - x < _LAST_WORDS_PIXELS
        written = horizontal.write(value)
        parts.append(text(written, x, base + 18, "tick end" if before else "tick mid"))
    parts.append(text(horizontal.name, across.end, horizontal.name_y, "axis-name end"))
    return "".join(parts)
