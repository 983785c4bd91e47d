"""Texts with each run of white space as one space: equal whatever their layout."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from farthing.kernels.characters import SPACE, characters, decode
from farthing.kernels.compiled import compiled

_LISTED = 0x20000
_BLANK = np.uint8(0x20)


def collapsed(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Every text of a batch as `" ".join(text.split())`.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.

    Returns:
        texts: uint8, one after another; places: int64 [D + 1] into it;
        stable: bool [D], whether such a text certainly is in normal form C (where it is False,
        it may be so all the same).
    """
    documents = len(offsets) - 1
    texts = np.empty(int(offsets[-1] - offsets[0]), dtype=np.uint8)
    places = np.zeros(documents + 1, dtype=np.int64)
    stable = np.ones(documents, dtype=np.bool_)
    _collapse(data, offsets, characters().kinds, _composing(), texts, places, stable)
    return texts[: places[-1]], places, stable


@compiled
def _collapse(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    composing: npt.NDArray[np.bool_],
    texts: npt.NDArray[np.uint8],
    places: npt.NDArray[np.int64],
    stable: npt.NDArray[np.bool_],
) -> None:
    end = 0
    for document in range(len(offsets) - 1):
        place = offsets[document]
        begin = end
        waiting = False  # a space is owed before the next character
        while place < offsets[document + 1]:
            code, width = decode(data, place)
            if kinds[code] & SPACE:
                waiting = end > begin
            else:
                if waiting:
                    texts[end] = _BLANK
                    end += 1
                    waiting = False
                for byte in range(width):
                    texts[end + byte] = data[place + byte]
                end += width
                if code >= len(composing) or composing[code]:
                    stable[document] = False
            place += width
        places[document + 1] = end


@cache
def _composing() -> npt.NDArray[np.bool_]:
    """By code point, whether a text with it may differ from its normal form C."""
    table = np.zeros(_LISTED, dtype=np.bool_)
    seconds = [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]  # jamo that follow another one
    for code in range(0xC0, _LISTED):
        character = chr(code)
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.append(int(parts[1], 16))
        # A character that decomposes for good, as the compatibility Han do, or is put in order.
        changes = bool(parts) and unicodedata.normalize("NFC", character) != character
        table[code] = changes or unicodedata.combining(character) > 0
    table[[code for code in seconds if code < _LISTED]] = True
    table.flags.writeable = False
    return table
