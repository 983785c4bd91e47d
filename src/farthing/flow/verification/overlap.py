"""Level 2: held-out text that stands in the training text, word for word.

Each held-out document of a split is cut into windows of `WINDOW` bytes, which are looked for at
every byte of the training text; documents that are shorter are counted and not looked for. Some
windows occur in both by right (licences, boilerplate, tables); who trains on the test set has most
of them. Paraphrase is not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.flow.verification.released import Released, guarded
from farthing.stages.verify.finding import Finding
from farthing.text.corpus import Corpus
from farthing.text.shards import TokenShard
from farthing.text.tokenizer import Tokenizer

LEVEL = 2
# Two lines of print: longer than any phrase, shorter than any paragraph worth learning by heart.
WINDOW = 128
# Of the windows of a domain.
MOST_SHARE = 0.05
_CHECK = "overlap"
_STEP_BYTES = 1 << 24
# Odd, so that no power of it vanishes modulo 2**64.
_BASE = 0x9E3779B97F4A7C15

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]


def overlap(released: Released) -> list[Finding]:
    """How much of the scored text stands in the training text.

    Args:
        released: the answer's files.
    """
    return guarded(_CHECK, "corpus", LEVEL, lambda: _domains(released))


def window_hashes(text: Bytes) -> Hashes:
    """A hash of the `WINDOW` bytes from each place on, (bytes - WINDOW + 1).

    Polynomial modulo 2**64, by doubling: the hash of 2n bytes is that of n, times the base to the
    power n, plus that of the next n.
    """
    assert WINDOW & (WINDOW - 1) == 0
    # Not the bytes themselves: small numbers would collide in short sums.
    table = np.random.default_rng(0).integers(0, 1 << 63, 256, dtype=np.uint64)
    hashes: Hashes = table[text]
    length, power = 1, _BASE
    while length < WINDOW:
        if len(hashes) <= length:
            return hashes[:0]
        hashes = hashes[:-length] * np.uint64(power) + hashes[length:]
        power = power * power % (1 << 64)
        length *= 2
    return hashes


def _domains(released: Released) -> Iterator[Finding]:
    corpus, split = released.corpus, released.draft.split
    held: dict[str, Hashes] = {}
    short: dict[str, int] = {}
    for domain in corpus.held_out_domains:
        texts = _documents(corpus.shard(split, domain), corpus.tokenizer)
        held[domain], short[domain] = _cut(texts)
    seen = _seen(corpus, np.unique(np.concatenate(list(held.values()))))
    for domain, hashes in held.items():
        count = int(np.isin(hashes, seen).sum())
        share = count / max(1, len(hashes))
        detail = (
            f"{count:,} of {len(hashes):,} windows of {WINDOW} bytes ({share:.2%}, at most "
            f"{MOST_SHARE:.0%}) stand in the training text"
        )
        if short[domain]:
            detail += f"; {short[domain]:,} documents are shorter than one, and were not looked for"
        where = f"corpus/{split}/{domain}"
        yield Finding(_CHECK, share <= MOST_SHARE, where, detail, LEVEL)


def known_windows(corpus: Corpus, documents: Sequence[str]) -> tuple[int, int]:
    """How many different windows of some texts the training text has, and how many there are."""
    wanted, _ = _cut(document.encode() for document in documents)
    return len(_seen(corpus, wanted)), len(wanted)


def _cut(texts: Iterable[bytes]) -> tuple[Hashes, int]:
    """Hashes of the windows of some documents, side by side; and how many documents have none.

    The hashes are sorted, each once.
    """
    rows, short = [np.zeros(0, dtype=np.uint64)], 0
    for text in texts:
        short += len(text) < WINDOW
        for part in _steps(np.frombuffer(text, dtype=np.uint8)):
            rows.append(window_hashes(part)[::WINDOW])
    return np.unique(np.concatenate(rows)), short


def _steps(text: Bytes) -> Iterator[Bytes]:
    """Parts of a text in which every window of it begins once: hashes take eight times its size."""
    for at in range(0, len(text), _STEP_BYTES):
        yield text[at : at + _STEP_BYTES + WINDOW - 1]


def _seen(corpus: Corpus, wanted: Hashes) -> Hashes:
    """Those of `wanted`, sorted, that the training text has."""
    found = [np.zeros(0, dtype=np.uint64)]
    for domain in corpus.domains:
        for text in _joined(corpus.shard("train", domain), corpus.tokenizer):
            for part in _steps(text):
                hashes = window_hashes(part)
                places = np.searchsorted(wanted, hashes)
                places[places == len(wanted)] = 0
                if len(wanted):
                    found.append(np.unique(hashes[wanted[places] == hashes]))
    return np.unique(np.concatenate(found))


def _documents(shard: TokenShard, tokenizer: Tokenizer) -> Iterator[bytes]:
    tokens: npt.NDArray[Any] = shard.tokens
    for begin, end in pairwise(shard.starts[: shard.num_documents + 1].tolist()):
        yield tokenizer.decode_bytes(tokens[begin + 1 : end].tolist())


def _joined(shard: TokenShard, tokenizer: Tokenizer) -> Iterator[Bytes]:
    """The text of a shard, some documents at a time; between two of them stands a zero byte."""
    pieces: list[bytes] = []
    size = 0
    for text in _documents(shard, tokenizer):
        pieces.append(text)
        size += len(text)
        if size >= _STEP_BYTES:
            yield np.frombuffer(b"\0".join(pieces), dtype=np.uint8)
            pieces, size = [], 0
    if pieces:
        yield np.frombuffer(b"\0".join(pieces), dtype=np.uint8)
