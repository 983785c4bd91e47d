"""Training batches: the next sequences of the stateless order, as arrays of tokens.

Shapes: B sequences of a batch, W = context + 1 tokens of a window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from farthing.artifacts.canonical import sha256_hex
from farthing.text.corpus import Corpus
from farthing.text.order import Location, Phase, PhasedOrder


@dataclass(frozen=True)
class Batch:
    """Some consecutive sequences of a run.

    Attributes:
        tokens: int64 (B, W): `tokens[:, :-1]` is the input, `tokens[:, 1:]` the targets.
        end_of_text: the token that opens a document.
    """

    tokens: npt.NDArray[np.int64]
    end_of_text: int

    @cached_property
    def attended_pairs(self) -> int:
        """(query, key) pairs of the inputs under the causal and document-boundary mask."""
        return count_attended_pairs(self.tokens[:, :-1], self.end_of_text)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tokens as little-endian int64, row by row."""
        return sha256_hex(np.ascontiguousarray(self.tokens, dtype="<i8").tobytes())


class Batches:
    """Any batch of a run, by the number of its first sequence."""

    def __init__(
        self,
        corpus: Corpus,
        *,
        context: int,
        weights: Mapping[str, float] | None,
        seed: int,
        first: int = 0,
        sequences: int | None = None,
    ) -> None:
        """Lay out the order over the training split of `corpus`.

        Args:
            corpus: what to read.
            context: input tokens of a sequence.
            weights: share of the sequences for each domain or stream (`Corpus.streams`); None for
                the mixture that the corpus states, and where it states none, in proportion to the
                training tokens.
            seed: of the data order.
            first: sequence of that order which this run calls its sequence 0.
            sequences: of the whole order, which the phases of a stated mixture are shares of; None
                reads in the first phase only.

        Raises:
            ConfigError: weights that make no mixture of this corpus.
            CorpusError: a domain is shorter than one window.
        """
        lengths = {domain: corpus.tokens("train", domain) for domain in corpus.domains}
        self.order = PhasedOrder(lengths, _phases(corpus, weights), context, seed, sequences)
        self.first = first
        self._corpus = corpus
        self._window = context + 1
        self._shards = {domain: corpus.shard("train", domain) for domain in self.order.domains}

    def batch(self, first: int, count: int) -> Batch:
        """Sequences `first` to `first + count - 1` of this run."""
        tokens_BW = np.empty((count, self._window), dtype=np.int64)
        for row in range(count):
            tokens_BW[row] = self._read(self.order.locate(self.first + first + row))
        return Batch(tokens=tokens_BW, end_of_text=self._corpus.tokenizer.end_of_text)

    def describe(self, first: int, count: int) -> list[str]:
        """What the sequences hold, for an error message: domain and documents of each."""
        names: dict[str, list[str]] = {}
        lines = []
        for i in range(first, first + count):
            place = self.order.locate(self.first + i)
            if place.domain not in names:
                records = self._corpus.documents("train", place.domain)
                names[place.domain] = [record.id for record in records]
            shard = self._shards[place.domain]
            begin = shard.document_at(place.start)
            end = shard.document_at(place.start + self._window - 1)
            documents = ", ".join(names[place.domain][begin : end + 1])
            lines.append(f"sequence {i}: domain {place.domain!r}, documents {documents}")
        return lines

    def _read(self, place: Location) -> npt.NDArray[np.int64]:
        tokens = self._shards[place.domain].tokens
        return tokens[place.start : place.start + self._window].astype(np.int64)


def _phases(corpus: Corpus, weights: Mapping[str, float] | None) -> tuple[Phase, ...]:
    if weights is not None:
        return (Phase(1.0, corpus.spread(weights)),)
    stated = corpus.mixture
    if stated is None:
        lengths = {domain: corpus.tokens("train", domain) for domain in corpus.domains}
        return (Phase(1.0, lengths),)
    return tuple(
        Phase(until, {each.stream: each.weights[number] for each in stated.streams})
        for number, until in enumerate(stated.until)
    )


def count_attended_pairs(tokens_BT: npt.NDArray[np.int64], end_of_text: int) -> int:
    """(query, key) pairs in one segment with the key not after the query; L(L+1)/2 per segment."""
    place_T = np.arange(tokens_BT.shape[1], dtype=np.int64)
    marks_BT = np.where(tokens_BT == end_of_text, place_T, 0)
    segment_start_BT = np.maximum.accumulate(marks_BT, axis=1)
    return int((place_T - segment_start_BT + 1).sum())
