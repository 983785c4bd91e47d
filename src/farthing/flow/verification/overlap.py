"""Level 2: held-out text that stands in the training text, word for word.

The held-out text of a split is cut into windows of `WINDOW` bytes, which are looked for at every
byte of the training text, inside documents. Some occur in both by right (licences, boilerplate,
tables); who trains on the test set has most of them. Paraphrase is not found.
"""

from __future__ import annotations

from collections.abc import Iterator
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
_STEP_TOKENS = 1 << 20
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
    for domain in corpus.held_out_domains:
        rows = [
            window_hashes(text)[::WINDOW]
            for text in _documents(corpus.shard(split, domain), corpus.tokenizer)
        ]
        held[domain] = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *rows]))
    seen = _seen(corpus, np.unique(np.concatenate(list(held.values()))))
    for domain, hashes in held.items():
        count = int(np.isin(hashes, seen).sum())
        share = count / max(1, len(hashes))
        detail = (
            f"{count:,} of {len(hashes):,} windows of {WINDOW} bytes ({share:.2%}, at most "
            f"{MOST_SHARE:.0%}) stand in the training text"
        )
        where = f"corpus/{split}/{domain}"
        yield Finding(_CHECK, share <= MOST_SHARE, where, detail, LEVEL)


def _seen(corpus: Corpus, wanted: Hashes) -> Hashes:
    """Those of `wanted`, sorted, that the training text has."""
    found = [np.zeros(0, dtype=np.uint64)]
    for domain in corpus.domains:
        for text in _documents(corpus.shard("train", domain), corpus.tokenizer):
            for at in range(0, len(text), _STEP_BYTES):
                hashes = window_hashes(text[at : at + _STEP_BYTES + WINDOW - 1])
                places = np.searchsorted(wanted, hashes)
                places[places == len(wanted)] = 0
                if len(wanted):
                    found.append(np.unique(hashes[wanted[places] == hashes]))
    return np.unique(np.concatenate(found))


def _documents(shard: TokenShard, tokenizer: Tokenizer) -> Iterator[Bytes]:
    """The text of a shard, some documents at a time; between two of them stands a zero byte."""
    tokens: npt.NDArray[Any] = shard.tokens
    starts = shard.starts
    first = 0
    while first < shard.num_documents:
        last = int(np.searchsorted(starts, starts[first] + _STEP_TOKENS, side="right")) - 1
        last = min(max(last, first + 1), shard.num_documents)
        pieces = []
        for document in range(first, last):
            ids = tokens[starts[document] + 1 : starts[document + 1]].tolist()
            pieces.append(tokenizer.decode_bytes(ids))
        yield np.frombuffer(b"\0".join(pieces), dtype=np.uint8)
        first = last
