"""`Architecture`: the sizes of any decoder, in groups of equal layers, that all counts start from.

A supernet's shape is one (`architecture_of`), a published model is another (`published.py`). What
is counted from it stands in one place each: parameters, FLOPs, decoding, communication.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config
from farthing.cost.attention import Attention, Grouped
from farthing.cost.layer_part import LayerPart
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

# A run draws shapes again and again; those that list experts one by one are new each time.
_REMEMBERED = 512


class Dense(LayerPart):
    """A feed-forward block that every token goes through."""

    kind: Literal["dense"] = Field(default="dense", description="which block it is")
    inner: int = Field(ge=1, description="inner width")
    gated: bool = Field(default=True, description="three matrices (SwiGLU, GeGLU) or two")
    biases: bool = Field(default=False, description="whether its products have them")

    def common(self, width: int) -> int:
        """Weights of its matrices."""
        return (3 if self.gated else 2) * width * self.inner

    def vectors(self, width: int) -> int:
        """Weights of the biases."""
        return ((2 if self.gated else 1) * self.inner + width) if self.biases else 0


class Sparse(LayerPart):
    """Routed experts, all gated, of which a token visits some; shared ones that see every token."""

    kind: Literal["sparse"] = Field(default="sparse", description="which block it is")
    experts: int = Field(ge=1, description="routed experts")
    top_k: int = Field(ge=1, description="routed experts that a token visits")
    inner: int = Field(ge=1, description="inner width of one of them")
    shared_inner: int = Field(
        default=0, ge=0, description="inner width of the shared experts taken together"
    )
    output_bias: bool = Field(default=False, description="whether the sum of the outputs has one")

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Self:
        if self.top_k > self.experts:
            raise ValueError(f"top_k {self.top_k} of {self.experts} experts")
        return self

    def common(self, width: int) -> int:
        """Weights of the shared experts."""
        return 3 * width * self.shared_inner

    def vectors(self, width: int) -> int:
        """Weights of the bias."""
        return width if self.output_bias else 0

    def router(self, width: int) -> int:
        """Weights of the router; a balancing bias is state, not a weight."""
        return width * self.experts

    def expert_weights(self, width: int) -> int:
        """Weights of all routed experts."""
        return self.experts * 3 * width * self.inner

    def visited_weights(self, width: int) -> int:
        """Weights of those that a token visits."""
        return self.top_k * 3 * width * self.inner


FeedForwardSizes = Annotated[Dense | Sparse, Field(discriminator="kind")]


class LayerGroup(Config):
    """Layers of the same sizes, wherever they stand."""

    count: int = Field(ge=1, description="how many layers")
    attention: Attention = Field(description="of each")
    feed_forward: FeedForwardSizes = Field(description="of each")
    window: int | None = Field(
        default=None, ge=1, description="positions that a query sees, itself included; null: all"
    )

    @property
    def parts(self) -> tuple[LayerPart, LayerPart]:
        """Both halves of each layer."""
        return self.attention, self.feed_forward


class Architecture(Config):
    """A decoder: embedding, groups of layers, last norm, output matrix."""

    width: int = Field(ge=1, description="of the residual stream")
    vocabulary: int = Field(ge=0, description="rows of the embedding and of the output matrix")
    context: int = Field(ge=1, description="positions of one training sequence")
    groups: tuple[LayerGroup, ...] = Field(description="all layers")
    tied: bool = Field(default=False, description="one matrix is both embedding and output")
    learned_positions: int = Field(default=0, ge=0, description="positions with a learned vector")
    norm_vectors: Literal[0, 1, 2] = Field(
        default=1, description="of one norm: none, a weight, a weight and a bias"
    )
    layer_norms: int = Field(default=2, ge=0, description="norms of the stream in one layer")
    outer_norms: int = Field(default=1, ge=0, description="norms of the stream outside the layers")
    extra_predictions: int = Field(
        default=0,
        ge=0,
        description="further tokens predicted in training (MTP), each by one more layer of the "
        "last group's kind; left out of the finished model",
    )

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return sum(group.count for group in self.groups)

    @model_validator(mode="after")
    def _predictions_have_a_layer(self) -> Self:
        if self.extra_predictions and not self.groups:
            raise ValueError("extra_predictions need a group of layers to copy")
        return self


@lru_cache(maxsize=_REMEMBERED)
def architecture_of(config: ModelConfig, vocab_size: int, shape: Shape) -> Architecture:
    """The sizes of a sub-model of a supernet.

    Args:
        config: the supernet.
        vocab_size: rows of the output matrix; 0 leaves it and the embedding out.
        shape: what runs.
    """
    learned = config.norm_weights
    attention = Grouped(
        heads=config.num_heads,
        kv_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        norms="head" if config.qk_norm and learned else "none",
    )
    blocks: list[tuple[FeedForwardSizes, int]] = []
    # Shapes list what they select of their sparse layers only, in the order of the layers.
    selections = zip(shape.experts, shape.top_k, strict=True)
    for layer in shape.layers:
        block = _block(config, next(selections) if config.is_sparse(layer) else None)
        if blocks and blocks[-1][0] == block:
            blocks[-1] = (block, blocks[-1][1] + 1)
        else:
            blocks.append((block, 1))
    return Architecture(
        width=config.hidden_dim,
        vocabulary=vocab_size,
        context=config.context,
        groups=tuple(
            LayerGroup(count=count, attention=attention, feed_forward=block)
            for block, count in blocks
        ),
        tied=config.tie_embeddings,
        learned_positions=config.longest or 0,
        norm_vectors=1 if learned else 0,
        outer_norms=1 + config.embedding_norm,
    )


def _block(
    config: ModelConfig, selection: tuple[int | tuple[int, ...], int] | None
) -> FeedForwardSizes:
    if selection is None:
        return Dense(inner=config.dense_ffn_dim, gated=config.activation == "swiglu")
    experts, top_k = selection
    return Sparse(
        experts=experts if isinstance(experts, int) else len(experts),
        top_k=top_k,
        inner=config.expert_dim,
        shared_inner=config.shared_dim,
    )
