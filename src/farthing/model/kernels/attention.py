"""Causal grouped-query attention within documents.

Shapes: B sequences, T positions, H query heads, G key/value heads, E head width.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.attention.flex_attention import BlockMask

from farthing.model.kernels.native import call, usable
from farthing.model.kernels.varlen import attend_packed, flex_usable


def attend(
    q_BTHE: Tensor,
    k_BTGE: Tensor,
    v_BTGE: Tensor,
    starts_BT: Tensor | None,
    mask: BlockMask | None = None,
) -> Tensor:
    """softmax(q k' / sqrt(E)) v over the keys `starts[t]`..t of every query t, (B, T, H, E).

    Args:
        q_BTHE: queries; head h looks at key head h // (H // G).
        k_BTGE: keys.
        v_BTGE: values; all three of one dtype.
        starts_BT: first key that each query may see, int32; None means key 0.
        mask: `shared_mask(starts_BT, ...)`, made once for all layers; None makes it where needed.

    Raises:
        ValueError: the sizes do not fit each other.
    """
    _check_sizes(q_BTHE, k_BTGE, v_BTGE, starts_BT)
    same = q_BTHE.dtype == k_BTGE.dtype == v_BTGE.dtype
    if same and usable(q_BTHE, k_BTGE, v_BTGE):
        return _Attend.apply(q_BTHE, k_BTGE, v_BTGE, starts_BT)  # type: ignore[no-any-return, no-untyped-call]
    if starts_BT is not None and flex_usable(q_BTHE.device, q_BTHE.shape[-1]):
        return attend_packed(q_BTHE, k_BTGE, v_BTGE, starts_BT, mask)
    return plain_attend(q_BTHE, k_BTGE, v_BTGE, starts_BT)


def plain_attend(
    q_BTHE: Tensor, k_BTGE: Tensor, v_BTGE: Tensor, starts_BT: Tensor | None
) -> Tensor:
    """The same in torch's operators; a mask of (B, 1, T, T) where documents start."""
    out_BHTE = F.scaled_dot_product_attention(
        q_BTHE.transpose(1, 2),
        k_BTGE.transpose(1, 2),
        v_BTGE.transpose(1, 2),
        attn_mask=None if starts_BT is None else _mask(starts_BT),
        is_causal=starts_BT is None,
        enable_gqa=q_BTHE.shape[2] != k_BTGE.shape[2],
    )
    return out_BHTE.transpose(1, 2)


def document_starts(tokens_BT: Tensor, end_of_text: int) -> Tensor | None:
    """Where the document of every position starts, int32 (B, T).

    A document starts with `end_of_text`. None where no sequence holds a boundary: a marker at
    position 0 opens the only document there is so far. On accelerators never None: to look, the
    host would have to wait for the device.
    """
    boundary_BT = tokens_BT == end_of_text
    if tokens_BT.device.type == "cpu" and not bool(boundary_BT[:, 1:].any()):
        return None
    positions_T = torch.arange(tokens_BT.shape[1], dtype=torch.int32, device=tokens_BT.device)
    return (boundary_BT * positions_T).cummax(dim=1).values


def _mask(starts_BT: Tensor) -> Tensor:
    """True where a query may look, (B, 1, T, T)."""
    positions_T = torch.arange(starts_BT.shape[1], device=starts_BT.device)
    behind_TT = positions_T <= positions_T[:, None]
    return ((positions_T >= starts_BT[:, :, None]) & behind_TT)[:, None]


def _check_sizes(q_BTHE: Tensor, k_BTGE: Tensor, v_BTGE: Tensor, starts_BT: Tensor | None) -> None:
    queries, keys = tuple(q_BTHE.shape), tuple(k_BTGE.shape)
    if len(queries) != 4 or keys != v_BTGE.shape or keys[:2] != queries[:2]:
        raise ValueError(
            f"queries {queries}, keys {keys}, values {tuple(v_BTGE.shape)}: "
            "all are (sequences, positions, heads, width), keys and values alike"
        )
    if keys[3] != queries[3] or not keys[2] or queries[2] % keys[2]:
        raise ValueError(
            f"queries {queries}, keys {keys}: heads of one width, a whole number for each key head"
        )
    if starts_BT is not None and (
        starts_BT.shape != queries[:2] or starts_BT.dtype not in (torch.int32, torch.int64)
    ):
        raise ValueError(
            f"starts of {starts_BT.dtype} and shape {tuple(starts_BT.shape)}: "
            f"whole numbers of shape {queries[:2]}"
        )


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        q_BTHE: Tensor,
        k_BTGE: Tensor,
        v_BTGE: Tensor,
        starts_BT: Tensor | None,
    ) -> Tensor:
        q_BTHE, k_BTGE, v_BTGE = (x.contiguous() for x in (q_BTHE, k_BTGE, v_BTGE))
        if starts_BT is not None:
            starts_BT = starts_BT.to(torch.int32).contiguous()
        batch, length, heads, _ = q_BTHE.shape
        out_BTHE = torch.empty_like(q_BTHE)
        lse_BHT = torch.empty(batch, heads, length, dtype=torch.float32)
        inputs = (q_BTHE, k_BTGE, v_BTGE, starts_BT)
        _run("attention_forward", (*inputs, out_BTHE, lse_BHT), q_BTHE, k_BTGE)
        ctx.save_for_backward(q_BTHE, k_BTGE, v_BTGE, starts_BT, out_BTHE, lse_BHT)
        return out_BTHE

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BTHE: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # noqa: ANN401
        q_BTHE, k_BTGE, v_BTGE, starts_BT, out_BTHE, lse_BHT = ctx.saved_tensors
        grads = (torch.empty_like(q_BTHE), torch.empty_like(k_BTGE), torch.empty_like(v_BTGE))
        inputs = (grad_BTHE.contiguous(), q_BTHE, k_BTGE, v_BTGE, out_BTHE, lse_BHT, starts_BT)
        _run("attention_backward", (*inputs, *grads), q_BTHE, k_BTGE)
        return (*grads, None)


def _run(name: str, tensors: tuple[Tensor | None, ...], q_BTHE: Tensor, k_BTGE: Tensor) -> None:
    batch, length, heads, width = q_BTHE.shape
    key_heads = k_BTGE.shape[2]
    # One slot of scratch per thread; what a task computes does not depend on its slot.
    slots = min(batch * key_heads, torch.get_num_threads())
    size = _scratch_size(name, length, width)
    scratch = torch.empty(slots * size, dtype=torch.float32)
    sizes = (slots, size, batch, length, heads, key_heads, width)
    call(name, *tensors, scratch, *sizes, q_BTHE.dtype == torch.bfloat16)


@cache
def _scratch_size(name: str, length: int, width: int) -> int:
    """Floats of scratch per slot, as the library lays it out."""
    floats = torch.zeros(1, dtype=torch.int64)
    call(f"{name}_scratch", floats, length, width)
    return int(floats)
