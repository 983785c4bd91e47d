"""Texts in pieces whose bounds depend on the words there alone, so that copies are cut alike.

A piece ends where a hash of the last 32 words has its low bits zero (content-defined chunking,
LBFS, SOSP 2001): an insertion moves the bounds near it and no others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.words import mixed

LEAST_WORDS, MOST_WORDS = 64, 256

_WINDOW_WORDS = 32
_CUT_BITS = np.uint64(63)  # one place in 64: pieces of about 128 words
_ZERO = np.uint64(0)
# Odd bases of polynomials modulo 2**64; the power is of the word that leaves the window.
_BASE, _OTHER_BASE = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
_POWER = np.uint64(pow(_BASE, _WINDOW_WORDS, 1 << 64))
_FIRST, _SECOND = np.uint64(_BASE), np.uint64(_OTHER_BASE)


@compiled
def pieces(
    hashes: npt.NDArray[np.uint64], firsts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The pieces of every document of a batch, of 64 to 256 words each.

    What is left at the end of a document is a piece too, unless it is shorter.

    Args:
        hashes: uint64 [W], of words (`Words.hashes`).
        firsts: int64 [D + 1], where each document's words begin (`Words.firsts`).

    Returns:
        keys: uint64 [N, 2], two independent hashes of each piece's words.
        bounds: int64 [N, 2], its first word, and one past its last one.
        ends: int64 [D + 1]; the pieces of document d are rows ends[d] to ends[d + 1].
    """
    most = len(hashes) // LEAST_WORDS
    keys = np.empty((most, 2), dtype=np.uint64)
    bounds = np.empty((most, 2), dtype=np.int64)
    ends = np.zeros(len(firsts), dtype=np.int64)
    count = 0
    for document in range(len(firsts) - 1):
        begin, stop = firsts[document], firsts[document + 1]
        while stop - begin >= LEAST_WORDS:
            end = _end_of_piece(hashes, begin, stop)
            _summarise(hashes, begin, end, keys[count])
            bounds[count, 0], bounds[count, 1] = begin, end
            begin = end
            count += 1
        ends[document + 1] = count
    return keys[:count].copy(), bounds[:count].copy(), ends


@inlined
def _end_of_piece(hashes: npt.NDArray[np.uint64], begin: int, stop: int) -> int:
    rolled = _ZERO
    end = min(begin + MOST_WORDS, stop)
    for at in range(begin + LEAST_WORDS - _WINDOW_WORDS, end):
        rolled = rolled * _FIRST + hashes[at]
        if at >= begin + LEAST_WORDS:
            rolled -= hashes[at - _WINDOW_WORDS] * _POWER
        if at >= begin + LEAST_WORDS - 1 and mixed(rolled) & _CUT_BITS == _ZERO:
            end = at + 1
            break
    return end


@inlined
def _summarise(
    hashes: npt.NDArray[np.uint64], begin: int, end: int, key: npt.NDArray[np.uint64]
) -> None:
    one, two = np.uint64(end - begin), _ZERO
    for at in range(begin, end):
        one = one * _FIRST + hashes[at]
        two = two * _SECOND + mixed(hashes[at])
    key[0], key[1] = mixed(one), mixed(two)


@compiled
def without_stretches(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    stretches: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The texts of a batch without some stretches of bytes.

    Args:
        data: uint8; offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
        offsets: see `data`.
        stretches: int64 [N, 2], begin and end in `data`, ascending, apart from each other, none
            across the bound of two texts.

    Returns:
        The remaining texts in the same form.
    """
    rest = np.empty(offsets[-1] - offsets[0], dtype=np.uint8)
    places = np.zeros(len(offsets), dtype=np.int64)
    last, stretch = 0, 0
    for document in range(len(offsets) - 1):
        place = offsets[document]
        while place < offsets[document + 1]:
            if stretch < len(stretches) and place == stretches[stretch, 0]:
                place = stretches[stretch, 1]
                stretch += 1
            else:
                rest[last] = data[place]
                last += 1
                place += 1
        places[document + 1] = last
    return rest[:last].copy(), places
