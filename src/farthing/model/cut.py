"""Cutting: what one shape keeps of a supernet's tensors, numbered as a model of its own.

One rule for everything that is named like the weights: the weights, the router's state, and the
optimizer's state (`layers.2.mlp.experts.up_proj/momentum`). Extraction and continued training
both cut with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from farthing.errors import ShapeError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

# Of an expert that fills up a layer with fewer experts than the widest: never among the top k,
# since a sigmoid is at most 1 and balancing biases are far smaller.
UNSELECTABLE = -1e4

RANKING = "expert_ranking"
_LAYER = re.compile(r"layers\.(\d+)\.(.*)")
# A weight or its optimizer state; one row for each expert.
_PER_EXPERT = re.compile(r"mlp\.(?:experts\.\w+|router\.\w+)(?:/\w+)?")
_SELECTION_BIAS = "mlp.router.balance_bias"
# Of sub-models of other sizes: a member takes that of its own size as its `balance_bias`.
_BIAS_BY_SIZE = "mlp.router.pair_bias"


def expert_counts(shape: Shape) -> list[int]:
    """How many experts each kept sparse layer keeps."""
    return [kept if isinstance(kept, int) else len(kept) for kept in shape.experts]


def cut_config(config: ModelConfig, shape: Shape) -> ModelConfig:
    """The sizes of a member as a model of its own: as many experts as its widest layer keeps.

    Raises:
        ShapeError: top-k differs between layers, which no rectangular model can say.
    """
    counts, top_ks = expert_counts(shape), set(shape.top_k)
    if len(top_ks) > 1:
        raise ShapeError(
            f"the shape {shape} has top-k {sorted(top_ks)}: cut out, a model has one top-k for "
            "all its layers",
            remedy="cut a shape with one top-k, or run this one inside the supernet with "
            "`farthing generate --shape`",
        )
    dense = [layer for layer in shape.layers if not config.is_sparse(layer)]
    return config.model_copy(
        update={
            "num_layers": len(shape.layers),
            "num_dense_layers": len(dense) if counts else 0,
            "num_experts": max(counts, default=0),
            "top_k": max(top_ks, default=0),
            "balance_pairs": (),
        }
    )


def cut_tensors(
    tensors: Mapping[str, Tensor], config: ModelConfig, ranking_LE: Tensor, shape: Shape
) -> dict[str, Tensor]:
    """What `shape` keeps of `tensors`, under the names that it has in a model of its own.

    Experts stand in the order of their importance. Layers with fewer experts than the widest get
    zero experts that the router cannot select.

    Args:
        tensors: named like the state of a `Transformer`; optimizer state ends in `/kind`.
        config: the supernet's sizes.
        ranking_LE: per sparse layer, expert ids from most to least important.
        shape: what to keep.
    """
    widest = max(expert_counts(shape), default=0)
    places = {layer: place for place, layer in enumerate(shape.layers)}
    kept: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            kept[name] = tensor
            continue
        layer, rest = int(match.group(1)), match.group(2)
        if layer not in places or rest == _BIAS_BY_SIZE:
            continue
        if rest == _SELECTION_BIAS:
            tensor = _selection_bias(tensors, config, shape, layer)
        if is_per_expert(rest, tensor):
            ranking_E = ranking_LE[layer - config.first_sparse_layer]
            chosen = _chosen(ranking_E, shape, layer, config).to(tensor.device)
            filler = UNSELECTABLE if rest == _SELECTION_BIAS else 0.0
            tensor = _fill_up(tensor[chosen], widest, filler)
        kept[f"layers.{places[layer]}.{rest}"] = tensor
    if RANKING in tensors:
        kept[RANKING] = torch.arange(widest).repeat(len(shape.experts), 1)
    return kept


def is_per_expert(rest: str, tensor: Tensor) -> bool:
    """Whether `tensor`, called `rest` within its layer, has a row for each expert."""
    # Without dimensions: a count of steps, one for all experts.
    per_expert = _PER_EXPERT.fullmatch(rest) is not None and rest != _BIAS_BY_SIZE
    return tensor.ndim > 0 and per_expert


def _selection_bias(
    tensors: Mapping[str, Tensor], config: ModelConfig, shape: Shape, layer: int
) -> Tensor:
    """What this shape adds to the scores of a layer's experts, as its `Router` chooses it."""
    experts, top_k = shape.selection(layer, config)
    pair = (experts if isinstance(experts, int) else len(experts), top_k)
    if pair in config.balance_pairs:
        return tensors[f"layers.{layer}.{_BIAS_BY_SIZE}"][config.balance_pairs.index(pair)]
    return tensors[f"layers.{layer}.{_SELECTION_BIAS}"]


def _chosen(ranking_E: Tensor, shape: Shape, layer: int, config: ModelConfig) -> Tensor:
    """Ids of the kept experts, the most important first."""
    experts, _ = shape.selection(layer, config)
    if isinstance(experts, int):
        return ranking_E[:experts]
    return ranking_E[torch.isin(ranking_E, torch.tensor(experts, device=ranking_E.device))]


def _fill_up(tensor: Tensor, count: int, value: float) -> Tensor:
    missing = tensor.new_full((count - tensor.shape[0], *tensor.shape[1:]), value)
    return torch.cat((tensor, missing))
