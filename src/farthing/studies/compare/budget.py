"""How long each arm may train, so that all spend the same FLOPs: planned before anything runs."""

from __future__ import annotations

from farthing.cost.flops import TRAINING_PASSES, training_flops
from farthing.flow import RunConfig
from farthing.model.shape import Shape
from farthing.stages.train.elastic_schedule import ElasticSchedule


def step_flops(run: RunConfig, vocab_size: int, shape: Shape) -> int:
    """FLOPs of one pass, forward and backward, of `shape` over a step's batch.

    Every window counts as one document: what boundaries save, they save in every arm.
    """
    tokens = run.train.batch_sequences * run.model.context
    pairs = tokens * (run.model.context + 1) // 2
    return training_flops(run.model, vocab_size, shape, tokens=tokens, attended_pairs=pairs)


def run_flops(run: RunConfig, vocab_size: int) -> float:
    """FLOPs of a whole run, every pass of every step as it will be drawn."""
    schedule = ElasticSchedule(run.train, run.model)
    full = Shape.full(run.model)
    costs: dict[Shape, int] = {}
    total = 0.0
    for step in range(run.train.steps):
        shapes = schedule.plan(step).shapes
        for shape in shapes:
            if shape not in costs:
                costs[shape] = step_flops(run, vocab_size, shape)
            total += costs[shape]
        total += _teacher_flops(run, vocab_size, shapes, full)
    return total


def steps_for(flops: float, run: RunConfig, vocab_size: int) -> int:
    """Steps of the full shape that `flops` pay for; at least one."""
    return max(1, round(flops / step_flops(run, vocab_size, Shape.full(run.model))))


def _teacher_flops(
    run: RunConfig, vocab_size: int, shapes: tuple[Shape, ...], full: Shape
) -> float:
    """Of the forward pass that a distilling step adds where none of its passes is full."""
    elastic = run.train.elastic
    if elastic is None or not elastic.distill_weight or full in shapes:
        return 0.0
    return step_flops(run, vocab_size, full) / TRAINING_PASSES
