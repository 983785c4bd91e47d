"""The runs of the study as recipes, each as long as its share of the elastic run's FLOPs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.flow import RunConfig
from farthing.model.config import ModelConfig
from farthing.model.cut import cut_config
from farthing.model.shape import Shape
from farthing.recipes.loader import overridden
from farthing.studies.compare import variants
from farthing.studies.compare.budget import run_flops, steps_for, steps_within
from farthing.studies.headstart.config import GrowthConfig

# Any place: only the sizes of the run count before there is a model.
_SOMEWHERE = "."


def elastic(run: RunConfig, seed: int) -> RunConfig:
    """The recipe itself."""
    return variants.changed(run, name="elastic", train={"seed": seed})


def budget(run: RunConfig, vocab_size: int) -> float:
    """FLOPs of the elastic run, of which every length is a share; those of the first seed's draws.

    One for all seeds, so that runs of one length have the same number of steps with each.
    """
    return run_flops(elastic(run, 0), vocab_size)


def scratch(run: RunConfig, seed: int, flops: float, shape: Shape, vocab_size: int) -> RunConfig:
    """A member's size from random weights."""
    one = variants.scratch(run, seed, 1, shape)
    steps = steps_for(flops, one, vocab_size)
    return variants.scratch(run, seed, steps, shape)


def continued(
    run: RunConfig,
    changes: Sequence[str],
    *,
    seed: int,
    flops: float,
    shape: Shape,
    vocab_size: int,
    place: str = _SOMEWHERE,
) -> RunConfig:
    """A member cut out of the elastic run at `place`, trained on alone.

    Raises:
        ConfigError: `changes` touch more than how it is trained and begun.
    """
    plain = variants.scratch(run, seed, 1, shape)
    start = {"from": place, "shape": str(shape)}
    first = _start_changed(plain, start, changes, where=f"a way to train on {run.name}")
    teacher = run.model if first.start is not None and first.start.distill is not None else None
    steps = steps_for(flops, first, vocab_size, teacher=teacher)
    return variants.changed(first, name="continued", train={"steps": steps})


def grown(
    run: RunConfig,
    growth: GrowthConfig,
    *,
    seed: int,
    flops: float,
    vocab_size: int,
    place: str = _SOMEWHERE,
) -> RunConfig:
    """The elastic recipe, begun with a smaller model at `place`."""
    small = grown_from(run.model, growth)
    start = {
        "from": place,
        "grow": {
            "layers": "stack" if small.num_layers < run.model.num_layers else "none",
            "experts": "copy" if small.num_experts < run.model.num_experts else "none",
        },
    }
    first = _start_changed(
        elastic(run, seed), start, growth.changes, where=f"growing into {run.name}"
    )
    steps = steps_within(flops, first, vocab_size)
    return variants.changed(first, name="grown", train={"steps": steps})


def parent(
    run: RunConfig, growth: GrowthConfig, *, seed: int, flops: float, vocab_size: int
) -> RunConfig:
    """The smaller model that a supernet grows from, always whole."""
    shape = Shape.parse(growth.member, run.model)
    small = scratch(run, seed, flops, shape, vocab_size)
    if growth.parent_decays:
        return small
    schedule = run.train.schedule.model_dump(mode="json") | {"decay_share": 0.0}
    return variants.changed(small, name="stable", train={"schedule": schedule})


def grown_from(sizes: ModelConfig, growth: GrowthConfig) -> ModelConfig:
    """Sizes of the smaller model.

    Raises:
        ConfigError: it is as large as the supernet.
    """
    small = cut_config(sizes, Shape.parse(growth.member, sizes))
    if (small.num_layers, small.num_experts) == (sizes.num_layers, sizes.num_experts):
        raise ConfigError(
            f"headstart.grow: {growth.member} has all layers and experts of the supernet",
            remedy="name a member with fewer layers or fewer experts",
        )
    return small


def _start_changed(
    run: RunConfig, start: dict[str, Any], changes: Sequence[str], *, where: str
) -> RunConfig:
    """`run` with a start, then with `changes` of `train` and `start`."""
    data = run.model_dump(mode="json") | {"start": start}
    for change in changes:
        data = overridden(data, change)
    made = parse_config(RunConfig, data, where=where)
    fixed = (run.train.steps, run.train.seed, start["from"], start.get("shape"))
    assert made.start is not None
    held = (made.train.steps, made.train.seed, made.start.from_, made.start.shape)
    if made.model_copy(update={"train": run.train, "start": None}) != run or held != fixed:
        raise ConfigError(
            f"{where}: {', '.join(changes)} changes more than how the model is trained and begun",
            remedy="change settings of train and start alone, but for steps, seed, source and "
            "shape, which the study sets",
        )
    return made
