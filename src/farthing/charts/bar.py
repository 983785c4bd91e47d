"""One bar of a whole, cut into its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.charts.svg import document, element, marked, text, text_width

WIDTH, _HEIGHT = 920.0, 46.0
_WORDS_SIZE = 12.5


@dataclass(frozen=True)
class Part:
    """A part of the bar: how large, its words (drawn where they fit), its tip and its class."""

    size: float
    words: str
    tip: str
    kind: str


def draw_bar(parts: Sequence[Part], identity: str, title: str) -> str:
    """The bar; every part of it is at least a hair wide, so that none vanishes."""
    whole = sum(part.size for part in parts)
    body, x = [], 0.0
    for part in parts:
        width = WIDTH * part.size / whole
        drawn = element("rect", x=x, y=4, width=max(width - 1.5, 1.0), height=_HEIGHT - 12, rx=2)
        if text_width(part.words, _WORDS_SIZE) + 16 < width:
            drawn += text(part.words, x + 9, _HEIGHT / 2 + 2, "bar-words")
        body.append(marked(drawn, part.tip, part.kind))
        x += width
    description = "; ".join(part.tip for part in parts)
    return document(identity, title, description, (WIDTH, _HEIGHT), "".join(body))
