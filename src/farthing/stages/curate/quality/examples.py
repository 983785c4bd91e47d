"""The examples that a classifier learns from: a fixed draw from however many there are."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farthing.documents.batch import text_bytes
from farthing.errors import CorpusError
from farthing.kernels.words import split_words
from farthing.stages.curate.quality.features import Features, features_of

LEAST = 200  # of a side: below, the held-out tenth says nothing


@dataclass(frozen=True)
class Examples:
    """Rows of features with their labels.

    Attributes:
        features: int32; those of row r are features[firsts[r] : firsts[r + 1]].
        firsts: int64 [R + 1].
        labels: int8 [R], 1 for good.
    """

    features: Features
    firsts: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]

    def take(self, rows: npt.NDArray[np.int64]) -> Examples:
        """Those rows, in that order."""
        parts = [self.features[self.firsts[row] : self.firsts[row + 1]] for row in rows]
        return _joined(parts, self.labels[rows])


def draw_examples(
    good: Iterable[pa.LargeStringArray],
    ordinary: Iterable[pa.LargeStringArray],
    *,
    most: int,
    seed: int,
) -> Examples:
    """At most `most` examples of each side, every one as likely as any other.

    Args:
        good: batches of texts.
        ordinary: batches of texts.
        most: of a side.
        seed: of the draw; with the same batches, the same examples in the same order.

    Raises:
        CorpusError: fewer than `LEAST` texts with words on a side.
    """
    rows, labels = [], []
    for label, name, batches in ((1, "good", good), (0, "ordinary", ordinary)):
        drawn = _draw(batches, most, random.Random(f"{seed} {name}"))
        if len(drawn) < LEAST:
            raise CorpusError(
                f"quality: {len(drawn)} {name} examples with text in them, of at least {LEAST}",
                remedy=f"name more files with quality.{name}",
            )
        rows += drawn
        labels += [label] * len(drawn)
    return _joined(rows, np.array(labels, dtype=np.int8))


def _draw(
    batches: Iterable[pa.LargeStringArray], most: int, source: random.Random
) -> list[Features]:
    """Reservoir sampling (Vitter's algorithm R) of texts that have words."""
    drawn: list[Features] = []
    seen = 0
    for texts in batches:
        data, offsets = text_bytes(texts)
        features, firsts = features_of(split_words(data, offsets), data, offsets)
        for row in np.flatnonzero(np.diff(firsts)):
            place = seen if seen < most else source.randrange(seen + 1)
            seen += 1
            if place < most:
                # A copy: a view would keep the features of the whole batch.
                kept = features[firsts[row] : firsts[row + 1]].copy()
                drawn[place : place + 1] = [kept]
    return drawn


def _joined(rows: list[Features], labels: npt.NDArray[np.int8]) -> Examples:
    firsts = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=firsts[1:])
    return Examples(np.concatenate(rows), firsts, labels)
