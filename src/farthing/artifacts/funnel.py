"""Counting a funnel: from what became of each document to what each step dropped, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.artifacts.curation import Amount, Dropped, FunnelStep, Share

KEPT = 0


class Fate(NamedTuple):
    """What can become of a document: the step that drops it, and the reason."""

    step: str
    reason: str


@dataclass(frozen=True)
class Fates:
    """What became of every document.

    Attributes:
        names: of the codes from 1 on; 0 (`KEPT`) is a document that stayed.
        codes: int (documents).
        bytes: int64 (documents); of the text when it was dropped, or in the end.
        domains: int (documents), into `domain_names`.
        domain_names: of the domains.
    """

    names: Sequence[Fate]
    codes: npt.NDArray[np.integer]
    bytes: npt.NDArray[np.integer]
    domains: npt.NDArray[np.integer]
    domain_names: Sequence[str]


@dataclass(frozen=True)
class StepFacts:
    """What is known of a step beside what it dropped; fields as `FunnelStep` has."""

    changed_bytes: int = 0
    tokens: int | None = None


def count_funnel(
    steps: Mapping[str, StepFacts], fates: Fates, refused: Mapping[str, Amount]
) -> tuple[FunnelStep, ...]:
    """The steps of a funnel, added up from its end to its beginning.

    Args:
        steps: by name, in the order in which a document meets them.
        fates: what became of each document that was read.
        refused: by reason, what the first step could not read: records that never became documents
            and have no place in `fates`, with their bytes as they stand in the file.

    Raises:
        KeyError: a fate names a step that is not in `steps`.
    """
    left = _amounts(fates, len(fates.names) + 1)
    kept = sum(left[KEPT].values(), Amount())
    dropped: dict[str, list[Dropped]] = {name: [] for name in steps}
    for code, fate in enumerate(fates.names, start=1):
        dropped[fate.step] += [
            Dropped(domain=domain, reason=fate.reason, amount=amount)
            for domain, amount in left[code].items()
        ]
    first = next(iter(steps))
    dropped[first] += [
        Dropped(domain="", reason=reason, amount=amount) for reason, amount in refused.items()
    ]
    made: list[FunnelStep] = []
    for name, facts in reversed(list(steps.items())):
        gone = sorted(dropped[name], key=lambda each: (each.domain, each.reason))
        entered = sum((each.amount for each in gone), kept)
        entered = Amount(documents=entered.documents, bytes=entered.bytes + facts.changed_bytes)
        step = FunnelStep(name=name, entered=entered, left=kept, dropped=tuple(gone), **vars(facts))
        made.append(step)
        kept = entered
    return tuple(reversed(made))


def count_shares(
    names: Sequence[str],
    of: npt.NDArray[np.integer],
    fates: Fates,
    *,
    read_bytes: npt.NDArray[np.integer],
) -> tuple[Share, ...]:
    """What was read and what was kept, by language, say; the most bytes read first.

    Args:
        names: of the languages.
        of: int (documents), into `names`.
        fates: what became of each document.
        read_bytes: int64 (documents), of its text as it was read.
    """
    kept = np.asarray(fates.codes) == KEPT
    read = _sums(of, read_bytes, len(names))
    stayed = _sums(of[kept], fates.bytes[kept], len(names))
    shares = [
        Share(name=name, read=before, kept=after)
        for name, before, after in zip(names, read, stayed, strict=True)
        if before.documents
    ]
    return tuple(sorted(shares, key=lambda each: (-each.read.bytes, each.name)))


def _amounts(fates: Fates, count: int) -> list[dict[str, Amount]]:
    """By code of a fate and by domain; without what nothing has."""
    width = max(len(fates.domain_names), 1)
    joint = np.asarray(fates.codes, dtype=np.int64) * width + fates.domains
    sums = _sums(joint, fates.bytes, count * width)
    found: list[dict[str, Amount]] = []
    for code in range(count):
        row = zip(fates.domain_names, sums[code * width : (code + 1) * width], strict=False)
        found.append({domain: amount for domain, amount in row if amount.documents})
    return found


def _sums(
    keys: npt.NDArray[np.integer], sizes: npt.NDArray[np.integer], count: int
) -> list[Amount]:
    """Documents and bytes of each key, in integers: no order of adding can change them."""
    documents = np.bincount(keys, minlength=count)
    size = np.zeros(count, dtype=np.int64)
    np.add.at(size, keys, sizes)
    return [
        Amount(documents=int(each), bytes=int(total))
        for each, total in zip(documents, size, strict=True)
    ]
