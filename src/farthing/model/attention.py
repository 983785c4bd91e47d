"""Grouped-query attention with QK-norm and RoPE, within documents only.

Shapes: B sequences, T positions, D hidden width, H query heads, G key/value heads, E head width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from farthing.model.config import ModelConfig


@dataclass
class LayerCache:
    """Keys and values of one layer seen so far, each (B, G, T, E)."""

    keys: Tensor | None = None
    values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append new positions; return all of them."""
        if self.keys is not None and self.values is not None:
            keys = torch.cat((self.keys, keys), dim=2)
            values = torch.cat((self.values, values), dim=2)
        self.keys, self.values = keys, values
        return keys, values


class Attention(nn.Module):
    """Causal self-attention, scaled by head_dim**-0.5; half-split RoPE after the norm of Q, K."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        queries = config.num_heads * config.head_dim
        keys = config.num_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_dim, queries, bias=False)
        self.k_proj = nn.Linear(config.hidden_dim, keys, bias=False)
        self.v_proj = nn.Linear(config.hidden_dim, keys, bias=False)
        self.o_proj = nn.Linear(queries, config.hidden_dim, bias=False)
        self.q_norm = nn.RMSNorm(config.head_dim, eps=config.norm_eps)
        self.k_norm = nn.RMSNorm(config.head_dim, eps=config.norm_eps)
        self.grouped = config.num_heads != config.num_kv_heads

    def forward(
        self,
        x_BTD: Tensor,
        rope: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: LayerCache | None,
    ) -> Tensor:
        """Attend; with a `cache`, x holds only the new positions.

        Args:
            x_BTD: normed hidden states.
            rope: cosines and sines of the positions in x, each (T, E).
            mask: True where a query may look, (B, 1, T, keys); None means plain causal.
            cache: earlier keys and values, extended in place.
        """
        batch, length, _ = x_BTD.shape
        heads = (batch, length, -1, self.head_dim)
        q_BHTE = self.q_proj(x_BTD).view(heads)
        k_BGTE = self.k_proj(x_BTD).view(heads)
        q_BHTE = _rotate(_norm(self.q_norm, q_BHTE).transpose(1, 2), rope)
        k_BGTE = _rotate(_norm(self.k_norm, k_BGTE).transpose(1, 2), rope)
        v_BGTE = self.v_proj(x_BTD).view(heads).transpose(1, 2)
        if cache is not None:
            k_BGTE, v_BGTE = cache.extend(k_BGTE, v_BGTE)
        out_BHTE = F.scaled_dot_product_attention(
            q_BHTE, k_BGTE, v_BGTE, attn_mask=mask, is_causal=mask is None, enable_gqa=self.grouped
        )
        out: Tensor = self.o_proj(out_BHTE.transpose(1, 2).reshape(batch, length, -1))
        return out


def rope_tables(config: ModelConfig, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines for positions 0..length-1, each (length, head_dim), float32."""
    steps = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
    angles = torch.outer(torch.arange(length, dtype=torch.float64), config.rope_theta**-steps)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().float(), angles.sin().float()


def document_mask(tokens_BT: Tensor, end_of_text: int) -> Tensor | None:
    """True where a query may look: not ahead, not into another document; (B, 1, T, T).

    A document starts with `end_of_text`. None where no sequence holds a boundary: plain causal
    attention then needs no mask in memory.
    """
    starts_BT = tokens_BT == end_of_text
    # A marker at position 0 opens the only document there is so far.
    if not bool(starts_BT[:, 1:].any()):
        return None
    document_BT = starts_BT.cumsum(dim=1)
    same_BTT = document_BT[:, :, None] == document_BT[:, None, :]
    causal_TT = torch.ones(same_BTT.shape[1:], dtype=torch.bool, device=tokens_BT.device).tril()
    return (same_BTT & causal_TT)[:, None]


def _norm(norm: nn.RMSNorm, x: Tensor) -> Tensor:
    # Autocast gives bf16 projections, the norm's weight stays fp32: torch fuses only equal dtypes.
    out: Tensor = norm(x.to(norm.weight.dtype))
    return out


def _rotate(x_BHTE: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    cos_TE, sin_TE = (table.to(x_BHTE.dtype) for table in rope)
    first, second = x_BHTE.chunk(2, dim=-1)
    return x_BHTE * cos_TE + torch.cat((-second, first), dim=-1) * sin_TE
