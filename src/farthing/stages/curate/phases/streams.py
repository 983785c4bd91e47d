"""The training text of each domain in parts by quality, each a stream that batches draw from.

Held-out text is not divided, so that scores of two corpora with other parts compare.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.errors import CorpusError
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions
from farthing.stages.curate.phases.score import Scores
from farthing.stages.curate.phases.sides import TRAIN
from farthing.stages.curate.quality.shares import bucket_of


@dataclass(frozen=True)
class Stream:
    """One part of the training text of a domain.

    Attributes:
        domain: what it is a part of.
        documents, bytes: of its text.
        least_quality, most_quality: of its documents.
    """

    domain: str
    documents: int
    bytes: int
    least_quality: float
    most_quality: float


@dataclass(frozen=True)
class Streams:
    """How training text is divided.

    Attributes:
        buckets: int8 (documents), the part of each within its domain from 1, the best, on; 0 where
            the domain alone says it: held-out text, and what is out.
        parts: name of a stream -> what is in it, by name.
    """

    buckets: npt.NDArray[np.int8]
    parts: dict[str, Stream]

    @property
    def domains(self) -> dict[str, str]:
        """Name of a stream -> its domain."""
        return {name: part.domain for name, part in self.parts.items()}

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {name: asdict(part) for name, part in self.parts.items()}


def stream_name(domain: str, bucket: int) -> str:
    """What the part `bucket` of a domain is called; 0 for the domain itself."""
    return f"{domain}.{bucket}" if bucket else domain


def divide_by_quality(
    columns: Columns,
    config: CurateConfig,
    decisions: Decisions,
    sides: npt.NDArray[np.int8],
    sizes: npt.NDArray[np.int64],
    scores: Scores | None,
) -> Streams | None:
    """Divide the training text, domain by domain, into parts that differ by less than a document.

    Examples that a classifier has learned from count like all other text. A domain of few documents
    may have fewer parts: none is empty.

    Args:
        columns: of the measuring phase.
        config: the settings.
        decisions: what is in; all of it is final.
        sides: int8 (documents), place in `SPLITS`.
        sizes: int64 (documents), bytes of the final text.
        scores: of quality.

    Returns:
        The parts; None where the settings ask for none, or not for a mixture either.

    Raises:
        CorpusError: a domain has the name of a stream.
    """
    count = config.quality.buckets
    if scores is None or count == 1 or not config.reaches("mixed"):
        return None
    codes, names = columns.strings("domain")
    training = np.flatnonzero(decisions.kept & (sides == TRAIN))
    buckets = np.zeros(len(columns), dtype=np.int8)
    buckets[training] = 1 + bucket_of(
        scores.of[training],
        sizes[training],
        codes[training],
        [part / count for part in range(1, count)],
    )
    parts = {}
    for code in np.unique(codes[training]):
        mine = training[codes[training] == code]
        for bucket in np.unique(buckets[mine]).tolist():
            here = mine[buckets[mine] == bucket]
            parts[stream_name(names[code], bucket)] = Stream(
                domain=names[code],
                documents=len(here),
                bytes=int(sizes[here].sum()),
                least_quality=round(float(scores.of[here].min()), 6),
                most_quality=round(float(scores.of[here].max()), 6),
            )
    _check_names(parts, {names[code] for code in np.unique(codes[decisions.kept])})
    return Streams(buckets, dict(sorted(parts.items())))


def _check_names(parts: dict[str, Stream], domains: set[str]) -> None:
    for name in sorted(domains & set(parts)):
        raise CorpusError(
            f"domain {name!r} has the name of a part by quality of {parts[name].domain!r}",
            remedy="give that domain another name, or set corpus.quality.buckets=1",
        )
