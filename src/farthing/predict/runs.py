"""Published trainings: which model, on which devices, in how many hours.

    for run in published_runs():
        print(run.name, run.device_hours, implied_mfu(run))

`data/published_runs.yaml` has the figures, each with its source and how far it was checked.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import Field

from farthing.artifacts.config import Config, parse_config
from farthing.cost.architecture import Architecture
from farthing.cost.published import PublishedFigure, published_model
from farthing.cost.training import training_flops_of
from farthing.hardware.accelerators import Accelerator
from farthing.hardware.catalogue import find_accelerator
from farthing.hardware.figure import Figure

_DATA = Path(__file__).parent / "data" / "published_runs.yaml"

SECONDS_PER_HOUR = 3600.0


class RunFigure(PublishedFigure):
    """One published figure of a training."""

    value: float = Field(gt=0, description="the figure, in the unit that its key implies")
    how: str | None = Field(default=None, description="how it was derived, or what is in it")


class PublishedRun(Config):
    """One finished training.

    Attributes:
        figures: the published figures by name, with sources and grades.
    """

    model: str = Field(description="its name in cost/data/published.yaml")
    year: int = Field(ge=2018, description="in which it was published")
    device: str = Field(description="its id in the catalogue")
    hours: RunFigure = Field(
        alias="device_hours", description="hours that devices were held, all of them together"
    )
    device_count: RunFigure | None = Field(
        default=None, alias="devices", description="at a time; null where nobody published it"
    )
    speed: RunFigure | None = Field(
        default=None,
        alias="tokens_per_second_per_device",
        description="tokens a second and device while it ran; null where not published",
    )
    mfu: RunFigure | None = Field(
        default=None,
        alias="stated_mfu",
        description="share of the dense bf16 (fp16) peak that its makers state",
    )

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.model

    @property
    def tokens(self) -> int:
        """That it was trained on."""
        return published_model(self.model).tokens

    @property
    def architecture(self) -> Architecture:
        """The sizes of the model."""
        return published_model(self.model).sizes

    @property
    def device_hours(self) -> float:
        """Hours that devices were held, all of them together."""
        return self.hours.value

    @property
    def devices(self) -> int | None:
        """Devices at a time, where that was published."""
        return None if self.device_count is None else int(self.device_count.value)

    @property
    def tokens_per_second_per_device(self) -> float | None:
        """While it ran, where that was published."""
        return None if self.speed is None else self.speed.value

    @property
    def stated_mfu(self) -> float | None:
        """Share of the dense bf16 (fp16) peak while it ran, where that was published."""
        return None if self.mfu is None else self.mfu.value

    @property
    def source(self) -> str:
        """Where its hours stand."""
        return self.hours.source

    @property
    def flops(self) -> float:
        """Model FLOPs of the whole run, counted here."""
        return training_flops_of(self.architecture, tokens=self.tokens)


class _RunsFile(Config):
    runs: tuple[PublishedRun, ...] = Field(description="those that predictions are fitted to")
    further: tuple[PublishedRun, ...] = Field(description="those that they are checked on")


def published_runs() -> tuple[PublishedRun, ...]:
    """The trainings that predictions of speed are fitted to, in the order of the file."""
    return _read().runs


def further_runs() -> tuple[PublishedRun, ...]:
    """Trainings beside them, no part of any fit."""
    return _read().further


def training_peak(device: Accelerator) -> Figure:
    """The dense peak that shares are taken of: of bf16 products, of fp16 where there are none.

    Raises:
        UnknownHardwareError: the catalogue has neither, with the reason.
    """
    return device.peak("fp16" if "bf16" not in device.peaks and "fp16" in device.peaks else "bf16")


def implied_mfu(run: PublishedRun) -> float:
    """Model FLOPs of a run over what its devices could do at their peak in all hours held."""
    peak = training_peak(find_accelerator(run.device)).value
    return run.flops / (peak * SECONDS_PER_HOUR * run.device_hours)


def goodput(run: PublishedRun) -> float | None:
    """Share of the hours held in which tokens came at the published speed; None without one."""
    speed = run.tokens_per_second_per_device
    return run.tokens / (speed * SECONDS_PER_HOUR * run.device_hours) if speed else None


@cache
def _read() -> _RunsFile:
    data = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    return parse_config(_RunsFile, data, where=_DATA.name)
