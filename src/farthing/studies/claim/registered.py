"""From a claim's settings to the recipes that are registered, and from those to runs with a seed.

A registered recipe is what a plan of the book will hold, but for `train.seed`, which is null until
the nonce is known. Everything else is fixed: names, members, split, and that every checkpoint stays
on the disk, because a verifier may ask for any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farthing.artifacts.claims.entries import RegisteredRun, Target
from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.flow import RunConfig
from farthing.model.shape import Shape, distinct_shapes
from farthing.recipes.loader import load_recipe
from farthing.studies.claim.config import ClaimConfig

_WHOLE = "full"


def method_recipe(config: ClaimConfig) -> RunConfig:
    """The method's recipe as the claim runs it; its seed says nothing yet.

    Raises:
        ConfigError: a wrong recipe, one that starts from a trained model, or members that do not
            fit.
    """
    run = load_recipe(config.method.recipe, config.method.changes, RunConfig)
    _from_random_weights(run, "method")
    shapes = distinct_shapes(run.evaluate.members, run.model)
    return _fixed(run, config, "method", shapes, run.train.steps)


def baseline_recipes(config: ClaimConfig, method: RunConfig) -> tuple[RunConfig, ...]:
    """The baseline's recipe at each length, shortest first, on the method's text.

    Raises:
        ConfigError: a wrong recipe, another corpus or mixture than the method's, or one that
            starts from a trained model.
    """
    other = load_recipe(config.baseline.recipe, config.baseline.changes, RunConfig)
    _from_random_weights(other, "baseline")
    for what, ours, theirs in (
        ("corpus", method.corpus, other.corpus),
        ("train.mixture", method.train.mixture, other.train.mixture),
    ):
        if ours != theirs:
            raise ConfigError(
                f"the baseline {config.baseline.recipe} has another {what} than the method "
                f"{config.method.recipe}: their bits per byte could not be compared",
                remedy=f"give both the same {what}: baseline.changes takes overrides",
            )
    whole = [Shape.full(other.model)]
    return tuple(_fixed(other, config, str(steps), whole, steps) for steps in config.baseline.steps)


def registered_runs(method: RunConfig, baseline: Sequence[RunConfig]) -> tuple[RegisteredRun, ...]:
    """The method first, then the baseline at each length, labelled by its steps."""
    return (
        RegisteredRun(arm="method", label="", recipe=_without_seed(method)),
        *(
            RegisteredRun(arm="baseline", label=str(run.train.steps), recipe=_without_seed(run))
            for run in baseline
        ),
    )


def targets_of(config: ClaimConfig, method: RunConfig) -> tuple[Target, ...]:
    """What each member must reach, by canonical shape.

    Raises:
        ConfigError: a target for a shape that is not among the method's members, or twice for one.
        ShapeError: a shape that cannot be read or does not fit.
    """
    found: dict[str, float] = {}
    for text, bpb in config.targets.items():
        whole = text == _WHOLE
        shape = Shape.full(method.model) if whole else Shape.parse(text, method.model)
        if str(shape) not in method.evaluate.members:
            labels = [
                Shape.parse(m, method.model).label(method.model) for m in method.evaluate.members
            ]
            raise ConfigError(
                f"targets: {text} is no member of the method, so nothing would score it",
                remedy=f"its members are {', '.join(labels)}; evaluate.members registers more",
            )
        if str(shape) in found:
            raise ConfigError(
                f"targets: {text} names a member that has a target already",
                remedy="leave one of the two out",
            )
        if not bpb > 0:
            raise ConfigError(
                f"targets: {text} = {bpb:g} is no number of bits per byte",
                remedy="write a number above 0",
            )
        found[str(shape)] = bpb
    return tuple(Target(shape=shape, bpb=bpb) for shape, bpb in found.items())


def with_seed(recipe: dict[str, Any], seed: int | None) -> dict[str, Any]:
    """A registered recipe as a plan of the book holds it."""
    return {**recipe, "train": {**recipe["train"], "seed": seed}}


def run_of(registered: RegisteredRun, seed: int) -> RunConfig:
    """The recipe of one registered run and seed, checked like one from a file."""
    where = f"the registered recipe of {title(registered)}"
    return parse_config(RunConfig, with_seed(registered.recipe, seed), where=where)


def title(registered: RegisteredRun, seed: int | None = None) -> str:
    """What a person calls it: `method`, `baseline 300, seed 12`."""
    name = f"{registered.arm} {registered.label}".rstrip()
    return name if seed is None else f"{name}, seed {seed}"


def segments_of(run: RunConfig) -> int:
    """Checkpoints that a training without interruption leaves, one at the end of each segment."""
    return -(-run.train.steps // run.train.checkpoint_every)


def _fixed(
    run: RunConfig, config: ClaimConfig, suffix: str, shapes: Sequence[Shape], steps: int
) -> RunConfig:
    data = run.model_dump(mode="json")
    data["name"] = f"{config.name}-{suffix}"
    # At most one checkpoint follows each step, so none is ever dropped.
    data["train"] |= {"steps": steps, "keep_checkpoints": steps}
    data["evaluate"] |= {"members": [str(shape) for shape in shapes], "split": config.split}
    return parse_config(RunConfig, data, where=f"the {suffix} of the claim {config.name}")


def _without_seed(run: RunConfig) -> dict[str, Any]:
    # As `flow.plan.registered_plan` writes it.
    recipe = run.model_dump(mode="json", exclude={"inherit"})
    return with_seed(recipe, None)


def _from_random_weights(run: RunConfig, arm: str) -> None:
    if run.start is not None:
        raise ConfigError(
            f"the {arm}'s recipe {run.name} starts from a trained model: what that one cost would "
            "have to be claimed too",
            remedy="claim a recipe that begins with random weights (start: null)",
        )
