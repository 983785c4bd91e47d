"""What layers keep from their forward to their backward pass, in bytes.

`native_activations` counts it for the compiled kernels on CPU in float32; it equals what
`stages/train/recompute.py` reads off autograd, which is the way for everything else (bf16, other
devices, compiled layers): whoever needs those measures them and hands the result on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from farthing.model.config import ModelConfig

FLOAT_BYTES = 4
# Of one expert's number, in float32 elements.
_ID_ELEMENTS = 2


@dataclass(frozen=True)
class LayerBytes:
    """What one layer holds from its forward to its backward pass.

    Attributes:
        fixed: whatever the batch (weights laid side by side, weights cast to bf16).
        per_sequence: for each sequence, the layer's input included.
        input_per_sequence: of that, the input: all that a recomputed layer holds.
    """

    fixed: int
    per_sequence: int
    input_per_sequence: int

    def saved(self, sequences: int) -> int:
        """Bytes held without recomputation."""
        return self.fixed + sequences * self.per_sequence

    def input(self, sequences: int) -> int:
        """Bytes held with recomputation."""
        return sequences * self.input_per_sequence


def peak_bytes(held: Sequence[LayerBytes], sequences: int, recomputed: Collection[int]) -> int:
    """The most that the activations of all layers take at any moment of a step."""
    below = peak = 0
    for index, layer in enumerate(held):
        # In the backward pass, while everything above is gone: this layer in full.
        peak = max(peak, below + layer.saved(sequences))
        below += held_until_backward(held, index, sequences, recomputed)
    return max(peak, below)


def held_until_backward(
    held: Sequence[LayerBytes], layer: int, sequences: int, recomputed: Collection[int]
) -> int:
    """What one layer keeps while those above it run back."""
    of_layer = held[layer]
    return of_layer.input(sequences) if layer in recomputed else of_layer.saved(sequences)


def native_activations(config: ModelConfig) -> list[LayerBytes]:
    """Of every layer of the full shape, for the compiled kernels on CPU in float32.

    Args:
        config: the model; sequences are as long as its context.
    """
    tokens = config.context
    found = []
    for layer in range(config.num_layers):
        sparse = config.is_sparse(layer)
        per_token, fixed = _attention(config)
        inner, matrices = _sparse_block(config) if sparse else _dense_block(config)
        found.append(
            LayerBytes(
                fixed=FLOAT_BYTES * (fixed + matrices),
                per_sequence=FLOAT_BYTES * tokens * (per_token + inner),
                input_per_sequence=FLOAT_BYTES * tokens * config.hidden_dim,
            )
        )
    return found


def heads_width(config: ModelConfig) -> int:
    """Columns of queries, keys and values together."""
    return (config.num_heads + 2 * config.num_kv_heads) * config.head_dim


def _attention(config: ModelConfig) -> tuple[int, int]:
    """Elements per token, and whatever the batch; the layer's input included."""
    columns, queries = heads_width(config), config.num_heads * config.head_dim
    # Queries, keys and values; what attention puts out, and the logarithm of each sum it divides by
    kept = columns + queries + config.num_heads
    if config.qk_norm:
        keys = config.num_kv_heads * config.head_dim
        # One kernel norms and turns; apart, the norm keeps what it reads and a number for each row.
        fused = config.positions == "rope"
        kept += columns if fused else queries + keys + config.num_heads + config.num_kv_heads
    # The three matrices are laid side by side for one product.
    return _normed(config) + kept, columns * config.hidden_dim


def _dense_block(config: ModelConfig) -> tuple[int, int]:
    width, inner = config.hidden_dim, config.dense_ffn_dim
    if config.activation == "swiglu":
        return _normed(config) + 3 * inner, 2 * inner * width
    return _normed(config) + 2 * inner, 0


def _sparse_block(config: ModelConfig) -> tuple[int, int]:
    width, inner, shared = config.hidden_dim, config.expert_dim, config.shared_dim
    # Each choice: the token's row, gate and up, its weight, its score, the number of its expert.
    choice = width + 2 * inner + 2 + _ID_ELEMENTS
    fixed = 2 * width * (config.num_experts * inner + shared)
    return _normed(config) + config.top_k * choice + 3 * shared, fixed


def _normed(config: ModelConfig) -> int:
    """What a norm of the stream reads, its statistics, and what it gives to the products."""
    return 2 * config.hidden_dim + (2 if config.norm == "layer" else 1)
