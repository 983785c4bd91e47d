"""One optimizer step: draw its shapes, run its batches forward and backward, update.

Everything a step depends on is its number, the weights, and the optimizer state.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from farthing.artifacts.canonical import sha256_hex
from farthing.model.router import Router
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_schedule import ElasticSchedule, StepPlan
from farthing.stages.train.feeding import Feed
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.stages.train.passes import Passes
from farthing.stages.train.recompute import buffers_kept
from farthing.stages.train.schedule import rate_share
from farthing.text.batches import Batches


@dataclass(frozen=True)
class StepResult:
    """What one step did.

    Attributes:
        shapes: of its passes, in the order of `train.elastic.passes`.
        loss: mean nats per token before the update, without what distillation adds: of the first
            pass that `train.elastic.passes` calls `full`; where it calls none so, of all passes.
        complaint: why the update was not made, or None if it was.
        attended_pairs: (query, key) pairs inside the documents of its batch, once for all passes.
        flops: of the model in all passes, forward and backward, and of a teacher's forward pass.
        recomputed_flops: of layers that computed their forward pass twice, beside `flops`.
        load_ratio: load of the busiest expert over the mean of those that took part, in the
            worst layer; 1 is even. None without routed experts. All passes count.
    """

    step: int
    shapes: tuple[Shape, ...]
    loss: float
    complaint: str | None
    grad_norm: float
    rate_share: float
    tokens: int
    attended_pairs: int
    flops: int
    recomputed_flops: int
    optimizer_flops: int
    batch_digest: str
    load_ratio: float | None


class TrainingStep:
    """Runs steps of one run on one device.

    Attributes:
        micro: sequences of one forward pass.
        product_dtype: of the matrix products, or None for that of the weights.
        recomputed: layers that compute their forward pass again in the backward pass.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: Transformer,
        optimizer: ModelOptimizer,
        batches: Batches,
        device: torch.device,
        *,
        product_dtype: torch.dtype | None = None,
    ) -> None:
        self._config = config
        self._model = model
        self._optimizer = optimizer
        self._batches = batches
        self._device = device
        self._elastic = ElasticSchedule(config, model.config)
        self._passes = Passes(config, model, self.autocast)
        self.micro = config.micro_sequences or config.batch_sequences
        self.product_dtype = product_dtype
        self.recomputed: Collection[int] = ()

    def learn_from(self, teacher: Transformer, share: float, temperature: float) -> None:
        """Let another, frozen model teach every pass; arguments as `Passes.learn_from`."""
        self._passes.learn_from(teacher, share, temperature)

    def routers(self) -> dict[str, Router]:
        """Every router that a step asks, by the name of its layer; those of a teacher too."""
        models = {"": self._model}
        if self._passes.teacher is not self._model:
            models["teacher."] = self._passes.teacher
        return {
            f"{prefix}layers.{layer}": block.router
            for prefix, model in models.items()
            for layer, block in enumerate(
                model.sparse_blocks(), start=model.config.first_sparse_layer
            )
        }

    def run(self, step: int, guard: LossGuard, feed: Feed | None = None) -> StepResult:
        """Take step number `step`; the update is left out if `guard` complains.

        Args:
            step: the number.
            guard: of the run.
            feed: gives this step's batches next; None reads them when they are needed.
        """
        config, model = self._config, self._model
        plan = self._elastic.plan(step)
        feed = feed or self.feed(range(step, step + 1), ahead=0)
        losses, pairs, digests = self._forward_backward(step, plan, feed)
        norm = self.clip()
        routers = [block.router for block in model.sparse_blocks()]
        loss, grad_norm, load_ratio = _read(losses, norm, routers)
        complaint = guard.complaint(loss)
        if complaint is None and not math.isfinite(grad_norm):
            complaint = f"the gradient norm is {grad_norm}"
        if complaint is None:
            self.update(step)
        tokens = config.batch_sequences * model.config.context
        return StepResult(
            step=step,
            shapes=plan.shapes,
            loss=loss,
            complaint=complaint,
            grad_norm=grad_norm,
            rate_share=rate_share(step, config.steps, config.schedule),
            tokens=tokens,
            attended_pairs=pairs,
            flops=self._passes.flops(plan, tokens=tokens, attended_pairs=pairs),
            recomputed_flops=self._passes.recomputed_flops(
                plan, self.recomputed, tokens=tokens, attended_pairs=pairs
            ),
            optimizer_flops=self._optimizer.muon.flops if complaint is None else 0,
            batch_digest=sha256_hex("".join(digests).encode()),
            load_ratio=load_ratio,
        )

    def clip(self) -> Tensor:
        """Shorten the gradient to the norm that is allowed; the norm that it had."""
        norm = self._config.clip_norm
        return torch.nn.utils.clip_grad_norm_(self._model.parameters(), max_norm=norm)

    def update(self, step: int) -> None:
        """Move weights and router biases by the gradients that are there, and drop those."""
        config = self._config
        self._optimizer.step(rate_share(step, config.steps, config.schedule), step)
        for block in self._model.sparse_blocks():
            block.router.end_step(config.balance_rate)

    def sequences(self, step: int) -> range:
        """The sequences of a step's batch."""
        count = self._config.batch_sequences
        return range(step * count, (step + 1) * count)

    def micro_batches(self, step: int) -> range:
        """The first sequence of each micro-batch of a step."""
        return self.sequences(step)[:: self.micro]

    def feed(self, steps: range, *, ahead: int | None = None) -> Feed:
        """The batches of some steps in their order, for `run`; close it in the end.

        Args:
            steps: their numbers.
            ahead: as `Feed` takes it.
        """
        places = ((first, self.micro) for step in steps for first in self.micro_batches(step))
        return Feed(self._batches.batch, places, self._device, ahead=ahead)

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of the forward pass."""
        return torch.autocast(
            self._device.type, dtype=self.product_dtype, enabled=self.product_dtype is not None
        )

    def forward_only(self, sequences: int) -> Tensor:
        """The loss of the full shape on the run's first `sequences` sequences; routers count."""
        tokens_BW = torch.from_numpy(self._batches.batch(0, sequences).tokens).to(self._device)
        with self.autocast():
            return self._model.mean_nats(tokens_BW[:, :-1], tokens_BW[:, 1:])

    def rehearse(self) -> None:
        """Forward and backward of one micro-batch, uncompiled; it leaves nothing behind."""
        compiled = self._config.compile != "off"
        plain = torch.compiler.set_stance("force_eager") if compiled else nullcontext()
        with plain, buffers_kept(self._model):
            self.forward_only(self.micro).backward()  # type: ignore[no-untyped-call]
        self._model.zero_grad(set_to_none=True)

    def _forward_backward(
        self, step: int, plan: StepPlan, feed: Feed
    ) -> tuple[list[Tensor], int, list[str]]:
        losses: list[Tensor] = []
        pairs, digests = 0, []
        firsts = self.micro_batches(step)
        for first in firsts:
            batch = feed.next(first, self.micro)
            losses += self._passes.run(batch.tokens, plan, len(firsts))
            pairs += batch.attended_pairs
            digests.append(batch.digest)
        return losses, pairs, digests


def _read(
    losses: list[Tensor], norm: Tensor, routers: list[Router]
) -> tuple[float, float, float | None]:
    """Loss, gradient norm and load ratio: all that the host must know, waiting once.

    Args:
        losses: of micro-batches and passes, each its share of the step's.
        norm: of the gradient.
        routers: of all layers; those that had no part in the step are left out.
    """
    figures = [torch.stack(losses), norm[None]]
    if routers:
        load_LE = torch.stack([router.load for router in routers])
        present_LE = torch.stack([router.present for router in routers])
        # Absent experts have no load; a layer that has none at all gives no number.
        figures.append(load_LE.amax(1) * present_LE.sum(1) / load_LE.sum(1))
    read = torch.cat(figures).tolist()
    count = len(losses)
    ratios = [ratio for ratio in read[count + 1 :] if not math.isnan(ratio)]
    return math.fsum(read[:count]), read[count], max(ratios, default=None)
