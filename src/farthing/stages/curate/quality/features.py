"""What the classifier sees of a document: words and pairs of its first 2,000 words.

The first and last lines of long documents are left out, in learning and in scoring. Otherwise the
menus and licences of the sources that the examples came from decide, and not the text.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.linear_words import inner_bytes, word_features
from farthing.kernels.words import Words

BITS = 20
MOST_WORDS = 2000
_EDGE_LINES = 5
_LONG = 30  # lines

Features = npt.NDArray[np.int32]


def features_of(
    words: Words, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[Features, npt.NDArray[np.int64]]:
    """The features of every text of a batch.

    Args:
        words: as of `split_words(data, offsets)`.
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1].

    Returns:
        features: int32, below 2^BITS, one a word and one a pair of neighbours.
        firsts: int64 [D + 1]; those of text d are features[firsts[d] : firsts[d + 1]].
    """
    texts = len(offsets) - 1
    begins, ends = np.empty(texts, dtype=np.int64), np.empty(texts, dtype=np.int64)
    inner_bytes(data, offsets, _EDGE_LINES, _LONG, begins, ends)
    room = 2 * int(np.minimum(np.diff(words.firsts), MOST_WORDS).sum())
    features = np.empty(room, dtype=np.int32)
    firsts = np.zeros(texts + 1, dtype=np.int64)
    word_features(
        words.hashes, words.begins, words.firsts, begins, ends, MOST_WORDS, BITS, features, firsts
    )
    return features[: firsts[-1]], firsts
