"""Byte-pair encoding by the compiled kernels: a vocabulary is read, used and learned.

Only for the tokenizers that farthing writes: byte-level BPE behind the qwen2 split. A file that
asks for anything more is left to the library that defines it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from threading import Lock
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from farthing.kernels.bpe_encode import empty_cache, encode_pieces
from farthing.kernels.bpe_encode_piece import Merges, make_merges
from farthing.kernels.bpe_train import learn_merges
from farthing.kernels.split_counts import PieceCounter, PieceCounts

# Text that is counted at once when there are only strings: enough to make the calls few.
_COUNTED_CHARACTERS = 1 << 21


class TokenBatch(NamedTuple):
    """Some texts as tokens: text d is `ids[starts[d] : starts[d + 1]]`."""

    ids: npt.NDArray[np.int32]  # [tokens]
    starts: npt.NDArray[np.int64]  # [texts + 1]


class BpeEncoder:
    """Encodes with the vocabulary of one tokenizer file; a thread at a time."""

    def __init__(self, byte_ids: npt.NDArray[np.int32], merges: Merges | None) -> None:
        """Hold a vocabulary.

        Args:
            byte_ids: int32 [256], the token of each byte.
            merges: what was learned; None where every byte is a token.
        """
        self._byte_ids = byte_ids
        self._merges = merges
        self._lock = Lock()

    def encode(self, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> TokenBatch:
        """The tokens of texts; `data` (UTF-8) and `offsets` as of `documents.batch.text_bytes`."""
        if self._merges is None:
            return TokenBatch(self._byte_ids[data[offsets[0] : offsets[-1]]], offsets - offsets[0])
        with self._lock:
            return TokenBatch(*encode_pieces(data, offsets, self._merges, self._cache))

    @cached_property
    def _cache(self) -> Any:  # noqa: ANN401 - the kernel's own tuple of arrays
        return empty_cache()


def flat_texts(texts: Iterable[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The UTF-8 bytes of texts one after another, and where each begins.

    Raises:
        UnicodeEncodeError: a text holds half of a surrogate pair, which has no UTF-8.
    """
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(each) for each in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


def count_texts(texts: Iterable[str]) -> PieceCounts:
    """The distinct pieces of `texts` after the qwen2 split, and how often each occurs."""
    counter = PieceCounter()
    waiting: list[str] = []
    characters = 0
    for text in texts:
        waiting.append(text)
        characters += len(text)
        if characters >= _COUNTED_CHARACTERS:
            counter.add(*flat_texts(waiting))
            waiting, characters = [], 0
    counter.add(*flat_texts(waiting))
    return counter.counts()


def add_up(parts: Iterable[PieceCounts]) -> PieceCounts:
    """The counts of a whole from those of its parts."""
    counter = PieceCounter()
    for part in parts:
        counter.add_counts(part)
    return counter.counts()


def learn_bpe(
    counts: PieceCounts, specials: tuple[str, ...], vocab_size: int
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges as Hugging Face's trainer makes them of the same text.

    Args:
        counts: pieces of the text.
        specials: tokens that take the first ids.
        vocab_size: tokens wanted, `specials` and 256 bytes included.

    Returns:
        Token -> id in the order of ids, and the pairs of tokens in the order learned; both in
        GPT-2's printable stand-ins for bytes.
    """
    # The trainer sorts its alphabet by code point, not by byte.
    names = [*specials, *sorted(BYTE_TO_CHARACTER.values())]
    ids = {name: number for number, name in enumerate(names)}
    byte_ids = np.array([ids[BYTE_TO_CHARACTER[byte]] for byte in range(256)], dtype=np.int32)
    learned = learn_merges(
        counts.data, counts.offsets, counts.counts, byte_ids, len(names), vocab_size - len(names)
    )
    merges = []
    for left, right in learned.tolist():
        merges.append((names[left], names[right]))
        names.append(names[left] + names[right])
    return {name: number for number, name in enumerate(names)}, merges


def read_encoder(json_text: str, split: str) -> BpeEncoder | None:
    """The encoder of a `tokenizer.json`; None where it is not of the one kind known here.

    Args:
        json_text: the file.
        split: the pattern of the qwen2 split as such files state it.
    """
    described = json.loads(json_text)
    model = described["model"]
    if not (_plain_model(model) and _plain_text(described, split)):
        return None
    vocab: dict[str, int] = model["vocab"]
    if not all(character in vocab for character in BYTE_TO_CHARACTER.values()):
        return None
    byte_ids = np.array([vocab[BYTE_TO_CHARACTER[byte]] for byte in range(256)], dtype=np.int32)
    pairs = [each.split(" ") if isinstance(each, str) else each for each in model["merges"]]
    if not pairs:
        return BpeEncoder(byte_ids, None)
    table = np.array([(vocab[left], vocab[right]) for left, right in pairs], dtype=np.int32)
    joined = np.array([vocab[left + right] for left, right in pairs], dtype=np.int32)
    return BpeEncoder(byte_ids, make_merges(byte_ids, table, joined))


def _plain_model(model: dict[str, Any]) -> bool:
    extras = (
        "dropout",
        "unk_token",
        "continuing_subword_prefix",
        "end_of_word_suffix",
        "byte_fallback",
        "ignore_merges",
    )
    return model.get("type") == "BPE" and not any(model.get(name) for name in extras)


def _plain_text(described: dict[str, Any], pattern: str) -> bool:
    """Whether text goes straight through the qwen2 split, and no token is looked for in it."""
    steps = (described.get("pre_tokenizer") or {}).get("pretokenizers", [])
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
    wanted = (
        {**split, "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
    )
    same = len(steps) == len(wanted) and all(
        step.get(key) == value
        for step, want in zip(steps, wanted, strict=True)
        for key, value in want.items()
    )
    # Special tokens are ordinary text to `Tokenizer`; any other added token would be found in it.
    return same and not (
        described.get("normalizer")
        or described.get("truncation")
        or described.get("padding")
        or any(not token["special"] for token in described.get("added_tokens", ()))
    )


def _byte_characters() -> dict[int, str]:
    # GPT-2's printable stand-ins for the 256 bytes: printable Latin-1 stands for itself, the
    # other bytes take U+0100 and on, in order.
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    shifted = {byte: chr(0x100 + i) for i, byte in enumerate(others)}
    return {byte: shifted.get(byte, chr(byte)) for byte in range(256)}


BYTE_TO_CHARACTER: Final = _byte_characters()
CHARACTER_TO_BYTE: Final = {character: byte for byte, character in BYTE_TO_CHARACTER.items()}
