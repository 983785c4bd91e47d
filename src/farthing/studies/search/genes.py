"""The members a search may visit, and the steps between them.

A member is written as genes: which layers it keeps, and for every sparse layer of the supernet,
kept or not, an expert count, a top-k and a ranking, which says which experts a count means.
A *locus* is a set of sparse layers whose genes change together: all of them in the portable
space, one each in the free space.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from farthing.model.config import ModelConfig
from farthing.model.shape import Experts, Shape, keep_layers, skippable_layers
from farthing.stages.evaluate.importance import Importance
from farthing.studies.search.config import Space

# `prefix`: the supernet's stored ranking; `scores`: the importance measured on calibration text.
Ranking = Literal["prefix", "scores"]

_MOST_COUNTS = 16


@dataclass(frozen=True)
class Genes:
    """One member; the tuples have one entry per sparse layer of the supernet."""

    layers: tuple[int, ...]
    counts: tuple[int, ...]
    top_ks: tuple[int, ...]
    rankings: tuple[Ranking, ...]


class MemberSpace:
    """Every member of one supernet that a search may visit."""

    def __init__(self, config: ModelConfig, importance: Importance, kind: Space) -> None:
        self.config = config
        self.kind = kind
        self.skippable = skippable_layers(config)
        self.sparse = tuple(layer for layer in range(config.num_layers) if config.is_sparse(layer))
        self._importance = importance
        every = tuple(range(len(self.sparse)))
        self._together = every
        self.loci = [every] if kind == "portable" else [(place,) for place in every]
        fewest = _fewest_experts(config, kind)
        steps = min(_MOST_COUNTS, config.num_experts)
        self.counts = sorted(
            {max(fewest, round(config.num_experts * step / steps)) for step in range(1, steps + 1)}
        )

    def shape(self, genes: Genes) -> Shape:
        """The sub-model that `genes` mean."""
        experts: list[Experts] = []
        top_ks = []
        for place, layer in enumerate(self.sparse):
            if layer not in genes.layers:
                continue
            count = genes.counts[place]
            named = genes.rankings[place] == "scores" and count < self.config.num_experts
            experts.append(self._importance.best_experts(layer, count) if named else count)
            top_ks.append(genes.top_ks[place])
        return Shape(genes.layers, tuple(experts), tuple(top_ks)).checked(self.config)

    def uniform(self, depth: int, count: int, top_k: int) -> Genes:
        """The genes of `Shape.uniform`."""
        sparse = len(self.sparse)
        layers = keep_layers(self.config, depth)
        rankings: tuple[Ranking, ...] = tuple("prefix" for _ in self.sparse)
        return Genes(layers, (count,) * sparse, (top_k,) * sparse, rankings)

    def full(self) -> Genes:
        """The whole supernet."""
        config = self.config
        return self.uniform(config.num_layers, config.num_experts, config.top_k)

    def smallest(self) -> Genes:
        """The fewest layers, the fewest experts, top-1."""
        fewest = self.config.num_layers - len(self.skippable)
        least = _fewest_experts(self.config, self.kind)
        return self.uniform(fewest, least, min(1, self.config.top_k))

    def largest_uniform(self, holds: Callable[[Shape], bool]) -> list[Genes]:
        """The uniform members that fit and that no larger fitting one contains.

        Depth by `keep_layers`, one prefix count, one top-k: what a person would type.

        Args:
            holds: whether a member fits; what fits with more experts fits with fewer.
        """
        fitting = []
        fewest = self.config.num_layers - len(self.skippable)
        for depth in range(fewest, self.config.num_layers + 1):
            for top_k in range(min(1, self.config.top_k), self.config.top_k + 1):
                least = max(_fewest_experts(self.config, self.kind), top_k)
                counts = range(least, self.config.num_experts + 1)
                members = [self.uniform(depth, count, top_k) for count in counts]
                fits = _how_many(members, lambda genes: holds(self.shape(genes)))
                fitting += members[fits - 1 : fits]
        return [one for one in fitting if not any(_contains(other, one) for other in fitting)]

    def shrinks(self, genes: Genes) -> list[Genes]:
        """One step smaller: a layer less, the next count below, a top-k of one less."""
        found = [
            replace(genes, layers=tuple(kept for kept in genes.layers if kept != layer))
            for layer in self.skippable
            if layer in genes.layers
        ]
        for locus in self._live(genes):
            place = locus[0]
            count, top_k = genes.counts[place], genes.top_ks[place]
            below = [less for less in self.counts if top_k <= less < count]
            if below:
                found.append(_put(genes, locus, count=below[-1]))
            if top_k > 1:
                found.append(_put(genes, locus, top_k=top_k - 1))
        return found

    def grows(self, genes: Genes) -> list[Genes]:
        """One step larger, the other way round."""
        found = [
            replace(genes, layers=tuple(sorted((*genes.layers, layer))))
            for layer in self.skippable
            if layer not in genes.layers
        ]
        for locus in self._live(genes):
            place = locus[0]
            count, top_k = genes.counts[place], genes.top_ks[place]
            above = [more for more in self.counts if more > count]
            if above:
                found.append(_put(genes, locus, count=above[0]))
            if top_k < min(self.config.top_k, count):
                found.append(_put(genes, locus, top_k=top_k + 1))
        return found

    def singles(self) -> list[Genes]:
        """The whole supernet with one thing halved: what a predictor is first fitted to.

        Layers left out one at a time are not among them: importance has measured those.
        """
        full, found = self.full(), []
        half = max(self.counts[0], self.config.num_experts // 2) if self.counts else 0
        for locus in self.loci if self.sparse else []:
            if self.config.top_k <= half < self.config.num_experts:
                found += [
                    _put(full, locus, count=half, ranking=ranking)
                    for ranking in ("prefix", "scores")
                ]
            if self.config.top_k > 1:
                found.append(_put(full, locus, top_k=self.config.top_k // 2))
        return found

    def mutate(self, genes: Genes, source: random.Random) -> Genes:
        """One to three random changes of one gene each; of a locus, or of all layers at once."""
        for _ in range(source.randint(1, 3)):
            genes = self._change(genes, source)
        return genes

    def cross(self, one: Genes, other: Genes, source: random.Random) -> Genes:
        """Each layer, and each locus, from one of the two."""
        layers = [
            layer
            for layer in range(self.config.num_layers)
            if layer in source.choice((one, other)).layers
        ]
        child = replace(one, layers=tuple(layers))
        for locus in self.loci if self.sparse else []:
            parent = source.choice((one, other))
            place = locus[0]
            child = _put(
                child,
                locus,
                count=parent.counts[place],
                top_k=parent.top_ks[place],
                ranking=parent.rankings[place],
            )
        return child

    def _change(self, genes: Genes, source: random.Random) -> Genes:
        kinds = [*(["layer"] if self.skippable else []), *(["locus"] * 2 if self.sparse else [])]
        if not kinds:
            return genes
        if source.choice(kinds) == "layer":
            layer = source.choice(self.skippable)
            return replace(genes, layers=tuple(sorted({*genes.layers} ^ {layer})))
        locus = self._together if source.random() < 1 / 4 else source.choice(self.loci)
        place = locus[0]
        what = source.choice(("count", "top_k", "ranking"))
        if what == "ranking":
            other: Ranking = "prefix" if genes.rankings[place] == "scores" else "scores"
            return _put(genes, locus, ranking=other)
        if what == "top_k":
            return _put(genes, locus, top_k=source.randint(1, self.config.top_k))
        return _put(genes, locus, count=source.choice(self.counts))

    def _live(self, genes: Genes) -> list[tuple[int, ...]]:
        """The loci with a kept layer: the others change nothing."""
        return [locus for locus in self.loci if {self.sparse[p] for p in locus} & {*genes.layers}]


def is_uniform(shape: Shape, config: ModelConfig) -> bool:
    """Whether a person could type it: depth by `keep_layers`, one prefix count, one top-k."""
    counts, top_ks = {*shape.experts}, {*shape.top_k}
    if len(counts) > 1 or len(top_ks) > 1:
        return False
    count, top_k = next(iter(counts), 0), next(iter(top_ks), 0)
    if not isinstance(count, int):
        return False
    return shape == Shape.uniform(config, len(shape.layers), count, top_k)


def _contains(larger: Genes, smaller: Genes) -> bool:
    """Whether one uniform member has at least as much of everything as another one."""

    def sizes(genes: Genes) -> tuple[int, ...]:
        return len(genes.layers), *genes.counts[:1], *genes.top_ks[:1]

    pairs = zip(sizes(larger), sizes(smaller), strict=True)
    return larger != smaller and all(more >= less for more, less in pairs)


def _how_many(members: list[Genes], fits: Callable[[Genes], bool]) -> int:
    """How many of the first members fit, by bisection."""
    return bisect.bisect_left(members, True, key=lambda genes: not fits(genes))


def smallest_shape(config: ModelConfig, kind: Space) -> Shape:
    """What `MemberSpace.smallest` means: known before importance is."""
    fewest = config.num_layers - len(skippable_layers(config))
    return Shape.uniform(config, fewest, _fewest_experts(config, kind), min(1, config.top_k))


def _fewest_experts(config: ModelConfig, kind: Space) -> int:
    # Other tools refuse a router with one expert, so what is to be portable keeps two.
    return min(2 if kind == "portable" else 1, config.num_experts)


def _put(
    genes: Genes,
    locus: tuple[int, ...],
    *,
    count: int | None = None,
    top_k: int | None = None,
    ranking: Ranking | None = None,
) -> Genes:
    """`genes` with other entries at `locus`; no token visits more experts than there are."""
    counts, top_ks, rankings = list(genes.counts), list(genes.top_ks), list(genes.rankings)
    for place in locus:
        counts[place] = counts[place] if count is None else count
        top_ks[place] = min(counts[place], top_ks[place] if top_k is None else top_k)
        rankings[place] = rankings[place] if ranking is None else ranking
    return Genes(genes.layers, tuple(counts), tuple(top_ks), tuple(rankings))
