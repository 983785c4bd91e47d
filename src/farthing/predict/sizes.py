"""From a number of active parameters to a supernet, its members, its batch and its rates.

    family = family_of(2e6, members=4)
    family.model, family.members, family.active, family.total

Nothing here is fitted: each rule is one that farthing's own small recipes or published models
follow, and `RULES` says which. Counts are of parameters without embedding and output matrix, as in
scaling laws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from farthing.cost.parameters import ParameterCount, count_parameters
from farthing.errors import PlanError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape, skippable_layers

TOKENS_PER_PARAMETER = 20
MOST_EPOCHS = 4
MOST_MEMBERS = 6
FULL_PROBABILITY = 0.25
# Training text of the embedded sample, and what a token of its 4,096 stands for (measured on it).
SAMPLE_BYTES = 18_965_404
_SAMPLE_BYTES_PER_TOKEN = 2.95
_BYTES_MORE_PER_DOUBLING = 0.3

RULES = {
    "tokens": f"{TOKENS_PER_PARAMETER} tokens for each active parameter: the compute-optimal "
    "ratio of Hoffmann et al., arXiv 2203.15556 (refitted in 2404.10102), for dense models",
    "epochs": f"text is read {MOST_EPOCHS} times at most: beyond, repeats are worth less than new "
    "text (arXiv 2305.16264)",
    "batch": "0.58 x tokens^0.571 tokens, in whole sequences (arXiv 2503.04715)",
    "width": "width / layers grows from 18 at 1 million active parameters (farthing's recipes) as "
    "their number to the power of 0.18, to about 130 at 70 billion (published models have 80 to "
    "130)",
    "experts": "up to 30 million active parameters 16 experts, 4 of them and 1 shared for each "
    "token (recipe compare-1m); above 64, 8 and 1 (OLMoE, arXiv 2409.02060, has 64 and 8)",
    "members": "layers, experts and top-k are shared out as in the recipe compare-1m",
    "rates": "Muon 0.014 and AdamW 0.1 (embedding), 0.006 (output), 0.004 (others) as in the "
    "recipe compare-1m at width 112; AdamW's fall as 1 / sqrt(width), nanochat's rule; Muon's "
    "updates are orthogonal, so its rate stays. None was tuned above 1 million",
    "vocabulary": "4,096 tokens at 1 million active parameters (farthing's recipes), twice as many "
    "for each further factor of 8, at most 131,072",
}

# (layers, experts, top-k) of each member as shares of the supernet's, in order of usefulness.
_SHARES = (
    (1.0, 1.0, 1.0),
    (2 / 3, 0.5, 0.5),
    (0.5, 0.25, 0.25),
    (1.0, 1.0, 0.25),
    (1.0, 0.5, 0.5),
    (2 / 3, 1.0, 0.25),
)
_FINE_FROM = 3e7
_LEAST, _MOST = 2e4, 5e12
_SMALLEST_VOCABULARY, _LARGEST_VOCABULARY = 4096, 131_072
_ASPECT_AT_A_MILLION, _ASPECT_POWER = 18.0, 0.18
# Inner width that a token visits, over the width of the stream: 3.6 in compare-1m, 2.6 in
# DeepSeek-V3, 4 in OLMoE.
_INNER = 3.0
_MOST_KV_HEADS = 8
_CONTEXTS = ((3e6, 256), (3e7, 512), (3e8, 1024), (3e9, 2048), (math.inf, 4096))
_REFERENCE_WIDTH = 112
_MUON_RATE = 0.014
_ADAM_RATES = {"embedding": 0.1, "output": 0.006, "other": 0.004}


@dataclass(frozen=True)
class Family:
    """A supernet and the members that its run trains.

    Attributes:
        model: the supernet.
        vocabulary: rows of its embedding.
        members: shapes as recipes write them, the supernet first.
    """

    model: ModelConfig
    vocabulary: int
    members: tuple[str, ...]

    def count(self, member: str) -> ParameterCount:
        """The parameters of one member.

        Raises:
            ShapeError: the supernet does not hold it.
        """
        return count_parameters(self.model, self.vocabulary, Shape.parse(member, self.model))

    @property
    def active(self) -> int:
        """Parameters that a token touches, without embedding and output matrix."""
        return self.count(self.members[0]).active_non_embedding


@lru_cache(maxsize=512)
def family_of(
    active: float, *, members: int = 4, vocabulary: int | None = None, context: int | None = None
) -> Family:
    """A supernet of about so many active parameters, embedding and output matrix left out.

    Args:
        active: of the whole supernet.
        members: how many shapes share its run, itself included.
        vocabulary: tokens of the tokenizer; None for what suits the size.
        context: positions of a sequence; None for what suits the size.

    Raises:
        PlanError: a size or a number of members for which there is no rule.
    """
    if not _LEAST <= active <= _MOST:
        raise PlanError(
            f"{active:.3g} active parameters: sizes are known from {_LEAST:.0g} to {_MOST:.0g}",
            remedy="give a budget between: a few CPU minutes, or less than 10^30 FLOPs",
        )
    if not 1 <= members <= MOST_MEMBERS:
        raise PlanError(
            f"{members} members of a family",
            remedy=f"ask for 1 (no elastic training) to {MOST_MEMBERS}",
        )
    tokens = vocabulary or vocabulary_for(active)
    positions = context or next(length for most, length in _CONTEXTS if active <= most)
    fine = active > _FINE_FROM
    # Layers and widths are whole numbers: the nearest of a few neighbours.
    aspect = _ASPECT_AT_A_MILLION * (active / 1e6) ** _ASPECT_POWER
    per_layer = 2.6 + 3 * _INNER
    layers = max(3, round((active / (per_layer * aspect**2)) ** (1 / 3)))
    width = math.sqrt(active / (per_layer * layers))
    model = min(
        (
            model
            for depth in {max(3, layers - 1), layers, layers + 1}
            for model in _near(width * math.sqrt(layers / depth), depth, fine, positions)
        ),
        key=lambda one: abs(math.log(_active(one) / active)),
    )
    return Family(model, tokens, members_of(model, members))


def vocabulary_for(active: float) -> int:
    """Tokens of a vocabulary that suits so many active parameters: a power of two."""
    doublings = math.log(max(active, 1.0) / 1e6, 8)
    steps = max(0, round(doublings))
    return min(_SMALLEST_VOCABULARY << steps, _LARGEST_VOCABULARY)


def bytes_per_token(vocabulary: int) -> float:
    """Bytes of text for a token: 2.95 at 4,096 tokens (the sample), 4.2 at 65,536 (assumed)."""
    doublings = math.log2(vocabulary / _SMALLEST_VOCABULARY)
    return _SAMPLE_BYTES_PER_TOKEN + _BYTES_MORE_PER_DOUBLING * max(0.0, doublings)


def tokens_for(active: float, most: float | None = None) -> float:
    """Tokens to train so many active parameters on, at most `most`."""
    wanted = TOKENS_PER_PARAMETER * active
    return min(wanted, most) if most is not None else wanted


def batch_sequences(tokens: float, context: int, *, multiple: int = 1) -> int:
    """Sequences of a step of a run of so many tokens: a multiple of `multiple`, at least one."""
    best = 0.58 * math.pow(tokens, 0.571) / context
    return max(1, round(best / multiple)) * multiple


def learning_rates(width: int) -> dict[str, float]:
    """Settings of `train.optimizer` for a supernet of this width, to three digits."""
    shrunk = math.sqrt(_REFERENCE_WIDTH / width)
    rates = {
        f"{name}_learning_rate": float(f"{rate * shrunk:.3g}") for name, rate in _ADAM_RATES.items()
    }
    return {"muon_learning_rate": _MUON_RATE, **rates}


def _near(width: float, layers: int, fine: bool, context: int) -> list[ModelConfig]:
    """Supernets of this depth whose widths stand next to `width`."""
    head = 32 if width < 256 else 64 if width < 1536 else 128
    step = 16 if width < 512 else 64 if width < 2048 else 128
    lower = max(step, math.floor(width / step) * step)
    return [_model(size, layers, fine, head, context) for size in (lower, lower + step)]


@lru_cache(maxsize=4096)
def _model(width: int, layers: int, fine: bool, head: int, context: int) -> ModelConfig:
    heads = max(1, round(width / head))
    # Groups of equal size: of four from four heads on, and eight groups at most.
    multiple = 8 if heads >= 16 else 4 if heads > 3 else 1
    heads = multiple * max(1, round(heads / multiple))
    top_k = 8 if fine else 4
    grain = 64 if width >= 2048 else 8
    expert = max(grain, round(_INNER * width / (top_k + 1) / grain) * grain)
    return ModelConfig(
        num_layers=layers,
        num_dense_layers=1,
        hidden_dim=width,
        num_heads=heads,
        num_kv_heads=min(_MOST_KV_HEADS, heads // 4) if heads % 4 == 0 else 1,
        head_dim=head,
        dense_ffn_dim=expert * (top_k + 1),
        num_experts=64 if fine else 16,
        expert_dim=expert,
        num_shared_experts=1,
        top_k=top_k,
        context=context,
    )


@lru_cache(maxsize=4096)
def _active(model: ModelConfig) -> int:
    return count_parameters(model, 0, Shape.full(model)).active


def members_of(model: ModelConfig, count: int) -> tuple[str, ...]:
    """Shapes of a family of a supernet: itself first, then smaller ones; `count` at most."""
    least = model.num_layers - len(skippable_layers(model))
    found: list[str] = []
    for depth, experts, top_k in _SHARES:
        layers = max(least, round(model.num_layers * depth))
        kept = max(1, round(model.num_experts * experts))
        chosen = max(1, round(model.top_k * top_k))
        name = f"{layers}L-{kept}E-{chosen}K" if model.num_experts else f"{layers}L"
        if name not in found:
            found.append(name)
    return tuple(found[:count])
