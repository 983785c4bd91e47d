"""One decoder layer: attention, then a dense or a sparse feed-forward block."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask

from farthing.model.attention import Attention, LayerCache, Product, Rope
from farthing.model.config import ModelConfig
from farthing.model.experts import Experts
from farthing.model.kernels.swiglu import swiglu
from farthing.model.norm import make_norm
from farthing.model.router import Router


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x))."""

    def __init__(self, hidden_dim: int, inner_dim: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden_dim, inner_dim, bias=False)
        self.up_proj = nn.Linear(hidden_dim, inner_dim, bias=False)
        self.down_proj = nn.Linear(inner_dim, hidden_dim, bias=False)
        # What computes both products: `use_fp8` may put another in its place.
        self.product: Product = F.linear

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        # One product instead of two: the weights are small beside the tokens that they meet.
        gate_up = self.product(x, torch.cat((self.gate_proj.weight, self.up_proj.weight)))
        return self.product(swiglu(gate_up), self.down_proj.weight)


class TwoMatrixFeedForward(nn.Module):
    """down(activation(up(x)))."""

    def __init__(
        self, hidden_dim: int, inner_dim: int, activation: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.up_proj = nn.Linear(hidden_dim, inner_dim, bias=False)
        self.down_proj = nn.Linear(inner_dim, hidden_dim, bias=False)
        self.activation = activation
        self.product: Product = F.linear

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        inner = self.activation(self.product(x, self.up_proj.weight))
        return self.product(inner, self.down_proj.weight)


def squared_relu(x: Tensor) -> Tensor:
    """relu(x)**2 (Primer, arXiv 2109.08668)."""
    return F.relu(x).square()


class SparseFeedForward(nn.Module):
    """Routed experts plus shared experts that see every token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.router = Router(
            config.num_experts,
            config.hidden_dim,
            config.routed_scale,
            own_bias=config.balance_pairs,
        )
        self.experts = Experts(config.num_experts, config.hidden_dim, config.expert_dim)
        self.shared_experts = (
            FeedForward(config.hidden_dim, config.shared_dim) if config.shared_dim else None
        )

    def forward(self, x_BTD: Tensor, ids_S: Tensor | None, top_k: int) -> Tensor:
        """Route every token among the experts `ids_S` (None for all)."""
        x_ND = x_BTD.reshape(-1, x_BTD.shape[-1])
        ids_NK, weights_NK = self.router(x_ND, ids_S, top_k)
        out: Tensor = self.experts(x_ND, ids_NK, weights_NK).view_as(x_BTD)
        return out if self.shared_experts is None else out + self.shared_experts(x_BTD)


class DecoderLayer(nn.Module):
    """Pre-norm residual layer. A shape that skips it leaves the residual stream as it is."""

    def __init__(self, config: ModelConfig, *, sparse: bool) -> None:
        super().__init__()
        self.input_layernorm = make_norm(config)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = make_norm(config)
        self.mlp = SparseFeedForward(config) if sparse else _dense_block(config)

    def forward(
        self,
        x_BTD: Tensor,
        rope: Rope | None,
        starts_BT: Tensor | None,
        cache: LayerCache | None,
        selection: tuple[Tensor | None, int] | None,
        mask: BlockMask | None = None,
    ) -> Tensor:
        """Add attention and feed-forward; `selection` (expert ids, top-k) for sparse layers."""
        normed_BTD = self.input_layernorm(x_BTD)
        x_BTD = x_BTD + self.self_attn(normed_BTD, rope, starts_BT, cache, mask)
        normed_BTD = self.post_attention_layernorm(x_BTD)
        out_BTD: Tensor = self.mlp(normed_BTD, *(selection or ()))
        return x_BTD + out_BTD


def _dense_block(config: ModelConfig) -> FeedForward | TwoMatrixFeedForward:
    sizes = (config.hidden_dim, config.dense_ffn_dim)
    if config.activation == "swiglu":
        return FeedForward(*sizes)
    return TwoMatrixFeedForward(*sizes, F.gelu if config.activation == "gelu" else squared_relu)
