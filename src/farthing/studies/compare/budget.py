"""How long each arm may train, so that all spend the same FLOPs: planned before anything runs.

FLOPs are those of the model and of the optimizer's products. Every window counts as one document:
what boundaries save, they save in every arm.
"""

from __future__ import annotations

import torch

from farthing.flow import RunConfig
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.elastic_schedule import ElasticSchedule, StepPlan
from farthing.stages.train.optimizer import mean_optimizer_flops
from farthing.stages.train.passes import own_students, plan_flops


def run_flops(run: RunConfig, vocab_size: int) -> float:
    """FLOPs of a whole run, every pass of every step as it will be drawn."""
    schedule = ElasticSchedule(run.train, run.model)
    optimizer = _Optimizer(run, vocab_size)
    costs: dict[StepPlan, float] = {}
    total = 0.0
    for step in range(run.train.steps):
        plan = schedule.plan(step)
        if plan not in costs:
            costs[plan] = _plan_flops(run, vocab_size, plan) + optimizer.flops(plan)
        total += costs[plan]
    return total


def step_flops(run: RunConfig, vocab_size: int, *, teacher: ModelConfig | None = None) -> float:
    """FLOPs of a mean step of the full shape; `teacher`: sizes of a larger model that teaches."""
    plan = StepPlan((Shape.full(run.model),), (0,))
    model = _plan_flops(run, vocab_size, plan, teacher=teacher)
    return model + _Optimizer(run, vocab_size).flops(plan)


def steps_for(
    flops: float, run: RunConfig, vocab_size: int, *, teacher: ModelConfig | None = None
) -> int:
    """Steps of the full shape that `flops` pay for; at least one."""
    return max(1, round(flops / step_flops(run, vocab_size, teacher=teacher)))


def steps_within(flops: float, run: RunConfig, vocab_size: int) -> int:
    """Steps, drawn as they will be, that `flops` pay for; at least one.

    How often a step is small may depend on how many steps there are, so the number is found by
    trying: from that of full steps, twice corrected by what so many steps would cost.
    """
    steps = steps_for(flops, run, vocab_size)
    for _ in range(2):
        train = run.train.model_copy(update={"steps": steps})
        planned = run.model_copy(update={"train": train})
        steps = max(1, round(steps * flops / run_flops(planned, vocab_size)))
    return steps


def _plan_flops(
    run: RunConfig, vocab_size: int, plan: StepPlan, teacher: ModelConfig | None = None
) -> int:
    elastic, tokens = run.train.elastic, run.train.batch_sequences * run.model.context
    share = elastic.distill_weight if elastic else 0.0
    taught = plan.shapes if teacher is not None else own_students(plan, run.model, share)
    return plan_flops(
        run.model,
        vocab_size,
        plan,
        students=len(taught),
        teacher=teacher or run.model,
        tokens=tokens,
        attended_pairs=tokens * (run.model.context + 1) // 2,
    )


class _Optimizer:
    """Its matrix products, for what a step trains."""

    def __init__(self, run: RunConfig, vocab_size: int) -> None:
        with torch.device("meta"):
            self._model = Transformer(run.model, vocab_size, end_of_text=0)
        self._tokens = run.train.batch_sequences * run.model.context
        self._config = run.train.optimizer

    def flops(self, plan: StepPlan) -> float:
        return mean_optimizer_flops(self._model, self._config, self._tokens, plan.shapes)
