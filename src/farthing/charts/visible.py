"""Text of unknown origin, made safe to look at; escaping for HTML is another matter."""

from __future__ import annotations

import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# What cannot be seen, what reorders the text around it, and halves of surrogate pairs.
_HIDDEN = {"Cc", "Cf", "Cs"}
_HARMLESS = {"\n", "\t", "\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}", "\N{SOFT HYPHEN}"}


def visible(text: str) -> str:
    """`text` with every hidden character replaced by a mark."""
    return "".join(
        _REPLACEMENT
        if unicodedata.category(letter) in _HIDDEN and letter not in _HARMLESS
        else letter
        for letter in text
    )


def first_line(text: str) -> str:
    """The first line of a message, without a colon that led to nothing."""
    return text.split("\n", 1)[0].rstrip(": ")
