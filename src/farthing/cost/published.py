"""Published models as architectures, with what their makers say of their size and cost.

    for model in published():
        print(model.name, architecture_parameters(model.sizes).total, model.parameters.total)

`data/published.yaml` has the figures, each with its source and how far it was checked.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from farthing.artifacts.config import Config, parse_config
from farthing.cost.architecture import Architecture
from farthing.cost.flops import TRAINING_PASSES, architecture_flops
from farthing.cost.parameters import architecture_parameters
from farthing.cost.training import hardware_flops, training_flops_of
from farthing.errors import UsageError

_DATA = Path(__file__).parent / "data" / "published.yaml"

Grade = Literal["read", "repeated", "derived", "recalled"]


class PublishedFigure(Config):
    """Where a figure comes from."""

    source: str = Field(description="where it stands")
    grade: Grade = Field(description="how far it was checked: the file's first lines say how")


class PublishedParameters(PublishedFigure):
    """How many parameters a model has."""

    total: int = Field(ge=1, description="all of them")
    exact: bool = Field(description="whether every digit counts")
    how: str | None = Field(default=None, description="a derived figure's derivation")
    why_off: str | None = Field(
        default=None, description="why the sizes are known to give another number"
    )


class PublishedFlops(PublishedFigure):
    """What training cost, in somebody's convention.

    - `six_n`: 6 x parameters x tokens, attention's scores left out
    - `model`: every product once forward, twice backward, causal pairs only
    - `main_model`: the same without what predicts further tokens
    - `full_attention`: as `model`, with the pairs that the mask hides inside a window
    - `recomputed`: hardware FLOPs, every layer's forward pass twice
    """

    value: float = Field(gt=0, description="FLOPs")
    of: Literal["run", "token"] = Field(description="the whole run, or one token")
    convention: Literal["six_n", "model", "main_model", "full_attention", "recomputed"] = Field(
        description="what is counted"
    )
    context: int | None = Field(
        default=None, ge=1, description="positions of a sequence; null: the training context"
    )
    excluded: str | None = Field(
        default=None, description="why it is not compared; null where it is"
    )


class PublishedCache(PublishedFigure):
    """What decoding keeps."""

    bytes_per_token: int = Field(ge=1, description="of keys and values in bfloat16, per position")


class PublishedSizes(Config):
    """A model whose architecture is public."""

    name: str = Field(description="what it is called")
    also: tuple[str, ...] = Field(
        default=(), description="shorter names, of a series that of its largest model"
    )
    sizes: Architecture = Field(description="its architecture")
    note: str | None = Field(default=None, description="what a reader should know")
    parameters: PublishedParameters | None = Field(
        default=None, description="how many it has; null where that was not read"
    )


class PublishedModel(PublishedSizes):
    """One whose tokens are public too."""

    tokens: int = Field(ge=1, description="that it was trained on")
    flops: tuple[PublishedFlops, ...] = Field(default=(), description="published FLOPs")
    cache: PublishedCache | None = Field(default=None, description="published cache size")


class _PublishedFile(Config):
    architectures: tuple[PublishedModel, ...] = Field(description="those that all tables have")
    further: tuple[PublishedModel, ...] = Field(description="more published FLOPs")
    untold: tuple[PublishedSizes, ...] = Field(description="those whose tokens nobody tells")


def published() -> tuple[PublishedModel, ...]:
    """The models whose parameters are checked, in the order of the file."""
    return _read().architectures


def further_published() -> tuple[PublishedModel, ...]:
    """Models that have published FLOPs beside."""
    return _read().further


def published_model(name: str) -> PublishedModel:
    """One of both by its name.

    Raises:
        UsageError: there is none; the names that there are.
    """
    models = {model.name: model for model in (*published(), *further_published())}
    if name not in models:
        raise UsageError(
            f"no published model is called {name!r}", remedy=f"choose one of: {', '.join(models)}"
        )
    return models[name]


def find_published(name: str) -> PublishedSizes:
    """A model by its name, a shorter one, or words that only its name has all of: `gpt-3`.

    Raises:
        UsageError: there is none, or several; the names that there are.
    """
    file = _read()
    every: tuple[PublishedSizes, ...] = (*file.architectures, *file.further, *file.untold)
    asked = _words(name)
    exact = [one for one in every if asked in map(_words, (one.name, *one.also))]
    found = exact or [one for one in every if asked and set(asked) <= set(_words(one.name))]
    if len(found) == 1:
        return found[0]
    names = [one.name for one in found or every]
    said = "several published models are" if found else "no published model is"
    raise UsageError(f"{said} called {name!r}", remedy=f"name one of: {'; '.join(names)}")


def recounted(model: PublishedModel, figure: PublishedFlops) -> float:
    """The same FLOPs, counted here from the architecture in the figure's own convention."""
    tokens = model.tokens if figure.of == "run" else 1
    length = figure.context or model.sizes.context
    match figure.convention:
        case "six_n":
            return 6.0 * architecture_parameters(model.sizes).total * tokens
        case "model":
            return training_flops_of(model.sizes, tokens=tokens, length=length)
        case "main_model":
            main = model.sizes.model_copy(update={"extra_predictions": 0})
            return training_flops_of(main, tokens=tokens, length=length)
        case "recomputed":
            return hardware_flops(model.sizes, tokens=tokens, length=length, recomputed="full")
        case "full_attention":
            parts = architecture_flops(
                model.sizes,
                tokens=length,
                pairs=lambda window: length * min(length, window or length),
            )
            return TRAINING_PASSES * sum(parts.values()) * (tokens / length)


@cache
def _read() -> _PublishedFile:
    data = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    return parse_config(_PublishedFile, data, where=_DATA.name)


def _words(name: str) -> tuple[str, ...]:
    """The parts of a name, without what people write differently."""
    return tuple(name.casefold().replace("-", " ").replace("_", " ").replace(",", " ").split())
