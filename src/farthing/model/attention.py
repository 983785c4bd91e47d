"""Grouped-query attention, with QK-norm and RoPE unless switched off, within documents only.

Shapes: B sequences, T positions, D hidden width, H query heads, G key/value heads, E head width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask

from farthing.model.config import ModelConfig
from farthing.model.kernels.attention import attend
from farthing.model.kernels.heads import Heads, turned, turned_heads
from farthing.model.norm import RmsNorm

# A dense product x @ weight.T: x, then the weight.
Product = Callable[[Tensor, Tensor], Tensor]
# Cosines and sines of some positions, each (T, E).
Rope = tuple[Tensor, Tensor]
SplitHeads = Callable[[Tensor, Rope | None], Heads]


@dataclass
class LayerCache:
    """Keys and values of one layer seen so far, each (B, T, G, E)."""

    keys: Tensor | None = None
    values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append new positions; return all of them."""
        if self.keys is not None and self.values is not None:
            keys = torch.cat((self.keys, keys), dim=1)
            values = torch.cat((self.values, values), dim=1)
        self.keys, self.values = keys, values
        return keys, values


class Attention(nn.Module):
    """Causal self-attention, scaled by head_dim**-0.5; half-split RoPE after the norm of Q, K."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        queries = config.num_heads * config.head_dim
        keys = config.num_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_dim, queries, bias=False)
        self.k_proj = nn.Linear(config.hidden_dim, keys, bias=False)
        self.v_proj = nn.Linear(config.hidden_dim, keys, bias=False)
        self.o_proj = nn.Linear(queries, config.hidden_dim, bias=False)
        self.head_dim = config.head_dim
        self.q_norm = _head_norm(config)
        self.k_norm = _head_norm(config)
        fused = config.qk_norm and config.positions == "rope"
        # From one row of all projections to the heads.
        self.split_heads: SplitHeads = self._fused_heads if fused else self._plain_heads
        # What computes both products: `use_fp8` may put another in its place.
        self.product: Product = F.linear

    def forward(
        self,
        x_BTD: Tensor,
        rope: Rope | None,
        starts_BT: Tensor | None,
        cache: LayerCache | None,
        mask: BlockMask | None = None,
    ) -> Tensor:
        """Attend; with a `cache`, x holds only the new positions of one document.

        Args:
            x_BTD: normed hidden states.
            rope: cosines and sines of the positions in x, each (T, E); None without RoPE.
            starts_BT: the first position that each query may see; None for the first of all.
            cache: earlier keys and values, extended in place.
            mask: what attention needs of `starts_BT` beside it, if anything (`shared_mask`).
        """
        # One product instead of three: the weights are small beside the tokens that they meet.
        weights = (self.q_proj.weight, self.k_proj.weight, self.v_proj.weight)
        rows_BTP = self.product(x_BTD, torch.cat(weights))
        q_BTHE, k_BTGE, v_BTGE = self.split_heads(rows_BTP, rope)
        if cache is None:
            out_BTHE = attend(q_BTHE, k_BTGE, v_BTGE, starts_BT, mask)
        else:
            out_BTHE = _attend_all(q_BTHE, *cache.extend(k_BTGE, v_BTGE))
        return self.product(out_BTHE.flatten(2), self.o_proj.weight)

    def _fused_heads(self, rows_BTP: Tensor, rope: Rope | None) -> Heads:
        """QK-norm and RoPE."""
        assert rope is not None
        assert isinstance(self.q_norm, RmsNorm)
        assert isinstance(self.k_norm, RmsNorm)
        return turned_heads(
            rows_BTP,
            self.q_norm.weight,
            self.k_norm.weight,
            rope,
            queries=self.num_heads,
            eps=self.q_norm.eps,
        )

    def _plain_heads(self, rows_BTP: Tensor, rope: Rope | None) -> Heads:
        """One of both, or neither."""
        rows_BTHE = rows_BTP.view(*rows_BTP.shape[:-1], -1, self.head_dim)
        keys = (rows_BTHE.shape[2] - self.num_heads) // 2
        q_BTHE, k_BTGE, v_BTGE = torch.split(rows_BTHE, [self.num_heads, keys, keys], dim=2)
        q_BTHE, k_BTGE = self.q_norm(q_BTHE), self.k_norm(k_BTGE)
        if rope is not None:
            q_BTHE, k_BTGE = turned(q_BTHE, rope), turned(k_BTGE, rope)
        return q_BTHE.to(rows_BTP.dtype), k_BTGE.to(rows_BTP.dtype), v_BTGE


def _head_norm(config: ModelConfig) -> nn.Module:
    if not config.qk_norm:
        return nn.Identity()
    return RmsNorm(config.head_dim, config.norm_eps, learned=config.norm_weights)


def rope_tables(config: ModelConfig, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines for positions 0..length-1, each (length, head_dim), float32."""
    steps = torch.arange(0, config.head_dim, 2, dtype=torch.float64) / config.head_dim
    angles = torch.outer(torch.arange(length, dtype=torch.float64), config.rope_theta**-steps)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().float(), angles.sin().float()


def _attend_all(q_BTHE: Tensor, k_BSGE: Tensor, v_BSGE: Tensor) -> Tensor:
    """Attention of the last T of S positions to all before them: generation."""
    length, seen = q_BTHE.shape[1], k_BSGE.shape[1]
    mask_TS = torch.ones(length, seen, dtype=torch.bool, device=q_BTHE.device)
    out_BHTE = F.scaled_dot_product_attention(
        q_BTHE.transpose(1, 2),
        k_BSGE.transpose(1, 2),
        v_BSGE.transpose(1, 2),
        attn_mask=mask_TS.tril(diagonal=seen - length),
        enable_gqa=q_BTHE.shape[2] != k_BSGE.shape[2],
    )
    return out_BHTE.transpose(1, 2)
