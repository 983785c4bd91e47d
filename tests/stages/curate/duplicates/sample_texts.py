"""Real English and Chinese passages of the embedded sample, and copies of them with edits."""

from __future__ import annotations

import io
import json
import random
import re

import numpy as np
import zstandard

from farthing.kernels.words import Words, split_words
from farthing.text.sample import sample_file

PIECE_CHARACTERS = 900
EDITS = (0.0, 0.01, 0.05, 0.1, 0.4)


def passages(language: str, count: int) -> list[str]:
    """`count` different passages of about 900 characters."""
    found: list[str] = []
    with sample_file("train").open("rb") as file:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8"):
            row = json.loads(line)
            if row["domain"] == language:
                text = row["text"]
                for begin in range(0, len(text) - PIECE_CHARACTERS, PIECE_CHARACTERS):
                    found.append(text[begin : begin + PIECE_CHARACTERS])
                    if len(found) == count:
                        return found
    raise AssertionError(f"the sample holds only {len(found)} passages")


def edited(text: str, share: float, draw: random.Random) -> str:
    """`text` with this share of its words (in Chinese, characters) changed."""
    words = re.findall(r"[一-鿿]|[^\W一-鿿]+|[\W_]+", text)
    places = [i for i, word in enumerate(words) if word[0].isalnum()]
    for i in draw.sample(places, round(share * len(places))):
        words[i] = draw.choice("变换词句文") if "一" <= words[i] <= "鿿" else "changed"
    return "".join(words)


def packed(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The texts as the columns of a record batch hold them: read-only bytes and offsets."""
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum([len(one) for one in encoded])
    offsets.flags.writeable = False
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


def words_of(texts: list[str]) -> Words:
    return split_words(*packed(texts))
