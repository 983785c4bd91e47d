"""What a layer keeps for its backward pass on an accelerator: bytes of one token, by recomputation.

`cost.activations` counts it for farthing's own kernels on CPU in float32. Here it is counted for
any architecture in bfloat16 with attention that never stores its scores, and dropout nowhere: of a
layer of multi-head attention and an ungated block four times the width, 32 bytes for each column of
the stream. That is the 34 of Korthikanti et al. (arXiv 2205.05198, section 4.1, without scores)
less two bytes of dropout masks. What is kept:

    none       the stream before both halves, each normed; queries, keys, values and what attention
               gives; the block's inputs of its activation and what that gives; the rows of experts
    selective  the same less what needs no large product to make again: norms, activations, and the
               widened queries, keys and values of latent attention (as DeepSeek-V3 recomputes,
               arXiv 2412.19437 section 3.2.3)
    full       the layer's input

With FP8 products, what only they read is kept in 8 bits, and so are the activation's inputs where
its output is recomputed (the same paper, section 3.3.3).
"""

from __future__ import annotations

from typing import Literal

from farthing.cost.architecture import Architecture, LayerGroup, Sparse
from farthing.cost.attention import Grouped, Latent, Mixture

Recompute = Literal["none", "selective", "full"]

# Of an element in bfloat16, in FP8, and of the float32 sums that attention keeps for each head.
HALF_BYTES = 2
_EIGHTH_BYTES = 1
_SUM_BYTES = 4


def kept_per_token(
    architecture: Architecture, group: LayerGroup, *, recompute: Recompute, fp8: bool
) -> int:
    """Bytes that one layer of a group keeps of one token, on all tensor ranks together.

    Args:
        architecture: what is trained.
        group: whose layer it is.
        recompute: what the backward pass makes again.
        fp8: whether its matrix products are in FP8.
    """
    stream = HALF_BYTES * architecture.width
    if recompute == "full":
        return stream
    attention = _attention(architecture, group, recompute == "none", fp8=fp8)
    return 2 * stream + attention + _feed_forward(architecture, group, recompute == "none", fp8=fp8)


def working_per_token(architecture: Architecture, group: LayerGroup) -> int:
    """Bytes of the gradients that a layer's backward pass holds at once, of one token.

    Of the stream twice, and of the widest rows inside: the block's before and behind its
    activation, or the heads'.
    """
    block, width = group.feed_forward, architecture.width
    if isinstance(block, Sparse):
        inner = 3 * (block.top_k * block.inner + block.shared_inner) + 2 * block.top_k * width
    else:
        inner = (3 if block.gated else 2) * block.inner
    return HALF_BYTES * (2 * width + max(inner, 2 * _heads(group)[0]))


def _heads(group: LayerGroup) -> tuple[int, int, int]:
    """Columns of queries, keys and values as attention reads them; of its output; its sums."""
    attention = group.attention
    if isinstance(attention, Grouped):
        queries = attention.heads * attention.head_dim
        return queries + attention.cached, queries, attention.heads
    if isinstance(attention, Mixture):
        heads = attention.top_k * attention.heads
        return heads * attention.head_dim + attention.cached, heads * attention.head_dim, heads
    keys = attention.plain_dim + attention.rotary_dim
    columns = attention.heads * (2 * keys + attention.value_dim)
    return columns, attention.heads * attention.value_dim, attention.heads


def _attention(
    architecture: Architecture, group: LayerGroup, everything: bool, *, fp8: bool
) -> int:
    attention = group.attention
    columns, output, sums = _heads(group)
    # Attention's own backward pass reads these in bfloat16, so FP8 products make copies of them.
    kept = HALF_BYTES * output + _SUM_BYTES * sums
    product = _EIGHTH_BYTES if fp8 else HALF_BYTES
    if everything:
        kept += product * architecture.width
    if isinstance(attention, Latent):
        short = attention.cached + (attention.query_rank or 0)
        if everything:
            return kept + HALF_BYTES * columns + (HALF_BYTES + product) * short
        wide = 0
        if attention.query_rank is None:
            wide = attention.heads * (attention.plain_dim + attention.rotary_dim)
        return kept + HALF_BYTES * (short + wide)
    kept += HALF_BYTES * columns
    if everything and isinstance(attention, Grouped) and attention.norms != "none":
        # Queries and keys before their norm.
        kept += HALF_BYTES * (columns - attention.cached // 2)
    return kept


def _feed_forward(
    architecture: Architecture, group: LayerGroup, everything: bool, *, fp8: bool
) -> int:
    width, block = architecture.width, group.feed_forward
    product = _EIGHTH_BYTES if fp8 else HALF_BYTES
    before = HALF_BYTES if everything else product
    behind = product if everything else 0
    normed = product * width if everything else 0
    if not isinstance(block, Sparse):
        return normed + ((2 if block.gated else 1) * before + behind) * block.inner
    inner = block.top_k * block.inner + block.shared_inner
    # The rows that came from other ranks are kept: to make them again they would be sent again.
    return normed + block.top_k * product * width + (2 * before + behind) * inner
