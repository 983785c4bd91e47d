"""Counts of each text's characters and lines, from which its signals of quality are made.

A document is decoded once; every count reads the decoded characters while they are in the cache.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.kernels.characters import (
    CODE_POINTS,
    DIGIT,
    IDEOGRAPH,
    LETTER,
    PUNCTUATION,
    SPACE,
    TERMINAL,
    characters,
    decode,
)
from farthing.kernels.compiled import compiled, inlined
from farthing.kernels.counters import Table, new_table, repeated
from farthing.kernels.lines import (
    Codes,
    Kinds,
    begins_with_bullet,
    count_sentences,
    count_tokens,
    ends_as_c4_asks,
    ends_with_ellipsis,
    find_line_end,
    find_text,
    has_token_above,
    hash_line,
)
from farthing.kernels.phrases import (
    FILLER_ROW,
    HEAD_LETTERS,
    HEAD_MARKED,
    HEAD_PLACES,
    LINE_LETTERS,
    LINE_MARKED,
    LINE_PLACES,
    find_phrase,
)

_COUNTED = (
    # characters
    "characters", "ideographs", "word_characters", "digits", "punctuation", "controls", "newlines",
    "hash_signs", "curly_brackets", "closing_brackets", "bracketed",
    # lines that are not blank, and the tokens in them
    "lines", "line_characters", "longest_line", "short_lines", "bullet_lines", "ellipsis_lines",
    "terminal_lines", "tokens", "alphabetic_tokens", "token_characters", "sentence_ends",
    "ellipses", "repeated_lines", "repeated_line_characters",
    # runs of lines between blank ones
    "paragraphs", "repeated_paragraphs", "repeated_paragraph_characters",
    # what C4 would keep, and what it drops pages for
    "c4_lines", "c4_sentences", "filler", "generated",
)  # fmt: skip
# One record a document: numba and numpy reach its numbers by name.
COUNTS = np.dtype([(name, np.int64) for name in _COUNTED] + [("entropy", np.float64)])

SHORT_LINE = 30  # FineWeb, arXiv 2406.17557
_C4_LONGEST_TOKEN = 1000  # arXiv 1910.10683, as coded in TensorFlow Datasets
_C4_FEWEST_TOKENS = 3
_HEAD_LINES = 5  # CodeParrot looks for marks of generators in so many lines
_NEWLINE, _HASH, _CURLY, _REPLACEMENT = 10, ord("#"), ord("{"), 0xFFFD
_OPEN, _CLOSE = 0x3010, 0x3011  # 【】
# n ln n of small n: most characters of a text occur less often.
_TABLED = 512
_N_LOG_N = np.array([0.0, 0.0] + [n * math.log(n) for n in range(2, _TABLED)])
_PRIME = np.uint64(0x100000001B3)
_ONE = np.uint64(1)

# A record of COUNTS, which numba changes in place.
_Record = Any


def count_signals(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.void]:
    """Count what the rules of quality ask about each text.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.

    Returns:
        `COUNTS` [D]. A line ends at a line feed; white space at its end is no part of it.
    """
    longest = int(np.diff(offsets).max(initial=0))
    counts = np.zeros(len(offsets) - 1, dtype=COUNTS)
    codes, kinds = np.empty(longest, dtype=np.int32), np.empty(longest, dtype=np.uint8)
    most_lines = longest // 2 + 1
    hashes = np.empty((2, most_lines), dtype=np.uint64)
    lengths = np.empty((2, most_lines), dtype=np.int64)
    occurrences = np.zeros(CODE_POINTS, dtype=np.int32)
    distinct = np.empty(min(longest, CODE_POINTS), dtype=np.int32)
    _count(data, offsets, characters().kinds, codes, kinds, hashes, lengths, new_table(most_lines),
           occurrences, distinct, counts)  # fmt: skip
    return counts


@compiled
def _count(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    kinds_of: npt.NDArray[np.uint8],
    codes: Codes,
    kinds: Kinds,
    hashes: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.int64],
    table: Table,
    occurrences: npt.NDArray[np.int32],
    distinct: npt.NDArray[np.int32],
    counts: npt.NDArray[np.void],
) -> None:
    generation = np.uint64(1)
    for document in range(len(offsets) - 1):
        record: _Record = counts[document]
        size = _decoded(data, offsets[document], offsets[document + 1], kinds_of, codes, kinds)
        _count_characters(codes, size, kinds_of, occurrences, distinct, record)
        if record.closing_brackets > 0:
            record.bracketed = _count_bracketed(codes, size)
        _count_lines(codes, kinds, size, hashes, lengths, record)
        pair = repeated(hashes[0], lengths[0], record.lines, table, generation)
        record.repeated_lines, record.repeated_line_characters = pair
        pair = repeated(hashes[1], lengths[1], record.paragraphs, table, generation + _ONE)
        record.repeated_paragraphs, record.repeated_paragraph_characters = pair
        generation += np.uint64(2)


@compiled
def _decoded(
    data: npt.NDArray[np.uint8],
    begin: int,
    end: int,
    kinds_of: npt.NDArray[np.uint8],
    codes: Codes,
    kinds: Kinds,
) -> int:
    count = 0
    place = begin
    while place < end:
        code, width = decode(data, place)
        codes[count] = code
        kinds[count] = kinds_of[code]
        count += 1
        place += width
    return count


@compiled
def _count_characters(
    codes: Codes,
    size: int,
    kinds_of: npt.NDArray[np.uint8],
    occurrences: npt.NDArray[np.int32],
    distinct: npt.NDArray[np.int32],
    record: _Record,
) -> None:
    """Everything that does not depend on the order of characters, from their histogram.

    `occurrences` is all zeros before and after.
    """
    found = 0
    for place in range(size):
        code = codes[place]
        if occurrences[code] == 0:
            distinct[found] = code
            found += 1
        occurrences[code] += 1
    total = 0.0
    for number in range(found):
        code = distinct[number]
        count = occurrences[code]
        occurrences[code] = 0
        total += _N_LOG_N[count] if count < _TABLED else count * math.log(count)
        _add_character(code, kinds_of[code], count, record)
    record.characters = size
    record.entropy = math.log(size) - total / size if size > 0 else 0.0


@inlined
def _add_character(code: int, kind: int, count: int, record: _Record) -> None:
    if kind & (LETTER | DIGIT):
        record.word_characters += count
        record.ideographs += count * ((kind & IDEOGRAPH) != 0)
        record.digits += count * ((kind & DIGIT) != 0)
    elif kind & PUNCTUATION:
        record.punctuation += count
        record.hash_signs += count * (code == _HASH)
        record.curly_brackets += count * (code == _CURLY)
        record.closing_brackets += count * (code == _CLOSE)
        record.controls += count * (code == _REPLACEMENT)
    elif kind & SPACE:
        record.newlines += count * (code == _NEWLINE)
    elif code < 0xA0:
        record.controls += count


@compiled
def _count_bracketed(codes: Codes, size: int) -> int:
    """Characters between 【 and 】 of one line."""
    bracketed = 0
    opened = -1
    for place in range(size):
        code = codes[place]
        if code == _OPEN:
            opened = place
        elif code == _CLOSE:
            if opened >= 0 and find_line_end(codes, opened, place) == place:
                bracketed += place - opened - 1
            opened = -1
    return bracketed


@compiled
def _count_lines(
    codes: Codes,
    kinds: Kinds,
    size: int,
    hashes: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.int64],
    record: _Record,
) -> None:
    """All counts of lines; hashes and lengths of lines in row 0, of paragraphs in row 1."""
    paragraph = np.uint64(0)
    paragraph_length = 0
    phrase, row = find_phrase(codes, 0, size, LINE_LETTERS, LINE_PLACES, LINE_MARKED)
    begin = 0
    while begin <= size:
        line_end = find_line_end(codes, begin, size)
        first, end = find_text(kinds, begin, line_end)
        policy = False
        while phrase < line_end:
            record.filler += row == FILLER_ROW
            policy |= row != FILLER_ROW
            phrase, row = find_phrase(
                codes, phrase + 1, size, LINE_LETTERS, LINE_PLACES, LINE_MARKED
            )
        if first < end:
            line = hash_line(codes, begin, end)
            hashes[0, record.lines], lengths[0, record.lines] = line, end - begin
            paragraph = (paragraph ^ line) * _PRIME
            paragraph_length += end - begin
            _count_line(codes, kinds, begin, first, end, policy, record)
        if paragraph_length > 0 and (first >= end or line_end >= size):
            hashes[1, record.paragraphs] = paragraph
            lengths[1, record.paragraphs] = paragraph_length
            record.paragraphs += 1
            paragraph, paragraph_length = np.uint64(0), 0
        begin = line_end + 1


@inlined
def _count_line(
    codes: Codes, kinds: Kinds, begin: int, first: int, end: int, policy: bool, record: _Record
) -> None:
    """Add a line that is not blank: `first` is where its white space ends."""
    tokens, alphabetic, token_characters = count_tokens(kinds, first, end)
    ends, sentences, ellipses = count_sentences(codes, kinds, first, end)
    cut = ends_with_ellipsis(codes, first, end)
    if record.lines < _HEAD_LINES:
        found, _ = find_phrase(codes, first, end, HEAD_LETTERS, HEAD_PLACES, HEAD_MARKED)
        record.generated += found < end
    record.lines += 1
    record.line_characters += end - begin
    record.longest_line = max(record.longest_line, end - begin)
    record.short_lines += end - begin <= SHORT_LINE
    record.bullet_lines += begins_with_bullet(codes[first])
    record.ellipsis_lines += cut
    record.terminal_lines += (kinds[end - 1] & TERMINAL) != 0
    record.tokens += tokens
    record.alphabetic_tokens += alphabetic
    record.token_characters += token_characters
    record.sentence_ends += ends
    record.ellipses += ellipses
    if (
        ends_as_c4_asks(codes[end - 1])
        and not cut
        and tokens >= _C4_FEWEST_TOKENS
        and not policy
        and not has_token_above(kinds, first, end, _C4_LONGEST_TOKEN)
    ):
        record.c4_lines += 1
        record.c4_sentences += sentences
