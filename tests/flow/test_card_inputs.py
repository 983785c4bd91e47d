"""A member's card is out of date once what its costs rest on has changed, and not before."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from farthing.artifacts.entries import Extraction, Member, Plan
from farthing.artifacts.expense import Expense, Reading
from farthing.artifacts.settings import (
    CarbonSeries,
    GridFigure,
    Price,
    ReadingsFile,
    WorkspaceSettings,
)
from farthing.artifacts.work import EnergyPart
from farthing.flow.known import card_inputs
from farthing.ledger.rates import book_rates, record_rates
from farthing.stages.extract.card import CardFacts

SUPERNET = SimpleNamespace(digest="supernet")
NOTHING = WorkspaceSettings()
HOURLY = WorkspaceSettings(
    carbon_series=CarbonSeries(file="hours.csv", date=date(2026, 2, 1), source="operator")
)
GRID = """\
sources:
  - {{id: sheet, title: "Sheet", url: "https://example.org", read: 2026-01-31,
     licence: "none stated", kind: maker}}
grids:
  - {{id: "aws:eu-south-9", name: "Shire", year: 2025, basis: location, source: sheet,
     covers: "CO2e, life cycle", parent: FRA, grams_per_kwh: {grams}}}
"""


def priced(usd):
    price = Price(usd_per_device_hour=usd, date=date(2026, 1, 31), source="list")
    return WorkspaceSettings(prices={"spot": price})


@pytest.fixture
def inputs(book, workspace):
    """What decides about the card, as a command finds it that opens the workspace."""

    def inputs(settings=NOTHING, facts=None):
        book_rates(settings, book)
        session = SimpleNamespace(book=book, workspace=workspace, settings=settings)
        return card_inputs(facts or CardFacts(), SUPERNET, session)

    return inputs


@pytest.fixture
def extract(book, meter):
    """Run the extraction that the inputs decide about."""

    def extract():
        with book.start_run("extraction", "n", input_key="x", meter=meter) as run:
            work = run.beat("extract", None, flush=True)
            entry = {"supernet": SUPERNET.digest, "shape": "A", "artifact_digest": "member"}
            book.append(Extraction(run=run.number, work=work, **entry))
            run.end()

    return extract


@pytest.fixture
def family(book, meter):
    """A family of one training, run 0, and then another family, run 1."""

    def family(settings=NOTHING):
        book_rates(settings, book)
        for made in (SUPERNET.digest, "another supernet"):
            body = Plan(
                name=made,
                recipe={},
                recipe_digest=made,
                corpus_digest=None,
                parent=None,
                members=(Member(shape="A", share=1.0),),
            )
            plan = book.append(body).entry.digest
            with book.start_run("training", "n", input_key=made, meter=meter, plan=plan) as run:
                run.end(artifact_kind="x", artifact_digest=made)

    return family


def write_hours(workspace, *grams):
    """A series whose first hour is the one before now."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    rows = "".join(
        f"{(start + timedelta(hours=hour)).isoformat()},{each}\n" for hour, each in enumerate(grams)
    )
    (workspace.root / "hours.csv").write_text("utc_start,grams_per_kwh\n" + rows, "utf-8")


def test_the_extraction_itself_makes_no_card_out_of_date(family, inputs, extract):
    family(priced(1))
    assert inputs(priced(1)) == inputs(priced(1))
    for settings in (priced(1), priced(2)):
        before = inputs(settings)
        extract()
        assert inputs(settings) == before


def test_rows_that_are_added_to_a_series_make_it_out_of_date(family, inputs, workspace):
    write_hours(workspace, 1, 1, 1)
    family(HOURLY)
    before = inputs(HOURLY)
    write_hours(workspace, 1, 1, 1, 900)
    after = inputs(HOURLY)
    assert after != before
    write_hours(workspace, 1, 1, 1)
    assert inputs(HOURLY)["series lost"] != after["series lost"]


def test_rates_that_are_entered_for_runs_that_are_over_make_it_out_of_date(
    family, inputs, extract, book
):
    family(priced(1))
    before = inputs(priced(2))
    extract()
    assert inputs(priced(2)) == before
    record_rates(priced(2), book)
    assert inputs(priced(2)) != before


def test_a_figure_that_the_user_adds_to_the_catalogue_makes_it_out_of_date(
    family, inputs, workspace
):
    grids = workspace.root / "hardware/grids.yaml"
    grids.parent.mkdir(parents=True)
    grids.write_text(GRID.format(grams=50), "utf-8")
    settings = WorkspaceSettings(grid="aws:eu-south-9")
    family(settings)
    before = inputs(settings)
    grids.write_text(GRID.format(grams=60), "utf-8")
    assert inputs(settings) != before


@pytest.mark.parametrize(
    ("body", "touches"),
    [
        pytest.param({"runs": (0,)}, True, id="its run"),
        pytest.param({"runs": (1,)}, False, id="a run of another family"),
    ],
)
@pytest.mark.parametrize("kind", [Reading, Expense])
def test_what_is_entered_by_hand_about_its_runs_makes_it_out_of_date(
    family, inputs, book, kind, body, touches
):
    family()
    before = inputs()
    if kind is Reading:
        joules = dict.fromkeys(("joules", "low_joules", "high_joules"), 3.6e6)
        energy = EnergyPart(covers="rack", method="psu", **joules)
        book.append(Reading(energy=energy, source="meter", **body))
    else:
        day = date(2026, 1, 1)
        book.append(Expense(what="disk", usd=7, basis=None, date=day, source="bill", **body))
    assert (inputs() != before) is touches


def test_licence_place_and_grid_make_it_out_of_date_and_no_setting_that_is_not_on_it(
    family, inputs
):
    family()
    before = inputs()
    assert inputs(facts=CardFacts(licence="mit")) != before
    assert inputs(facts=CardFacts(location="Quebec")) != before
    meter = ReadingsFile(method="psu", file="readings.jsonl", source="meter")
    assert inputs(WorkspaceSettings(readings=meter)) == before
    grid = GridFigure(grams_per_kwh=50, source="supplier")
    assert inputs(WorkspaceSettings(grid_grams_per_kwh=grid)) != before
