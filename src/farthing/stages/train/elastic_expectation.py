"""What a mean step of elastic training computes, in closed form: before anything is drawn.

    expected_step_flops(train, model, vocab_size)

`ElasticSchedule` says which shapes a step trains; here the same settings are read as probabilities.
Layers with experts all cost the same at one number of experts and one top-k, and so do all others.
So of a draw only these matter, and their joint distribution is small enough to be listed:

- which of depth, experts and top-k are smaller, and to what size: independent, or, with
  `full_probability`, on the condition that one is; or one of `sizes`
- how many sparse layers are left, by depth and layer dropout (a sum of independent draws, exactly)
- how many of them a reduced count restricts: as many as `restricted_layers`, or all that are left

Every window counts as one document, as in budgets made beforehand: boundaries only save.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from farthing.cost.flops import forward_flops, forward_flops_by_part, training_flops
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape, keep_layers, skippable_layers
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.elastic_fit import check_elastic, first_elastic_step, smallest_size
from farthing.stages.train.layer_dropout import LayerDropout

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class _Draw:
    """What a draw reduces; None where an axis stays full."""

    depth: int | None
    experts: int | None
    top_k: int | None


def expected_step_flops(train: TrainConfig, model: ModelConfig, vocab_size: int) -> float:
    """FLOPs of the passes of a mean step, the teaching included, over all steps of a run.

    Equal to the mean of `plan_flops` over the steps' plans, over all seeds. The optimizer's
    products are not in it.

    Args:
        train: the run.
        model: the supernet.
        vocab_size: rows of the output matrix.

    Raises:
        ConfigError: the elastic settings do not fit the supernet or the run.
    """
    costs = _Costs(model, vocab_size, train.batch_sequences * model.context)
    full = costs.full
    elastic = train.elastic
    if elastic is None:
        return full
    check_elastic(elastic, model)
    first = first_elastic_step(elastic, train.steps, train.schedule)
    if first >= train.steps:
        return full
    mean = _Expectation(elastic, model, costs, first, train.steps).mean_step()
    return (first * full + (train.steps - first) * mean) / train.steps


class _Costs:
    """Training FLOPs of the parts of a batch that shapes are made of."""

    def __init__(self, model: ModelConfig, vocab_size: int, tokens: int) -> None:
        self._model = model
        self._sparse: dict[tuple[int, int], float] = {}
        self._work = {"tokens": tokens, "attended_pairs": tokens * (model.context + 1) // 2}
        shape = Shape.full(model)
        self.full = float(training_flops(model, vocab_size, shape, **self._work))
        parts = forward_flops_by_part(model, vocab_size, shape, **self._work)
        self.teacher_logits = float(parts["output"])
        # Up to the hidden rows: the logits are made where students are compared with them.
        self.teacher_pass = float(forward_flops(model, 0, shape, **self._work))
        nothing = Shape((), (), ())
        self.outside = float(training_flops(model, vocab_size, nothing, **self._work))
        dense = Shape((0,), (), ())
        self.dense = (
            0.0 if model.is_sparse(0) else float(training_flops(model, 0, dense, **self._work))
        )

    def sparse(self, experts: int, top_k: int) -> float:
        """One layer with this many experts."""
        if (experts, top_k) not in self._sparse:
            layer = Shape((self._model.num_layers - 1,), (experts,), (top_k,))
            flops = training_flops(self._model, 0, layer, **self._work)
            self._sparse[experts, top_k] = float(flops)
        return self._sparse[experts, top_k]


class _Expectation:
    def __init__(
        self, elastic: ElasticConfig, model: ModelConfig, costs: _Costs, first: int, steps: int
    ) -> None:
        self._elastic, self._model, self._costs = elastic, model, costs
        self._steps = range(first, steps)
        self._skippable = sorted(skippable_layers(model))
        settings = elastic.layer_dropout
        self._dropout = (
            None
            if settings is None
            else LayerDropout(settings, self._skippable, first=first, steps=steps)
        )
        self._outcomes = self._by_depth()

    def mean_step(self) -> float:
        """Over the elastic steps of a run."""
        settings = self._elastic.layer_dropout
        if settings is None or settings.time == "constant":
            return self._step(self._steps.start)
        return math.fsum(self._step(step) for step in self._steps) / len(self._steps)

    def _step(self, step: int) -> float:
        """The passes of one step, and their teaching."""
        elastic, costs = self._elastic, self._costs
        total, students, nobody_teaches = 0.0, 0.0, 1.0
        for kind in elastic.passes:
            if kind == "draw":
                flops, full = self._drawn(step)
            elif kind == "full":
                flops, full = costs.full, 1.0
            else:
                flops, full = self._smallest()
            total += flops
            students += 1 - full
            nobody_teaches *= 1 - full
        if not elastic.distill_weight:
            return total
        # Draws of one step are independent of each other.
        return total + students * costs.teacher_logits + nobody_teaches * costs.teacher_pass

    def _drawn(self, step: int) -> tuple[float, float]:
        """Of one draw: mean FLOPs, and the probability that its shape is the full one."""
        flops = full = self._elastic.full_probability or 0.0
        flops *= self._costs.full
        for depth, outcomes in self._outcomes.items():
            for share, (more_flops, more_full) in zip(
                self._survivors(depth, step), outcomes, strict=True
            ):
                flops += share * more_flops
                full += share * more_full
        return flops, full

    def _by_depth(self) -> dict[int | None, list[tuple[float, float]]]:
        """Of the draws of each depth, what they add to `_drawn` where so many layers survive.

        No step changes it: steps differ in the layers that survive alone.
        """
        reduced = 1 - (self._elastic.full_probability or 0.0)
        found: dict[int | None, list[tuple[float, float]]] = {}
        for probability, draw in _joint(self._elastic):
            kept = self._kept(draw.depth)
            entries = found.setdefault(draw.depth, [(0.0, 0.0)] * (kept + 1))
            for survivors, (flops, full) in enumerate(entries):
                weight = reduced * probability
                entries[survivors] = (
                    flops + weight * self._shape_flops(draw, survivors),
                    full + weight * self._is_full(draw, survivors),
                )
        return found

    def _kept(self, depth: int | None) -> int:
        """How many of the skippable layers a depth keeps."""
        layers = self._model.num_layers
        return len(self._skippable) - (layers - (depth or layers))

    def _survivors(self, depth: int | None, step: int) -> list[float]:
        """The distribution of how many skippable layers run: entry n is the probability of n."""
        model, skippable = self._model, self._skippable
        kept = self._kept(depth)
        if self._dropout is None:
            return [float(count == kept) for count in range(kept + 1)]
        chances = {layer: 1 - self._dropout.probability(layer, step) for layer in skippable}
        if self._elastic.layer_subset == "random" or kept == len(skippable):
            return _of_random_subset([chances[layer] for layer in skippable], kept)
        stay = set(keep_layers(model, depth or model.num_layers))
        nested = [chances[layer] for layer in skippable if layer in stay]
        return _of_random_subset(nested, len(nested))

    def _shape_flops(self, draw: _Draw, survivors: int) -> float:
        model, costs = self._model, self._costs
        firm = model.num_layers - len(self._skippable)
        if not model.num_experts:
            return costs.outside + (firm + survivors) * costs.dense
        dense = model.first_sparse_layer
        sparse = firm - dense + survivors
        narrow = 0
        if draw.experts is not None:
            narrow = min(self._elastic.restricted_layers or sparse, sparse)
        flops = costs.outside + dense * costs.dense
        flops += (sparse - narrow) * self._layer(model.num_experts, draw)
        if draw.experts is not None:
            flops += narrow * self._layer(draw.experts, draw)
        return flops

    def _layer(self, experts: int, draw: _Draw) -> float:
        """One sparse layer; where each layer draws a top-k of its own, the mean over those."""
        top_ks = self._layer_top_ks(draw)
        return math.fsum(
            share * self._costs.sparse(experts, min(top_k, experts)) for share, top_k in top_ks
        )

    def _layer_top_ks(self, draw: _Draw) -> list[tuple[float, int]]:
        elastic = self._elastic
        if draw.top_k is None:
            return [(1.0, self._model.top_k)]
        if elastic.top_k_scope == "layer":
            return list(_shares(elastic.top_ks, elastic.top_k_weights))
        return [(1.0, draw.top_k)]

    def _is_full(self, draw: _Draw, survivors: int) -> float:
        """The probability that this draw leaves the whole supernet."""
        model = self._model
        if survivors < len(self._skippable):
            return 0.0
        if not model.num_experts:
            return 1.0
        if draw.experts not in (None, model.num_experts):
            return 0.0
        sparse = model.num_layers - model.first_sparse_layer
        of_one = math.fsum(s for s, top_k in self._layer_top_ks(draw) if top_k == model.top_k)
        # One draw for all layers, or one for each.
        return of_one**sparse if self._elastic.top_k_scope == "layer" else of_one

    def _smallest(self) -> tuple[float, float]:
        model = self._model
        depth, experts, top_k = smallest_size(self._elastic, model)
        layers = keep_layers(model, depth)
        sparse = sum(model.is_sparse(layer) for layer in layers)
        flops = self._costs.outside + (len(layers) - sparse) * self._costs.dense
        whole = len(layers) == model.num_layers
        if sparse:
            top_k = min(top_k, experts)
            flops += sparse * self._costs.sparse(experts, top_k)
            whole = whole and (experts, top_k) == (model.num_experts, model.top_k)
        return flops, float(whole)


def _joint(elastic: ElasticConfig) -> Iterator[tuple[float, _Draw]]:
    """The draws that `full_probability` did not make full, and their probabilities."""
    if elastic.sizes:
        for share, size in _shares(elastic.whole_sizes, elastic.size_weights):
            yield share, _Draw(*size)
        return
    axes = (
        (elastic.depth_probability, elastic.depths, elastic.depth_weights),
        (elastic.experts_probability, elastic.expert_counts, elastic.expert_count_weights),
        (elastic.top_k_probability, elastic.top_ks, elastic.top_k_weights),
    )
    options: list[list[tuple[float, int | None]]] = []
    for probability, sizes, weights in axes:
        reduced = [(probability * share, size) for share, size in _shares(sizes, weights)]
        options.append([(1 - probability, None), *reduced])
    none_smaller = math.prod(1 - probability for probability, _, _ in axes)
    # Where no axis can be smaller, only layer dropout makes a draw so: there is no condition then.
    conditional = elastic.full_probability is not None and none_smaller < 1
    scale = 1 / (1 - none_smaller) if conditional else 1.0
    for (a, depth), (b, experts), (c, top_k) in itertools.product(*options):
        draw = _Draw(depth, experts, top_k)
        if a * b * c and not (conditional and draw == _Draw(None, None, None)):
            yield a * b * c * scale, draw


def _shares(
    items: Sequence[ItemT], weights: Sequence[float] | None
) -> Iterator[tuple[float, ItemT]]:
    """Each item behind its share of the draws."""
    if not items:
        return
    weights = weights or [1.0] * len(items)
    whole = math.fsum(weights)
    for item, weight in zip(items, weights, strict=True):
        yield weight / whole, item


def _of_random_subset(chances: Sequence[float], taken: int) -> list[float]:
    """How many of `taken` items run: any subset of that size is as likely as any other.

    Args:
        chances: that an item runs if it is taken.
        taken: how many are.

    Returns:
        Entry n: the probability that n run.
    """
    # Over all subsets: table[t][n] sums the probabilities that n of the t taken so far run.
    table = [[0.0] * (taken + 1) for _ in range(taken + 1)]
    table[0][0] = 1.0
    for chance in chances:
        for size in range(taken, 0, -1):
            for count in range(size, -1, -1):
                more = table[size - 1][count] * (1 - chance)
                more += table[size - 1][count - 1] * chance if count else 0.0
                table[size][count] += more
    subsets = math.comb(len(chances), taken)
    return [entry / subsets for entry in table[taken]]
