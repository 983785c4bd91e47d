"""Words of a batch of texts as 64-bit hashes with their places: split once, used by every step.

A word is a run of letters, digits and marks, lower-cased; each Han, kana and Hangul character is a
word by itself. Scripts without spaces other than these (Thai, Khmer) give one word a phrase.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.kernels.characters import DIGIT, IDEOGRAPH, LETTER, characters, decode
from farthing.kernels.compiled import compiled, inlined

_BASIS = np.uint64(0xCBF29CE484222325)  # FNV-1a, 64 bits, over code points instead of bytes
_PRIME = np.uint64(0x100000001B3)
_ODD = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


@dataclass(frozen=True)
class Words:
    """The words of a batch: those of document d are `hashes[firsts[d] : firsts[d + 1]]`."""

    hashes: npt.NDArray[np.uint64]  # [W]
    begins: npt.NDArray[np.int64]  # [W], where the word begins in the bytes of the batch
    ends: npt.NDArray[np.int64]  # [W], one past its last byte
    firsts: npt.NDArray[np.int64]  # [D + 1]


def split_words(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Words:
    """Split every text of a batch.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.

    Returns:
        The words. Equal words have equal hashes; different ones collide as 64-bit numbers do.
    """
    documents = len(offsets) - 1
    # No more: between two words of one byte stands a byte, or a character of three.
    most = (int(offsets[-1] - offsets[0]) + documents) // 2 + 1
    hashes = np.empty(most, dtype=np.uint64)
    begins, ends = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    firsts = np.zeros(documents + 1, dtype=np.int64)
    _split(data, offsets, *characters(), hashes, begins, ends, firsts)
    count = firsts[-1]
    return Words(hashes[:count], begins[:count], ends[:count], firsts)


def word_hash(word: str) -> np.uint64:
    """The hash that `split_words` gives `word`, for tables of known words.

    Args:
        word: one word in lower case.
    """
    value = int(_BASIS)
    for character in word:
        value = (value ^ ord(character)) * int(_PRIME) & 0xFFFFFFFFFFFFFFFF
    for _ in range(2):
        value = (value ^ value >> 32) * int(_ODD) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value ^ value >> 32)


@inlined
def mixed(value: np.uint64) -> np.uint64:
    """`value` with every bit depending on every other (a permutation of 64 bits)."""
    value = (value ^ (value >> _HALF)) * _ODD
    value = (value ^ (value >> _HALF)) * _ODD
    return value ^ (value >> _HALF)


@inlined
def _grown(value: np.uint64, code: int | np.integer[Any]) -> np.uint64:
    return (value ^ np.uint64(code)) * _PRIME


@inlined
def _put(
    hashes: npt.NDArray[np.uint64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    count: int,
    value: np.uint64,
    begin: int,
    end: int,
) -> int:
    hashes[count] = mixed(value)
    begins[count] = begin
    ends[count] = end
    return count + 1


@compiled
def _split(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    lowers: npt.NDArray[np.int32],
    hashes: npt.NDArray[np.uint64],
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
) -> None:
    count = 0
    for document in range(len(offsets) - 1):
        place = int(offsets[document])
        stop = offsets[document + 1]
        value = _BASIS
        begin = -1
        while place < stop:
            code, width = decode(data, place)
            kind = kinds[code]
            if kind & (LETTER | DIGIT) and not kind & IDEOGRAPH:
                if begin < 0:
                    begin = place
                    value = _BASIS
                value = _grown(value, lowers[code] if code < len(lowers) else code)
            else:
                if begin >= 0:
                    count = _put(hashes, begins, ends, count, value, begin, place)
                    begin = -1
                if kind & IDEOGRAPH:
                    alone = _grown(_BASIS, code)
                    count = _put(hashes, begins, ends, count, alone, place, place + width)
            place += width
        if begin >= 0:
            count = _put(hashes, begins, ends, count, value, begin, place)
        firsts[document + 1] = count
