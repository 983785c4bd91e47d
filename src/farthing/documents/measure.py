"""Signals of quality: what each text of a batch measures, before any rule judges it.

A *word* is a run of letters, digits and marks, each Han, kana and Hangul character one by itself; a
*token* is what white space separates, these characters again single. Published rules count the
tokens of a language's tokenizer instead, with punctuation among them: shares can differ by some
hundredths. A *line* is not blank.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farthing.documents.batch import text_bytes
from farthing.kernels.repeats import MOST_WORDS, REPEATED_LENGTHS, TOP_LENGTHS, count_repeats
from farthing.kernels.signals import count_signals
from farthing.kernels.word_sets import find_members
from farthing.kernels.words import Words, word_hash

# Gopher, arXiv 2112.11446, appendix A1.
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
# What the sentences of a proof have instead.
MATHS_WORDS = (*STOP_WORDS, "is", "a", "in", "we", "let")

_Counts = npt.NDArray[np.void]
_Column = npt.NDArray[Any]


def _share(part: str, whole: str) -> Callable[[_Counts], _Column]:
    """A count over another, 0 where that is 0."""
    return lambda counts: counts[part] / np.maximum(counts[whole], 1)


def _count(name: str) -> Callable[[_Counts], _Column]:
    return lambda counts: counts[name]


_OF_COUNTS: dict[str, Callable[[_Counts], _Column]] = {
    # characters (code points)
    "characters": _count("characters"),
    "cjk_characters": _count("ideographs"),
    "cjk_share": _share("ideographs", "word_characters"),  # of the characters of words
    "alphanumeric_share": _share("word_characters", "characters"),
    "digit_share": _share("digits", "characters"),
    "punctuation_share": _share("punctuation", "characters"),
    "control_share": _share("controls", "characters"),  # and replacement characters
    "bracket_share": _share("bracketed", "characters"),  # between 【 and 】
    "character_entropy": _count("entropy"),  # nats
    # tokens
    "tokens": _count("tokens"),
    "mean_token": _share("token_characters", "tokens"),
    "alphabetic_share": _share("alphabetic_tokens", "tokens"),  # tokens with a letter
    "hash_share": _share("hash_signs", "tokens"),  # of '#'
    "ellipsis_share": _share("ellipses", "tokens"),
    "longest_line": _count("longest_line"),
    # lines
    "lines": _count("lines"),
    "mean_line": _share("line_characters", "lines"),
    "short_lines": _share("short_lines", "lines"),  # 30 characters or less
    "bullet_lines": _share("bullet_lines", "lines"),
    "ellipsis_lines": _share("ellipsis_lines", "lines"),
    "terminal_lines": _share("terminal_lines", "lines"),  # ends with a full stop of any script
    "sentence_ends": _count("sentence_ends"),
    "repeated_lines": _share("repeated_lines", "lines"),
    "repeated_line_share": _share("repeated_line_characters", "characters"),
    "repeated_line_text": lambda counts: (  # the same over characters that are no line feeds
        counts["repeated_line_characters"]
        / np.maximum(counts["characters"] - counts["newlines"], 1)
    ),
    "repeated_paragraphs": _share("repeated_paragraphs", "paragraphs"),
    "repeated_paragraph_share": _share("repeated_paragraph_characters", "characters"),
    # C4: what is left when its lines are removed, and what it drops pages for
    "c4_lines": _share("c4_lines", "lines"),
    "c4_sentences": _count("c4_sentences"),
    "curly_brackets": _count("curly_brackets"),
    "filler_phrases": _count("filler"),  # lorem ipsum
    "generated_marks": _count("generated"),  # lines among the first five
}
_OF_WORDS = ("words", "stop_words", "maths_words", "newlines_per_word")
_OF_REPEATS = (
    *(f"top_{length}_gram" for length in TOP_LENGTHS),
    *(f"repeated_{length}_grams" for length in REPEATED_LENGTHS),
)

SIGNALS: tuple[str, ...] = (*_OF_COUNTS, *_OF_WORDS, *_OF_REPEATS)


def measure(texts: pa.LargeStringArray, words: Words) -> npt.NDArray[np.float32]:
    """What every text measures.

    Args:
        texts: [D], the `text` column of a batch.
        words: of the same batch, by `split_words(*text_bytes(texts))`.

    Returns:
        float32 [D, len(SIGNALS)], finite everywhere. A function of each text alone: how texts are
        put into batches changes nothing.
    """
    data, offsets = text_bytes(texts)
    counts = count_signals(data, offsets)
    sizes = np.diff(words.firsts)
    signals = np.empty((len(counts), len(SIGNALS)), dtype=np.float32)
    columns = [derive(counts) for derive in _OF_COUNTS.values()]
    columns.append(sizes)
    found = find_members(words, np.array([word_hash(word) for word in MATHS_WORDS]))
    columns.append(np.bitwise_count(found & np.uint64((1 << len(STOP_WORDS)) - 1)))
    columns.append(np.bitwise_count(found))
    columns.append(counts["newlines"] / np.maximum(sizes, 1))
    # Over the characters of the text, as Gopher's table A1 is read everywhere; where only its
    # beginning was looked at, over that share of them.
    looked_at = counts["characters"] * np.minimum(MOST_WORDS / np.maximum(sizes, 1), 1)
    columns += list((count_repeats(data, words) / np.maximum(looked_at, 1)[:, None]).T)
    for number, column in enumerate(columns):
        signals[:, number] = column
    return signals
