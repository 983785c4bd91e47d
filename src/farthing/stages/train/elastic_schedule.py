"""Which sub-model each step trains: a function of (settings, seed, step), with no state."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.shape import Experts, Shape, keep_layers, skippable_layers
from farthing.stages.train.config import ElasticConfig

ItemT = TypeVar("ItemT")


class ElasticSchedule:
    """Draws one shape per step; without elastic settings, always the full one."""

    def __init__(self, elastic: ElasticConfig | None, model: ModelConfig, seed: int) -> None:
        if elastic is not None:
            _check_sizes(elastic, model)
        self._elastic = elastic
        self._model = model
        self._seed = seed
        self._full = Shape.full(model)

    def draw(self, step: int) -> Shape:
        """The shape that `step` trains."""
        elastic, model = self._elastic, self._model
        if elastic is None:
            return self._full
        # Only `random()` is used: its sequence for a given seed is fixed for all Pythons.
        source = random.Random(f"farthing elastic {self._seed} {step}")
        depth, experts, top_k = model.num_layers, model.num_experts, model.top_k
        if source.random() < elastic.depth_probability:
            depth = _choose(elastic.depths, source)
        if source.random() < elastic.experts_probability:
            experts = _choose(elastic.expert_counts, source)
        if source.random() < elastic.top_k_probability:
            top_k = _choose(elastic.top_ks, source)
        layers = self._layers(depth, source)
        sparse = sum(model.is_sparse(layer) for layer in layers)
        return Shape(
            layers,
            tuple(self._experts(experts, source) for _ in range(sparse)),
            (min(top_k, experts),) * sparse,
        )

    def _layers(self, depth: int, source: random.Random) -> tuple[int, ...]:
        assert self._elastic is not None
        if self._elastic.layer_subset == "middle" or depth == self._model.num_layers:
            return keep_layers(self._model, depth)
        skipped = _sample(skippable_layers(self._model), self._model.num_layers - depth, source)
        return tuple(layer for layer in range(self._model.num_layers) if layer not in skipped)

    def _experts(self, count: int, source: random.Random) -> Experts:
        assert self._elastic is not None
        if self._elastic.expert_subset == "prefix" or count == self._model.num_experts:
            return count
        return tuple(sorted(_sample(range(self._model.num_experts), count, source)))


def _check_sizes(elastic: ElasticConfig, model: ModelConfig) -> None:
    fewest_layers = model.num_layers - len(skippable_layers(model))
    limits = (
        ("depths", elastic.depths, fewest_layers, model.num_layers),
        ("expert_counts", elastic.expert_counts, 1, model.num_experts),
        ("top_ks", elastic.top_ks, 1, model.top_k),
    )
    for name, sizes, low, high in limits:
        for size in sizes:
            if not low <= size <= high:
                raise ConfigError(
                    f"train.elastic.{name}: {size} does not fit the supernet",
                    remedy=f"choose sizes from {low} to {high}",
                )


def _choose(items: Sequence[ItemT], source: random.Random) -> ItemT:
    return items[int(source.random() * len(items))]


def _sample(items: Sequence[int], count: int, source: random.Random) -> set[int]:
    keyed = sorted((source.random(), item) for item in items)
    return {item for _, item in keyed[:count]}
