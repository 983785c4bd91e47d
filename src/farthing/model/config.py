"""The sizes of a supernet. Nothing here imports torch: plans and bills read it too."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config


class ModelConfig(Config):
    """A pre-norm decoder: leading dense layers, then layers of routed and shared experts.

    With `num_experts: 0` every layer is dense: the same code, an ordinary GPT. The settings from
    `positions` to `embedding_std` are for such baselines: their defaults are farthing's own model.
    """

    num_layers: int = Field(ge=1, description="decoder layers, dense and sparse together")
    num_dense_layers: int = Field(
        default=1, ge=0, description="leading layers with a dense feed-forward block"
    )
    hidden_dim: int = Field(ge=8, description="width of the residual stream")
    num_heads: int = Field(ge=1, description="query heads")
    num_kv_heads: int = Field(ge=1, description="key and value heads, shared by groups of queries")
    head_dim: int = Field(ge=2, description="width of one head, even (RoPE turns pairs)")
    dense_ffn_dim: int = Field(ge=1, description="inner width of the dense feed-forward block")
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
    positions: Literal["rope", "learned"] = Field(
        default="rope",
        description="RoPE, or a learned vector for each position of the context, counted from the "
        "start of the window (not of the document), beyond which the model cannot look",
    )
    norm: Literal["rms", "layer"] = Field(
        default="rms", description="RMSNorm, or LayerNorm without bias; of Q and K always RMSNorm"
    )
    norm_weights: bool = Field(default=True, description="whether norms have a learned weight")
    qk_norm: bool = Field(default=True, description="norm queries and keys, head by head")
    embedding_norm: bool = Field(default=False, description="norm the embedding before the layers")
    activation: Literal["swiglu", "gelu", "relu2"] = Field(
        default="swiglu",
        description="of the feed-forward block: gated with silu (three matrices), or one "
        "activation between two matrices: gelu (exact) or relu2 (relu, then squared)",
    )
    initialization: Literal["zero_outputs", "gpt2"] = Field(
        default="zero_outputs",
        description="zero_outputs: output matrices 0, others 1 / sqrt(inputs); gpt2: all 0.02, "
        "those that end a block divided by sqrt(2 layers)",
    )
    embedding_std: float = Field(
        default=0.02, gt=0, description="spread of the first embeddings (tokens, positions)"
    )
    balance_pairs: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="(experts that take part, top-k) with a balancing bias of their own; training "
        "with train.elastic.balance: by_size fills it in. Empty: one bias for all shapes",
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
        if self.num_experts and self.activation != "swiglu":
            raise ValueError(
                f"activation {self.activation} is for dense models: experts are SwiGLU, "
                "so it goes with num_experts: 0"
            )
        return self

    @model_validator(mode="after")
    def _balance_pairs_fit(self) -> Self:
        for experts, top_k in self.balance_pairs:
            if not 1 <= top_k <= experts <= self.num_experts:
                raise ValueError(
                    f"balance_pairs names {experts} experts with top-k {top_k}, but top-k is at "
                    f"most the experts that take part, and those at most {self.num_experts}"
                )
        return self

    @property
    def first_sparse_layer(self) -> int:
        """Index of the first layer with routed experts; `num_layers` if there are none."""
        return self.num_dense_layers if self.num_experts else self.num_layers

    def is_sparse(self, layer: int) -> bool:
        """Whether `layer` has routed experts."""
        return layer >= self.first_sparse_layer

    @property
    def longest(self) -> int | None:
        """The most positions that the model can look at; None for no limit."""
        return self.context if self.positions == "learned" else None

    @property
    def ffn_matrices(self) -> int:
        """Matrices of one dense feed-forward block: gate, up and down, or up and down."""
        return 3 if self.activation == "swiglu" else 2

    @property
    def layer_norm_weights(self) -> int:
        """Weights of all norms inside one layer."""
        heads = 2 * self.head_dim if self.qk_norm else 0
        return (2 * self.hidden_dim + heads) if self.norm_weights else 0

    @property
    def outer_norm_weights(self) -> int:
        """Weights of the norms outside the layers: the last one, and that of the embedding."""
        return (1 + self.embedding_norm) * self.hidden_dim if self.norm_weights else 0

    @property
    def shared_dim(self) -> int:
        """Inner width of the shared experts taken together."""
        return self.num_shared_experts * self.expert_dim
