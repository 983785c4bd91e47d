"""Both optimizers of a model as one: stepping, scheduling, and a state that is plain tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from farthing.cost.flops import newton_schulz_flops, training_flops
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.config import OptimizerConfig
from farthing.stages.train.muon import Muon

# Measured (docs/log.md): every second step costs no quality, every fourth little.
_MOST_TURNS = 4


class ModelOptimizer:
    """Muon (or AdamW) for the hidden matrices, AdamW for everything else of a `Transformer`."""

    def __init__(
        self,
        model: Transformer,
        config: OptimizerConfig,
        *,
        step_tokens: int | None = None,
        product_dtype: torch.dtype | None = None,
    ) -> None:
        """Take charge of all weights of `model`.

        Args:
            model: what is trained.
            config: its settings.
            step_tokens: tokens of one step, which bound Newton-Schulz's share of it; None for no
                bound.
            product_dtype: of Newton-Schulz's products; None for that of the weights.
        """
        self._names = {weight: name for name, weight in model.named_parameters()}
        matrices = _of_muon(model, config)
        taken = set(matrices)
        others = [weight for weight in model.parameters() if weight not in taken]
        self.muon = Muon(
            matrices,
            learning_rate=config.muon_learning_rate,
            momentum=config.muon_momentum,
            weight_decay=config.weight_decay,
            iterations=config.newton_schulz_iterations,
            every=_turns(model, matrices, config, step_tokens) if step_tokens else 1,
            dtype=product_dtype,
        )
        self.adamw = torch.optim.AdamW(
            [{"params": [w], **_adam_settings(self._names[w], w, config)} for w in others],
            betas=config.adam_betas,
            eps=config.adam_epsilon,
            # One pass over memory for each weight instead of one for each operation.
            fused=True,
        )
        self._groups = [*self.muon.param_groups, *self.adamw.param_groups]
        self._peaks = [float(group["lr"]) for group in self._groups]

    def step(self, rate_share: float, step: int) -> None:
        """Update the weights at this share of the peak learning rates, and drop the gradients.

        Args:
            rate_share: of the peak rates.
            step: the number of this step: whose turn it is where Muon takes turns.
        """
        self.muon.turn = step
        for group, peak in zip(self._groups, self._peaks, strict=True):
            group["lr"] = peak * rate_share
        self.muon.step()
        self.adamw.step()
        self.muon.zero_grad(set_to_none=True)
        self.adamw.zero_grad(set_to_none=True)

    def state_tensors(self) -> dict[str, Tensor]:
        """All state by weight and kind, for a checkpoint: `layers.0...weight/exp_avg`."""
        tensors: dict[str, Tensor] = {}
        for weight, name in self._names.items():
            for optimizer in (self.muon, self.adamw):
                for kind, tensor in optimizer.state.get(weight, {}).items():
                    tensors[f"{name}/{kind}"] = tensor
        return tensors

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `state_tensors` gave."""
        weights = {name: weight for weight, name in self._names.items()}
        of_muon = {weight for group in self.muon.param_groups for weight in group["params"]}
        for key, tensor in tensors.items():
            name, _, kind = key.rpartition("/")
            weight = weights[name]
            optimizer = self.muon if weight in of_muon else self.adamw
            optimizer.state[weight][kind] = tensor.to(weight.device, copy=True)


def mean_optimizer_flops(
    model: Transformer,
    config: OptimizerConfig,
    step_tokens: int,
    shapes: Sequence[Shape] | None = None,
) -> float:
    """FLOPs of the optimizer's matrix products in a mean step that trains these shapes.

    An expert counts where a shape keeps it, also if no token should choose it.

    Args:
        model: what is trained; its weights may be without memory (device `meta`).
        config: the settings.
        step_tokens: tokens of one step.
        shapes: of the step's passes; None for the full one.
    """
    matrices = _of_muon(model, config)
    turns = _turns(model, matrices, config, step_tokens)
    names = {weight: name for name, weight in model.named_parameters()}
    kept = _kept(model, [model.full_shape] if shapes is None else shapes)
    total = 0.0
    for weight in matrices:
        layer = int(names[weight].split(".")[1])
        if layer in kept:
            stack = weight.ndim == 3
            share = kept[layer] / model.config.num_experts if stack else 1.0
            total += share * _orthogonalising_flops([weight], config)
    return total / turns


def _kept(model: Transformer, shapes: Sequence[Shape]) -> dict[int, int]:
    """By layer that some shape keeps, how many of its experts some shape keeps; 0 where dense."""
    experts: dict[int, set[int]] = {}
    for shape in shapes:
        sparse = iter(shape.experts)
        for layer in shape.layers:
            found = experts.setdefault(layer, set())
            if model.config.is_sparse(layer):
                entry = next(sparse)
                found.update(range(entry) if isinstance(entry, int) else entry)
    return {layer: len(found) for layer, found in experts.items()}


def _of_muon(model: Transformer, config: OptimizerConfig) -> list[nn.Parameter]:
    return [
        weight
        for name, weight in model.named_parameters()
        if config.matrix_optimizer == "muon" and _is_hidden_matrix(name, weight)
    ]


def _orthogonalising_flops(matrices: list[nn.Parameter], config: OptimizerConfig) -> int:
    """Of all matrices once."""
    return sum(
        weight.numel()
        // (weight.shape[-2] * weight.shape[-1])
        * newton_schulz_flops(*weight.shape[-2:], iterations=config.newton_schulz_iterations)
        for weight in matrices
    )


def _turns(
    model: Transformer, matrices: list[nn.Parameter], config: OptimizerConfig, step_tokens: int
) -> int:
    """Steps between two turns of a matrix, so that Newton-Schulz keeps within its share."""
    sizes = model.config
    pairs = step_tokens * (sizes.context + 1) // 2
    step_flops = training_flops(
        sizes, model.vocab_size, model.full_shape, tokens=step_tokens, attended_pairs=pairs
    )
    flops = _orthogonalising_flops(matrices, config)
    return max(1, min(_MOST_TURNS, math.ceil(flops / (config.newton_schulz_share * step_flops))))


def _is_hidden_matrix(name: str, weight: nn.Parameter) -> bool:
    # The router's rows are read one by one, like an output matrix: AdamW suits it better.
    outside = ("embed_", "lm_head", "router")
    return weight.ndim >= 2 and not any(part in name for part in outside)


def _adam_settings(name: str, weight: nn.Parameter, config: OptimizerConfig) -> dict[str, float]:
    """Peak rate and weight decay of a weight that AdamW moves."""
    rate, decay = config.other_learning_rate, 0.0
    if name.startswith(("embed_tokens", "embed_positions")):
        rate, decay = config.embedding_learning_rate, config.embedding_weight_decay
    elif name.startswith("lm_head"):
        rate, decay = config.output_learning_rate, config.embedding_weight_decay
    elif config.matrix_learning_rate is not None and _is_hidden_matrix(name, weight):
        rate, decay = config.matrix_learning_rate, config.weight_decay
    return {"lr": rate, "weight_decay": decay}
