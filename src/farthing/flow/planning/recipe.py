"""A planned family as a recipe, and what a recipe computes in a mean step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farthing.artifacts.config import parse_config
from farthing.cost.muon import muon_step_flops
from farthing.flow.config import RunConfig
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.predict.sizes import FULL_PROBABILITY, Family, learning_rates
from farthing.stages.plan.sizing import SizedRun, StepFlops
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.elastic_expectation import expected_step_flops
from farthing.stages.train.elastic_schedule import ElasticSchedule
from farthing.text.special_tokens import MIN_VOCAB_SIZE

_SAMPLED_STEPS = 64
_SECONDS_BETWEEN_CHECKPOINTS = 1800
_LEAST_CHECKPOINTS = 4
# As the quick start mixes the embedded sample.
_SAMPLE_MIXTURE = {"en": 0.35, "zh": 0.35, "code": 0.15, "maths": 0.15}


def recipe_of(
    run: SizedRun,
    *,
    name: str,
    sources: Sequence[str] | None,
    micro_sequences: int | None,
) -> dict[str, Any]:
    """A whole recipe as plain YAML data.

    Args:
        run: what is trained for how long.
        name: of the recipe.
        sources: files or folders of text; None for the embedded sample.
        micro_sequences: of one forward pass; None for the whole batch.
    """
    family = run.family
    every = max(1, round(_SECONDS_BETWEEN_CHECKPOINTS / run.step_seconds.value))
    train: dict[str, Any] = {
        "steps": run.steps,
        "batch_sequences": run.batch_sequences,
        "mixture": dict(_SAMPLE_MIXTURE) if sources is None else None,
        "optimizer": learning_rates(family.model.hidden_dim),
        "checkpoint_every": max(1, min(every, run.steps // _LEAST_CHECKPOINTS)),
    }
    if (micro := _dividing(micro_sequences, run.batch_sequences)) is not None:
        train["micro_sequences"] = micro
    if len(family.members) > 1:
        train["elastic"] = _elastic(family)
    return {
        "name": name,
        "corpus": {
            "sources": None if sources is None else list(sources),
            "tokenizer": "bpe",
            "vocab_size": family.vocabulary,
        },
        "model": _said(family.model),
        "train": train,
        "evaluate": {"split": "dev", "members": list(family.members)},
    }


def family_in(run: RunConfig) -> Family:
    """The supernet and members of a recipe."""
    members = [shape.typed(run.model) for shape in _shapes(run)]
    vocabulary = run.corpus.vocab_size if run.corpus.tokenizer == "bpe" else MIN_VOCAB_SIZE
    return Family(run.model, vocabulary, tuple(members))


def train_config(family: Family, steps: int, batch_sequences: int) -> TrainConfig:
    """The training settings that matter for what a step computes."""
    elastic = _elastic(family) if len(family.members) > 1 else None
    return TrainConfig(
        steps=steps,
        batch_sequences=batch_sequences,
        elastic=parse_config(ElasticConfig, elastic, where="plan") if elastic else None,
    )


def step_flops(train: TrainConfig, model: ModelConfig, vocab_size: int) -> StepFlops:
    """FLOPs of a mean step: its passes, its teaching, and the optimizer's products.

    Args:
        train: the run.
        model: the supernet.
        vocab_size: rows of the output matrix.

    Raises:
        ConfigError: the elastic settings do not fit the supernet or the run.
    """
    return StepFlops(
        passes=expected_step_flops(train, model, vocab_size),
        optimizer=_optimizer_flops(train, model, vocab_size),
    )


def _optimizer_flops(train: TrainConfig, model: ModelConfig, vocab_size: int) -> float:
    optimizer, tokens = train.optimizer, train.batch_sequences * model.context
    if optimizer.matrix_optimizer != "muon":
        return 0.0

    def of(shapes: Sequence[Shape]) -> float:
        return muon_step_flops(
            model,
            vocab_size,
            shapes,
            step_tokens=tokens,
            iterations=optimizer.newton_schulz_iterations,
            share=optimizer.newton_schulz_share,
        )

    elastic, full = train.elastic, Shape.full(model)
    if elastic is None:
        return of([full])
    if elastic.sizes and elastic.passes == ("draw",) and not elastic.onset:
        shares = elastic.size_weights or [1.0] * len(elastic.sizes)
        drawn = sum(
            share * of([Shape.parse(size, model)])
            for size, share in zip(elastic.sizes, shares, strict=True)
        ) / sum(shares)
        often = elastic.full_probability or 0.0
        return often * of([full]) + (1 - often) * drawn
    schedule = ElasticSchedule(train, model)
    taken = min(train.steps, _SAMPLED_STEPS)
    plans = [schedule.plan(place * train.steps // taken).shapes for place in range(taken)]
    known = {shapes: of(shapes) for shapes in set(plans)}
    return sum(known[shapes] for shapes in plans) / taken


def _elastic(family: Family) -> dict[str, Any]:
    return {"sizes": list(family.members[1:]), "full_probability": FULL_PROBABILITY}


def _said(model: ModelConfig) -> dict[str, Any]:
    """The sizes that a recipe states: those that have no default, and those that differ from it."""
    plain, usual = model.model_dump(mode="json"), {}
    for name, field in ModelConfig.model_fields.items():
        if field.is_required() or getattr(model, name) != field.default or name in _ALWAYS:
            usual[name] = plain[name]
    return usual


_ALWAYS = frozenset({"num_dense_layers", "num_shared_experts"})


def _dividing(micro: int | None, batch: int) -> int | None:
    """The largest micro-batch up to `micro` that divides the batch; None for all of it."""
    if micro is None or micro >= batch:
        return None
    return next(size for size in range(micro, 0, -1) if batch % size == 0)


def _shapes(run: RunConfig) -> list[Shape]:
    """The supernet, then the other members that the recipe trains, else that it scores."""
    full = Shape.full(run.model)
    elastic = run.train.elastic
    texts = elastic.sizes if elastic is not None and elastic.sizes else run.evaluate.members
    others = dict.fromkeys(Shape.parse(text, run.model) for text in texts)
    return [full, *(shape for shape in others if shape != full)]
