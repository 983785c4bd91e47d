"""Cutting: a model that holds what one shape keeps of its supernet, and nothing else."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from farthing.errors import ShapeError
from farthing.model.config import ModelConfig
from farthing.model.huggingface import UNSELECTABLE
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer

_LAYER = re.compile(r"layers\.(\d+)\.(.*)")
_PER_EXPERT = re.compile(r"mlp\.(experts\.\w+|router\.(weight|balance_bias|mass))")
_SELECTION_BIAS = "mlp.router.balance_bias"


def member_config(config: ModelConfig, shape: Shape) -> ModelConfig:
    """The sizes of a member as a model of its own: as many experts as its widest layer keeps.

    Raises:
        ShapeError: top-k differs between layers, which no layout outside farthing can say, or
            every layer keeps one expert, between which no router chooses.
    """
    counts, top_ks = _expert_counts(shape), set(shape.top_k)
    if len(top_ks) > 1:
        raise ShapeError(
            f"the shape {shape} has top-k {sorted(top_ks)}: outside farthing a model has one "
            "top-k for all its layers",
            remedy="extract a shape with one top-k, or run this one inside the supernet with "
            "`farthing generate --shape`",
        )
    if counts and max(counts) < 2:
        raise ShapeError(
            f"the shape {shape} keeps one expert in each sparse layer: a router needs two to "
            "choose between, and other tools refuse the model",
            remedy="extract a shape with 2 experts or more, or run this one inside the supernet "
            "with `farthing generate --shape`",
        )
    dense = [layer for layer in shape.layers if not config.is_sparse(layer)]
    return config.model_copy(
        update={
            "num_layers": len(shape.layers),
            "num_dense_layers": len(dense) if counts else 0,
            "num_experts": max(counts, default=0),
            "top_k": max(top_ks, default=0),
            "tie_embeddings": False,
        }
    )


def padding_parameters(config: ModelConfig, shape: Shape) -> int:
    """Parameters of the experts that only fill layers up to the widest one's count."""
    counts = _expert_counts(shape)
    missing = sum(max(counts) - count for count in counts)
    return missing * (3 * config.hidden_dim * config.expert_dim + config.hidden_dim)


def cut(parent: Transformer, shape: Shape) -> Transformer:
    """The member `shape` of `parent` as a model of its own, on the CPU.

    Its experts stand in the order of their importance. Layers with fewer experts than the widest
    get zero experts that the router cannot select.

    Raises:
        ShapeError: see `member_config`.
    """
    sizes = member_config(parent.config, shape)
    member = Transformer(sizes, parent.vocab_size, parent.end_of_text)
    tensors = {"expert_ranking": member.expert_ranking}
    places = {layer: place for place, layer in enumerate(shape.layers)}
    for name, tensor in parent.state_dict().items():
        match = _LAYER.fullmatch(name)
        if match is None:
            tensors.setdefault(name, tensor)
            continue
        layer, rest = int(match.group(1)), match.group(2)
        if layer not in places:
            continue
        if _PER_EXPERT.fullmatch(rest):
            kept = tensor[_kept_experts(parent, shape, layer)]
            filler = UNSELECTABLE if rest == _SELECTION_BIAS else 0.0
            tensor = _fill_up(kept, sizes.num_experts, filler)
        tensors[f"layers.{places[layer]}.{rest}"] = tensor
    member.load_state_dict(tensors, strict=True)
    return member.eval()


def _expert_counts(shape: Shape) -> list[int]:
    return [kept if isinstance(kept, int) else len(kept) for kept in shape.experts]


def _fill_up(tensor: Tensor, count: int, value: float) -> Tensor:
    missing = tensor.new_full((count - tensor.shape[0], *tensor.shape[1:]), value)
    return torch.cat((tensor, missing))


def _kept_experts(parent: Transformer, shape: Shape, layer: int) -> Tensor:
    """Ids of the kept experts, the most important first."""
    selection = parent.selection(shape, layer)
    assert selection is not None
    ranking_E = parent.expert_ranking[layer - parent.config.first_sparse_layer]
    ids_S = selection[0]
    return ranking_E if ids_S is None else ranking_E[torch.isin(ranking_E, ids_S)]
