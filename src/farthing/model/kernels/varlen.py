"""Causal attention within packed documents, for accelerators: no mask of T x T in memory.

Documents go through FlexAttention, which skips every block of keys that no query of a block may
see. Not torch's `varlen_attn`: its signature changed in each release from 2.10 to 2.12, and its
backward adds in no fixed order, so that a step could not be replayed bit by bit. A batch without
a boundary takes `scaled_dot_product_attention`, whose causal kernels need no mask at all.

Shapes: B sequences, T positions, H query heads, G key/value heads, E head width, Q query blocks,
K key blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from farthing.model.kernels.precision import product_dtype

# Positions of a block of queries or keys: what the attention kernels take at a time.
BLOCK = 128
# Where torch compiles FlexAttention's backward too; not on CPU, where attention is ours.
_FLEX_DEVICES = ("cuda", "xpu")
_NARROWEST_HEAD = 16


def attend_packed(
    q_BTHE: Tensor,
    k_BTGE: Tensor,
    v_BTGE: Tensor,
    starts_BT: Tensor | None,
    mask: BlockMask | None = None,
) -> Tensor:
    """Attention scaled by E**-0.5, (B, T, H, E); under autocast in its dtype.

    Args:
        q_BTHE: queries.
        k_BTGE: keys; H is a multiple of G.
        v_BTGE: values.
        starts_BT: int32, the first key each query may see: the start of its document, so it never
            falls along a sequence. None for plain causal attention.
        mask: `packed_mask(starts_BT)`, made once for all layers; None builds it here.
    """
    dtype = product_dtype(q_BTHE)
    q_BHTE, k_BGTE, v_BGTE = (x.transpose(1, 2).to(dtype) for x in (q_BTHE, k_BTGE, v_BTGE))
    grouped = q_BHTE.shape[1] != k_BGTE.shape[1]
    if starts_BT is not None and flex_usable(q_BHTE):
        mask = packed_mask(starts_BT) if mask is None else mask
        out_BHTE = _flex()(q_BHTE, k_BGTE, v_BGTE, block_mask=mask, enable_gqa=grouped)
    else:
        seen_B1TT = None if starts_BT is None else visible(starts_BT)[:, None]
        out_BHTE = F.scaled_dot_product_attention(
            *(q_BHTE, k_BGTE, v_BGTE),
            attn_mask=seen_B1TT,
            is_causal=seen_B1TT is None,
            enable_gqa=grouped,
        )
    out_BTHE: Tensor = out_BHTE.transpose(1, 2)
    return out_BTHE


def visible(starts_BT: Tensor) -> Tensor:
    """True where a query (second dimension) may see a key (third), (B, T, T): the definition."""
    place_T = torch.arange(starts_BT.shape[1], device=starts_BT.device)
    return (place_T <= place_T[:, None]) & (place_T >= starts_BT[:, :, None])


def document_starts(tokens_BT: Tensor, end_of_text: int) -> Tensor:
    """The first key each position may see, (B, T), int32: its document's opening `end_of_text`.

    What comes before the first marker of a sequence is a document too, opened at 0.
    """
    place_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device, dtype=torch.int32)
    return torch.where(tokens_BT == end_of_text, place_T, 0).cummax(dim=1).values


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


def flex_usable(q_BHTE: Tensor) -> bool:
    """Whether FlexAttention takes these queries, with their gradient."""
    return q_BHTE.device.type in _FLEX_DEVICES and q_BHTE.shape[-1] >= _NARROWEST_HEAD


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
