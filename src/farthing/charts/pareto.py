"""Quality against size: members, the front that nobody beats, and names where there is room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from farthing.charts.grid import PIXELS_PER_TICK_DOWN, Axis, draw_grid
from farthing.charts.scale import Scale, at_least, padded
from farthing.charts.svg import document, element, marked, path, text, text_width

WIDTH, HEIGHT = 400.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 14.0, 24.0, 46.0
_LABEL_SIZE = 11.0
_DOT = 5.0
# A family whose largest member is so many times its smallest needs a logarithmic axis.
_LOG_FROM_RATIO = 8.0
_ROOM_LEFT = 0.12
# Bits per byte: members closer than this are drawn as close as they are.
_LEAST_SPAN = 0.02
_PIXELS_PER_TICK = 56.0

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Member:
    """One member: size, bits per byte, whether nobody beats it, whether it is a model of its own.

    Attributes:
        x, y: size and bits per byte; less is better for both.
        label: short name.
        tip: all there is to say.
        on_front: no other member is as good with as little.
        ringed: drawn with a ring.
    """

    x: float
    y: float
    label: str
    tip: str
    on_front: bool
    ringed: bool


def draw_pareto(
    members: Sequence[Member],
    axis_name: str,
    write: Callable[[float], str],
    identity: str,
    title: str,
    called: str = "members",
) -> str:
    """The chart; members on the front are drawn last, in colour, joined by steps.

    Args:
        members: the points.
        axis_name: what lies across.
        write: turns a value of that axis into text.
        identity: of the SVG, unique on a page.
        title: of the SVG.
        called: what the points are, for those who do not see them.
    """
    across, down = _scales(members)
    front = sorted((m for m in members if m.on_front), key=lambda m: m.x)
    digits = _digits(down.ticks_every(PIXELS_PER_TICK_DOWN))
    vertical = Axis(
        "bits per byte, lower is better", 11, PIXELS_PER_TICK_DOWN, lambda y: f"{y:.{digits}f}"
    )
    horizontal = Axis(axis_name, HEIGHT - 6, _PIXELS_PER_TICK, write)
    body = [draw_grid(across, down, horizontal, vertical)]
    corners = _front(front, across, down)
    if front:
        body.append(path(corners, "front-line"))
    body += _labels(members, corners, across, down)
    for member in sorted(members, key=lambda m: (m.on_front, -m.x)):
        x, y = across(member.x), down(member.y)
        drawn = element("circle", cx=x, cy=y, r=11, class_="hit")
        if member.ringed:
            drawn += element("circle", cx=x, cy=y, r=_DOT + 3.5, class_="ring")
        drawn += element("circle", cx=x, cy=y, r=_DOT, class_="dot")
        body.append(marked(drawn, member.tip, "front" if member.on_front else "beaten"))
    description = (
        f"{len(members)} {called}; {axis_name} across, mean bits per byte upwards, lower is "
        "better. On the front, from small to large: "
        + ", ".join(f"{m.label} ({write(m.x)}, {m.y:.3f})" for m in front)
    )
    return document(identity, title, description, (WIDTH, HEIGHT), "".join(body))


def _scales(members: Sequence[Member]) -> tuple[Scale, Scale]:
    sizes = [member.x for member in members]
    log = min(sizes) > 0 and max(sizes) / min(sizes) > _LOG_FROM_RATIO
    low, high = (min(sizes) / 1.3, max(sizes) * 1.15) if log else padded(sizes, 0.08)
    if not log:
        # The names of the front stand to the left of it, where no member can be.
        low -= (high - low) * _ROOM_LEFT
    across = Scale(low, high, _LEFT, WIDTH - _RIGHT, log)
    ends = at_least(_LEAST_SPAN, padded([member.y for member in members], 0.12))
    down = Scale(*ends, HEIGHT - _BOTTOM, _TOP)
    return across, down


def _digits(values: Sequence[float]) -> int:
    """The fewest decimals with which all ticks differ and none is rounded."""
    for digits in range(5):
        if all(abs(round(value, digits) - value) < 1e-9 for value in values):
            return digits
    return 5


def _front(front: Sequence[Member], across: Scale, down: Scale) -> list[tuple[float, float]]:
    """Steps: between two members of the front, nothing better than the smaller one is known."""
    if not front:
        return []
    corners = [(across(front[0].x), down.end)]
    for before, after in pairwise(front):
        corners.append((across(before.x), down(before.y)))
        corners.append((across(after.x), down(before.y)))
    corners.append((across(front[-1].x), down(front[-1].y)))
    corners.append((across.end, down(front[-1].y)))
    return corners


def _labels(
    members: Sequence[Member],
    corners: Sequence[tuple[float, float]],
    across: Scale,
    down: Scale,
) -> list[str]:
    """Names beside their dots: those on the front wherever possible, others if they fit."""
    taken: list[Box] = [_around(across(m.x), down(m.y)) for m in members]
    for (x1, y1), (x2, y2) in pairwise(corners):
        taken.append((min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2) + 1, max(y1, y2) + 1))
    drawn = []
    for member in sorted(members, key=lambda m: (not m.on_front, m.y)):
        x, y = across(member.x), down(member.y)
        width = text_width(member.label, _LABEL_SIZE)
        candidates = _places(x, y, width, member)
        place = _free_place(candidates, width, taken, across, down)
        if place is not None:
            left, baseline, box = place
            taken.append(box)
            kind = "name" if member.on_front else "name beaten"
            drawn.append(text(member.label, left, baseline, kind))
    return drawn


def _places(x: float, y: float, width: float, member: Member) -> list[tuple[float, float]]:
    """Where a name may stand, best first; for the front, on the side that is always empty."""
    gap = _DOT + (8 if member.ringed else 4)
    right = [(x + gap, y + 4), (x + gap - 3, y - 8), (x + gap - 3, y + 16)]
    left = [(x - gap - width, y + 4), (x - gap - width + 3, y + 16), (x - gap - width + 3, y - 8)]
    middle = [(x - width / 2, y + gap + 11), (x - width / 2, y - gap - 2)]
    return [*left[:2], middle[0], *right, *left[2:]] if member.on_front else [*right, *middle]


def _around(x: float, y: float) -> Box:
    return (x - _DOT - 1, y - _DOT - 1, x + _DOT + 1, y + _DOT + 1)


def _free_place(
    candidates: Sequence[tuple[float, float]],
    width: float,
    taken: Sequence[Box],
    across: Scale,
    down: Scale,
) -> tuple[float, float, Box] | None:
    """The first left end and baseline where a name touches nothing; None if there is none."""
    for left, baseline in candidates:
        box = (left, baseline - _LABEL_SIZE * 0.8, left + width, baseline + _LABEL_SIZE * 0.22)
        inside = (
            box[0] >= across.start + 2
            and box[2] <= across.end + _RIGHT
            and box[1] >= down.end - 8
            and box[3] <= down.start - 2
        )
        if inside and not any(_overlap(box, other) for other in taken):
            return left, baseline, box
    return None


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
