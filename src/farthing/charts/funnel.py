"""A funnel on rows: at each step what stays, and beside it what is dropped, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.charts.svg import document, element, marked, text, text_width

_ROW, _BAR, _TOP = 30.0, 20.0, 6.0
_NAME_SIZE = 12.0
_GAP = 10.0
_HAIR = 1.0


@dataclass(frozen=True)
class Slice:
    """A part of a row: how large, its tip, its class."""

    size: float
    tip: str
    kind: str


@dataclass(frozen=True)
class FunnelRow:
    """One step: its name, what stays and what goes from left to right, and words at the end."""

    name: str
    slices: tuple[Slice, ...]
    words: str


def draw_funnel(
    rows: Sequence[FunnelRow], identity: str, title: str, *, width: float = 920.0
) -> str:
    """The chart; all rows have one scale, and its height follows their number.

    A slice is at least a hair wide, so that what is dropped never vanishes from the picture.
    """
    left = max((text_width(row.name, _NAME_SIZE) for row in rows), default=0.0) + _GAP
    right = max((text_width(row.words, _NAME_SIZE) for row in rows), default=0.0) + _GAP
    room = max(width - left - right, width / 4)
    largest = max((_whole(row) for row in rows), default=0.0) or 1.0
    body = []
    for place, row in enumerate(rows):
        y = _TOP + _ROW * place
        body.append(text(row.name, left - _GAP, y + _BAR - 5, "row-name end"))
        x = left
        for part in row.slices:
            wide = max(room * part.size / largest, _HAIR)
            drawn = element("rect", x=x, y=y, width=wide, height=_BAR)
            body.append(marked(drawn, part.tip, part.kind))
            x += wide
        body.append(text(row.words, x + _GAP, y + _BAR - 5, "row-words"))
    described = "; ".join(f"{row.name}: {row.words}" for row in rows)
    size = (width, _TOP * 2 + _ROW * len(rows))
    return document(identity, title, described, size, "".join(body))


def _whole(row: FunnelRow) -> float:
    return sum(part.size for part in row.slices)
