"""FLOPs of a training step, counted from the definition of the model.

For each token and layer, with width D, H query heads and G key heads of width E, inner width F:

    queries D x HE, keys and values D x GE each, output HE x D
    scores and weighted values: HE for each (query, key) pair, twice
    feed-forward, dense: 3 (gated) or 2 products D x F; sparse: router D x experts taking part,
        3 products D x F for each chosen and each shared expert
    output matrix D x vocabulary

A multiplication and an addition are two FLOPs; the backward pass has two products for each one of
the forward pass. Norms, activations, softmax, positions and look-ups count nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.stages.verify.claim.shapes import Kept, Sizes, full_shape

_GATED = 3


@dataclass(frozen=True)
class Text:
    """What a step reads.

    Attributes:
        tokens: positions.
        pairs: (query, key) pairs inside documents.
    """

    tokens: int
    pairs: int


def hidden_products(sizes: Sizes, kept: Kept, text: Text) -> int:
    """Multiplications of a forward pass up to the hidden rows before the output matrix."""
    heads, key_heads = sizes.heads * sizes.head_width, sizes.key_heads * sizes.head_width
    attention = sizes.width * (2 * heads + 2 * key_heads)
    per_token = attention * len(kept.layers)
    dense = sum(not sizes.is_sparse(layer) for layer in kept.layers)
    per_token += dense * sizes.dense_matrices * sizes.width * sizes.dense_inner
    expert = _GATED * sizes.width * sizes.expert_inner
    for experts, top_k in zip(kept.experts, kept.top_k, strict=True):
        per_token += sizes.width * experts + expert * (top_k + sizes.shared_experts)
    return text.tokens * per_token + 2 * heads * text.pairs * len(kept.layers)


def output_products(sizes: Sizes, vocabulary: int, text: Text) -> int:
    """Multiplications with the output matrix."""
    return text.tokens * sizes.width * vocabulary


def step_flops(
    sizes: Sizes, vocabulary: int, shapes: Sequence[Kept], text: Text, *, distilled: bool
) -> int:
    """Of all passes of a step, forward and backward, and of what teaches the smaller ones.

    Args:
        sizes: of the model.
        vocabulary: rows of the output matrix.
        shapes: of the passes.
        text: that all of them read.
        distilled: whether passes that are not full learn from the full shape: then each of them
            needs the full shape's output once more, and where no pass is full, one more forward
            pass makes the rows for it.
    """
    full = full_shape(sizes)
    output = output_products(sizes, vocabulary, text)
    products = sum(3 * (hidden_products(sizes, kept, text) + output) for kept in shapes)
    if distilled:
        students = sum(kept != full for kept in shapes)
        products += students * output
        if students == len(shapes):
            products += hidden_products(sizes, full, text)
    return 2 * products


def orthogonalising_flops(sizes: Sizes, kept: Kept, iterations: int) -> int:
    """FLOPs of Newton-Schulz on every hidden matrix that a shape keeps, each once.

    Each iteration makes the product of the m x n matrix (m <= n) with its transpose, the square of
    that, and its product with the matrix: 2 mmn + 2 mmm + 2 mmn.
    """
    width, heads = sizes.width, sizes.heads * sizes.head_width
    keys = sizes.key_heads * sizes.head_width
    total = len(kept.layers) * (2 * _iteration(width, heads) + 2 * _iteration(width, keys))
    dense = sum(not sizes.is_sparse(layer) for layer in kept.layers)
    total += dense * sizes.dense_matrices * _iteration(width, sizes.dense_inner)
    shared = sizes.shared_experts * sizes.expert_inner
    for experts in kept.experts:
        total += experts * _GATED * _iteration(width, sizes.expert_inner)
        total += _GATED * _iteration(width, shared) if shared else 0
    return iterations * total


def _iteration(rows: int, columns: int) -> int:
    small, large = min(rows, columns), max(rows, columns)
    return 2 * small * small * (2 * large + small)
