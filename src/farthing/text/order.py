"""The stateless data order: sequence i is a function of the corpus, the mixture, the seed and i.

Nothing is remembered between calls, so a run resumes exactly at any sequence, on any number of
ranks and after a change of batch size.

Sequences come in blocks of 1024. Within a block every domain has its exact quota of the mixture,
at positions permuted by (seed, block). The r-th sequence of a domain belongs to epoch
r // windows; an epoch cuts the domain's tokens into windows at its own offset and visits each
window once, in an order permuted by (seed, domain, epoch).

Hashes are our own (splitmix64): the streams of numpy and Python may change between versions, and
the order of a finished run must not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from farthing.errors import ConfigError, CorpusError

BLOCK_SEQUENCES = 1024

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FEISTEL_ROUNDS = 4
# First word of every hash, so that the draws of one purpose never repeat those of another.
_BLOCK_DRAW, _OFFSET_DRAW, _WINDOW_DRAW = 1, 2, 3


@dataclass(frozen=True)
class Location:
    """Where a sequence is: `tokens[start : start + context + 1]` of `domain`, in which epoch."""

    domain: str
    start: int
    epoch: int


class DataOrder:
    """Which window of which domain the i-th training sequence is."""

    def __init__(
        self, lengths: Mapping[str, int], weights: Mapping[str, float], context: int, seed: int
    ) -> None:
        """Fix the order.

        Args:
            lengths: tokens of each domain.
            weights: share of the sequences that each domain gets; need not sum to one. A domain
                with weight zero, or without a weight, is left out.
            context: input tokens of a sequence; its window is one token longer.
            seed: any integer.

        Raises:
            ConfigError: weights that are negative, all zero, or for a domain that is not there.
            CorpusError: a domain with weight is shorter than one window.
        """
        self.context = context
        self.seed = seed
        self.quotas = block_quotas(_checked_weights(lengths, weights))
        self._lengths = {name: lengths[name] for name in self.quotas}
        self._keys = {name: _name_key(name) for name in self.quotas}
        for name, length in self._lengths.items():
            if length < context + 1:
                raise CorpusError(
                    f"domain {name!r} has {length} training tokens, fewer than one window of "
                    f"{context + 1}",
                    remedy="add text, shorten the context, or give the domain weight 0",
                )
        # The slots of a block before they are permuted: domain 0 quota[0] times, then domain 1...
        self._names = tuple(self.quotas)
        self._slots = np.repeat(np.arange(len(self._names)), list(self.quotas.values()))
        self._block = lru_cache(maxsize=64)(self._lay_out_block)

    def locate(self, i: int) -> Location:
        """Where sequence `i` (from 0) is; constant time in `i`."""
        if i < 0:
            raise ConfigError(f"there is no sequence {i}", remedy="sequences count from 0")
        block, place = divmod(i, BLOCK_SEQUENCES)
        domains, ranks = self._block(block)
        name = self._names[int(domains[place])]
        rank = block * self.quotas[name] + int(ranks[place])
        epoch, position = divmod(rank, self.windows(name))
        key = self._keys[name]
        window = permute(position, self.windows(name), _hash(_WINDOW_DRAW, self.seed, key, epoch))
        offset = _hash(_OFFSET_DRAW, self.seed, key, epoch) % self._offsets(name)
        return Location(domain=name, start=offset + window * self.context, epoch=epoch)

    def windows(self, domain: str) -> int:
        """Windows in an epoch of `domain`: what is left whole at the largest offset."""
        return (self._lengths[domain] - self._offsets(domain)) // self.context

    def _offsets(self, domain: str) -> int:
        # Offsets 0, 1, ... below the context, and few enough that one window always remains.
        return min(self.context, self._lengths[domain] - self.context)

    def _lay_out_block(self, block: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The domain of every place of a block, and how many of that domain stand before it."""
        key = _hash(_BLOCK_DRAW, self.seed, block)
        places = np.arange(BLOCK_SEQUENCES, dtype=np.uint64)
        draws = _splitmix64_array(places * np.uint64(_GOLDEN) + np.uint64(key))
        domains = self._slots[np.argsort(draws, kind="stable")]
        ranks = np.empty_like(domains)
        for domain in range(len(self._names)):
            (mine,) = np.nonzero(domains == domain)
            ranks[mine] = np.arange(len(mine))
        return domains, ranks


def block_quotas(weights: Mapping[str, float]) -> dict[str, int]:
    """Sequences of each domain in a block of 1024, by largest remainder; at least one for each."""
    total = math.fsum(weights.values())
    exact = {name: BLOCK_SEQUENCES * weights[name] / total for name in sorted(weights)}
    quotas = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (quotas[name] - exact[name], name))
    for name in by_remainder[: BLOCK_SEQUENCES - sum(quotas.values())]:
        quotas[name] += 1
    for name, quota in quotas.items():
        if quota == 0:  # a small weight is still a weight: the largest domain gives one up
            quotas[max(quotas, key=lambda other: quotas[other])] -= 1
            quotas[name] = 1
    return quotas


def permute(position: int, size: int, key: int) -> int:
    """The image of `position` under the permutation of 0..size-1 that `key` chooses.

    A Feistel network over the next power of four, walked until it falls inside (cycle walking,
    Black and Rogaway 2002): a bijection in constant memory and expected constant time.
    """
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    half_mask = (1 << half_bits) - 1
    round_keys = [_splitmix64(key + r * _GOLDEN) for r in range(_FEISTEL_ROUNDS)]
    while True:
        left, right = position >> half_bits, position & half_mask
        for round_key in round_keys:
            left, right = right, left ^ (_splitmix64(right ^ round_key) & half_mask)
        position = left << half_bits | right
        if position < size:
            return position


def _checked_weights(lengths: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, float]:
    for name, weight in weights.items():
        if name not in lengths:
            raise ConfigError(
                f"the mixture names {name!r}, which the corpus does not have",
                remedy=f"its domains are: {', '.join(sorted(lengths))}; train.mixture: null takes "
                "each for its share of the text",
            )
        if not (math.isfinite(weight) and weight >= 0):
            raise ConfigError(
                f"the mixture gives {name!r} the weight {weight}",
                remedy="weights are numbers from 0 up",
            )
    positive = {name: float(weight) for name, weight in weights.items() if weight > 0}
    if not 0 < len(positive) <= BLOCK_SEQUENCES:
        raise ConfigError(
            f"the mixture has {len(positive)} domains with a weight above 0",
            remedy=f"give 1 to {BLOCK_SEQUENCES} domains a weight above 0",
        )
    return positive


def _name_key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _hash(*words: int) -> int:
    state = 0
    for word in words:
        state = _splitmix64(state ^ (word & _MASK))
    return state


def _splitmix64(value: int) -> int:
    # Sebastiano Vigna's splitmix64.c (public domain), one step.
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _MASK
    return value ^ value >> 31


def _splitmix64_array(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = values + np.uint64(_GOLDEN)
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)
