"""Growing: a larger model's state from that of a trained smaller one.

    layers     0 | 1 2 | 3     ->     0 | 1 2 1 2 | 3        the middle repeated (G_stack)
    experts    a b c d         ->     a b c d a' b' c' d'    copies behind the originals

G_stack (arXiv 2405.15319) repeats whole models; here the leading dense layers, the first and the
last one stay single. Sparse upcycling (arXiv 2212.05055) copies a dense block into every expert;
here experts are copied, with noise if wanted (as in Drop-Upcycling, arXiv 2502.19261, which draws
part of each copy anew instead).

What is preserved. The member of the source's own sizes inside the grown model *is* the source, to
the bit: `keep_layers` skips from the middle, where the copies stand, and the first experts of each
ranking are the originals. The full shape computes something else once layers were stacked. Where
only experts grew it computes the same as the source, up to rounding, if there is no noise, each
expert has the same number m of copies, and top-k grew m times as well or is 1: then a token
visits copies of the experts that it visited before, and their weights still sum to the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.cut import RANKING, is_per_expert
from farthing.model.shape import Shape, skippable_layers
from farthing.stages.train.start.config import GrowConfig

_GROWING = ("num_layers", "num_experts", "top_k")
_LAYER = re.compile(r"layers\.(\d+)\.(.*)")
_MASS = "mlp.router.mass"
_NOISY = re.compile(r"mlp\.(experts\.\w+|router\.weight)")


def check_growth(source: ModelConfig, target: ModelConfig, grow: GrowConfig) -> None:
    """Whether a model of the sizes `source` can become one of the sizes `target`.

    Raises:
        ConfigError: another width, nothing to copy, smaller in something, or not larger at all.
    """
    for name, value in source.model_dump().items():
        wanted = getattr(target, name)
        if name not in _GROWING and wanted != value:
            raise ConfigError(
                f"model.{name} is {wanted}, and {value} in what training starts from: only "
                f"{', '.join(_GROWING)} can grow",
                remedy=f"set model.{name} to {value}",
            )
    axes = (
        ("num_layers", "start.grow.layers", "stack", grow.layers == "stack"),
        ("num_experts", "start.grow.experts", "copy", grow.experts == "copy"),
    )
    for name, setting, way, grows in axes:
        have, wanted = getattr(source, name), getattr(target, name)
        if wanted < have:
            raise ConfigError(
                f"model.{name} is {wanted}, fewer than the {have} of what training starts from",
                remedy="cut it down with start.shape first, or raise it: this is growing",
            )
        if grows != (wanted > have):
            raise ConfigError(
                f"model.{name} is {wanted}, what training starts from has {have}, and {setting} is "
                f"{way if grows else 'none'}",
                remedy=f"raise model.{name}" if grows else f"set {setting}: {way}",
            )
    if grow.layers == "stack" and not skippable_layers(source):
        raise ConfigError(
            f"a model of {source.num_layers} layers has none between its first and last ones that "
            "could be repeated",
            remedy="start from a deeper one, or leave start.grow.layers at none",
        )
    if grow.experts == "copy" and not source.num_experts:
        raise ConfigError(
            "what training starts from has no routed experts to copy",
            remedy="start from a model with experts, or leave start.grow.experts at none",
        )


def source_member(source: ModelConfig, target: ModelConfig) -> Shape:
    """The member of the grown model that is the source."""
    return Shape.uniform(target, source.num_layers, source.num_experts, source.top_k)


def keeps_function(source: ModelConfig, target: ModelConfig, grow: GrowConfig) -> bool:
    """Whether the full shape of the grown model computes what the source did, up to rounding."""
    if target.num_layers != source.num_layers:
        return False
    copies, uneven = divmod(target.num_experts, source.num_experts)
    same_choice = target.top_k == copies * source.top_k or target.top_k == source.top_k == 1
    return same_choice and not uneven and not grow.noise


def source_layers(source: ModelConfig, depth: int) -> tuple[int, ...]:
    """Which layer of the source each layer of a model of `depth` layers is a copy of.

    The middle is repeated from its start, and its second half ends it: then skipping from the
    middle leaves the source's layers in their order.
    """
    middle = sorted(skippable_layers(source))
    head = list(range(middle[0])) if middle else list(range(source.num_layers))
    tail = list(range(middle[-1] + 1, source.num_layers)) if middle else []
    wanted = depth - len(head) - len(tail)
    half = len(middle) // 2
    stacked = [middle[place % len(middle)] for place in range(wanted - half)]
    return (*head, *stacked, *middle[len(middle) - half :], *tail)


def grow_tensors(
    tensors: Mapping[str, Tensor],
    source: ModelConfig,
    target: ModelConfig,
    grow: GrowConfig,
    seed: int,
) -> dict[str, Tensor]:
    """The state of the larger model.

    Args:
        tensors: the state of a `Transformer` of the sizes `source`, on the CPU.
        source: its sizes.
        target: the larger ones, accepted by `check_growth`.
        grow: how.
        seed: of the noise.
    """
    ranking_LE = tensors[RANKING]
    by_layer: dict[int, dict[str, Tensor]] = {}
    grown: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if match := _LAYER.fullmatch(name):
            by_layer.setdefault(int(match.group(1)), {})[match.group(2)] = tensor
        elif name != RANKING:
            grown[name] = tensor
    rankings = []
    for layer, parent in enumerate(source_layers(source, target.num_layers)):
        parents: list[int] = []
        if source.is_sparse(parent):
            ranking_E = ranking_LE[parent - source.first_sparse_layer]
            parents = _parents(ranking_E, target.num_experts)
            further = torch.arange(source.num_experts, target.num_experts)
            rankings.append(torch.cat((ranking_E, further)))
        for rest, tensor in by_layer[parent].items():
            name = f"layers.{layer}.{rest}"
            copied = tensor
            if is_per_expert(rest, tensor):
                stream = torch.Generator().manual_seed(seed * 1_000_003 + len(grown))
                copied = _copy_experts(rest, tensor, parents, grow.noise, stream)
            grown[name] = copied
    grown[RANKING] = torch.stack(rankings) if rankings else ranking_LE
    return grown


def _parents(ranking_E: Tensor, count: int) -> list[int]:
    """Which of the source's experts each of `count` experts is: themselves, then the copies."""
    ranked = ranking_E.tolist()
    have = len(ranked)
    return [*range(have), *(ranked[place % have] for place in range(count - have))]


def _copy_experts(
    rest: str, tensor: Tensor, parents: list[int], noise: float, stream: torch.Generator
) -> Tensor:
    have = tensor.shape[0]
    copied = tensor[torch.tensor(parents)]
    if rest == _MASS:
        # The share of the routed weight that an expert had is that of all its copies together.
        counts = Counter(parents)
        return copied / torch.tensor([float(counts[parent]) for parent in parents])
    if noise and len(parents) > have and _NOISY.fullmatch(rest):
        further = copied[have:]
        spread = further.flatten(1).std(dim=1, correction=0)
        drawn = torch.randn(further.shape, generator=stream)
        copied[have:] = further + noise * spread.view(-1, *[1] * (tensor.ndim - 1)) * drawn
    return copied
