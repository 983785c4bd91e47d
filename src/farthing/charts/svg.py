"""Writing SVG: elements with everything escaped, text and its width, and the frame."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from farthing.charts.visible import visible

# Mean advance of a digit or letter in system fonts, as a share of the font size.
_LETTER_WIDTH = 0.56
_FIRST_WIDE = 0x2E80  # CJK begins here; such characters are as wide as the font size


def element(name: str, content: str = "", **attributes: float | str | None) -> str:
    """One element; `content` is SVG already, attribute values are escaped.

    `class_` stands for `class`, an underscore elsewhere for a hyphen; None leaves it out.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            shown = number(value) if isinstance(value, (int, float)) else _escaped(value)
            # The two names that SVG writes with a capital take no hyphen.
            spelt = key.rstrip("_") if key == "viewBox" else key.rstrip("_").replace("_", "-")
            parts.append(f'{spelt}="{shown}"')
    opening = " ".join(parts)
    return f"<{opening}>{content}</{name}>" if content else f"<{opening}/>"


def text(content: str, x: float, y: float, class_: str = "") -> str:
    """A line of text at its baseline."""
    return element("text", _escaped(content), x=x, y=y, class_=class_ or None)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str, *, closed: bool = False) -> str:
    """A line through points, or an area with `closed`."""
    places = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return element("path", d=f"M{places}{'Z' if closed else ''}", class_=class_)


def marked(content: str, tip: str, class_: str = "", *, focusable: bool = True) -> str:
    """A group with a tip: a title without script, a tooltip by pointer and keyboard with it."""
    title = element("title", _escaped(tip))
    return element(
        "g",
        title + content,
        class_=f"mark {class_}".strip(),
        role="img",
        tabindex="0" if focusable else "-1",
    )


def document(
    identity: str, title: str, description: str, size: tuple[float, float], body: str
) -> str:
    """The `<svg>` with its accessible name and description."""
    named = element("title", _escaped(title), id=f"{identity}-t")
    described = element("desc", _escaped(description), id=f"{identity}-d")
    return element(
        "svg",
        named + described + body,
        id=identity,
        viewBox=f"0 0 {number(size[0])} {number(size[1])}",
        role="group",
        aria_labelledby=f"{identity}-t",
        aria_describedby=f"{identity}-d",
        class_="chart",
    )


def number(value: float) -> str:
    """A coordinate: one decimal, no trailing zero."""
    return f"{value:.1f}".removesuffix(".0")


def text_width(content: str, font_size: float) -> float:
    """About how wide a line of text will be."""
    letters = sum(1.0 if ord(letter) >= _FIRST_WIDE else _LETTER_WIDTH for letter in content)
    return letters * font_size


def _escaped(content: str) -> str:
    return escape(visible(content), quote=True)
