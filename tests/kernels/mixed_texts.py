# ruff: noqa: RUF001 - characters of many scripts are what this is about
"""Texts of mixed scripts for property tests, rich in what the signals count."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

# Letters of one to four bytes, marks, selectors, digits, white space of all kinds, stops, quotation
# marks, brackets, bullets, controls, and the last code point.
CHARACTERS = (
    "abCdKéÜßİıКяאبगไ한글かナｶー漢字𠀀々〇一丽𝒜𐐀ǅʰ"
    "0９٣Ⅷ½〡\u0301\u0bcd\ufe0f\U000e0100"
    "  \t\r\n\n\u00a0\u2028\u3000\x0b\x1c\x85"
    ".!?。！？．；…।,:，、;#{}-•*\"'”’」』)）】【【]]「"
    "😀€+|\x00\x07\x9f\ufffd\u200d\ue000\U0010ffff"
)
FRAGMENTS = (
    "the ", "to be ", "with ", "JavaScript", "Terms of Use", "use of cookies ", "uses cookies",
    "Privacy policy", "lorem ipsum ", "Lorem Ipsum", "Do not edit.", "auto-generated", "...",
    "Mr. A. B. said. Then he left. ", "床前明月光，疑是地上霜。", "\r\n", "\n\n", "- x\n",
    "We use cookies on this page.\n", "The terms of use say so!\n", "Turn on Javascript first.\n",
    "Read the cookie policy and\nthe privacy policy of ours.\n", "It uses cookies.\nIt is \"so\"\n",
    "one two three four five six seven. ", "a b a b a b ", "甲乙丙丁" * 3, "x" * 1001, "【广告】",
)  # fmt: skip

_pieces = st.one_of(st.text(CHARACTERS, max_size=12), st.sampled_from(FRAGMENTS))
texts = st.lists(_pieces, max_size=14).map("".join)
repeating = st.tuples(texts, st.integers(1, 3), texts).map(lambda t: t[0] * t[1] + t[2] + t[0])
batches = st.lists(st.one_of(texts, repeating), max_size=5)


def packed(batch):
    """The bytes of all texts, and where each begins."""
    encoded = [text.encode("utf-8") for text in batch]
    data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    return data, np.cumsum([0, *map(len, encoded)], dtype=np.int64)
