"""Splitting by work: all documents of a work on one side, chosen by a stable hash.

Chapters, versions and translations share a work, so a model is never scored on a text whose other
half it was trained on. The hash depends on the work's name and the seed alone: documents added
later do not reshuffle the order in which works are considered.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, cast

from farthing.errors import CorpusError
from farthing.text.corpus import Split

# A held-out side may grow to this multiple of its aim, so that one long work does not swallow it.
_MOST_OVER_AIM: Final = 2.0


def split_by_work(
    sizes: Iterable[tuple[str, str, int]], *, share: float, most_bytes: int, seed: int
) -> dict[str, Split]:
    """Give every work a side.

    Args:
        sizes: (work, domain, bytes) of every document.
        share: of each domain's bytes, aimed at for test and again for dev.
        most_bytes: the aim is no more than this, per domain and side.
        seed: which works are held out.

    Returns:
        Work -> "train", "dev" or "test".

    Raises:
        CorpusError: a domain has fewer than three works.
    """
    works: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    domains: dict[str, int] = defaultdict(int)
    for work, domain, size in sizes:
        works[work][domain] += size
        domains[domain] += size
    order = sorted(works, key=lambda work: (_draw(work, seed), work))
    sides: dict[str, Split] = {}
    aims = {domain: min(share * size, most_bytes) for domain, size in domains.items()}
    for sides_to_come, side in ((2, "test"), (1, "dev")):
        _fill(cast(Split, side), order, works, aims, sides, sides_to_come)
    for domain in sorted(domains):
        held = {sides.get(work, "train") for work in works if domain in works[work]}
        if len(held) < 3:
            count = sum(domain in held_by for held_by in works.values())
            raise CorpusError(
                f"domain {domain!r} has too little text to split: {count} works, "
                f"{domains[domain]} bytes; train, dev and test need a work each",
                remedy="add documents, cut a long text into several with a `work` of their own, or "
                "give them the `domain` of a larger one",
            )
    return {work: sides.get(work, "train") for work in works}


def _fill(
    side: Split,
    order: list[str],
    works: dict[str, dict[str, int]],
    aims: dict[str, float],
    sides: dict[str, Split],
    sides_to_come: int,
) -> None:
    """Give works to `side` until its aims are met, leaving one for each of `sides_to_come`."""
    filled: dict[str, int] = defaultdict(int)
    left = Counter(d for work, parts in works.items() if work not in sides for d in parts)

    def take(work: str) -> None:
        sides[work] = side
        for domain, size in works[work].items():
            filled[domain] += size
            left[domain] -= 1

    for work in order:
        parts = works[work]
        wanted = any(filled[domain] < aims[domain] for domain in parts)
        fits = all(filled[d] + size <= _MOST_OVER_AIM * aims[d] for d, size in parts.items())
        spare = all(left[domain] > sides_to_come for domain in parts)
        if work not in sides and wanted and fits and spare:
            take(work)
    for domain in sorted(aims):
        if filled[domain] == 0:  # every work is longer than the aim: the shortest must do
            free = [work for work in order if work not in sides and domain in works[work]]
            if free:
                take(min(free, key=lambda work: works[work][domain]))


def _draw(work: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{work}".encode()).digest()
