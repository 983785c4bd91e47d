"""A linear classifier of good against ordinary text: learned in seconds, scored while reading.

Logistic regression on hashed words and pairs, as in GPT-3's filter (arXiv 2005.14165, appendix A)
and fastText's (arXiv 1607.01759, the features); learned with AdaGrad.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.storage import write_atomic
from farthing.errors import ArtifactError
from farthing.kernels.linear import linear_scores, sort_rows, train_epoch
from farthing.kernels.words import Words
from farthing.stages.curate.quality.examples import Examples
from farthing.stages.curate.quality.features import BITS, features_of

_EPOCHS = 3
_RATE = 0.1
_HELD_OUT = 10  # one example in so many is not learned from


@dataclass(frozen=True)
class Classifier:
    """Learned weights, float32 [2^BITS, 1]."""

    weights: npt.NDArray[np.float32]

    @property
    def digest(self) -> str:
        """SHA-256 of the weights: equal digests, equal scores."""
        return sha256_hex(self.weights.tobytes())

    def score(
        self, words: Words, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Log-odds of being good, for every text of a batch.

        A sum in the order of the words and a square root: the same bits on every machine.

        Args:
            words: as of `split_words(data, offsets)`.
            data: uint8, valid UTF-8.
            offsets: int64 [D + 1].

        Returns:
            float32 [D]; 0 for a text without words.
        """
        return self.score_rows(*features_of(words, data, offsets))

    def score_rows(
        self, features: npt.NDArray[np.int32], firsts: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """The same for texts whose features are there already."""
        out = np.empty((len(firsts) - 1, 1))
        linear_scores(features, firsts, self.weights, out)
        return out[:, 0].astype(np.float32)

    def save(self, path: Path) -> None:
        """Write `path`, a compressed `.npz`: equal weights give equal bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, weights=self.weights)
        write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Read what `save` wrote.

        Raises:
            ArtifactError: the file is missing, damaged or of another size.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                weights = stored["weights"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ArtifactError(
                f"{path} holds no classifier: {error}", remedy="curate again with --rerun"
            ) from error
        if weights.shape != (1 << BITS, 1) or weights.dtype != np.float32:
            raise ArtifactError(
                f"{path} holds weights {weights.shape} of {weights.dtype}, not {(1 << BITS, 1)}",
                remedy="curate again with --rerun",
            )
        return cls(weights)


@dataclass(frozen=True)
class Learned:
    """A classifier with what is known about it.

    Attributes:
        classifier: learned from nine tenths of the examples.
        good: examples of that side, held-out ones among them.
        ordinary: the same.
        auc: the chance that a held-out good example scores above a held-out ordinary one.
    """

    classifier: Classifier
    good: int
    ordinary: int
    auc: float


def learn(examples: Examples, *, seed: int) -> Learned:
    """Train a classifier.

    Args:
        examples: of both sides, `LEAST` at least of each.
        seed: which of them are held out, and the order of the rest.
    """
    source = np.random.default_rng(seed)
    rows = source.permutation(len(examples.labels)).astype(np.int64)
    test, train = examples.take(rows[::_HELD_OUT]), np.delete(rows, np.s_[::_HELD_OUT])
    classifier = Classifier(_weights(examples.take(train), source))
    good = int(examples.labels.sum())
    return Learned(
        classifier=classifier,
        good=good,
        ordinary=len(rows) - good,
        auc=ranking_auc(classifier.score_rows(test.features, test.firsts), test.labels),
    )


def ranking_auc(scores: npt.NDArray[np.float32], labels: npt.NDArray[np.int8]) -> float:
    """Share of (good, ordinary) pairs in the right order; ties count half. NaN without pairs."""
    values, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Twice the mean rank of each value: whole numbers, so that no order of summing matters.
    ranks = 2 * np.cumsum(counts) - counts + 1
    good = int((labels == 1).sum())
    pairs = good * (len(labels) - good)
    twice = int(ranks[places][labels == 1].sum()) - good * (good + 1)
    return twice / 2 / pairs if pairs and len(values) else float("nan")


def _weights(examples: Examples, source: np.random.Generator) -> npt.NDArray[np.float32]:
    """One column: what the two classes of the softmax differ by."""
    sort_rows(examples.features, examples.firsts)
    weights = np.zeros((1 << BITS, 2), dtype=np.float32)
    squares = np.zeros_like(weights)
    for _ in range(_EPOCHS):
        order = source.permutation(len(examples.labels)).astype(np.int64)
        train_epoch(
            examples.features, examples.firsts, examples.labels, order, _RATE, weights, squares
        )
    return np.ascontiguousarray(weights[:, 1:] - weights[:, :1])
