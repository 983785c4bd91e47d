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

from farthing.cost.architecture import Sparse, architecture_of
from farthing.cost.parameters import architecture_parameters
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
    sizes = architecture_of(config, vocab_size, shape)
    width, depth = sizes.width, sizes.layers
    stream = tokens * width

    def traffic(inputs: int, outputs: int, weights: int, calls: int) -> Traffic:
        activations = (3 * inputs + 2 * outputs) * activation_bytes
        return Traffic(calls * (activations + 3 * weights * _WEIGHT_BYTES), calls)

    norms = sizes.layer_norms * depth + sizes.outer_norms
    parts = {
        "norms": traffic(stream, stream, width * sizes.norm_vectors, norms),
        # A row is read and written for each token; the gradient is as large as the matrix.
        "embedding": Traffic(
            3 * stream * activation_bytes
            + (vocab_size + sizes.learned_positions) * width * _WEIGHT_BYTES,
            calls=1,
        ),
        "output": traffic(stream, tokens, vocab_size * width, 1),
    }
    of_layers = ("attention", "feed_forward", "router", "dispatch", "experts")
    parts |= dict.fromkeys(of_layers, Traffic(0, 0))
    for group in sizes.groups:
        attention, block, calls = group.attention, group.feed_forward, group.count
        heads = attention.common(width) + attention.vectors(width)
        found = {"attention": traffic(stream, stream, heads, calls)}
        if block.common(width):
            found["feed_forward"] = traffic(stream, stream, block.common(width), calls)
        if isinstance(block, Sparse):
            choices, rows = tokens * block.top_k, stream * block.top_k
            found["router"] = traffic(stream, choices, block.router(width), calls)
            # Gather and weighted sum: each token's row, and one for each expert that it visits.
            moved = (4 * stream + 5 * rows) * activation_bytes
            found["dispatch"] = Traffic(calls * moved, calls)
            found["experts"] = traffic(rows, rows, block.expert_weights(width), calls)
        for name, more in found.items():
            parts[name] = Traffic(parts[name].bytes + more.bytes, parts[name].calls + more.calls)
    return parts


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
    sizes = architecture_of(config, vocab_size, shape)
    count = architecture_parameters(sizes)
    matrices = rows = 0
    for group in sizes.groups:
        common = sum(part.common(sizes.width) for part in group.parts)
        experts = sum(part.expert_weights(sizes.width) for part in group.parts)
        routers = sum(part.router(sizes.width) for part in group.parts)
        matrices += group.count * (common + experts)
        # The gradient of a row that took no part is zero, and its moments move all the same.
        if routers:
            rows += group.count * (sizes.width * config.num_experts - routers)
    adamw = count.total - matrices + rows
    passes = _MUON_PASSES if matrix_optimizer == "muon" else _ADAMW_PASSES
    return Traffic(_WEIGHT_BYTES * (passes * matrices + _ADAMW_PASSES * adamw), calls=1)
