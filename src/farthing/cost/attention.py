"""Kinds of attention: what each multiplies, holds and caches; and how many pairs a mask leaves.

Beside its weights (`LayerPart`) every kind knows, all heads together:

    pair_products           multiply-adds of one (query, key) pair: score and value
    decoded_pair_products   the same while decoding
    cached                  elements that decoding keeps of one position

Causal masks are counted pair by pair: `causal_pairs`, `document_pairs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from farthing.cost.layer_part import LayerPart


class Grouped(LayerPart):
    """Query heads that share key and value heads in groups: MHA, GQA and MQA."""

    kind: Literal["grouped"] = Field(default="grouped", description="which attention it is")
    heads: int = Field(ge=1, description="query heads")
    kv_heads: int = Field(ge=1, description="key and value heads, shared by groups of queries")
    head_dim: int = Field(ge=1, description="width of one head")
    biases: Literal["none", "inputs", "all"] = Field(
        default="none", description="of the products: none, of queries, keys and values, of all"
    )
    norms: Literal["none", "head", "width"] = Field(
        default="none",
        description="weights of a norm of queries and keys: none, one head's for all heads, or one "
        "for each column",
    )

    @property
    def pair_products(self) -> int:
        """Multiply-adds of one (query, key) pair."""
        return 2 * self.heads * self.head_dim

    @property
    def cached(self) -> int:
        """Elements of keys and values of one position."""
        return 2 * self.kv_heads * self.head_dim

    @property
    def decoded_pair_products(self) -> int:
        """Multiply-adds of one pair while decoding."""
        return self.pair_products

    def common(self, width: int) -> int:
        """Weights of queries, keys, values and outputs."""
        return 2 * width * self.head_dim * (self.heads + self.kv_heads)

    def vectors(self, width: int) -> int:
        """Weights of biases and norms."""
        inputs = self.head_dim * (self.heads + 2 * self.kv_heads)
        biases = {"none": 0, "inputs": inputs, "all": inputs + width}[self.biases]
        columns = self.head_dim * (self.heads + self.kv_heads)
        return biases + {"none": 0, "head": 2 * self.head_dim, "width": columns}[self.norms]


class Latent(LayerPart):
    """Multi-head latent attention (MLA, arXiv 2405.04434): keys and values from a short vector."""

    kind: Literal["latent"] = Field(default="latent", description="which attention it is")
    heads: int = Field(ge=1, description="heads")
    query_rank: int | None = Field(
        ge=1, description="width of the vector that queries are made of; null: of the stream itself"
    )
    kv_rank: int = Field(ge=1, description="width of the vector that keys and values are made of")
    plain_dim: int = Field(ge=1, description="columns of a query or key without RoPE")
    rotary_dim: int = Field(ge=0, description="columns with RoPE; keys share theirs")
    value_dim: int = Field(ge=1, description="columns of a value")

    @property
    def pair_products(self) -> int:
        """Multiply-adds of one (query, key) pair."""
        return self.heads * (self.plain_dim + self.rotary_dim + self.value_dim)

    @property
    def cached(self) -> int:
        """Elements of the short vector and of the shared rotary key of one position."""
        return self.kv_rank + self.rotary_dim

    @property
    def decoded_pair_products(self) -> int:
        """Multiply-adds of one pair while decoding.

        The matrices that widen keys and values are multiplied into queries and outputs instead
        (appendix C of the paper above): heads then look at the short vectors themselves.
        """
        return self.heads * (2 * self.kv_rank + self.rotary_dim)

    def common(self, width: int) -> int:
        """Weights of the products down to the short vectors, up from them, and of the outputs."""
        queries = self.heads * (self.plain_dim + self.rotary_dim)
        rank = self.query_rank
        total = width * queries if rank is None else rank * (width + queries)
        total += width * (self.kv_rank + self.rotary_dim)
        total += self.kv_rank * self.heads * (self.plain_dim + self.value_dim)
        return total + self.heads * self.value_dim * width

    def vectors(self, width: int) -> int:
        """Weights of the norms of the short vectors."""
        del width
        return (self.query_rank or 0) + self.kv_rank


class Mixture(LayerPart):
    """Mixture of attention heads (JetMoE, arXiv 2404.07413): routed queries and outputs.

    Each expert has its own query and output matrices; keys and values are shared by all.
    """

    kind: Literal["mixture"] = Field(default="mixture", description="which attention it is")
    experts: int = Field(ge=1, description="experts")
    top_k: int = Field(ge=1, description="experts that a token visits")
    heads: int = Field(ge=1, description="query heads of one expert")
    kv_heads: int = Field(ge=1, description="key and value heads of all experts together")
    head_dim: int = Field(ge=1, description="width of one head")
    output_bias: bool = Field(default=False, description="whether the sum of the outputs has one")

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Self:
        if self.top_k > self.experts:
            raise ValueError(f"top_k {self.top_k} of {self.experts} experts")
        return self

    @property
    def pair_products(self) -> int:
        """Multiply-adds of one (query, key) pair."""
        return 2 * self.top_k * self.heads * self.head_dim

    @property
    def cached(self) -> int:
        """Elements of keys and values of one position."""
        return 2 * self.kv_heads * self.head_dim

    @property
    def decoded_pair_products(self) -> int:
        """Multiply-adds of one pair while decoding."""
        return self.pair_products

    def common(self, width: int) -> int:
        """Weights of keys and values."""
        return 2 * width * self.kv_heads * self.head_dim

    def vectors(self, width: int) -> int:
        """Weights of the bias."""
        return width if self.output_bias else 0

    def router(self, width: int) -> int:
        """Weights of the router."""
        return width * self.experts

    def expert_weights(self, width: int) -> int:
        """Weights of the queries and outputs of all experts."""
        return self.experts * 2 * width * self.heads * self.head_dim

    def visited_weights(self, width: int) -> int:
        """Weights of the queries and outputs of those that a token visits."""
        return self.top_k * 2 * width * self.heads * self.head_dim


Attention = Annotated[Grouped | Latent | Mixture, Field(discriminator="kind")]


def causal_pairs(length: int, window: int | None = None) -> int:
    """(query, key) pairs of one document: each query sees itself and what came before it.

    Args:
        length: positions.
        window: the most positions that a query sees, itself included; None for no limit.
    """
    if window is None or window >= length:
        return length * (length + 1) // 2
    return window * (window + 1) // 2 + (length - window) * window


def document_pairs(lengths: Sequence[int], window: int | None = None) -> int:
    """The pairs of documents that are packed into one sequence and do not see each other."""
    return sum(causal_pairs(length, window) for length in lengths)
