"""How many parameters an architecture has, and how many of them a token touches."""

from __future__ import annotations

from dataclasses import dataclass

from farthing.cost.architecture import Architecture, LayerGroup, architecture_of
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of one member, as an extracted model would hold them.

    Attributes:
        total: everything on disk, output matrix included.
        active: what one token's forward pass touches: `total` less the experts it does not visit.
        embedding: the embedding and output matrices (one of them when tied) and learned positions.
    """

    total: int
    active: int
    embedding: int

    @property
    def non_embedding(self) -> int:
        """`total` without the embedding and output matrices."""
        return self.total - self.embedding

    @property
    def active_non_embedding(self) -> int:
        """`active` without the embedding and output matrices."""
        return self.active - self.embedding


def count_parameters(config: ModelConfig, vocab_size: int, shape: Shape) -> ParameterCount:
    """Count the weights of `shape`; the balancing bias is state, not a parameter."""
    return architecture_parameters(architecture_of(config, vocab_size, shape))


def architecture_parameters(architecture: Architecture) -> ParameterCount:
    """Count the weights of an architecture, without those of `extra_predictions`."""
    rows = architecture.vocabulary * (1 if architecture.tied else 2)
    embedding = architecture.width * (rows + architecture.learned_positions)
    total = active = embedding + _norms(architecture, architecture.outer_norms)
    for group in architecture.groups:
        of_all, of_one_token = layer_parameters(architecture, group)
        total += group.count * of_all
        active += group.count * of_one_token
    return ParameterCount(total=total, active=active, embedding=embedding)


def layer_parameters(architecture: Architecture, group: LayerGroup) -> tuple[int, int]:
    """Weights of one layer of a group, and of those what one token touches."""
    width = architecture.width
    # A token's score is a product with every row of a router, chosen or not.
    common = sum(
        part.common(width) + part.vectors(width) + part.router(width) for part in group.parts
    )
    common += _norms(architecture, architecture.layer_norms)
    total = common + sum(part.expert_weights(width) for part in group.parts)
    active = common + sum(part.visited_weights(width) for part in group.parts)
    return total, active


def extra_prediction_parameters(architecture: Architecture) -> int:
    """Weights that only `extra_predictions` have; embedding and output matrix are the model's.

    Each depth has one layer, a product from two streams to one, the norms of both and of its
    output (arXiv 2412.19437, section 2.2).
    """
    if not architecture.extra_predictions:
        return 0
    layer, _ = layer_parameters(architecture, architecture.groups[-1])
    one = layer + 2 * architecture.width**2 + _norms(architecture, 3)
    return architecture.extra_predictions * one


def _norms(architecture: Architecture, count: int) -> int:
    return count * architecture.norm_vectors * architecture.width
