"""Quality against size for several ways of making the same models: one line for each way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from farthing.charts.grid import PIXELS_PER_TICK_DOWN, Axis, draw_grid, plain
from farthing.charts.scale import Scale, padded
from farthing.charts.svg import document, element, line, marked, path, text

WIDTH, HEIGHT = 640.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 130.0, 26.0, 48.0
_PIXELS_PER_TICK = 90.0
_LEAST_BETWEEN_NAMES = 14.0


@dataclass(frozen=True)
class Mark:
    """One model of an arm: its size, its mean over the seeds, and how far these reach."""

    x: float
    mean: float
    low: float
    high: float
    tip: str


@dataclass(frozen=True)
class Line:
    """An arm: its name, its class, and its models."""

    name: str
    kind: str
    marks: tuple[Mark, ...]


def draw_arms(
    lines: Sequence[Line],
    axes: tuple[str, str],
    write: Callable[[float], str],
    identity: str,
    title: str,
) -> str:
    """The chart, with the size on a logarithmic axis.

    Args:
        lines: at least one, each with at least one mark.
        axes: names of the vertical and the horizontal axis.
        write: how a size is written.
        identity: of the SVG.
        title: of the SVG.
    """
    marks = [mark for each in lines for mark in each.marks]
    low, high = padded([mark.low for mark in marks] + [mark.high for mark in marks])
    sizes = [mark.x for mark in marks]
    across = Scale(min(sizes) * 0.9, max(sizes) * 1.1, _LEFT, WIDTH - _RIGHT, log=True)
    down = Scale(low, high, HEIGHT - _BOTTOM, _TOP)
    vertical = Axis(axes[0], 12, PIXELS_PER_TICK_DOWN, plain)
    horizontal = Axis(axes[1], HEIGHT - 6, _PIXELS_PER_TICK, write)
    body = [draw_grid(across, down, horizontal, vertical)]
    body += [_arm(each, across, down) for each in lines]
    body += _names(lines, across, down)
    description = "; ".join(mark.tip for mark in marks)
    return document(identity, title, description, (WIDTH, HEIGHT), "".join(body))


def _arm(arm: Line, across: Scale, down: Scale) -> str:
    ordered = sorted(arm.marks, key=lambda mark: mark.x)
    parts = [path([(across(m.x), down(m.mean)) for m in ordered], f"arm-line {arm.kind}")]
    for mark in ordered:
        x = across(mark.x)
        spread = line(x, down(mark.low), x, down(mark.high), f"arm-spread {arm.kind}")
        dot = element("circle", cx=x, cy=down(mark.mean), r=4, class_=f"arm-dot {arm.kind}")
        parts.append(marked(spread + dot, mark.tip))
    return "".join(parts)


def _names(lines: Sequence[Line], across: Scale, down: Scale) -> list[str]:
    """Beside the largest model of each, moved apart where they would touch."""
    ends = []
    for arm in lines:
        last = max(arm.marks, key=lambda mark: mark.x)
        ends.append((down(last.mean), arm))
    parts, lowest = [], float("-inf")
    for y, arm in sorted(ends, key=lambda end: end[0]):
        lowest = max(y, lowest + _LEAST_BETWEEN_NAMES)
        parts.append(text(arm.name, across.end + 10, lowest + 4, f"arm-name {arm.kind}"))
    return parts


def standing_alone(drawn: str, colours: Mapping[str, str]) -> str:
    """The chart as a file of its own, on white.

    Args:
        drawn: what `draw_arms` made.
        colours: by kind of line.
    """
    rules = [
        "svg{background:#fff;font:12px system-ui,sans-serif}",
        ".grid{stroke:#e4e4e4}.axis{stroke:#333}.tick,.axis-name{fill:#333}",
        ".end{text-anchor:end}.mid{text-anchor:middle}",
        ".arm-line{fill:none;stroke-width:1.6}.arm-spread{stroke-width:1.4}",
    ]
    for kind, colour in colours.items():
        rules.append(f".arm-line.{kind},.arm-spread.{kind}{{stroke:{colour}}}")
        rules.append(f".arm-dot.{kind},.arm-name.{kind}{{fill:{colour}}}")
    opening, rest = drawn.split(">", 1)
    style = f"<style>{''.join(rules)}</style>"
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{style}{rest}\n'
