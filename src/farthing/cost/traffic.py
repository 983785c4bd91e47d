"""The least memory traffic of a training step, part by part: what no kernel can avoid.

A part reads its inputs and weights once and writes its outputs once in the forward pass. The
backward pass reads the outputs' gradients, the inputs and the weights, and writes the gradients of
inputs and weights. Everything inside a part (attention scores, an expert's inner row, the logits)
could stay on the chip and is not counted; nor is anything that a fusion across parts would save.

Letters: I input, O output, W weight elements; together 3 I + 2 O + 3 W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

# Weights, their gradients and the optimizers' moments are float32 whatever the products use.
_WEIGHT_BYTES = 4
# What one update touches for each weight: Muon reads weight, gradient and momentum and writes two
# of them; AdamW has a second moment.
_MUON_PASSES = 5
_ADAMW_PASSES = 7


@dataclass(frozen=True)
class Traffic:
    """Bytes that a part must move in a step.

    Attributes:
        bytes: of all calls together.
        calls: how many there are: what one call handles may fit a cache where the sum does not.
    """

    bytes: int
    calls: int


def training_traffic(
    config: ModelConfig, vocab_size: int, shape: Shape, *, tokens: int, activation_bytes: int
) -> dict[str, Traffic]:
    """Forward and backward traffic of one batch, by part.

    Args:
        config: the supernet.
        vocab_size: rows of the embedding and output matrices.
        shape: what runs.
        tokens: positions of the batch.
        activation_bytes: of one element of an activation: 4 for fp32, 2 for bf16.
    """
    width, depth = config.hidden_dim, len(shape.layers)
    stream = tokens * width
    projections = 2 * width * config.head_dim * (config.num_heads + config.num_kv_heads)

    def traffic(inputs: int, outputs: int, weights: int, calls: int) -> Traffic:
        activations = (3 * inputs + 2 * outputs) * activation_bytes
        return Traffic(calls * activations + 3 * weights * _WEIGHT_BYTES, calls)

    dense = [config.dense_ffn_dim for layer in shape.layers if not config.is_sparse(layer)]
    sparse = [layer for layer in shape.layers if config.is_sparse(layer)]
    inner = [*dense, *([config.shared_dim] * len(sparse) if config.shared_dim else [])]
    norms = 2 * depth + 1 + config.embedding_norm
    of_heads = 2 * config.head_dim if config.qk_norm and config.norm_weights else 0
    parts = {
        "attention": traffic(stream, stream, depth * (projections + of_heads), depth),
        "feed_forward": traffic(
            stream, stream, config.ffn_matrices * width * sum(inner), len(inner)
        ),
        "norms": traffic(stream, stream, norms * width * config.norm_weights, norms),
        # A row is read and written for each token; the gradient is as large as the matrix.
        "embedding": Traffic(
            3 * stream * activation_bytes
            + (vocab_size + (config.longest or 0)) * width * _WEIGHT_BYTES,
            calls=1,
        ),
        "output": traffic(stream, tokens, vocab_size * width, 1),
    }
    routed = {"router": Traffic(0, 0), "dispatch": Traffic(0, 0), "experts": Traffic(0, 0)}
    for layer in sparse:
        experts, top_k = shape.selection(layer, config)
        count = experts if isinstance(experts, int) else len(experts)
        rows = stream * top_k
        one = {
            "router": traffic(stream, tokens * top_k, count * width, 1),
            # Gather and weighted sum: each token's row, and one for each expert that it visits.
            "dispatch": Traffic((4 * stream + 5 * rows) * activation_bytes, 1),
            "experts": traffic(rows, rows, count * 3 * width * config.expert_dim, 1),
        }
        for name, more in one.items():
            routed[name] = Traffic(routed[name].bytes + more.bytes, routed[name].calls + 1)
    return parts | routed


def optimizer_traffic(
    config: ModelConfig,
    vocab_size: int,
    shape: Shape,
    *,
    matrix_optimizer: Literal["muon", "adamw"] = "muon",
) -> Traffic:
    """One update of every weight that `shape` trains.

    Args:
        config: the supernet.
        vocab_size: rows of the embedding and output matrices.
        shape: what was trained.
        matrix_optimizer: of the hidden matrices; AdamW has the others.
    """
    width = config.hidden_dim
    attention = 2 * width * config.head_dim * (config.num_heads + config.num_kv_heads)
    matrices = 0
    adamw = width * (vocab_size * (1 if config.tie_embeddings else 2) + (config.longest or 0))
    adamw += config.outer_norm_weights
    for layer in shape.layers:
        matrices += attention
        adamw += config.layer_norm_weights
        if not config.is_sparse(layer):
            matrices += config.ffn_matrices * width * config.dense_ffn_dim
            continue
        experts, _ = shape.selection(layer, config)
        count = experts if isinstance(experts, int) else len(experts)
        matrices += 3 * width * (count * config.expert_dim + config.shared_dim)
        # The gradient of a row that took no part is zero, and its moments move all the same.
        adamw += width * config.num_experts
    passes = _MUON_PASSES if matrix_optimizer == "muon" else _ADAMW_PASSES
    return Traffic(_WEIGHT_BYTES * (passes * matrices + _ADAMW_PASSES * adamw), calls=1)
