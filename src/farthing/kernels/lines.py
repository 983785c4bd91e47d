"""What one line of decoded text is like: its tokens, its sentences, how it begins and ends.

Each function looks at the characters of one line, `codes[begin:end]`, with the bits of
`characters` in `kinds`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.characters import FULL_STOP, IDEOGRAPH, LETTER, LOWER, SPACE, TERMINAL
from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.words import mixed

Codes = npt.NDArray[np.int32]
Kinds = npt.NDArray[np.uint8]

ELLIPSIS = 0x2026
_DOT, _EXCLAMATION, _QUESTION = ord("."), ord("!"), ord("?")
_ZERO = np.uint64(0)
_SHIFT = np.uint64(32)
_ODD = np.uint64(0x9E3779B97F4A7C15)


@inlined
def find_line_end(codes: Codes, begin: int, count: int) -> int:
    """Where the line that begins at `begin` ends: at a line feed, or with the text."""
    end = begin
    while end < count and codes[end] != 10:
        end += 1
    return end


@inlined
def find_text(kinds: Kinds, begin: int, end: int) -> tuple[int, int]:
    """The line without white space at its two ends; equal numbers where it is blank."""
    while end > begin and kinds[end - 1] & SPACE:
        end -= 1
    while begin < end and kinds[begin] & SPACE:
        begin += 1
    return begin, end


@compiled
def hash_line(codes: Codes, begin: int, end: int) -> np.uint64:
    """64 bits of the line; two characters a step, since each step waits for the one before."""
    value = np.uint64(end - begin)
    place = begin
    while place + 1 < end:
        pair = (np.uint64(codes[place]) << _SHIFT) | np.uint64(codes[place + 1])
        value = (value ^ pair) * _ODD
        value ^= value >> _SHIFT
        place += 2
    if place < end:
        value = (value ^ np.uint64(codes[place])) * _ODD
    return mixed(value)


@compiled
def count_tokens(kinds: Kinds, begin: int, end: int) -> tuple[int, int, int]:
    """Tokens: what white space separates, each Han, kana and Hangul character one by itself.

    Returns:
        How many; how many of them hold a letter; the characters of all.
    """
    tokens = alphabetic = characters = 0
    before = True
    letters = False
    for place in range(begin, end):
        # No branches: where a token ends cannot be foreseen.
        kind = kinds[place]
        alone = (kind & IDEOGRAPH) != 0
        apart = (kind & (SPACE | IDEOGRAPH)) != 0
        tokens += alone | (before & (not apart))
        alphabetic += alone + (apart & letters)
        characters += (kind & SPACE) == 0
        letters = (not apart) & (letters | ((kind & LETTER) != 0))
        before = apart
    return tokens, alphabetic + letters, characters


@compiled
def has_token_above(kinds: Kinds, begin: int, end: int, most: int) -> bool:
    """Whether a token of the line has more than `most` characters."""
    if end - begin <= most:
        return False
    length = 0
    for place in range(begin, end):
        length = 0 if kinds[place] & (SPACE | IDEOGRAPH) else length + 1
        if length > most:
            return True
    return False


@compiled
def count_sentences(codes: Codes, kinds: Kinds, begin: int, end: int) -> tuple[int, int, int]:
    """Ends of sentences in a line that is not blank, sentences as C4 counts them, and ellipses.

    An end is a full stop of Chinese or an ellipsis; or . ! ? before white space or the end of the
    line, brackets and quotation marks in between allowed, but no dot behind a single letter (an
    initial, "e.g."). The next sentence begins there if another character follows that is neither
    a stop nor lower case. This stands for the punkt model that C4's reference code uses: it knows
    no abbreviations.

    Returns:
        Ends; sentences, at least 1; ellipses, of three dots or their character.
    """
    ends, sentences, ellipses = 0, 1, 0
    for place in range(begin, end):
        if kinds[place] & (TERMINAL | FULL_STOP):
            behind = _behind_stop(codes, kinds, begin, place, end)
            if behind > 0:
                ends += 1
                sentences += _begins_sentence(codes, kinds, behind, end)
            ellipses += _ellipses_until(codes, begin, place, end)
    return ends, sentences, ellipses


@inlined
def _ellipses_until(codes: Codes, begin: int, place: int, end: int) -> int:
    """1 for the character; for the last of a run of dots, how often three fit into it."""
    if codes[place] != _DOT:
        return 1 if codes[place] == ELLIPSIS else 0
    if place + 1 < end and codes[place + 1] == _DOT:
        return 0
    dots = 1
    while place - dots >= begin and codes[place - dots] == _DOT:
        dots += 1
    return dots // 3


@inlined
def _behind_stop(codes: Codes, kinds: Kinds, begin: int, place: int, end: int) -> int:
    """The place behind a stop that ends a sentence; 0 where it does not."""
    behind = place + 1
    if kinds[place] & FULL_STOP:
        return behind
    if not _may_stop(codes[place]) or (
        codes[place] == _DOT and _is_single_letter(kinds, begin, place)
    ):
        return 0
    while behind < end and _closes(codes[behind]):
        behind += 1
    return behind if behind == end or kinds[behind] & SPACE else 0


@inlined
def _is_single_letter(kinds: Kinds, begin: int, end: int) -> bool:
    if end == begin or not kinds[end - 1] & LETTER:
        return False
    return end - 1 == begin or not kinds[end - 2] & LETTER


@inlined
def _begins_sentence(codes: Codes, kinds: Kinds, place: int, end: int) -> bool:
    while place < end and (kinds[place] & SPACE or _closes(codes[place])):
        place += 1
    return place < end and not kinds[place] & (LOWER | TERMINAL | FULL_STOP)


@inlined
def _may_stop(code: int) -> bool:
    return code in (_DOT, _EXCLAMATION, _QUESTION)


@inlined
def _closes(code: int) -> bool:
    """Quotation marks and brackets that may stand between the stop and the space."""
    if code < 0x80:
        return code == 0x22 or code == 0x27 or code == 0x29 or code == 0x5D
    return (
        0x2018 <= code <= 0x201D
        or code == 0x300D
        or code == 0x300F
        or code == 0xFF09
        or code == 0x3011
    )


@inlined
def ends_with_ellipsis(codes: Codes, begin: int, end: int) -> bool:
    """Whether the line ends with three dots or their character."""
    if codes[end - 1] == ELLIPSIS:
        return True
    return (
        end - begin >= 3
        and codes[end - 1] == _DOT
        and codes[end - 2] == _DOT
        and codes[end - 3] == _DOT
    )


@inlined
def ends_as_c4_asks(code: int) -> bool:
    """C4's terminal marks (arXiv 1910.10683): . ! ? and the quotation marks of ASCII."""
    return _may_stop(code) or code == 0x22 or code == 0x27


@inlined
def begins_with_bullet(code: int) -> bool:
    """Gopher's bullet points (arXiv 2112.11446): - and •, and Markdown's *."""
    return code == 0x2D or code == 0x2022 or code == 0x2A
