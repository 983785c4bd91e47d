"""The sizes of a supernet. Nothing here imports torch: plans and bills read it too."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config


class ModelConfig(Config):
    """A pre-norm decoder: leading dense layers, then layers of routed and shared experts.

    With `num_experts: 0` every layer is dense: the same code, an ordinary GPT.
    """

    num_layers: int = Field(ge=1, description="decoder layers, dense and sparse together")
    num_dense_layers: int = Field(
        default=1, ge=0, description="leading layers with a dense feed-forward block"
    )
    hidden_dim: int = Field(ge=8, description="width of the residual stream")
    num_heads: int = Field(ge=1, description="query heads")
    num_kv_heads: int = Field(ge=1, description="key and value heads, shared by groups of queries")
    head_dim: int = Field(ge=2, description="width of one head, even (RoPE turns pairs)")
    dense_ffn_dim: int = Field(ge=1, description="inner width of the dense layers' SwiGLU")
    num_experts: int = Field(default=0, ge=0, description="routed experts per layer, 0 for none")
    expert_dim: int = Field(default=0, ge=0, description="inner width of one routed expert")
    num_shared_experts: int = Field(
        default=1, ge=0, description="experts that see every token, merged into one block"
    )
    top_k: int = Field(default=0, ge=0, description="routed experts that a token visits")
    routed_scale: float = Field(
        default=1.0, gt=0, description="factor on the sum of the routed experts' outputs"
    )
    context: int = Field(ge=2, description="tokens in one training sequence")
    rope_theta: float = Field(default=10_000.0, gt=1, description="base of the RoPE wavelengths")
    norm_eps: float = Field(default=1e-6, gt=0, description="epsilon of every RMSNorm")
    tie_embeddings: bool = Field(
        default=False, description="use the embedding matrix as the output matrix too"
    )

    @model_validator(mode="after")
    def _sizes_fit_together(self) -> Self:
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} must be even")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads {self.num_heads} must be a multiple of num_kv_heads {self.num_kv_heads}"
            )
        if self.num_experts and not 1 <= self.top_k <= self.num_experts:
            raise ValueError(f"top_k {self.top_k} must be between 1 and {self.num_experts}")
        if self.num_experts and (
            self.expert_dim < 1 or not 0 <= self.num_dense_layers < self.num_layers
        ):
            raise ValueError("sparse layers need expert_dim >= 1 and num_dense_layers < num_layers")
        return self

    @property
    def first_sparse_layer(self) -> int:
        """Index of the first layer with routed experts; `num_layers` if there are none."""
        return self.num_dense_layers if self.num_experts else self.num_layers

    def is_sparse(self, layer: int) -> bool:
        """Whether `layer` has routed experts."""
        return layer >= self.first_sparse_layer

    @property
    def shared_dim(self) -> int:
        """Inner width of the shared experts taken together."""
        return self.num_shared_experts * self.expert_dim
