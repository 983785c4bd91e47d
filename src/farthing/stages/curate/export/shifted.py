"""Tokens with `end_of_text` behind each document, as other programs want it, instead of before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.text.shards import TokenShard

_TOKENS = 1 << 20


def closed_documents(
    shard: TokenShard, end_of_text: int, dtype: np.dtype[Any]
) -> Iterator[npt.NDArray[Any]]:
    """The tokens of a shard in pieces; document d has the bounds `shard.starts[d:d + 2]` as before.

    Args:
        shard: whose documents each open with `end_of_text`.
        end_of_text: that token; it closes each document in what is yielded.
        dtype: of the tokens yielded.
    """
    for at in range(1, len(shard.tokens), _TOKENS):
        yield shard.tokens[at : at + _TOKENS].astype(dtype)
    if len(shard.tokens):
        yield np.array([end_of_text], dtype=dtype)
