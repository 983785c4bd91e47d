"""Which members a comparison is about: registered before anything is trained."""

from __future__ import annotations

import math
from itertools import product

from farthing.cost.parameters import count_parameters
from farthing.flow import RunConfig
from farthing.model.shape import Shape
from farthing.stages.train.elastic_fit import numbered_sizes

# Shares of the full shape's active parameters, embeddings left out: no member can leave those out.
_SHARES = (1.0, 0.5, 0.25, 0.125)


def geometric_members(run: RunConfig, vocab_size: int) -> list[Shape]:
    """Uniform shapes of sizes that the recipe trains, nearest to 1, 1/2, 1/4 and 1/8.

    Size is active parameters without embeddings; near is by their logarithm, and of two equally
    near the one with fewer parameters in all. A share that no shape comes near (within a factor
    of the square root of 2) is left out.
    """
    elastic, sizes = run.train.elastic, run.model
    assert elastic is not None
    whole_size = (sizes.num_layers, sizes.num_experts, sizes.top_k)
    depths = {sizes.num_layers, *elastic.depths}
    counts = {sizes.num_experts, *elastic.expert_counts}
    top_ks = {sizes.top_k, *elastic.top_ks}
    whole_sizes = numbered_sizes(elastic, sizes)
    drawn = {whole_size, *whole_sizes} if whole_sizes else product(depths, counts, top_ks)
    shapes = [
        Shape.uniform(sizes, depth, count, top_k)
        for depth, count, top_k in sorted(drawn, reverse=True)
        if top_k <= count
    ]
    active = {}
    for shape in shapes:
        counted = count_parameters(sizes, vocab_size, shape)
        active[shape] = (counted.active_non_embedding, counted.total)
    whole = active[Shape.full(sizes)][0]
    members = [Shape.full(sizes)]
    for share in _SHARES[1:]:
        wanted = share * whole
        near = min(shapes, key=lambda each: (_distance(active[each][0], wanted), active[each][1]))
        if _distance(active[near][0], wanted) <= math.log(2) / 2 and near not in members:
            members.append(near)
    return members


def _distance(size: int, wanted: float) -> float:
    return abs(math.log(size / wanted))
