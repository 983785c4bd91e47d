"""Passages that stand a second time, in the same document or in another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.kernels.cut_points import pieces, without_stretches
from farthing.kernels.words import Words


@dataclass(frozen=True)
class Passages:
    """The texts of a batch, cut where their own words say so."""

    keys: npt.NDArray[np.uint64]  # [N, 2], two hashes of each passage
    bounds: npt.NDArray[np.int64]  # [N, 2], its first word, and one past its last one
    ends: npt.NDArray[np.int64]  # [D + 1]; those of document d: rows ends[d] to ends[d + 1]


def passages(words: Words) -> Passages:
    """Cut every document of a batch; the same words give the same cuts whenever it is done."""
    return Passages(*pieces(words.hashes, words.firsts))


def second_times(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which passages stood before.

    Args:
        keys: uint64 [N, 2], of the documents that are kept, in order of their numbers.

    Returns:
        bool [N].
    """
    order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable: equal ones stay in order
    again = np.zeros(len(keys), dtype=np.bool_)
    again[order[1:]] = np.all(keys[order[1:]] == keys[order[:-1]], axis=1)
    return again


def without_passages(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    words: Words,
    unwanted: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The texts of a batch without some passages, each up to the word behind it.

    Args:
        data: uint8; offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
        offsets: see `data`.
        words: of these texts.
        unwanted: int64 [U, 2], rows of `Passages.bounds`, ascending.

    Returns:
        The remaining texts in the same form.
    """
    # Behind the last word of a text the text ends, whatever stands there.
    ends = offsets[np.searchsorted(words.firsts, unwanted[:, 1], side="left")]
    inside = ~np.isin(unwanted[:, 1], words.firsts)
    ends[inside] = words.begins[unwanted[inside, 1]]
    stretches = np.stack([words.begins[unwanted[:, 0]], ends], axis=1)
    return without_stretches(data, offsets, stretches)
