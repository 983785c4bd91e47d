"""Causal attention within packed documents on accelerators: no mask of T x T in memory.

FlexAttention skips every block of keys that no query of a block may see. Not torch's
`varlen_attn`: its signature changed in each release from 2.10 to 2.12, it wants the number of
documents on the host, and its backward adds in no fixed order, so that a step could not be
replayed bit by bit. Where no document starts inside a sequence, and where `flex_usable` says no,
the plain version (`plain_attend` in attention.py, the definition of both) is called instead.

Shapes: B sequences, T positions, H query heads, G key/value heads, E head width, Q query blocks,
K key blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from farthing.model.kernels.native import plain_forced
from farthing.model.kernels.precision import product_dtype

# Positions of a block of queries or keys: what the attention kernels take at a time.
BLOCK = 128
# Where torch compiles FlexAttention's backward too; not on CPU, where attention is ours.
_FLEX_DEVICES = ("cuda", "xpu")
_NARROWEST_HEAD = 16


def flex_usable(device: torch.device, width: int) -> bool:
    """Whether `attend_packed` takes heads of this width, with their gradient, and is wanted."""
    possible = device.type in _FLEX_DEVICES and width >= _NARROWEST_HEAD
    return possible and not plain_forced()


def shared_mask(starts_BT: Tensor | None, width: int) -> BlockMask | None:
    """The mask of all layers with heads of this width; None where `attend_packed` is not used."""
    if starts_BT is None or not flex_usable(starts_BT.device, width):
        return None
    return packed_mask(starts_BT)


def attend_packed(
    q_BTHE: Tensor,
    k_BTGE: Tensor,
    v_BTGE: Tensor,
    starts_BT: Tensor,
    mask: BlockMask | None = None,
) -> Tensor:
    """Attention scaled by E**-0.5, (B, T, H, E); under autocast in its dtype.

    Args:
        q_BTHE: queries of a device and width for which `flex_usable` holds.
        k_BTGE: keys; H is a multiple of G.
        v_BTGE: values.
        starts_BT: int32, the first key each query may see: the start of its document, so it never
            falls along a sequence.
        mask: `packed_mask(starts_BT)`, made once for all layers; None builds it here.
    """
    dtype = product_dtype(q_BTHE)
    out_BHTE: Tensor = _flex()(
        *(x.transpose(1, 2).to(dtype) for x in (q_BTHE, k_BTGE, v_BTGE)),
        block_mask=packed_mask(starts_BT) if mask is None else mask,
        enable_gqa=q_BTHE.shape[2] != k_BTGE.shape[2],
    )
    return out_BHTE.transpose(1, 2)


def packed_mask(starts_BT: Tensor) -> BlockMask:
    """Which blocks of keys each block of queries computes, and which of them need no mask inside.

    Read off the starts at the two ends of each block, exactly, without a T x T tensor and without
    waiting for the device: documents are contiguous, so the starts never fall along a sequence.
    """
    length = starts_BT.shape[1]
    first_Q = torch.arange(0, length, BLOCK, device=starts_BT.device)
    last_Q = (first_Q + BLOCK - 1).clamp_max(length - 1)
    lowest_BQ1 = starts_BT[:, first_Q, None]
    highest_BQ1 = starts_BT[:, last_Q, None]
    before_QK = first_Q < first_Q[:, None]
    # A block's first query sees furthest back, its last query least far.
    touched_BQK = (before_QK & (last_Q >= lowest_BQ1)) | (first_Q == first_Q[:, None])
    full_BQK = before_QK & (first_Q >= highest_BQ1)
    return BlockMask.from_kv_blocks(
        *_blocks(touched_BQK & ~full_BQK),
        *_blocks(full_BQK),
        BLOCK_SIZE=BLOCK,
        mask_mod=_visible_rule(starts_BT),
        seq_lengths=(length, length),
    )


def _visible_rule(starts_BT: Tensor) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    def rule(b: Tensor, _h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (k <= q) & (k >= starts_BT[b, q])

    return rule


def _blocks(wanted_BQK: Tensor) -> tuple[Tensor, Tensor]:
    """How many key blocks each query block has, and which, the wanted ones first; one head."""
    order_BQK = wanted_BQK.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    counts_BQ = wanted_BQK.sum(dim=-1, dtype=torch.int32)
    return counts_BQ[:, None], order_BQK[:, None].to(torch.int32)


def _flex() -> Callable[..., Any]:
    # Outside a compiled layer: FlexAttention without compilation materialises all scores.
    if torch.compiler.is_compiling():
        return cast(Callable[..., Any], flex_attention)
    return _compiled_flex()


@cache
def _compiled_flex() -> Callable[..., Any]:
    return torch.compile(flex_attention)
