"""Cut a member out of a supernet: the same logits from a model that holds nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from farthing.artifacts.manifest import Manifest, write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.errors import ShapeError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet, save_weights
from farthing.model.transformer import Transformer
from farthing.text.tokenizer import Tokenizer

KIND = "member"

_LAYER = re.compile(r"layers\.(\d+)\.(.*)")
_PER_EXPERT = re.compile(r"mlp\.(experts\.\w+|router\.(weight|balance_bias|mass))")


def extract(supernet: Supernet, shape: Shape, *, directory: Path, input_key: str) -> Manifest:
    """Write the member `shape` of `supernet` into `directory`.

    Raises:
        ShapeError: expert counts or top-k differ between layers; such a member has no plain
            configuration and runs inside its supernet only.
        WorkspaceError: the disk is full or not writable.
    """
    parent = supernet.model
    member = Transformer(member_config(parent.config, shape), parent.vocab_size, parent.end_of_text)
    member.load_state_dict(_member_tensors(parent, shape), strict=True)
    origin = {
        **supernet.origin,
        "parent": supernet.digest,
        "shape": str(shape),
    }
    with staged_directory(directory) as staged:
        save_weights(member, staged, origin)
        Tokenizer.load(supernet.directory).save(staged)
        return write_manifest(
            staged,
            kind=KIND,
            input_key=input_key,
            detail={"parent": supernet.digest, "shape": str(shape)},
        )


def member_config(config: ModelConfig, shape: Shape) -> ModelConfig:
    """The sizes of a member as a model of its own.

    Raises:
        ShapeError: expert counts or top-k differ between layers.
    """
    counts = {e if isinstance(e, int) else len(e) for e in shape.experts}
    top_ks = set(shape.top_k)
    if len(counts) > 1 or len(top_ks) > 1:
        raise ShapeError(
            f"the shape {shape} keeps {sorted(counts)} experts and top-k {sorted(top_ks)}: "
            "a model of its own has one count and one top-k for all layers",
            remedy="extract a shape with equal counts, or run this one inside the supernet with "
            "`farthing generate --shape`",
        )
    sparse = bool(counts)
    dense = [layer for layer in shape.layers if not config.is_sparse(layer)]
    return config.model_copy(
        update={
            "num_layers": len(shape.layers),
            "num_dense_layers": len(dense),
            "num_experts": counts.pop() if sparse else 0,
            "top_k": top_ks.pop() if sparse else 0,
        }
    )


def _member_tensors(parent: Transformer, shape: Shape) -> dict[str, Tensor]:
    config = parent.config
    places = {layer: place for place, layer in enumerate(shape.layers)}
    tensors: dict[str, Tensor] = {}
    for name, tensor in parent.state_dict().items():
        match = _LAYER.fullmatch(name)
        if name == "expert_ranking":
            continue
        if match is None:
            tensors[name] = tensor
            continue
        layer, rest = int(match.group(1)), match.group(2)
        if layer in places:
            if _PER_EXPERT.fullmatch(rest):
                tensor = tensor[_kept_experts(parent, shape, layer)]
            tensors[f"layers.{places[layer]}.{rest}"] = tensor
    sparse = [layer for layer in shape.layers if config.is_sparse(layer)]
    rankings = [_member_ranking(parent, shape, layer) for layer in sparse]
    kept = len(rankings[0]) if rankings else 0
    tensors["expert_ranking"] = (
        torch.stack(rankings) if rankings else parent.expert_ranking.new_zeros((0, kept))
    )
    return tensors


def _kept_experts(parent: Transformer, shape: Shape, layer: int) -> Tensor:
    selection = parent.selection(shape, layer)
    assert selection is not None
    ids_S = selection[0]
    every_E = torch.arange(parent.config.num_experts, device=parent.expert_ranking.device)
    return every_E if ids_S is None else ids_S


def _member_ranking(parent: Transformer, shape: Shape, layer: int) -> Tensor:
    """Places of the kept experts in the member, in the parent's order of importance."""
    kept = _kept_experts(parent, shape, layer).tolist()
    ranking = parent.expert_ranking[layer - parent.config.first_sparse_layer].tolist()
    return torch.tensor([kept.index(expert) for expert in ranking if expert in kept])
