"""The stateless data order: sequence i is a function of the corpus, the mixture, the seed and i.

Nothing is remembered between calls, so a run resumes exactly at any sequence, on any number of
ranks and after a change of batch size.

Sequences come in blocks of 1024. Within a block every domain has its exact quota of the mixture,
at positions permuted by (seed, block). The r-th sequence of a domain belongs to epoch
r // windows; an epoch cuts the domain's tokens into windows at its own offset and visits each
window once, in an order permuted by (seed, domain, epoch).

A run may have phases with other mixtures. They change at the edges of blocks, and a domain's
sequences are counted through all of them, so that no window comes twice in an epoch.

Hashes are our own (splitmix64): the streams of numpy and Python may change between versions, and
the order of a finished run must not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
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
        name, rank = self.drawn(block, place)
        return self.window(name, block * self.quotas[name] + rank)

    def drawn(self, block: int, place: int) -> tuple[str, int]:
        """The domain at a place of a block, and how many of that domain stand before it there."""
        domains, ranks = self._block(block)
        return self._names[int(domains[place])], int(ranks[place])

    def window(self, name: str, rank: int) -> Location:
        """Where the sequence of domain `name` is before which `rank` others of it come."""
        epoch, position = divmod(rank, self.windows(name))
        key = self._keys[name]
        window = permute(position, self.windows(name), _hash(_WINDOW_DRAW, self.seed, key, epoch))
        offset = _hash(_OFFSET_DRAW, self.seed, key, epoch) % _offsets(
            self._lengths[name], self.context
        )
        return Location(domain=name, start=offset + window * self.context, epoch=epoch)

    def windows(self, domain: str) -> int:
        """Windows in an epoch of `domain`: what is left whole at the largest offset."""
        return windows_of(self._lengths[domain], self.context)

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


@dataclass(frozen=True)
class Phase:
    """A stretch of a run.

    Attributes:
        until: share of the run's sequences at its end, the last one 1.
        weights: share of its sequences that each domain gets; need not sum to one.
    """

    until: float
    weights: Mapping[str, float]


class PhasedOrder:
    """The order of a run whose mixture changes; with one phase, that of `DataOrder`.

    Attributes:
        context, seed: as of `DataOrder`.
        phases: the order within each phase, and its first block; a phase shorter than half a block
            may have none.
    """

    def __init__(
        self,
        lengths: Mapping[str, int],
        phases: Sequence[Phase],
        context: int,
        seed: int,
        sequences: int | None,
    ) -> None:
        """Fix the order.

        Args:
            lengths: tokens of each domain.
            phases: in order.
            context: as of `DataOrder`.
            seed: as of `DataOrder`.
            sequences: of the whole run, which the phases are shares of; None where the run's
                length is not known: the first phase goes on for ever.

        Raises:
            ConfigError: weights as in `DataOrder`, or phases that do not rise to 1.
            CorpusError: a domain with weight is shorter than one window.
        """
        ends = [phase.until for phase in phases]
        if not ends or ends[-1] != 1 or sorted(set(ends)) != ends:
            raise ConfigError(
                f"the phases end at {ends}", remedy="let them rise, and end the last at 1.0"
            )
        self.context = context
        self.seed = seed
        orders = [DataOrder(lengths, phase.weights, context, seed) for phase in phases]
        firsts: list[float] = [0]
        for end in ends[:-1]:
            blocks = math.inf if sequences is None else round(end * sequences / BLOCK_SEQUENCES)
            firsts.append(blocks)
        self.phases = tuple(
            (order, int(first))
            for order, first, after in zip(orders, firsts, [*firsts[1:], math.inf], strict=True)
            if first < after
        )
        # For each phase, the sequences that its domains had before it.
        self._before = [
            read_in_blocks(self.mixture[:number], first)
            for number, (_, first) in enumerate(self.phases)
        ]

    @property
    def mixture(self) -> tuple[tuple[int, dict[str, int]], ...]:
        """For each phase its first block and the sequences of each domain in a block."""
        return tuple((first, order.quotas) for order, first in self.phases)

    @property
    def domains(self) -> tuple[str, ...]:
        """Every domain that some phase reads, sorted."""
        return tuple(sorted({name for order, _ in self.phases for name in order.quotas}))

    def locate(self, i: int) -> Location:
        """Where sequence `i` (from 0) is; constant time in `i`."""
        if i < 0:
            raise ConfigError(f"there is no sequence {i}", remedy="sequences count from 0")
        block, place = divmod(i, BLOCK_SEQUENCES)
        number = sum(first <= block for _, first in self.phases) - 1
        order, first = self.phases[number]
        name, rank = order.drawn(block, place)
        earlier = self._before[number].get(name, 0)
        return order.window(name, earlier + (block - first) * order.quotas[name] + rank)

    def windows(self, domain: str) -> int:
        """Windows in an epoch of `domain`."""
        return next(order for order, _ in self.phases if domain in order.quotas).windows(domain)


def read_in_blocks(mixture: Sequence[tuple[int, Mapping[str, int]]], blocks: int) -> dict[str, int]:
    """By domain, the sequences in the first `blocks` of an order.

    Args:
        mixture: for each phase its first block and its quotas (`PhasedOrder.mixture`).
        blocks: how many.
    """
    read: dict[str, int] = {}
    ends = [*(first for first, _ in mixture[1:]), blocks]
    for (first, quotas), end in zip(mixture, ends, strict=False):
        for name, quota in quotas.items():
            read[name] = read.get(name, 0) + quota * max(min(end, blocks) - first, 0)
    return read


def windows_of(length: int, context: int) -> int:
    """Windows in an epoch of a domain of `length` tokens, at the largest offset."""
    if length <= context:
        return 0
    return (length - _offsets(length, context)) // context


def lost_tokens(length: int, context: int) -> int:
    """Tokens of a domain that an epoch leaves out: no window has them among its targets."""
    return max(length - 1, 0) - windows_of(length, context) * context


def _offsets(length: int, context: int) -> int:
    # Offsets 0, 1, ... below the context, and few enough that one window always remains.
    return min(context, length - context)


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
