"""What is measured: a recipe's model, optimizers and training step, made as training makes them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from farthing.bench.clock import Lap, lap
from farthing.bench.text import vocabulary
from farthing.errors import DivergedError
from farthing.flow import RunConfig
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.assemble import Assembled, assemble
from farthing.stages.train.elastic_schedule import ElasticSchedule
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.stages.train.step import StepResult
from farthing.text.batches import Batches
from farthing.text.corpus import Corpus


@dataclass(frozen=True)
class Subject:
    """A training step and everything it is made of.

    Attributes:
        run: the recipe.
        made: what trains.
    """

    run: RunConfig
    device: torch.device
    made: Assembled
    schedule: ElasticSchedule
    batches: Batches
    guard: LossGuard

    @property
    def model(self) -> Transformer:
        """The supernet."""
        return self.made.model

    @property
    def optimizer(self) -> ModelOptimizer:
        """Of all its weights."""
        return self.made.optimizer

    @property
    def micro(self) -> int:
        """Sequences of one forward pass."""
        return self.made.step.micro

    @property
    def precision(self) -> str:
        """The measured peak to divide by; of bf16 for products in FP8 too, as is usual."""
        return "fp32" if self.made.step.product_dtype is None else "bf16"

    @property
    def tokens(self) -> int:
        """Of one step."""
        return self.run.train.batch_sequences * self.run.model.context

    def shapes(self, step: int) -> tuple[Shape, ...]:
        """The sub-models that this step trains, one for each of its passes."""
        return self.schedule.plan(step).shapes

    def label(self, step: int) -> str:
        """The short names of those sub-models."""
        return " + ".join(shape.label(self.model.config) for shape in self.shapes(step))

    @property
    def left_out(self) -> str:
        """What no part of a step holds though the step does it; empty where there is nothing."""
        elastic = self.run.train.elastic
        if elastic is None or not elastic.distill_weight:
            return ""
        return "distillation: the teacher's rows and the divergence from them"

    def whole_step(self, step: int) -> tuple[Lap, StepResult]:
        """Take one step, as training does.

        Raises:
            DivergedError: the loss is no number: no time of such a step means anything.
        """
        with lap(self.device) as timed:
            result = self.made.step.run(step, self.guard)
        if result.complaint is not None:
            raise DivergedError(
                f"the measured step broke: {result.complaint}",
                remedy="check the recipe's learning rates and precision",
            )
        return timed, result

    def micro_batch_firsts(self, step: int) -> range:
        """The first sequence of each micro-batch of a step."""
        return self.made.step.micro_batches(step)

    def windows(self, first: int) -> Tensor:
        """Tokens of one micro-batch on the device, (B, W)."""
        return torch.from_numpy(self.batches.batch(first, self.micro).tokens).to(self.device)

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of the forward pass."""
        return self.made.step.autocast()


def make_subject(run: RunConfig, corpus: Corpus, device: torch.device) -> Subject:
    """Build the step of a recipe over a corpus.

    Raises:
        ConfigError, CorpusError: text or sizes that do not fit.
    """
    config, sizes = run.train, run.model
    known = set(corpus.domains)
    # A recipe's own domains are not those of the sample.
    weights = config.mixture if config.mixture and set(config.mixture) <= known else None
    batches = Batches(corpus, context=sizes.context, weights=weights, seed=config.seed)
    return Subject(
        run=run,
        device=device,
        made=assemble(
            config,
            sizes,
            batches,
            device,
            rows=vocabulary(run.corpus, corpus),
            end_of_text=corpus.tokenizer.end_of_text,
        ),
        schedule=ElasticSchedule(config, sizes),
        batches=batches,
        # The same few batches again and again: the loss may do what it likes but break.
        guard=LossGuard(float("inf")),
    )
