"""What an arm changes in the recipe, and nothing else: every arm is the recipe with a difference.

Seed, text, order of the text, batch, optimizers and rates stay what they are.
"""

from __future__ import annotations

from typing import Any

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.flow import RunConfig
from farthing.model.config import ModelConfig
from farthing.model.cut import cut_config
from farthing.model.shape import Shape
from farthing.recipes.loader import load_recipe, overridden
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.studies.compare.config import BaselineConfig, ComparisonConfig

# How often the arm `mixed` trains fewer experts per token than the recipe's top-k.
_MIXED_PROBABILITY = 0.75


def changed(run: RunConfig, *, name: str, **sections: dict[str, Any]) -> RunConfig:
    """The recipe with other values in some of its sections, checked like a recipe from a file."""
    data = run.model_dump(mode="json")
    for section, values in sections.items():
        data[section] = {**(data[section] or {}), **values}
    data["name"] = f"{run.name}-{name}"
    return parse_config(RunConfig, data, where=f"the arm {name} of {run.name}")


def elastic(run: RunConfig, seed: int, members: tuple[str, ...]) -> RunConfig:
    """The recipe itself, with the members that the comparison is about."""
    return changed(run, name="elastic", train={"seed": seed}, evaluate={"members": members})


def variant(config: ComparisonConfig, name: str, seed: int, members: tuple[str, ...]) -> RunConfig:
    """The recipe with the changes that `compare.variants` names, still of the recipe's steps."""
    data = config.run.model_dump(mode="json")
    for change in config.compare.variants[name]:
        data = overridden(data, change)
    run = parse_config(RunConfig, data, where=f"compare.variants.{name}")
    if run.train.elastic is None:
        raise ConfigError(
            f"compare.variants.{name} switches elasticity off: that is the arm plain",
            remedy="leave train.elastic on in every variant",
        )
    fixed = (config.train.steps, config.train.seed)
    rest = run.model_copy(update={"train": config.train})
    if rest != config.run or (run.train.steps, run.train.seed) != fixed:
        raise ConfigError(
            f"compare.variants.{name} changes more than how the model is trained",
            remedy="change settings of train alone, but for its steps and seed, which the "
            "comparison sets; compare another model as a baseline",
        )
    return elastic(run, seed, members)


def plain(run: RunConfig, seed: int, steps: int, *, decays: bool = True) -> RunConfig:
    """The same model, always whole; without the fall of its learning rate if it goes on later."""
    train: dict[str, Any] = {"seed": seed, "steps": steps, "elastic": None}
    if not decays:
        train["schedule"] = run.train.schedule.model_dump(mode="json") | {"decay_share": 0.0}
    return changed(run, name="plain", train=train, evaluate={"members": _whole(run.model)})


def scratch(run: RunConfig, seed: int, steps: int, shape: Shape) -> RunConfig:
    """A model that is as large as one member from the start."""
    sizes = cut_config(run.model, shape)
    return changed(
        run,
        name=f"scratch-{shape.label(run.model)}",
        model=sizes.model_dump(mode="json"),
        train={"seed": seed, "steps": steps, "elastic": None},
        evaluate={"members": _whole(sizes)},
    )


def afterwards(run: RunConfig, *, place: str, shape: str, steps: int, stable: bool) -> RunConfig:
    """A plain run that goes on, cut to `shape`: while its learning rate is whole, or anew."""
    schedule = run.train.schedule.model_dump(mode="json")
    if stable:
        schedule |= {"warmup_share": 0.0, "decay_share": 1.0}
    return changed(
        run,
        name="after",
        train={"steps": steps, "schedule": schedule},
        start={"from": place, "shape": shape, "optimizer": "carried" if stable else "fresh"},
    )


def baseline(run: RunConfig, settings: BaselineConfig, seed: int) -> RunConfig:
    """Somebody else's model on the same text in the same order, with the same batch of tokens.

    Raises:
        ConfigError: it reads another corpus or another mixture than the recipe.
    """
    other = load_recipe(settings.recipe, list(settings.changes), RunConfig)
    for what, ours, theirs in (
        ("corpus", run.corpus, other.corpus),
        ("train.mixture", run.train.mixture, other.train.mixture),
    ):
        if ours != theirs:
            raise ConfigError(
                f"the baseline {settings.recipe} has another {what} than {run.name}: their losses "
                "could not be compared",
                remedy=f"give both recipes the same {what}; compare.baselines takes `changes`",
            )
    return changed(other, name="baseline", train={"seed": seed})


def mixed(run: RunConfig, seed: int, top_ks: tuple[int, ...]) -> RunConfig:
    """Trained on with the full top-k and smaller ones in turn (MoE-PHDS, arXiv 2509.23012)."""
    settings = ElasticConfig(
        depth_probability=0.0,
        experts_probability=0.0,
        top_k_probability=_MIXED_PROBABILITY,
        top_ks=top_ks,
    )
    train = {"seed": seed, "elastic": settings.model_dump(mode="json")}
    return changed(run, name="mixed", train=train)


def _whole(sizes: ModelConfig) -> tuple[str, ...]:
    return (str(Shape.full(sizes)),)
