"""farthing's side of the comparisons: the one place that knows how its step is put together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from sides import LEARNING_RATE, TrainingSide
from torch import Tensor

from farthing.model.config import ModelConfig
from farthing.model.huggingface import read_config, read_tensors
from farthing.model.initialize import initialize
from farthing.model.transformer import Transformer
from farthing.stages.train.config import OptimizerConfig
from farthing.stages.train.optimizer import ModelOptimizer


class FarthingSide(TrainingSide):
    """A `Transformer` at its full shape, with torch's fused AdamW or farthing's own optimizers."""

    model: Transformer

    def __init__(
        self, precision: str = "fp32", optimizer: str = "adamw", *, memory_kept: bool = True
    ) -> None:
        super().__init__(precision, memory_kept=memory_kept)
        self._kind = optimizer

    def load(self, folder: str) -> None:
        """Take the weights from a folder in the Hugging Face layout."""
        data = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        sizes, vocab, end_of_text = read_config(data, folder)
        model = Transformer(sizes, vocab, end_of_text)
        tensors = load_file(Path(folder) / "model.safetensors")
        model.load_state_dict(read_tensors(tensors, sizes))
        self.model = model.train()

    def make(self, sizes: ModelConfig, vocab: int, seed: int) -> None:
        """Draw weights as farthing's training does."""
        model = Transformer(sizes, vocab, end_of_text=0)
        initialize(model, seed)
        self.model = model.train()

    def take(self, batches: np.ndarray) -> None:
        """The batches, and the optimizer for steps of their size."""
        super().take(batches)
        if self._kind == "own":
            self._own = ModelOptimizer(
                self.model,
                OptimizerConfig(),
                step_tokens=batches.shape[1] * (batches.shape[2] - 1),
                product_dtype=torch.bfloat16 if self.precision == "bf16" else None,
            )
        else:
            self._adamw = torch.optim.AdamW(self.model.parameters(), lr=LEARNING_RATE, fused=True)

    def loss(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """As farthing's training step has it."""
        return self.model.mean_nats(inputs_BT, targets_BT)

    def update(self) -> None:
        """One step of the optimizer asked for."""
        if self._kind == "own":
            self._own.step(1.0, self.steps_taken)
        else:
            self._adamw.step()
            self.model.zero_grad(set_to_none=True)

    def busiest_expert(self) -> float:
        """Load of the busiest expert over the mean, in the worst layer, since the last call."""
        ratios = []
        for block in self.model.sparse_blocks():
            load_E = block.router.load
            ratios.append(float(load_E.max() / load_E.mean()))
            load_E.zero_()
        return max(ratios)
