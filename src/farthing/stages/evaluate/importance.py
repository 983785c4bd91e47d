"""How much each layer and each expert of a supernet matters, measured from activations.

Experts by REAP (arXiv 2510.13999): the mean, over the tokens that are routed to an
expert, of its router weight times the L2 norm of its output. Layers by what the loss gains when
one is skipped, and, for one forward pass, by how far a layer turns the residual stream.

Shapes: N tokens, K experts of each, E experts of a layer, D hidden width, B windows of a forward
pass, T positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from farthing.errors import ShapeError
from farthing.model.block import SparseFeedForward
from farthing.model.config import ModelConfig
from farthing.model.experts import Experts
from farthing.model.shape import Shape, keep_layers, skippable_layers
from farthing.model.transformer import Transformer
from farthing.stages.evaluate.calibration import CalibrationText

BATCH_SEQUENCES = 16


class Importance(BaseModel):
    """What calibration text says about the parts of one supernet.

    Attributes:
        tokens: tokens of the calibration text.
        mean_nats: the whole supernet's loss on it, nats per token.
        expert_scores: by sparse layer, the REAP score of each expert, in the order of their ids; 0
            for one that no token visited.
        skipped_nats: by layer that a shape may leave out, how much larger the loss is without it.
        turns: by layer, the mean over tokens of 1 - cosine of its input and its output.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int
    mean_nats: float
    expert_scores: dict[int, tuple[float, ...]]
    skipped_nats: dict[int, float]
    turns: dict[int, float]

    def best_experts(self, layer: int, count: int) -> tuple[int, ...]:
        """Ids of the `count` experts of a sparse layer with the highest scores, ascending."""
        scores = self.expert_scores[layer]
        ranked = sorted(range(len(scores)), key=lambda expert: (-scores[expert], expert))
        return tuple(sorted(ranked[:count]))


PassHook = Callable[[Shape, int], None]


@torch.no_grad()
def measure_importance(
    model: Transformer, text: CalibrationText, *, on_pass: PassHook = lambda _shape, _tokens: None
) -> Importance:
    """Read the text once with the whole supernet and once without each layer that may go.

    Args:
        model: the supernet, in evaluation mode.
        text: what to read.
        on_pass: called after each reading with its shape and its tokens, for the book.
    """
    full = Shape.full(model.config)
    turns = _Turns(model)
    scores = _ExpertScores(model)
    with turns.watching(), scores.watching():
        whole = _mean_nats(model, full, text)
    on_pass(full, text.tokens)
    skipped = {}
    for layer in sorted(skippable_layers(model.config)):
        shape = _without(full, layer, model.config)
        skipped[layer] = _mean_nats(model, shape, text) - whole
        on_pass(shape, text.tokens)
    return Importance(
        tokens=text.tokens,
        mean_nats=whole,
        expert_scores=scores.result(),
        skipped_nats=skipped,
        turns=turns.result(),
    )


def pruned_shape(
    importance: Importance, config: ModelConfig, *, depth: int, experts: int, top_k: int
) -> Shape:
    """The most important layers, and in each of them the best experts by id: post-hoc pruning.

    Dense leading layers, the first and the last one always stay, as in `keep_layers`.

    Args:
        importance: measured on this very supernet.
        config: its sizes.
        depth: layers to keep.
        experts: experts of each kept sparse layer.
        top_k: experts that a token visits.

    Raises:
        ShapeError: the supernet does not hold such a shape, or the importance is another model's.
    """
    sparse = {layer for layer in range(config.num_layers) if config.is_sparse(layer)}
    known = {layer: len(scores) for layer, scores in importance.expert_scores.items()}
    if known != dict.fromkeys(sparse, config.num_experts):
        raise ShapeError(
            f"the importance is of {len(known)} sparse layers, the supernet has {len(sparse)} "
            f"with {config.num_experts} experts",
            remedy="measure it again on the model that is to be pruned",
        )
    if experts > config.num_experts:
        raise ShapeError(
            f"the supernet has {config.num_experts} experts in a layer, not {experts}",
            remedy=f"choose at most {config.num_experts} of them",
        )
    firm = set(range(config.num_layers)) - set(skippable_layers(config))
    # Its errors say which depths fit.
    free = len(keep_layers(config, depth)) - len(firm)
    ranked = sorted(
        importance.skipped_nats, key=lambda layer: (-importance.skipped_nats[layer], layer)
    )
    layers = tuple(sorted(firm | set(ranked[:free])))
    kept = [layer for layer in layers if layer in sparse]
    return Shape(
        layers,
        tuple(importance.best_experts(layer, experts) for layer in kept),
        (top_k,) * len(kept),
    ).checked(config)


def _without(full: Shape, layer: int, config: ModelConfig) -> Shape:
    kept = tuple(other for other in full.layers if other != layer)
    sparse = sum(config.is_sparse(other) for other in kept)
    return Shape(kept, full.experts[:sparse], full.top_k[:sparse])


def _mean_nats(model: Transformer, shape: Shape, text: CalibrationText) -> float:
    """Nats per token, document marks included, every window counted alike."""
    device = model.embed_tokens.weight.device
    nats = 0.0
    for batch in text.batches.values():
        for tokens_BW in torch.split(torch.from_numpy(batch.tokens), BATCH_SEQUENCES):
            tokens_BW = tokens_BW.to(device)
            nats_BT = model.token_nats(tokens_BW[:, :-1], tokens_BW[:, 1:], shape)
            nats += float(nats_BT.double().sum())
    return nats / text.tokens


class _Turns:
    """1 - cosine of each layer's input and output, summed over the tokens that pass."""

    def __init__(self, model: Transformer) -> None:
        self._layers = model.layers
        self._sums = [0.0] * len(model.layers)
        self._tokens = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        handles = [
            layer.register_forward_hook(self._hook(place))
            for place, layer in enumerate(self._layers)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def result(self) -> dict[int, float]:
        return {layer: total / self._tokens for layer, total in enumerate(self._sums)}

    def _hook(self, place: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def add(layer: nn.Module, inputs: tuple[Tensor, ...], out_BTD: Tensor) -> None:
            del layer
            # In float32: the difference from 1 is small, and bf16 would round it away.
            cosine_BT = torch.cosine_similarity(inputs[0].float(), out_BTD.float(), dim=-1)
            self._sums[place] += float((1 - cosine_BT).double().sum())
            if place == 0:
                self._tokens += cosine_BT.numel()

        return add


class _ExpertScores:
    """REAP: router weight times output norm, summed by expert, and the visits to divide by."""

    def __init__(self, model: Transformer) -> None:
        first = model.config.first_sparse_layer
        self._blocks: dict[int, SparseFeedForward] = {
            first + place: block for place, block in enumerate(model.sparse_blocks())
        }
        device = model.embed_tokens.weight.device
        self._sums = {
            layer: torch.zeros(model.config.num_experts, dtype=torch.float64, device=device)
            for layer in self._blocks
        }
        self._visits = {layer: torch.zeros_like(sums_E) for layer, sums_E in self._sums.items()}

    @contextmanager
    def watching(self) -> Iterator[None]:
        handles = [
            block.experts.register_forward_hook(self._hook(layer))
            for layer, block in self._blocks.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def result(self) -> dict[int, tuple[float, ...]]:
        return {
            layer: tuple((sums_E / self._visits[layer].clamp(min=1)).tolist())
            for layer, sums_E in self._sums.items()
        }

    def _hook(self, layer: int) -> Callable[[Experts, tuple[Tensor, ...], Tensor], None]:
        def add(experts: Experts, inputs: tuple[Tensor, ...], out_ND: Tensor) -> None:
            del out_ND
            x_ND, ids_NK, weights_NK = inputs
            ids_R = ids_NK.reshape(-1)
            rows_RD = x_ND.repeat_interleave(ids_NK.shape[1], dim=0)
            # Each choice as a token of its own with weight 1: the expert's bare output. `forward`
            # and not a call, which would come back to this hook.
            bare_RD = experts.forward(
                rows_RD, ids_R[:, None], torch.ones_like(weights_NK).view(-1, 1)
            )
            score_R = weights_NK.reshape(-1).double() * bare_RD.double().norm(dim=-1)
            self._sums[layer].index_add_(0, ids_R, score_R)
            self._visits[layer].index_add_(0, ids_R, torch.ones_like(score_R))

        return add
