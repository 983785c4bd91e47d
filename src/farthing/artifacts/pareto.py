"""Which members nobody beats on both price and quality."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Mark the points that no other point beats; smaller is better on both axes.

    A point is beaten by another that is no worse on either axis and better on one.
    """
    return [
        not any(
            other[0] <= point[0] and other[1] <= point[1] and other != point for other in points
        )
        for point in points
    ]
