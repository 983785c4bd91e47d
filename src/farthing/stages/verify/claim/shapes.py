"""Reading a shape's canonical string, apart from the code that writes it.

layers=0-3,7/experts=8/top_k=2
layers=0-3/experts=8,e0-3+9/top_k=2,1          one entry for each kept sparse layer
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_SHAPE = re.compile(r"layers=([0-9,-]+)(?:/experts=([0-9e+,-]+)/top_k=([0-9,]+))?")
_LARGEST = 1 << 40
_MOST_LAYERS = 10_000
_MOST_EXPERTS = 1 << 16


@dataclass(frozen=True)
class Sizes:
    """What of a recipe's `model` section decides products of matrices."""

    layers: int
    dense_layers: int
    width: int
    heads: int
    key_heads: int
    head_width: int
    dense_inner: int
    dense_matrices: int
    experts: int
    expert_inner: int
    shared_experts: int
    top_k: int
    context: int

    @classmethod
    def of(cls, model: dict[str, Any]) -> Sizes:
        """Of the section as a plan of the book holds it, defaults included.

        Raises:
            KeyError, TypeError, ValueError: it is no such section, or one of absurd sizes.
        """
        found = cls(
            layers=int(model["num_layers"]),
            dense_layers=int(model["num_dense_layers"]),
            width=int(model["hidden_dim"]),
            heads=int(model["num_heads"]),
            key_heads=int(model["num_kv_heads"]),
            head_width=int(model["head_dim"]),
            dense_inner=int(model["dense_ffn_dim"]),
            dense_matrices=3 if model.get("activation", "swiglu") == "swiglu" else 2,
            experts=int(model["num_experts"]),
            expert_inner=int(model["expert_dim"]),
            shared_experts=int(model["num_shared_experts"]),
            top_k=int(model["top_k"]),
            context=int(model["context"]),
        )
        largest = max(vars(found).values())
        if min(vars(found).values()) < 0 or largest > _LARGEST or found.layers > _MOST_LAYERS:
            raise ValueError(f"a model with a size of {largest} is none that was trained")
        return found

    def is_sparse(self, layer: int) -> bool:
        """Whether a layer has routed experts: all behind the leading dense ones, if there are any.

        Args:
            layer: its index.
        """
        return self.experts > 0 and layer >= self.dense_layers


@dataclass(frozen=True)
class Kept:
    """What a shape keeps.

    Attributes:
        layers: their indices, ascending.
        experts: of each kept sparse layer, how many take part.
        top_k: of each kept sparse layer.
    """

    layers: tuple[int, ...]
    experts: tuple[int, ...]
    top_k: tuple[int, ...]


@lru_cache(maxsize=4096)
def read_shape(text: str, sizes: Sizes) -> Kept:
    """A canonical shape of a model of these sizes.

    Raises:
        ValueError: it cannot be read, or the model does not hold it; says what is wrong.
    """
    found = _SHAPE.fullmatch(text) if len(text) < _MOST_EXPERTS else None
    if found is None:
        raise ValueError(f"{text[:80]!r} is no canonical shape")
    layers = _ids(found[1], ",", _MOST_LAYERS)
    if not layers or layers[-1] >= sizes.layers:
        raise ValueError(f"{text[:80]} keeps layers that a model of {sizes.layers} does not have")
    sparse = sum(sizes.is_sparse(layer) for layer in layers)
    if (sparse > 0) != (found[2] is not None):
        raise ValueError(f"{text[:80]} names experts where there are none, or none where there are")
    experts = _spread([_count(entry, sizes) for entry in (found[2] or "").split(",") if entry])
    top_k = _spread([int(entry) for entry in (found[3] or "").split(",") if entry])
    experts, top_k = (each * sparse if len(each) == 1 else each for each in (experts, top_k))
    if not len(experts) == len(top_k) == sparse:
        raise ValueError(f"{text[:80]} has not one entry for each of {sparse} sparse layers")
    if any(not 1 <= k <= count for k, count in zip(top_k, experts, strict=True)):
        raise ValueError(f"{text[:80]}: top_k is outside 1 and the experts that take part")
    return Kept(layers, experts, top_k)


def full_shape(sizes: Sizes) -> Kept:
    """All layers, all experts, the full top-k."""
    layers = tuple(range(sizes.layers))
    sparse = sum(sizes.is_sparse(layer) for layer in layers)
    return Kept(layers, (sizes.experts,) * sparse, (sizes.top_k,) * sparse)


def _spread(entries: list[int]) -> tuple[int, ...]:
    return tuple(entries)


def _count(entry: str, sizes: Sizes) -> int:
    if entry.startswith("e"):
        ids = _ids(entry[1:], "+", _MOST_EXPERTS)
        count, fits = len(ids), ids[-1] < sizes.experts
    else:
        count = int(entry)
        fits = 1 <= count <= sizes.experts
    if not fits:
        raise ValueError(f"experts={entry[:40]}: the model has {sizes.experts}")
    return count


def _ids(text: str, separator: str, most: int) -> tuple[int, ...]:
    ids: list[int] = []
    for part in text.split(separator):
        first, dash, last = part.partition("-")
        begin = int(first)
        end = int(last) if dash else begin
        if not begin <= end < most or (ids and begin <= ids[-1]):
            raise ValueError(f"the ids {text[:40]} are not ascending, each once")
        ids += range(begin, end + 1)
    return tuple(ids)
