"""Model, optimizers and training step as the settings want them: for training and for measuring."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

import torch

from farthing.model.config import ModelConfig
from farthing.model.device import choose_precision
from farthing.model.initialize import initialize
from farthing.model.kernels.fp8 import use_fp8, uses_fp8
from farthing.model.kernels.memory import keep_freed_memory
from farthing.model.kernels.native import kernels_in_use
from farthing.model.transformer import Transformer
from farthing.stages.train.compiled import compile_layers
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_fit import balance_pairs
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.stages.train.recompute import GIB, choose_layers, measure, recompute
from farthing.stages.train.step import TrainingStep
from farthing.text.batches import Batches


@dataclass(frozen=True)
class Assembled:
    """What trains.

    Attributes:
        kernels: which ones compute, in words.
        precision: of the matrix products: fp32, bf16 or, where some products can, fp8.
        refusals: where FP8 was wanted and is not: each module with the reason.
    """

    model: Transformer
    optimizer: ModelOptimizer
    step: TrainingStep
    kernels: str
    precision: Literal["fp32", "bf16", "fp8"]
    refusals: dict[str, str]


def assemble(
    config: TrainConfig,
    sizes: ModelConfig,
    batches: Batches,
    device: torch.device,
    *,
    rows: int,
    end_of_text: int,
) -> Assembled:
    """Make everything that a step needs, with the weights of the seed.

    Args:
        config: the run.
        sizes: the supernet.
        batches: what it reads.
        device: where it computes.
        rows: of the embedding.
        end_of_text: the token that opens a document.

    Raises:
        ConfigError: no number of recomputed layers makes a micro-batch fit.
    """
    if pairs := balance_pairs(config.elastic, sizes):
        sizes = sizes.model_copy(update={"balance_pairs": pairs})
    model = Transformer(sizes, rows, end_of_text)
    initialize(model, config.seed)
    model.to(device).train()
    torch.manual_seed(config.seed)
    if device.type == "cpu":
        keep_freed_memory()
    # Before layers are compiled; a recomputed layer goes around compiled code, not into it.
    refusals = use_fp8(model) if config.precision == "fp8" else {}
    lowered = choose_precision(config.precision, device)
    optimizer = ModelOptimizer(
        model,
        config.optimizer,
        step_tokens=config.batch_sequences * sizes.context,
        product_dtype=lowered,
    )
    step = TrainingStep(config, model, optimizer, batches, device, product_dtype=lowered)
    step.recomputed = _recomputed_layers(config, model, step)
    if config.compile != "off":
        compile_layers(model, config.compile)
    for index in step.recomputed:
        recompute(model.layers[index])
    return Assembled(
        model=model,
        optimizer=optimizer,
        step=step,
        kernels=kernels_in_use() if device.type == "cpu" else "torch's own operators",
        precision="fp8" if uses_fp8(model) else "bf16" if lowered else "fp32",
        refusals=refusals,
    )


def events_of(made: Assembled, config: TrainConfig) -> list[tuple[str, str]]:
    """What a journal should say of it: events, each with its detail."""
    words = [made.kernels, f"matrix products in {made.precision}"]
    if config.compile != "off":
        words.append(f"each layer compiled ({config.compile})")
    if made.step.recomputed:
        words.append(f"layers recomputed: {', '.join(map(str, sorted(made.step.recomputed)))}")
    modules: defaultdict[str, list[str]] = defaultdict(list)
    for name, reason in made.refusals.items():
        modules[reason].append(name)
    refused = [("fp8", f"not {', '.join(names)}: {reason}") for reason, names in modules.items()]
    return [("kernels", "; ".join(words)), *refused]


def _recomputed_layers(
    config: TrainConfig, model: Transformer, step: TrainingStep
) -> frozenset[int]:
    if config.activation_gib is None:
        return frozenset()
    held = measure(list(model.layers), step.forward_only)
    return choose_layers(held, step.micro, int(config.activation_gib * GIB))
