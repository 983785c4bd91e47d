"""Places where personal data or a key may begin: one pass over the bytes, before any pattern.

A place is no finding. It says that a pattern of its kind is worth trying exactly there; almost all
text has no such place and is never seen by a pattern.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined

MAIL = 0  # the start of what stands before an @
ADDRESS = 1  # four groups of digits with dots, or hexadecimal groups with colons
PHONE = 2  # a plus before a digit, or digits that may open a Chinese number
LONG_NUMBER = 3  # of 13 digits or more, some separators allowed: identity numbers, cards
KEY = 4  # the first characters of a known form of secret

_LONGEST_LOCAL = 64  # RFC 5321, section 4.5.3.1.1
_LEAST_LONG = 13  # digits of the shortest card number
_MOST_LONG = 24  # digits and separators looked at
_MOBILE = 11  # digits of a Chinese mobile number

# Bits of a byte.
_DIGIT, _HEX, _LOCAL, _ALNUM = 1, 2, 4, 8

_HEADS = (
    b"AKIA", b"ASIA", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"sk-",
    b"xoxa-", b"xoxb-", b"xoxp-", b"xoxr-", b"xoxs-", b"AIza", b"eyJ", b"-----BEGIN",
    b"glpat-", b"hf_", b"npm_", b"sk_live_", b"rk_live_",
)  # fmt: skip
_LONGEST_HEAD = max(map(len, _HEADS))


def _byte_kinds() -> npt.NDArray[np.uint8]:
    kinds = np.zeros(256, dtype=np.uint8)
    for byte in range(128):
        character = chr(byte)
        kinds[byte] |= _DIGIT * character.isdigit()
        kinds[byte] |= _HEX * (character in "0123456789abcdefABCDEF")
        kinds[byte] |= _LOCAL * (character.isalnum() or character in "._%+-")
        kinds[byte] |= _ALNUM * character.isalnum()
    return kinds


def _head_table() -> npt.NDArray[np.uint8]:
    """One row a head: its length, then its bytes."""
    table = np.zeros((len(_HEADS), _LONGEST_HEAD + 1), dtype=np.uint8)
    for row, head in zip(table, _HEADS, strict=True):
        row[0] = len(head)
        row[1 : 1 + len(head)] = np.frombuffer(head, dtype=np.uint8)
    return table


_KINDS = _byte_kinds()
_HEAD_TABLE = _head_table()
_OPENS_HEAD = np.isin(np.arange(256), _HEAD_TABLE[:, 1])


def suspects(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    """Where patterns should be tried.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.

    Returns:
        places: int64 [N], bytes of `data`; no order within a text beyond that of their discovery.
        kinds: int8 [N], `MAIL` ... `KEY`.
        firsts: int64 [D + 1]; those of text d are firsts[d] up to firsts[d + 1].
    """
    firsts = np.zeros(len(offsets), dtype=np.int64)
    room = int(offsets[-1] - offsets[0]) // 64 + 16
    while True:
        places, kinds = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int8)
        count = _find(data, offsets, _KINDS, _HEAD_TABLE, _OPENS_HEAD, places, kinds, firsts)
        if count <= room:
            return places[:count], kinds[:count], firsts
        room = count


@compiled
def _find(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    bits: npt.NDArray[np.uint8],
    heads: npt.NDArray[np.uint8],
    opens_head: npt.NDArray[np.bool_],
    places: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int8],
    firsts: npt.NDArray[np.int64],
) -> int:
    """Returns the number found, of which only as many as there is room for were written."""
    count = 0
    for document in range(len(offsets) - 1):
        start, stop = offsets[document], offsets[document + 1]
        for place in range(start, stop):
            byte = data[place]
            kind = -1
            found = place
            if byte == 0x40:
                found = _mail(data, place, start, stop, bits)
                kind = MAIL
            elif bits[byte] & _DIGIT or byte == 0x2B:
                kind = _number(data, place, start, stop, bits)
            elif byte == 0xEF:
                kind = PHONE if _is_wide_one(data, place, stop) else -1
            elif opens_head[byte] and _is_head(data, place, start, stop, heads, bits):
                kind = KEY
            if kind >= 0 and found >= 0:
                if count < len(places):
                    places[count], kinds[count] = found, kind
                count += 1
        firsts[document + 1] = count
    return count


@inlined
def _mail(
    data: npt.NDArray[np.uint8], place: int, start: int, stop: int, bits: npt.NDArray[np.uint8]
) -> int:
    """Where the name before an @ begins; -1 if nothing stands on one of its sides."""
    begin = place
    while begin > start and place - begin < _LONGEST_LOCAL and bits[data[begin - 1]] & _LOCAL:
        begin -= 1
    has_domain = place + 1 < stop and bits[data[place + 1]] & _ALNUM
    return begin if begin < place and has_domain else -1


@inlined
def _number(
    data: npt.NDArray[np.uint8], place: int, start: int, stop: int, bits: npt.NDArray[np.uint8]
) -> int:
    """What the plus or the run of digits that begins at `place` may open; -1 for nothing."""
    if data[place] == 0x2B:
        return PHONE if place + 1 < stop and bits[data[place + 1]] & _DIGIT else -1
    if place > start and bits[data[place - 1]] & _ALNUM:
        return -1
    end = place
    while end < stop and bits[data[end]] & _DIGIT:
        end += 1
    length = end - place
    following = data[end] if end < stop else 0
    if length >= _LEAST_LONG:
        return LONG_NUMBER
    if _opens_phone(data, place, length, following):
        return PHONE
    if length == 4 and following in (0x20, 0x2D):
        return LONG_NUMBER if _counts_long(data, end, stop, bits) else -1
    if length <= 3 and following == 0x2E and end + 1 < stop and bits[data[end + 1]] & _DIGIT:
        return ADDRESS
    # Addresses of 128 bits that are reachable from anywhere begin with 2 or 3 (RFC 4291, 2.4).
    if length <= 4 and data[place] in (0x32, 0x33):
        while end < stop and end - place < 4 and bits[data[end]] & _HEX:
            end += 1
        return ADDRESS if end - place == 4 and end < stop and data[end] == 0x3A else -1
    return -1


@inlined
def _opens_phone(data: npt.NDArray[np.uint8], place: int, length: int, following: int) -> bool:
    """Whether digits may open a Chinese number: mobile, area code, 400 and 800 of a company.

    Behind an area code stands a hyphen or a closing bracket, of three bytes if it is full-width.
    """
    first = data[place]
    if length == _MOBILE or (length == 3 and following in (0x20, 0x2D) and first == 0x31):
        return bool(first == 0x31 and data[place + 1] >= 0x33)
    if length == 3 and following == 0x2D and first in (0x34, 0x38):
        return True
    return 3 <= length <= 4 and bool(first == 0x30) and following in (0x2D, 0x29, 0xEF)


@inlined
def _is_wide_one(data: npt.NDArray[np.uint8], place: int, stop: int) -> bool:
    """Whether a full-width 1 (U+FF11) stands at `place`."""
    return bool(place + 2 < stop and data[place + 1] == 0xBC and data[place + 2] == 0x91)


@inlined
def _counts_long(
    data: npt.NDArray[np.uint8], end: int, stop: int, bits: npt.NDArray[np.uint8]
) -> bool:
    """Whether four digits go on, over spaces and hyphens, to a number of a card's length."""
    digits = 4
    place = end
    while place < stop and place - end < _MOST_LONG:
        if bits[data[place]] & _DIGIT:
            digits += 1
        elif data[place] not in (0x20, 0x2D):
            break
        place += 1
    return digits >= _LEAST_LONG


@inlined
def _is_head(
    data: npt.NDArray[np.uint8],
    place: int,
    start: int,
    stop: int,
    heads: npt.NDArray[np.uint8],
    bits: npt.NDArray[np.uint8],
) -> bool:
    if place > start and bits[data[place - 1]] & _ALNUM:
        return False
    for row in range(len(heads)):
        length = np.int64(heads[row, 0])
        if place + length > stop:
            continue
        same = 0
        while same < length and data[place + same] == heads[row, 1 + same]:
            same += 1
        if same == length:
            return True
    return False
