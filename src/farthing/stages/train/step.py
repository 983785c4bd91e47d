"""One optimizer step: draw a shape, run its batches forward and backward, update.

Everything a step depends on is its number, the weights, and the optimizer state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from farthing.artifacts.canonical import sha256_hex
from farthing.cost.flops import training_flops
from farthing.model.device import choose_precision
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_schedule import ElasticSchedule
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.stages.train.schedule import rate_share
from farthing.text.batches import Batches


@dataclass(frozen=True)
class StepResult:
    """What one step did.

    Attributes:
        loss: mean nats per token before the update.
        complaint: why the update was not made, or None if it was.
        load_ratio: load of the busiest expert over the mean of those that took part, in the
            worst layer; 1 is even. None without routed experts.
    """

    step: int
    shape: Shape
    loss: float
    complaint: str | None
    grad_norm: float
    rate_share: float
    tokens: int
    flops: int
    optimizer_flops: int
    batch_digest: str
    load_ratio: float | None


class TrainingStep:
    """Runs steps of one run on one device."""

    def __init__(
        self,
        config: TrainConfig,
        model: Transformer,
        optimizer: ModelOptimizer,
        batches: Batches,
        device: torch.device,
    ) -> None:
        self._config = config
        self._model = model
        self._optimizer = optimizer
        self._batches = batches
        self._device = device
        self._autocast_dtype = choose_precision(config.precision, device)
        self._elastic = ElasticSchedule(config.elastic, model.config, config.seed)
        self._micro = config.micro_sequences or config.batch_sequences

    def run(self, step: int, guard: LossGuard) -> StepResult:
        """Take step number `step`; the update is left out if `guard` complains."""
        config, model = self._config, self._model
        shape = self._elastic.draw(step)
        loss, pairs, digests = self._forward_backward(step, shape)
        complaint = guard.complaint(loss)
        grad_norm = float(
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=config.clip_norm)
        )
        if complaint is None and not torch.isfinite(torch.tensor(grad_norm)):
            complaint = f"the gradient norm is {grad_norm}"
        share = rate_share(step, config.steps, config.schedule)
        load_ratio = self._load_ratio()
        if complaint is None:
            self._optimizer.step(share, step)
            for block in model.sparse_blocks():
                block.router.end_step(config.balance_rate)
        tokens = config.batch_sequences * model.config.context
        return StepResult(
            step=step,
            shape=shape,
            loss=loss,
            complaint=complaint,
            grad_norm=grad_norm,
            rate_share=share,
            tokens=tokens,
            flops=training_flops(
                model.config, model.vocab_size, shape, tokens=tokens, attended_pairs=pairs
            ),
            optimizer_flops=self._optimizer.muon.flops if complaint is None else 0,
            batch_digest=sha256_hex("".join(digests).encode()),
            load_ratio=load_ratio,
        )

    def sequences(self, step: int) -> tuple[int, int]:
        """First sequence of a step's batch, and how many there are."""
        return step * self._config.batch_sequences, self._config.batch_sequences

    def _forward_backward(self, step: int, shape: Shape) -> tuple[float, int, list[str]]:
        first, count = self.sequences(step)
        parts = count // self._micro
        total = torch.zeros((), dtype=torch.float64)
        pairs, digests = 0, []
        for part in range(parts):
            batch = self._batches.batch(first + part * self._micro, self._micro)
            tokens_BW = torch.from_numpy(batch.tokens).to(self._device)
            with torch.autocast(
                self._device.type,
                dtype=self._autocast_dtype,
                enabled=self._autocast_dtype is not None,
            ):
                loss = self._model.mean_nats(tokens_BW[:, :-1], tokens_BW[:, 1:], shape) / parts
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach().cpu().double()
            pairs += batch.attended_pairs
            digests.append(batch.digest)
        return float(total), pairs, digests

    def _load_ratio(self) -> float | None:
        ratios = [
            float(router.load.max() / router.load[router.present].mean())
            for router in (block.router for block in self._model.sparse_blocks())
            if bool(router.present.any())
        ]
        return max(ratios, default=None)
