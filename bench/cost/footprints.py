"""Tables of published energy and carbon beside what farthing's formulas make of the same hours.

    python bench/cost/footprints.py

published_runs.csv has one row per published figure. `boundary` says what an energy or a carbon is
of: the chip (the accelerator's board), the server, or the facility (with cooling and distribution).
`grade` is as in src/farthing/cost/data/published.yaml. Numbers have no licence of their own.

A carbon is recounted from figures that its publisher did not use: rated power from the catalogue,
the site's PUE as the press has it, the grid's yearly figure of another source. Solving a
publisher's own product for its factors would agree with anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tables import Table, markdown

from farthing.hardware.catalogue import find_accelerator, shipped
from farthing.hardware.datafile import read_table
from farthing.ledger.carbon import operational
from farthing.quantity import Quantity, assumed

PUBLISHED = Path(__file__).with_name("published_runs.csv")
COLUMNS = ("model", "device", "figure", "value", "unit", "boundary", "grade", "source", "note")

# Share of the rated power that the boards draw on average, and the bound on the error: 0.9 is an
# assumption here, 0.7 is StarCoder's own, so that row cannot fail.
DRAWN = {
    "Olmo 3 7B": (0.9, 0.15),
    "Olmo 3 32B": (0.9, 0.15),
    "StarCoder": (0.7, 0.10),
}
CARBON_WITHIN = 0.10
# Who computed where: the site and the grid of the catalogue; None where only chips are counted.
PLACES = {
    "LLaMA-": ("meta", "USA"),
    "Llama ": ("meta", "USA"),
    "BLOOM": (None, "FRA"),
}
# Where the one published account with an energy of its own at the site's meter was made.
AT_HOME = "USA"


@dataclass(frozen=True)
class Published:
    """One published figure: value in `unit`, and how far it was checked."""

    model: str
    device: str
    figure: str
    value: float
    unit: str
    boundary: str
    grade: str
    source: str
    note: str


@dataclass(frozen=True)
class CarbonCheck:
    """A published carbon and what other figures make of the same run.

    Attributes:
        published: tonnes, as published.
        counted: tonnes.
        how: from what.
        independent: whether none of the factors is the publisher's own.
    """

    published: Published
    counted: float
    how: str
    independent: bool

    @property
    def error(self) -> float:
        """Counted over published, less one."""
        return self.counted / self.published.value - 1


def published_figures() -> tuple[Published, ...]:
    """Every row of published_runs.csv."""
    return tuple(
        Published(**{**{name: row[name] for name in COLUMNS}, "value": float(row["value"])})
        for _, row in read_table(PUBLISHED, COLUMNS)
    )


def figure_of(model: str, figure: str) -> Published | None:
    """The figure of a model, or None."""
    for row in published_figures():
        if (row.model, row.figure) == (model, figure):
            return row
    return None


def rated_kwh(model: str, share: float = 1.0) -> Quantity:
    """A model's device-hours at a share of its device's rated power, in kWh."""
    hours = figure_of(model, "device_hours")
    assert hours is not None
    watts = find_accelerator(hours.device).figure("tdp_watts").quantity("TDP")
    return assumed(hours.value, "h", hours.source).times(watts, "Wh").scaled(share / 1000, "kWh")


def energy_checks() -> list[tuple[Published, float, float]]:
    """T5: published energy, MWh at the assumed share of the rated power, and the bound."""
    checks = []
    for model, (share, within) in DRAWN.items():
        energy = figure_of(model, "energy")
        assert energy is not None
        checks.append((energy, rated_kwh(model, share).value / 1000, within))
    return checks


def carbon_checks() -> list[CarbonCheck]:
    """T6: every published operational carbon that can be counted again."""
    return [
        check
        for row in published_figures()
        if row.figure == "carbon" and (check := _counted(row)) is not None
    ]


def _counted(row: Published) -> CarbonCheck | None:
    place = next((where for start, where in PLACES.items() if row.model.startswith(start)), None)
    if place is not None:
        return _from_rated_power(row, *place)
    energy, grams = figure_of(row.model, "energy"), figure_of(row.model, "grams_per_kwh")
    if grams is not None:
        return _from_own_factors(row, energy, grams)
    if energy is not None and energy.boundary == row.boundary == "facility":
        kwh = assumed(energy.value * 1000, "kWh", energy.source)
        counted = _tonnes(kwh, shipped().grid(AT_HOME))
        return CarbonCheck(row, counted, f"its energy, grid of {AT_HOME}", True)
    return None


def _from_own_factors(row: Published, energy: Published | None, grams: Published) -> CarbonCheck:
    kwh = energy.value * 1000 if energy is not None else _own_watt_hours(row.model) / 1000
    pue = figure_of(row.model, "pue")
    # An energy at the site's meter has the PUE in it already.
    if pue is not None and (energy is None or energy.boundary != "facility"):
        kwh *= pue.value
    counted = _tonnes(assumed(kwh, "kWh", row.source), assumed(grams.value, "g/kWh", grams.source))
    return CarbonCheck(row, counted, "its own factors", False)


def _own_watt_hours(model: str) -> float:
    hours, watts = figure_of(model, "device_hours"), figure_of(model, "watts_per_device")
    assert hours is not None
    assert watts is not None
    return hours.value * watts.value


def _from_rated_power(row: Published, site: str | None, grid: str) -> CarbonCheck:
    kwh, how = rated_kwh(row.model), "rated power"
    if site is not None:
        pue = shipped().site(site).pue
        assert pue is not None
        kwh = kwh.times(pue.quantity("PUE"), "kWh")
        how += f", PUE {pue.value:g} of {site}"
    return CarbonCheck(row, _tonnes(kwh, shipped().grid(grid)), f"{how}, grid of {grid}", True)


def _tonnes(kwh: Quantity, grams: Quantity) -> float:
    carbon = operational(kwh, grams)
    assert carbon is not None
    return carbon.value / 1000


def energy_table() -> Table:
    """T5: published energy."""
    counted = {row.model: (mwh, within) for row, mwh, within in energy_checks()}
    rows = []
    for row in published_figures():
        hours = figure_of(row.model, "device_hours")
        if row.figure != "energy" or hours is None:
            continue
        rated = rated_kwh(row.model).value / 1000
        cells = ["", ""]
        if row.model in counted:
            mwh, within = counted[row.model]
            error = mwh / row.value - 1
            mark = "" if abs(error) <= within else " **off**"
            cells = [f"{mwh:.1f} ({DRAWN[row.model][0]:g} of it)", f"{100 * error:+.1f} %{mark}"]
        rows.append(
            [
                row.model,
                f"{row.value:g}",
                row.boundary,
                f"{row.value * 1e6 / hours.value:.0f}",
                f"{rated:.1f}",
                *cells,
                row.grade,
                row.note,
            ]
        )
    met = sum(abs(mwh / row.value - 1) <= within for row, mwh, within in energy_checks())
    return Table(
        before=f"MWh of whole trainings, published and at rated power: {met} of {len(counted)} "
        "within their bound (15 %, StarCoder 10 %). Rated power bounds the chip alone: figures of "
        "a server or a facility go above it. Grades and sources of each cell stand in "
        "`bench/cost/published_runs.csv`.",
        columns=[
            "model",
            "published MWh",
            "of the",
            "W per device-hour",
            "at rated power",
            "counted",
            "error",
            "grade",
            "what it is",
        ],
        rows=rows,
        after=[],
    )


def carbon_table() -> Table:
    """T6: published operational carbon."""
    checks = carbon_checks()
    tested = [check for check in checks if check.independent]
    within = sum(abs(check.error) <= CARBON_WITHIN for check in tested)
    return Table(
        before=f"Tonnes of CO2-equivalent, published and counted again: {within} of {len(tested)} "
        "within 10 % with figures for power, site and grid that are not the publisher's. Rated "
        "power is what these cards assume too, so the check is of PUE, grid and arithmetic, not of "
        "a meter. "
        "The others multiply the publisher's own factors and show only that the product is theirs.",
        columns=["model", "published t", "of the", "counted t", "error", "from", "grade"],
        rows=[
            [
                check.published.model,
                f"{check.published.value:g}",
                check.published.boundary,
                f"{check.counted:.1f}",
                f"{100 * check.error:+.1f} %{_mark(check)}",
                check.how,
                check.published.grade,
            ]
            for check in checks
        ],
        after=[],
    )


def _mark(check: CarbonCheck) -> str:
    if not check.independent:
        return " (restated)"
    return "" if abs(check.error) <= CARBON_WITHIN else " **off**"


if __name__ == "__main__":
    for make in (energy_table, carbon_table):
        print(markdown(make()))
