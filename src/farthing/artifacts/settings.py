"""`farthing.yaml`: prices, grid and hardware, which only the user knows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from farthing.artifacts.config import Config, parse_config
from farthing.artifacts.dates import IsoDate
from farthing.artifacts.workspace import Workspace
from farthing.artifacts.yaml_reader import read_yaml
from farthing.errors import ConfigError

Basis = Literal["on_demand", "spot", "reserved", "owned"]
BASES: tuple[Basis, ...] = ("on_demand", "spot", "reserved", "owned")

_Source = Annotated[str, Field(min_length=1, description="where the figure comes from, and when")]


class Price(Config):
    """What one device costs while it is held."""

    usd_per_device_hour: float = Field(
        ge=0, description="US dollars per device-hour (on a CPU machine: per hardware thread)"
    )
    date: IsoDate = Field(
        description="the day on which this price held; add the line `date: 2026-01-31` with that "
        "day, beside `source`"
    )
    source: _Source


class GridFigure(Config):
    """A carbon intensity that the user gives."""

    grams_per_kwh: float = Field(ge=0, description="grams of CO2-equivalent per kWh")
    source: _Source


class PueFigure(Config):
    """Energy at the site's meter per energy at the machine's plug."""

    value: float = Field(ge=1, description="power usage effectiveness, at least 1")
    source: _Source


class HardwareFigure(Config):
    """A machine that the catalogue does not know."""

    name: str = Field(min_length=1, description="the processor, as bills name it")
    watts_per_device: float = Field(
        gt=0, description="watts per device under load (on a CPU machine: TDP / hardware threads)"
    )
    source: _Source


class WorkspaceSettings(Config):
    """Everything in `farthing.yaml`."""

    prices: dict[Basis, Price] = Field(
        default_factory=dict,
        description="per basis (on_demand, spot, reserved, owned): usd_per_device_hour, date, "
        "source",
    )
    grid: str | None = Field(
        default=None, description="a grid of the catalogue by country code, such as FRA or SWE"
    )
    grid_grams_per_kwh: GridFigure | None = Field(
        default=None, description="your own carbon intensity: grams_per_kwh, source"
    )
    pue: PueFigure | None = Field(
        default=None, description="power usage effectiveness of the site: value, source"
    )
    hardware: HardwareFigure | None = Field(
        default=None, description="the machine, if the catalogue has no figure for it"
    )

    licence: str | None = Field(
        default=None,
        min_length=1,
        description="licence of the models made here, such as apache-2.0: goes on their cards",
    )

    @model_validator(mode="after")
    def _one_grid(self) -> WorkspaceSettings:
        if self.grid is not None and self.grid_grams_per_kwh is not None:
            raise ValueError("set grid or grid_grams_per_kwh, not both")
        return self


_INTRODUCTION = """\
# farthing.yaml: what only you know about this workspace. Everything here is optional; what is not
# set is printed as unknown in the bill, never guessed.
# Prices, grid and PUE are no part of the book: changing them changes the bill of every run.
# Hardware is: each run enters its watts and joules as it goes. Changing it changes the runs to
# come, and of the past ones those whose energy is unknown.

"""

_PRICES_EXAMPLE = """\
# prices:                       # US dollars per device-hour; on a CPU machine a device is one
#   on_demand:                  # hardware thread. Bases: on_demand, spot, reserved, owned.
#     usd_per_device_hour: 0.01
#     date: 2026-01-31          # the day on which the price held
#     source: "my provider's price list"
"""

_REST = """
# grid: FRA                     # a grid of the catalogue (country code), or your own figure:
# grid_grams_per_kwh:
#   grams_per_kwh: 50
#   source: "my supplier's disclosure for 2025"

# pue:                          # energy at the site's meter per energy at the machine's plug
#   value: 1.3
#   source: "data centre's report for 2025"

# hardware:                     # only if the catalogue does not know the processor
#   name: "my CPU"
#   watts_per_device: 4.0       # TDP divided by the number of hardware threads
#   source: "data sheet"

# licence: apache-2.0           # of the models made here; their cards leave it open otherwise
"""


def load_settings(workspace: Workspace) -> WorkspaceSettings:
    """Read `farthing.yaml`; a missing or empty file sets nothing.

    Raises:
        ConfigError: it cannot be read, is not YAML, or a key or value is wrong.
    """
    path = workspace.settings_file
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return WorkspaceSettings()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", remedy="correct the file, or remove it"
        ) from error
    data = read_yaml(text, where=str(path), remedy="correct the file there, or remove it")
    return parse_config(WorkspaceSettings, {} if data is None else data, where=str(path))


def settings_text(prices: str = _PRICES_EXAMPLE) -> str:
    """A commented `farthing.yaml` that sets `prices`, a block of YAML, or nothing at all."""
    return _INTRODUCTION + prices + _REST
