"""Texts as hashed single words and pairs of neighbours, their boilerplate left out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
_BITS = 64
_LINE_FEED = 0x0A


@compiled
def inner_bytes(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    edge: int,
    least: int,
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> None:
    """Texts without their first and last lines: titles, menus and licences tell where, not what.

    Args:
        data: uint8.
        offsets: int64 [D + 1].
        edge: lines left out at each end.
        least: lines that a text has at least for that; shorter ones stay whole.
        begins: int64 [D], filled: first byte of what remains.
        ends: int64 [D], filled: one past the last.
    """
    for document in range(len(offsets) - 1):
        begin, end = offsets[document], offsets[document + 1]
        begins[document], ends[document] = begin, end
        lines = 1
        for place in range(begin, end):
            lines += data[place] == _LINE_FEED
        if lines < least:
            continue
        seen = 0
        while seen < edge:
            seen += data[begin] == _LINE_FEED
            begin += 1
        seen = 0
        while seen < edge:
            end -= 1
            seen += data[end] == _LINE_FEED
        begins[document], ends[document] = begin, end


@compiled
def word_features(
    hashes: npt.NDArray[np.uint64],
    places: npt.NDArray[np.int64],
    word_firsts: npt.NDArray[np.int64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    most: int,
    bits: int,
    features: npt.NDArray[np.int32],
    firsts: npt.NDArray[np.int64],
) -> None:
    """The features of each text's first words.

    Args:
        hashes: uint64 [W], the words of the batch.
        places: int64 [W], where each begins.
        word_firsts: int64 [D + 1]; those of text d are word_firsts[d] up to word_firsts[d + 1].
        begins: int64 [D], the first byte of each text that counts.
        ends: int64 [D], one past the last.
        most: words of a text that are looked at.
        bits: a feature is a number below 2^bits.
        features: int32, filled; room for two a word.
        firsts: int64 [D + 1], filled; those of text d are features[firsts[d] : firsts[d + 1]].
    """
    count = np.int64(0)
    firsts[0] = 0
    for document in range(len(firsts) - 1):
        seen = 0
        before = np.uint64(0)
        for word in range(word_firsts[document], word_firsts[document + 1]):
            if places[word] < begins[document]:
                continue
            if places[word] >= ends[document] or seen == most:
                break
            features[count] = _slot(hashes[word], bits)
            count += 1
            if seen:
                features[count] = _slot(before * _SECOND ^ hashes[word], bits)
                count += 1
            before = hashes[word]
            seen += 1
        firsts[document + 1] = count


@inlined
def _slot(value: np.uint64, bits: int) -> np.int32:
    return np.int32((value * _ODD) >> np.uint64(_BITS - bits))
