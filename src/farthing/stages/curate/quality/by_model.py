"""Scores by a language model: text that it finds likely is like what it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farthing.documents.batch import text_bytes

# Texts to bits per byte. A value may depend on its own text only, not on its neighbours.
Scorer = Callable[[Sequence[str]], Sequence[float]]


def score_by_model(
    texts: pa.LargeStringArray, scorer: Scorer, *, most_bytes: int
) -> npt.NDArray[np.float32]:
    """Bits per byte of each text with its sign turned, so that higher is better.

    Args:
        texts: without nulls.
        scorer: the model.
        most_bytes: of a text that it reads, from the middle: the start is a title or a licence.

    Returns:
        float32 [D]; the least number there is for a text without bytes.
    """
    data, offsets = text_bytes(texts)
    excerpts = [_middle(data[begin:end].tobytes(), most_bytes) for begin, end in _pairs(offsets)]
    scores = np.full(len(excerpts), np.finfo(np.float32).min, dtype=np.float32)
    readable = [place for place, excerpt in enumerate(excerpts) if excerpt]
    bits = scorer([excerpts[place] for place in readable])
    scores[readable] = -np.asarray(bits, dtype=np.float32)
    return scores


def _pairs(offsets: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    return list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))


def _middle(text: bytes, most: int) -> str:
    """At most `most` bytes around the middle; characters that were cut are left out."""
    first = max(0, (len(text) - most) // 2)
    return text[first : first + most].decode("utf-8", "ignore")
