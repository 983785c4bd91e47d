"""The elastic sparse transformer: `model(tokens, shape)` runs any sub-model of the supernet.

Parameter names follow the Hugging Face layout, so that export is a rename. Shapes: B sequences,
T positions, D hidden width, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from farthing.errors import UsageError
from farthing.model.attention import LayerCache, Rope, rope_tables
from farthing.model.block import DecoderLayer, SparseFeedForward
from farthing.model.config import ModelConfig
from farthing.model.kernels.attention import document_starts
from farthing.model.kernels.cross_entropy import linear_cross_entropy, linear_token_losses
from farthing.model.kernels.distillation import linear_distillation
from farthing.model.kernels.varlen import shared_mask
from farthing.model.norm import make_norm
from farthing.model.shape import Shape

# Shapes whose listed experts stay on the device: a step may pass through several in turns.
_LISTED_SHAPES = 8


class KeyValueCache:
    """What generation has seen so far, layer by layer."""

    def __init__(self, shape: Shape) -> None:
        self.layers = {layer: LayerCache() for layer in shape.layers}
        self.length = 0


class Transformer(nn.Module):
    """A decoder whose weights hold every sub-model; no shape ever copies a weight."""

    expert_ranking: Tensor
    rope_cos: Tensor
    rope_sin: Tensor

    def __init__(self, config: ModelConfig, vocab_size: int, end_of_text: int) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        self.end_of_text = end_of_text
        self.full_shape = Shape.full(config)
        self.embed_tokens = nn.Embedding(vocab_size, config.hidden_dim)
        learned = config.positions == "learned"
        self.embed_positions = nn.Embedding(config.context, config.hidden_dim) if learned else None
        self.embed_norm = make_norm(config) if config.embedding_norm else nn.Identity()
        self.layers = nn.ModuleList(
            DecoderLayer(config, sparse=config.is_sparse(layer))
            for layer in range(config.num_layers)
        )
        self.norm = make_norm(config)
        self.lm_head = nn.Linear(config.hidden_dim, vocab_size, bias=False)
        if config.tie_embeddings:
            self.lm_head.weight = self.embed_tokens.weight
        sparse_layers = config.num_layers - config.first_sparse_layer
        # Per sparse layer, expert ids from most to least important: what a plain count means.
        self.register_buffer(
            "expert_ranking", torch.arange(config.num_experts).repeat(sparse_layers, 1)
        )
        if not learned:
            self._register_rope(config.context)
        self._listed: list[tuple[Shape, torch.device, dict[int, Tensor]]] = []

    def forward(
        self, tokens_BT: Tensor, shape: Shape | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """Logits (B, T, V) of the sub-model `shape` (the whole supernet for None).

        Args:
            tokens_BT: token ids. Attention never crosses a document boundary (`end_of_text`).
            shape: what to keep; checked by the caller (`Shape.checked`).
            cache: for generation: `tokens_BT` then holds only new tokens of one document.
        """
        logits: Tensor = self.lm_head(self._hidden(tokens_BT, shape or self.full_shape, cache))
        return logits

    def mean_nats(
        self, tokens_BT: Tensor, targets_BT: Tensor, shape: Shape | None = None
    ) -> Tensor:
        """The training loss: mean negative log-likelihood per token, in nats.

        Equal to that of `forward`'s logits, which are never held all at once.
        """
        hidden_BTD = self._hidden(tokens_BT, shape or self.full_shape, None)
        return linear_cross_entropy(
            hidden_BTD.flatten(0, 1), self.lm_head.weight, targets_BT.flatten()
        )

    def token_nats(
        self, tokens_BT: Tensor, targets_BT: Tensor, shape: Shape | None = None
    ) -> Tensor:
        """Negative log-likelihood of each target, (B, T), in nats: for scoring, no gradient."""
        hidden_BTD = self._hidden(tokens_BT, shape or self.full_shape, None)
        losses_N = linear_token_losses(
            hidden_BTD.flatten(0, 1), self.lm_head.weight, targets_BT.flatten()
        )
        return losses_N.view_as(targets_BT)

    def teaching_nats(self, tokens_BT: Tensor, targets_BT: Tensor) -> tuple[Tensor, Tensor]:
        """`mean_nats` of the full shape, and what `distilled_nats` learns from, (B, T, D)."""
        hidden_BTD = self._hidden(tokens_BT, self.full_shape, None)
        nats = linear_cross_entropy(
            hidden_BTD.flatten(0, 1), self.lm_head.weight, targets_BT.flatten()
        )
        return nats, hidden_BTD.detach()

    @torch.no_grad()
    def teacher_rows(self, tokens_BT: Tensor) -> Tensor:
        """What `distilled_nats` learns from, (B, T, D): a pass of its own; no router counts it."""
        training = self.training
        self.eval()
        try:
            return self._hidden(tokens_BT, self.full_shape, None)
        finally:
            self.train(training)

    def distilled_nats(
        self,
        tokens_BT: Tensor,
        targets_BT: Tensor,
        shape: Shape,
        teacher_BTD: Tensor,
        *,
        share: float,
        temperature: float,
        teacher_weight_VD: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The loss of a shape that also learns from the full one, and its cross-entropy alone.

        Args:
            tokens_BT: token ids.
            targets_BT: the next ones.
            shape: the student.
            teacher_BTD: from `teaching_nats` or `teacher_rows` on the same tokens.
            share: as `linear_distillation` takes it.
            temperature: as `linear_distillation` takes it.
            teacher_weight_VD: as `linear_distillation` takes it; None where the teacher is this
                model.
        """
        hidden_BTD = self._hidden(tokens_BT, shape, None)
        return linear_distillation(
            hidden_BTD.flatten(0, 1),
            self.lm_head.weight,
            targets_BT.flatten(),
            teacher_BTD.flatten(0, 1),
            share=share,
            temperature=temperature,
            teacher_weight_VD=teacher_weight_VD,
        )

    def _hidden(self, tokens_BT: Tensor, shape: Shape, cache: KeyValueCache | None) -> Tensor:
        """What the output matrix reads, (B, T, D)."""
        start = cache.length if cache else 0
        length = tokens_BT.shape[1]
        rope = self._rope(start, length)
        starts_BT = None if cache else document_starts(tokens_BT, self.end_of_text)
        mask = shared_mask(starts_BT, self.config.head_dim)
        x_BTD = self._embed(tokens_BT, start)
        for layer in shape.layers:
            x_BTD = self.layers[layer](
                x_BTD,
                rope,
                starts_BT,
                cache.layers[layer] if cache else None,
                self.selection(shape, layer),
                mask,
            )
        if cache:
            cache.length += length
        hidden_BTD: Tensor = self.norm(x_BTD)
        return hidden_BTD

    def sparse_blocks(self) -> list[SparseFeedForward]:
        """The blocks with routed experts, in layer order."""
        return [layer.mlp for layer in self.layers if isinstance(layer.mlp, SparseFeedForward)]

    def selection(self, shape: Shape, layer: int) -> tuple[Tensor | None, int] | None:
        """Expert ids (None for all) and top-k of a kept layer; None for a dense layer."""
        if not self.config.is_sparse(layer):
            return None
        experts, top_k = shape.selection(layer, self.config)
        if experts == self.config.num_experts:
            return None, top_k
        if isinstance(experts, int):
            ranking_E = self.expert_ranking[layer - self.config.first_sparse_layer]
            # Ascending ids: the order of the experts' products then never depends on the rank.
            return ranking_E[:experts].sort().values, top_k
        return self._listed_experts(shape)[layer], top_k

    def _listed_experts(self, shape: Shape) -> dict[int, Tensor]:
        """The ids of each layer whose experts a shape lists one by one, on the device.

        Copied there together, once for all micro-batches of a step.
        """
        device = self.expert_ranking.device
        for held, where, ids in self._listed:
            if held == shape and where == device:
                return ids
        chosen = {
            layer: shape.selection(layer, self.config)[0]
            for layer in shape.layers
            if self.config.is_sparse(layer)
        }
        listed = {layer: ids for layer, ids in chosen.items() if not isinstance(ids, int)}
        every = torch.tensor([expert for ids in listed.values() for expert in ids])
        if device.type != "cpu":
            every = every.pin_memory().to(device, non_blocking=True)
        parts = torch.split(every, [len(ids) for ids in listed.values()])
        self._listed = [
            *self._listed[1 - _LISTED_SHAPES :],
            (shape, device, dict(zip(listed, parts, strict=True))),
        ]
        return self._listed[-1][2]

    def _embed(self, tokens_BT: Tensor, start: int) -> Tensor:
        """What the first layer reads; positions count from the start of the window.

        Raises:
            UsageError: there are fewer learned positions.
        """
        x_BTD: Tensor = self.embed_tokens(tokens_BT)
        if self.embed_positions is not None:
            end = start + tokens_BT.shape[1]
            if end > self.config.context:
                raise UsageError(
                    f"{end} tokens are too many: the model has learned {self.config.context} "
                    "positions",
                    remedy="give it a shorter text; models with positions: rope have no such limit",
                )
            x_BTD = x_BTD + self.embed_positions.weight[start:end]
        # The residual stream keeps its precision where products have a lower one.
        normed_BTD: Tensor = self.embed_norm(x_BTD)
        return normed_BTD.to(x_BTD.dtype)

    def _rope(self, start: int, length: int) -> Rope | None:
        if self.embed_positions is not None:
            return None
        if start + length > self.rope_cos.shape[0]:
            self._register_rope(2 * (start + length))
        return self.rope_cos[start : start + length], self.rope_sin[start : start + length]

    def _register_rope(self, length: int) -> None:
        cos, sin = rope_tables(self.config, length)
        device = self.embed_tokens.weight.device
        self.register_buffer("rope_cos", cos.to(device), persistent=False)
        self.register_buffer("rope_sin", sin.to(device), persistent=False)
