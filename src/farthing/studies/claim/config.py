"""What a claim is about, as its author writes it down: the YAML file of `farthing claim draft`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from farthing.artifacts.claims.entries import FEWEST_SEEDS, Basis, Split
from farthing.artifacts.config import Config, parse_config
from farthing.artifacts.yaml_reader import read_yaml
from farthing.errors import ConfigError

_SUFFIXES = (".yaml", ".yml")


class MethodConfig(Config):
    """The family whose one run is claimed to be cheaper."""

    recipe: str = Field(description="a recipe's name, or the path of a file of your own")
    changes: tuple[str, ...] = Field(
        default=(), description="overrides of the recipe, as --set takes them"
    )


class BaselineConfig(Config):
    """What somebody else would train instead, at several lengths."""

    name: str = Field(min_length=1, description="what the baseline is called")
    recipe: str = Field(description="a recipe's name, or the path of a file of your own")
    changes: tuple[str, ...] = Field(
        default=(), description="overrides of the recipe, as --set takes them: another size, say"
    )
    steps: tuple[int, ...] = Field(
        min_length=2,
        description="lengths of its runs, shortest first, each with a whole schedule of its own: "
        "what a target costs is read between them",
    )

    @model_validator(mode="after")
    def _lengths_rise(self) -> Self:
        if list(self.steps) != sorted(set(self.steps)) or self.steps[0] < 1:
            raise ValueError("steps: write each length once, the shortest first")
        return self


class TuningConfig(Config):
    """What either side may spend on finding its settings under this claim, and spent before."""

    method_runs: int = Field(
        default=0,
        ge=0,
        description="runs of purpose `tuning` that the book may hold for the method",
    )
    baseline_runs: int = Field(
        default=0, ge=0, description="the same for the baseline; at least as many"
    )
    before: str = Field(
        min_length=1, description="in words, what was tuned before, and where that stands"
    )

    @model_validator(mode="after")
    def _baseline_is_not_starved(self) -> Self:
        if self.baseline_runs < self.method_runs:
            raise ValueError("baseline_runs: give the baseline at least as many as the method")
        return self


class ClaimConfig(Config):
    """A claim before anything has run."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$", description="names the claim and its runs"
    )
    statement: str = Field(min_length=1, description="what is claimed, in words")
    method: MethodConfig = Field(description="what is claimed to be cheaper")
    baseline: BaselineConfig = Field(description="than what")
    targets: dict[str, float] = Field(
        min_length=1,
        description="bits per byte that members must reach, by shape, as 6L-8E-2K, or `full`",
    )
    seeds: int = Field(
        default=FEWEST_SEEDS,
        ge=FEWEST_SEEDS,
        le=100,
        description="every run is made with each of so many; which ones, the nonce decides",
    )
    split: Split = Field(default="dev", description="held-out text that is scored: dev or test")
    basis: Basis = Field(
        default="flops",
        description="in which the ratio is claimed first: flops, device_hours or kwh",
    )
    tuning: TuningConfig = Field(description="what was and will be spent on finding settings")


def read_claim_settings(path: Path) -> ClaimConfig:
    """The settings of a claim from its YAML file.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or has a wrong key or value.
    """
    if path.suffix not in _SUFFIXES:
        raise ConfigError(
            f"{path} does not end in .yaml: the settings of a claim are a YAML file",
            remedy="name that file, as in claims/quickstart/claim.yaml",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", remedy="name a file that exists, saved as UTF-8"
        ) from error
    return parse_config(ClaimConfig, read_yaml(text, where=str(path)), where=str(path))
