"""A few documents of each kind, the same ones however the work was cut into pieces.

Of each group those stay whose ids have the smallest digests. That is as good as chance, needs no
order and no generator, and joins over pieces: the smallest of all are among the smallest of each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from farthing.artifacts.curation import EXCERPT_LETTERS

ItemT = TypeVar("ItemT")

_BYTES = 8


def rank_of(identity: str) -> int:
    """A document's place in the draw: a 64-bit digest of its id."""
    digest = hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=_BYTES)
    return int.from_bytes(digest.digest(), "big")


def excerpt(text: str) -> str:
    """The first letters of a text, as samples, clusters and hits show it."""
    return text[:EXCERPT_LETTERS]


class Reservoir(Generic[ItemT]):
    """At most so many items of each group, drawn by the digests of their ids."""

    def __init__(self, size: int) -> None:
        """An empty one.

        Args:
            size: items of each group.
        """
        self._size = size
        self._groups: dict[str, list[tuple[int, str, ItemT]]] = {}

    def offer(self, group: str, identity: str, make: Callable[[], ItemT]) -> None:
        """Take an item if it is drawn; `make` is called only then.

        Args:
            group: such as the reason for which a document was dropped.
            identity: the document's id; an id that is there already is taken for the same item.
            make: the item.
        """
        rank, held = rank_of(identity), self._groups.setdefault(group, [])
        drawn = len(held) < self._size or (held and (rank, identity) < held[-1][:2])
        if not drawn or any(identity == other for _, other, _ in held):
            return
        held.append((rank, identity, make()))
        held.sort(key=lambda each: each[:2])
        del held[self._size :]

    def join(self, other: Reservoir[ItemT]) -> None:
        """Take what another piece has drawn; in whichever order, the result is the same."""
        for group, held in other._groups.items():
            for _, identity, item in held:
                self.offer(group, identity, lambda item=item: item)  # type: ignore[misc]

    def items(self) -> list[ItemT]:
        """Everything drawn: by group in alphabetical order, then by digest."""
        return [item for group in sorted(self._groups) for _, _, item in self._groups[group]]


def spread(sizes: Sequence[int], most: int) -> list[int]:
    """Which of many clusters to show: half the largest, half evenly spread over the others.

    Args:
        sizes: of all clusters, in an order that does not depend on how the work was cut.
        most: how many.

    Returns:
        Positions in `sizes`, the largest cluster first.
    """
    order = sorted(range(len(sizes)), key=lambda place: (-sizes[place], place))
    if len(order) <= most:
        return order
    first = (most + 1) // 2
    others, wanted = order[first:], most - first
    return order[:first] + [others[place * len(others) // wanted] for place in range(wanted)]


def joined(parts: Iterable[Reservoir[ItemT]], size: int) -> Reservoir[ItemT]:
    """What several pieces have drawn together."""
    whole = Reservoir[ItemT](size)
    for part in parts:
        whole.join(part)
    return whole
