"""Whether elastic settings fit a supernet and a run, and what they mean for both."""

from __future__ import annotations

from farthing.errors import ConfigError, ShapeError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape, skippable_layers
from farthing.stages.train.config import ScheduleConfig
from farthing.stages.train.elastic_config import ElasticConfig

# Shares of steps are decimal fractions: 0.29 x 100 is a little less than 29.
_ROUNDING = 1e-9


def check_elastic(elastic: ElasticConfig, model: ModelConfig) -> None:
    """Compare the sizes of the settings with the supernet's.

    Raises:
        ConfigError: naming the setting and the value that does not fit.
    """
    fewest_layers = model.num_layers - len(skippable_layers(model))
    limits = (
        ("depths", elastic.depths, fewest_layers, model.num_layers),
        ("expert_counts", elastic.expert_counts, 1, model.num_experts),
        ("top_ks", elastic.top_ks, 1, model.top_k),
    )
    for name, sizes, low, high in limits:
        for size in sizes:
            if not low <= size <= high:
                raise ConfigError(
                    f"train.elastic.{name}: {size} does not fit the supernet",
                    remedy=f"choose sizes from {low} to {high}",
                )
            if size == high and elastic.full_probability is not None:
                raise ConfigError(
                    f"train.elastic.{name}: {size} is the full size, but "
                    f"train.elastic.full_probability {elastic.full_probability} decides how often "
                    "a step is full",
                    remedy="leave the full size out of the list, or set full_probability to null",
                )
    for text in elastic.sizes:
        try:
            shape = Shape.parse(text, model)
        except ShapeError as error:
            raise ConfigError(
                f"train.elastic.sizes: {text} does not fit the supernet: {error.what}",
                remedy=error.remedy,
            ) from error
        if shape == Shape.full(model):
            raise ConfigError(
                f"train.elastic.sizes: {text} is the full size",
                remedy="leave it out: train.elastic.full_probability decides how often a step is "
                "full",
            )
    sparse = model.num_layers - model.first_sparse_layer
    if elastic.restricted_layers is not None and elastic.restricted_layers > sparse:
        raise ConfigError(
            f"train.elastic.restricted_layers: {elastic.restricted_layers} of {sparse} sparse "
            "layers cannot be restricted",
            remedy=f"choose 1 to {sparse}" if sparse else "set it to null: no layer has experts",
        )


def first_elastic_step(elastic: ElasticConfig, steps: int, schedule: ScheduleConfig) -> int:
    """The first step that may train less than the full shape.

    Args:
        elastic: the settings.
        steps: of the run.
        schedule: of the learning rate.

    Raises:
        ConfigError: onset `decay` of a learning rate that does not fall.
    """
    if elastic.onset != "decay":
        return int(elastic.onset * steps + _ROUNDING)
    # `rate_share` falls from here on.
    falling = int(schedule.decay_share * steps)
    if falling < 1:
        raise ConfigError(
            f"train.elastic.onset: decay, but with train.schedule.decay_share "
            f"{schedule.decay_share} the learning rate falls in none of {steps} steps",
            remedy="raise decay_share, or give the onset as a share of the steps",
        )
    return steps - falling


def numbered_sizes(elastic: ElasticConfig, model: ModelConfig) -> list[tuple[int, int, int]]:
    """Layers, experts and top-k of each of `sizes`, as the supernet has them where none is said."""
    return [
        (size.depth, size.experts or model.num_experts, size.top_k or model.top_k)
        for size in elastic.whole_sizes
    ]


def balance_pairs(elastic: ElasticConfig | None, model: ModelConfig) -> tuple[tuple[int, int], ...]:
    """The (experts that take part, top-k) pairs that training meets, without the full one.

    They are those that get a balancing bias of their own: none where one is shared.
    """
    if elastic is None or elastic.balance == "shared":
        return ()
    if elastic.sizes:
        pairs = {(experts, top_k) for _, experts, top_k in numbered_sizes(elastic, model)}
        if elastic.restricted_layers is not None:
            # The layers that are not restricted keep all experts.
            pairs |= {(model.num_experts, top_k) for _, top_k in pairs}
    else:
        counts = {model.num_experts, *elastic.expert_counts}
        top_ks = {model.top_k, *elastic.top_ks}
        pairs = {(count, min(top_k, count)) for count in counts for top_k in top_ks}
    return tuple(sorted(pairs - {(model.num_experts, model.top_k)}, reverse=True))


def smallest_size(elastic: ElasticConfig, model: ModelConfig) -> tuple[int, int, int]:
    """Layers, experts and top-k of the pass `smallest`.

    Of `sizes` the one with the fewest visits to experts; without them the smallest of every list.
    """
    if elastic.sizes:
        return min(numbered_sizes(elastic, model), key=lambda size: (size[0] * size[2], *size))
    return (
        min(elastic.depths, default=model.num_layers),
        min(elastic.expert_counts, default=model.num_experts),
        min(elastic.top_ks, default=model.top_k),
    )
