"""Which documents a corpus keeps, and on which side of the split each one is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from farthing.errors import CorpusError
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.near_duplicates import NearDuplicates
from farthing.stages.curate.sources import Sources
from farthing.stages.curate.split import split_by_work
from farthing.text.corpus import SPLITS, Split
from farthing.text.document import Document


@dataclass(frozen=True)
class Selection:
    """What is kept.

    Attributes:
        sides: document id -> side, for the documents that are kept.
        domains: sorted; each has text on every side.
        dropped: reason -> documents left out.
    """

    sides: dict[str, Split]
    domains: tuple[str, ...]
    dropped: Counter[str]

    def kept(self, sources: Sources, phase: str) -> Iterator[tuple[Document, Split]]:
        """Read the kept documents again, each with its side."""
        for document, _ in sources.read(phase):
            if (side := self.sides.get(document.id)) is not None:
                yield document, side


def select(config: CurateConfig, sources: Sources) -> Selection:
    """Split by work, then drop repeats: of any document, and of held-out text.

    Where two sides share text, test keeps it before dev, and dev before train.

    Raises:
        CorpusError: malformed text, or a domain with too little of it for three sides.
    """
    dropped: Counter[str] = Counter()
    planned = _plan(config, sources, dropped)
    sides: dict[str, Split] = {}
    domains_of: dict[Split, set[str]] = {side: set() for side in SPLITS}
    seen: set[bytes] = set()
    held_out: list[str] = []
    held_out_index = NearDuplicates([], share=config.near_duplicate_share)
    phases: tuple[tuple[Split, str], ...] = (
        ("test", "reading test"),
        ("dev", "comparing dev with test"),
        ("train", "comparing train with dev and test"),
    )
    for side, phase in phases:
        for document, _ in sources.read(phase):
            if planned[document.id] != side:
                continue
            digest = hashlib.sha256(document.text.encode()).digest()
            if digest in seen:
                dropped["exact_duplicate"] += 1
            elif held_out_index.repeats(document.text):
                dropped[f"{side}_near_duplicate_of_held_out"] += 1
            else:
                seen.add(digest)
                sides[document.id] = side
                domains_of[side].add(document.domain)
                if side != "train":
                    held_out.append(document.text)
        if side != "train":
            held_out_index = NearDuplicates(held_out, share=config.near_duplicate_share)
    return Selection(sides, _complete_domains(domains_of, dropped), dropped)


def _plan(config: CurateConfig, sources: Sources, dropped: Counter[str]) -> dict[str, Split]:
    """Document id -> the side that its work is on."""
    works: dict[str, str] = {}
    given: dict[str, Split] = {}
    sizes: list[tuple[str, str, int]] = []
    for document, side in sources.read("reading", dropped):
        works[document.id] = document.work
        sizes.append((document.work, document.domain, document.size))
        if side is not None:
            given[document.id] = side
    if given:
        return given
    work_sides = split_by_work(
        sizes,
        share=config.held_out_share,
        most_bytes=config.held_out_bytes,
        seed=config.split_seed,
    )
    return {identifier: work_sides[work] for identifier, work in works.items()}


def _complete_domains(domains_of: dict[Split, set[str]], dropped: Counter[str]) -> tuple[str, ...]:
    domains = sorted(set().union(*domains_of.values()))
    for side in SPLITS:
        for domain in domains:
            if domain not in domains_of[side]:
                raise CorpusError(
                    f"domain {domain!r} has no {side} text left; documents dropped: "
                    f"{dict(sorted(dropped.items()))}",
                    remedy="add text that does not repeat, or raise near_duplicate_share",
                )
    return tuple(domains)
