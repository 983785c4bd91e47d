"""Which sub-models each step trains: a function of (settings, seed, step, steps), with no state."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from farthing.model.config import ModelConfig
from farthing.model.shape import Experts, Shape, keep_layers, skippable_layers
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.elastic_fit import (
    check_elastic,
    first_elastic_step,
    smallest_size,
)
from farthing.stages.train.layer_dropout import LayerDropout


@dataclass(frozen=True)
class StepPlan:
    """What one step trains on its batch.

    Attributes:
        shapes: of its passes; each runs forward and backward, the gradient is their mean.
        judged: places of the passes whose mean loss is the loss of the step.
    """

    shapes: tuple[Shape, ...]
    judged: tuple[int, ...]


class ElasticSchedule:
    """Plans each step; without elastic settings, one pass of the full shape."""

    def __init__(self, config: TrainConfig, model: ModelConfig) -> None:
        """Plan the steps of a run.

        Args:
            config: the run; its elastic settings, seed, steps and learning-rate schedule matter.
            model: the supernet.

        Raises:
            ConfigError: the elastic settings do not fit the supernet or the run.
        """
        self._elastic = elastic = config.elastic
        self._model = model
        self._seed = config.seed
        self._full = Shape.full(model)
        self._first = 0
        self._dropout: LayerDropout | None = None
        if elastic is None:
            return
        check_elastic(elastic, model)
        self._first = first_elastic_step(elastic, config.steps, config.schedule)
        if elastic.layer_dropout is not None:
            self._dropout = LayerDropout(
                elastic.layer_dropout,
                skippable_layers(model),
                first=self._first,
                steps=config.steps,
            )

    def plan(self, step: int) -> StepPlan:
        """The passes of `step`.

        The loss of the step is that of the first pass named `full`; where the settings name none,
        the mean over its passes. Before the onset a step is one pass of the full shape.
        """
        elastic = self._elastic
        if elastic is None or step < self._first:
            return StepPlan((self._full,), (0,))
        numbers = itertools.count()
        shapes = []
        for kind in elastic.passes:
            if kind == "full":
                shapes.append(self._full)
            elif kind == "smallest":
                shapes.append(self._smallest(step))
            else:
                shapes.append(self.draw(step, next(numbers)))
        every = tuple(range(len(shapes)))
        judged = (elastic.passes.index("full"),) if "full" in elastic.passes else every
        return StepPlan(tuple(shapes), judged)

    def draw(self, step: int, number: int = 0) -> Shape:
        """The shape that pass `number` (from 0) of those that draw has in `step`.

        Without `full_probability` each axis is smaller with its own probability. With
        `full_probability` p the step is full with p, and else the axes are drawn on the condition
        that at least one is smaller: with probabilities a, b and c, the first axis is smaller in a
        share (1 - p) a / (1 - (1 - a)(1 - b)(1 - c)) of the steps. Layer dropout comes on top of
        every draw that `full_probability` did not make full. Where `sizes` are given, a draw that
        is not full takes one of them.
        """
        elastic, model = self._elastic, self._model
        if elastic is None or step < self._first:
            return self._full
        # Only `random()` is used: its sequence for a given seed is fixed for all Pythons.
        # The first draw of a step is named as if there were no others: it stays what it is.
        name = f"farthing elastic {self._seed} {step}" + (f" {number}" if number else "")
        source = random.Random(name)
        if elastic.full_probability is not None and source.random() < elastic.full_probability:
            return self._full
        depth, count, top_k = self._sizes(source)
        layers = self._layers(depth or model.num_layers, source)
        if self._dropout is not None:
            layers = self._without_dropped(layers, step, source)
        sparse = sum(model.is_sparse(layer) for layer in layers)
        counts = [model.num_experts] * sparse
        if count is not None:
            turn = step * elastic.passes.count("draw") + number
            for place in _rotated(sparse, elastic.restricted_layers, turn):
                counts[place] = count
        experts = tuple(self._experts(count, source) for count in counts)
        return Shape(layers, experts, self._top_ks(top_k, counts, source))

    def _sizes(self, source: random.Random) -> tuple[int | None, int | None, int | None]:
        """Depth, expert count and top-k; None where an axis is not drawn smaller."""
        elastic = self._elastic
        assert elastic is not None
        if elastic.sizes:
            size = _choose(elastic.whole_sizes, elastic.size_weights, source)
            return size.depth, size.experts, size.top_k
        sizes: list[int | None] = []
        axes = _axes(elastic)
        # Exactly the distribution of independent draws that are repeated until one is smaller, but
        # with no repetition: each axis knows how likely it is that the later ones suffice.
        lacking = elastic.full_probability is not None
        for place, (probability, items, weights) in enumerate(axes):
            if lacking and probability:
                none_later = math.prod(1 - later for later, _, _ in axes[place + 1 :])
                some = 1 - (1 - probability) * none_later
                probability = 1.0 if none_later == 1 else probability / some
            taken = source.random() < probability
            sizes.append(_choose(items, weights, source) if taken else None)
            lacking = lacking and not taken
        depth, count, top_k = sizes
        return depth, count, top_k

    def _layers(self, depth: int, source: random.Random) -> tuple[int, ...]:
        assert self._elastic is not None
        if self._elastic.layer_subset == "middle" or depth == self._model.num_layers:
            return keep_layers(self._model, depth)
        skipped = _sample(skippable_layers(self._model), self._model.num_layers - depth, source)
        return tuple(layer for layer in range(self._model.num_layers) if layer not in skipped)

    def _without_dropped(
        self, layers: tuple[int, ...], step: int, source: random.Random
    ) -> tuple[int, ...]:
        assert self._dropout is not None
        dropped = {
            layer
            for layer in self._dropout.layers
            if source.random() < self._dropout.probability(layer, step)
        }
        return tuple(layer for layer in layers if layer not in dropped)

    def _experts(self, count: int, source: random.Random) -> Experts:
        assert self._elastic is not None
        if self._elastic.expert_subset == "prefix" or count == self._model.num_experts:
            return count
        return tuple(sorted(_sample(range(self._model.num_experts), count, source)))

    def _top_ks(
        self, drawn: int | None, counts: Sequence[int], source: random.Random
    ) -> tuple[int, ...]:
        """Of each kept sparse layer, at most as many as it has experts."""
        elastic = self._elastic
        assert elastic is not None
        if drawn is not None and elastic.top_k_scope == "layer":
            # Every layer anew (M-MoE, arXiv 2509.26520): the one drawn says only that it happens.
            wanted = [_choose(elastic.top_ks, elastic.top_k_weights, source) for _ in counts]
        else:
            wanted = [self._model.top_k if drawn is None else drawn] * len(counts)
        return tuple(min(top_k, count) for top_k, count in zip(wanted, counts, strict=True))

    def _smallest(self, step: int) -> Shape:
        """The smallest size in every layer; its subsets are as those of a draw."""
        assert self._elastic is not None
        source = random.Random(f"farthing elastic {self._seed} {step} smallest")
        depth, count, top_k = smallest_size(self._elastic, self._model)
        layers = self._layers(depth, source)
        sparse = sum(self._model.is_sparse(layer) for layer in layers)
        experts = tuple(self._experts(count, source) for _ in range(sparse))
        return Shape(layers, experts, (min(top_k, count),) * sparse)


ItemT = TypeVar("ItemT")
_Axis = tuple[float, tuple[int, ...], tuple[float, ...] | None]


def _axes(elastic: ElasticConfig) -> tuple[_Axis, _Axis, _Axis]:
    """Probability, sizes and their weights of depth, experts and top-k."""
    return (
        (elastic.depth_probability, elastic.depths, elastic.depth_weights),
        (elastic.experts_probability, elastic.expert_counts, elastic.expert_count_weights),
        (elastic.top_k_probability, elastic.top_ks, elastic.top_k_weights),
    )


def _rotated(places: int, taken: int | None, turn: int) -> list[int]:
    """`taken` neighbours of `places` in a circle, further on each turn: all equally often."""
    if taken is None or taken >= places:
        return list(range(places))
    return [(turn * taken + offset) % places for offset in range(taken)]


def _choose(
    items: Sequence[ItemT], weights: Sequence[float] | None, source: random.Random
) -> ItemT:
    if weights is None:
        return items[int(source.random() * len(items))]
    left = source.random() * math.fsum(weights)
    for item, weight in zip(items, weights, strict=True):
        left -= weight
        if left < 0:
            return item
    return items[-1]


def _sample(items: Sequence[int], count: int, source: random.Random) -> set[int]:
    keyed = sorted((source.random(), item) for item in items)
    return {item for _, item in keyed[:count]}
