"""`farthing.yaml`: prices, grid and hardware, which only the user knows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from farthing.artifacts.config import Config, parse_config
from farthing.artifacts.dates import IsoDate
from farthing.artifacts.inside import InsideName
from farthing.artifacts.prices import AnyPrice, ListedPrice, Ownership, SourceText, Tier
from farthing.artifacts.prices import Price as Price
from farthing.artifacts.workspace import Workspace
from farthing.artifacts.yaml_reader import read_yaml
from farthing.errors import ConfigError

Basis = Literal["on_demand", "spot", "reserved", "owned"]
BASES: tuple[Basis, ...] = ("on_demand", "spot", "reserved", "owned")

_TIERS_OF: dict[Basis, tuple[Tier, ...]] = {
    "on_demand": ("on_demand",),
    "spot": ("spot",),
    "reserved": ("reserved_1y", "reserved_3y"),
    "owned": (),
}


class GridFigure(Config):
    """A carbon intensity that the user gives."""

    grams_per_kwh: float = Field(ge=0, description="grams of CO2-equivalent per kWh")
    source: SourceText


class PueFigure(Config):
    """Energy at the site's meter per energy at the machine's plug."""

    value: float = Field(ge=1, description="power usage effectiveness, at least 1")
    source: SourceText


class CarbonSeries(Config):
    """Carbon intensity hour by hour, in a file of the workspace."""

    file: InsideName = Field(
        description="a table beside farthing.yaml with the columns utc_start and grams_per_kwh",
    )
    date: IsoDate = Field(description="the day on which it was fetched, as 2026-01-31")
    source: SourceText


class WaterFigures(Config):
    """Water of the energy, as the user knows it; what is left out comes from the catalogue."""

    site_litres_per_kwh: float | None = Field(
        default=None, ge=0, description="litres evaporated at the site per kWh of the machines"
    )
    electricity_litres_per_kwh: float | None = Field(
        default=None, ge=0, description="litres used in making a kWh at the site's meter"
    )
    date: IsoDate = Field(description="the day up to which it holds, as 2026-01-31")
    source: SourceText


class EmbodiedFigure(Config):
    """What making one device emitted, and how long it serves."""

    kg_per_device: float = Field(
        ge=0, description="kg of CO2-equivalent per device, its share of the machine included"
    )
    life_years: float = Field(gt=0, description="years in use")
    date: IsoDate = Field(description="the day on which the figure was read, as 2026-01-31")
    source: SourceText


class HardwareFigure(Config):
    """A machine that the catalogue does not know."""

    name: str = Field(min_length=1, description="the processor, as bills name it")
    watts_per_device: float = Field(
        gt=0, description="watts per device under load (on a CPU machine: TDP / hardware threads)"
    )
    host_watts_per_thread: float | None = Field(
        default=None,
        gt=0,
        description="on a machine with accelerators: watts per hardware thread of its processors",
    )
    source: SourceText


class ReadingsFile(Config):
    """A meter of the whole machine, whose readings somebody appends to a file."""

    method: Literal["psu", "cloud"] = Field(
        description="psu (a meter at the plug or in the power supply) or cloud (the provider's)"
    )
    file: str = Field(
        min_length=1,
        description="the file, relative to farthing.yaml: a JSON object a line with time_utc and "
        "watts or joules",
    )
    source: SourceText


class WorkspaceSettings(Config):
    """Everything in `farthing.yaml`."""

    prices: dict[Basis, AnyPrice] = Field(
        default_factory=dict,
        description="per basis (on_demand, spot, reserved, owned): usd_per_device_hour, date and "
        "source, or provider and device of a price list; under owned, what was paid",
    )
    grid: str | None = Field(
        default=None,
        description="a grid of the catalogue: a country (FRA), a US state (US-OR), a Chinese "
        "province (CN-BJ) or a cloud region (aws:us-west-2)",
    )
    grid_grams_per_kwh: GridFigure | None = Field(
        default=None, description="your own carbon intensity: grams_per_kwh, source"
    )
    carbon_series: CarbonSeries | None = Field(
        default=None,
        description="the grid's carbon intensity by the hour: file, date, source; goes before the "
        "one figure of grid or grid_grams_per_kwh",
    )
    location: str | None = Field(
        default=None,
        min_length=1,
        description="where the machines stand, in words, such as Quebec, Canada: goes on model "
        "cards; the grid's name otherwise",
    )
    site: str | None = Field(
        default=None,
        description="a site of the catalogue, such as aws, colocation or on-premises: its PUE and "
        "its water, with their range",
    )
    pue: PueFigure | None = Field(
        default=None,
        description="power usage effectiveness of the site: value, source; goes before that of "
        "site",
    )
    water: WaterFigures | None = Field(
        default=None, description="water of the energy: figures per kWh, date, source"
    )
    electricity_water: str | None = Field(
        default=None,
        description="whose water for making electricity to take from the catalogue, such as olmo3",
    )
    embodied: EmbodiedFigure | None = Field(
        default=None,
        description="carbon of making one device: kg_per_device, life_years, date, source; goes "
        "before the catalogue's",
    )
    hardware: HardwareFigure | None = Field(
        default=None, description="the machine, if the catalogue has no figure for it"
    )
    readings: ReadingsFile | None = Field(
        default=None, description="a meter of the whole machine: method, file, source"
    )

    licence: str | None = Field(
        default=None,
        min_length=1,
        description="licence of the models made here, such as apache-2.0: goes on their cards",
    )

    @model_validator(mode="after")
    def _prices_of_their_basis(self) -> WorkspaceSettings:
        for basis, price in self.prices.items():
            if isinstance(price, Ownership) and basis != "owned":
                raise ValueError(f"prices.{basis} is what was paid: that belongs under owned")
            if isinstance(price, ListedPrice):
                tier_of(basis, price)
        return self

    @model_validator(mode="after")
    def _one_grid(self) -> WorkspaceSettings:
        if self.grid is not None and self.grid_grams_per_kwh is not None:
            raise ValueError("set grid or grid_grams_per_kwh, not both")
        return self

    @model_validator(mode="after")
    def _one_water(self) -> WorkspaceSettings:
        given = self.water.electricity_litres_per_kwh if self.water is not None else None
        if given is not None and self.electricity_water is not None:
            raise ValueError("set electricity_water or water.electricity_litres_per_kwh, not both")
        return self


def tier_of(basis: Basis, price: ListedPrice) -> Tier:
    """The tier of a price list that a basis means.

    Raises:
        ValueError: none, or the price names another one.
    """
    fitting: tuple[Tier, ...] = _TIERS_OF[basis]
    if not fitting:
        raise ValueError(
            f"prices.{basis} names a price list: what is owned has no price there; give "
            "usd_per_device and how it is used, or usd_per_device_hour"
        )
    if price.tier is None and len(fitting) > 1:
        raise ValueError(f"prices.{basis}.tier is missing: {' or '.join(fitting)}")
    if price.tier is not None and price.tier not in fitting:
        raise ValueError(
            f"prices.{basis}.tier is {price.tier}: under {basis} it is {' or '.join(fitting)}"
        )
    return price.tier or fitting[0]


_INTRODUCTION = """\
# farthing.yaml: what only you know about this workspace. Everything here is optional; what is not
# set is printed as unknown in the bill, never guessed.
# What is set goes into the book with the next command that runs something, and prices the runs
# from then on. Setting something for the first time also prices the runs before; changing it does
# not, unless `farthing bill --record` enters it for all of them.

"""

_PRICES_EXAMPLE = """\
# prices:                       # US dollars per device-hour; on a CPU machine a device is one
#   on_demand:                  # hardware thread. Bases: on_demand, spot, reserved, owned.
#     usd_per_device_hour: 0.01
#     date: 2026-01-31          # the day on which the price held
#     source: "my provider's price list"
#   spot:                       # or of a dated list: farthing hardware list --kind prices
#     provider: gcp
#     region: us-central1
#     instance: c4d-highcpu-192
#     device: cpu-thread
#   owned:                      # or what was paid, a number or {value: 60, low: 50, high: 80}
#     usd_per_device: 60        # here a server of 3,840 USD with 64 hardware threads
#     depreciation: straight_line
#     life_years: {value: 5, low: 4, high: 6}
#     interconnect_share: 0     # the network's share of what the cluster costs
#     device_watts: 4
#     server_watts_per_device_watt: 1.6
#     mean_draw_share: 0.7
#     pue: 1.3
#     usd_per_kwh: 0.20
#     used_share: 0.5           # of the time: an idle hour costs as much as any other
#     date: 2026-01-31
#     source: "invoice 17"
"""

_REST = """
# grid: FRA                     # a country, US-OR, CN-BJ, aws:us-west-2, or your own figure:
# grid_grams_per_kwh:
#   grams_per_kwh: 50
#   source: "my supplier's disclosure for 2025"

# carbon_series:                # by the hour: goes before the one figure
#   file: carbon.csv            # columns utc_start,grams_per_kwh; see docs/carbon.md
#   date: 2026-01-31
#   source: "my grid operator"

# location: "Quebec, Canada"    # for model cards; the grid's name otherwise

# site: colocation              # PUE and water of a kind of site: `farthing hardware list`
# pue:                          # energy at the site's meter per energy at the machine's plug
#   value: 1.3
#   source: "data centre's report for 2025"

# water:                        # litres per kWh: evaporated at the site, used for electricity
#   site_litres_per_kwh: 0.3
#   electricity_litres_per_kwh: 1.3
#   date: 2026-01-31
#   source: "my data centre's report"

# embodied:                     # carbon of making one device; on a CPU machine, of one thread
#   kg_per_device: 10
#   life_years: 5
#   date: 2026-01-31
#   source: "maker's report, divided by the hardware threads"

# hardware:                     # only if the catalogue does not know the processor
#   name: "my CPU"
#   watts_per_device: 4.0       # TDP divided by the number of hardware threads
#   source: "data sheet"

# readings:                     # only if something else meters the whole machine, and appends
#   method: psu                 # {"time_utc": "2026-01-31T12:00:00Z", "watts": 412.5} to a file
#   file: readings.jsonl
#   source: "meter at the plug, class 1"

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
