"""Dots on rows, one row a name: accuracies with their intervals, or costs on three views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farthing.charts.scale import Scale, padded
from farthing.charts.svg import document, element, line, marked, path, text, text_width

_ROW, _TOP, _BOTTOM, _RIGHT = 21.0, 26.0, 40.0, 16.0
_NAME_SIZE = 11.5
_MOST_NAME_WIDTH = 150.0


@dataclass(frozen=True)
class Value:
    """One dot of a row.

    Attributes:
        x: where.
        tip: what to say about it.
        kind: class of the dot; `hollow` draws a diamond for a figure that is not ours.
        low, high: ends of its interval, or None.
    """

    x: float
    tip: str
    kind: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """A name and its dots; `joined` draws a line through them."""

    name: str
    values: tuple[Value, ...]
    joined: bool = False


@dataclass(frozen=True)
class Marker:
    """A vertical line with a word, such as chance."""

    x: float
    words: str


@dataclass(frozen=True)
class RowsDrawing:
    """What stands around the rows.

    Attributes:
        identity, title, description: of the SVG.
        width: in pixels.
        axis_name: under the axis.
        write: a tick as text.
        log: whether ratios are equally far apart.
        pixels_per_tick: as many as the text of a tick needs.
    """

    identity: str
    title: str
    description: str
    width: float
    axis_name: str
    write: Callable[[float], str]
    log: bool = False
    pixels_per_tick: float = 62.0


def draw_rows(rows: Sequence[Row], drawing: RowsDrawing, marker: Marker | None = None) -> str:
    """The chart; its height follows the number of rows."""
    names = max(text_width(row.name, _NAME_SIZE) for row in rows)
    left = min(names, _MOST_NAME_WIDTH) + 14
    across = _scale(rows, drawing, marker, left)
    bottom = _TOP + _ROW * len(rows)
    body = [_axis(across, bottom, drawing)]
    if marker is not None:
        x = across(marker.x)
        body.append(line(x, _TOP - 6, x, bottom, "marker"))
        anchor = "mid" if abs(x - across.start) > 40 else ""
        body.append(text(marker.words, x, _TOP - 10, f"marker-words {anchor}".strip()))
    for place, row in enumerate(rows):
        body.append(_row(row, _TOP + _ROW * (place + 0.5), across, left))
    size = (drawing.width, bottom + _BOTTOM)
    return document(drawing.identity, drawing.title, drawing.description, size, "".join(body))


def _scale(rows: Sequence[Row], drawing: RowsDrawing, marker: Marker | None, left: float) -> Scale:
    ends = [marker.x] if marker else []
    for row in rows:
        for value in row.values:
            ends += [x for x in (value.x, value.low, value.high) if x is not None]
    right = drawing.width - _RIGHT
    if drawing.log:
        ends = [end for end in ends if end > 0]
        return Scale(min(ends) / 1.5, max(ends) * 1.5, left, right, log=True)
    return Scale(*padded(ends, 0.08), left, right)


def _axis(across: Scale, bottom: float, drawing: RowsDrawing) -> str:
    parts = []
    for value in across.ticks(int((across.end - across.start) / drawing.pixels_per_tick)):
        x = across(value)
        parts.append(line(x, _TOP, x, bottom, "grid"))
        parts.append(text(drawing.write(value), x, bottom + 16, "tick mid"))
    parts.append(line(across.start, bottom, across.end, bottom, "axis"))
    parts.append(text(drawing.axis_name, across.end, bottom + 34, "axis-name end"))
    return "".join(parts)


def _row(row: Row, y: float, across: Scale, left: float) -> str:
    parts = [text(_fitting(row.name), left - 10, y + 4, "row-name end")]
    shown = [value for value in row.values if not across.log or value.x > 0]
    if row.joined and len(shown) > 1:
        ends = [across(value.x) for value in shown]
        parts.append(line(min(ends), y, max(ends), y, "join"))
    for value in shown:
        x = across(value.x)
        drawn = element("circle", cx=x, cy=y, r=9, class_="hit")
        if value.low is not None and value.high is not None:
            drawn += line(across(value.low), y, across(value.high), y, "whisker")
        if value.kind == "hollow":
            corners = [(x, y - 5.5), (x + 5.5, y), (x, y + 5.5), (x - 5.5, y)]
            drawn += path(corners, "dot", closed=True)
        else:
            drawn += element("circle", cx=x, cy=y, r=4.5, class_="dot")
        parts.append(marked(drawn, value.tip, value.kind))
    return "".join(parts)


def _fitting(name: str) -> str:
    """The name, cut with an ellipsis where the column ends; tips hold it in full."""
    if text_width(name, _NAME_SIZE) <= _MOST_NAME_WIDTH:
        return name
    while text_width(f"{name}…", _NAME_SIZE) > _MOST_NAME_WIDTH:
        name = name[:-1]
    return f"{name.rstrip()}…"
