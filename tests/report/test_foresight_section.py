"""The page's section on what was foreseen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farthing.artifacts.forecast import Forecast, Foreseen
from farthing.ledger.foresight import Compared
from farthing.report.page import render
from farthing.report.sections.foresight import foresight_section


def _foreseen(what, of, value, low, high):
    return Foreseen(what=what, of=of, value=value, low=low, high=high, source="<a law>")


@pytest.fixture
def foretold(facts):
    member = facts.scores.members[0]
    figures = (
        _foreseen("seconds", "training", 240.0, 200.0, 300.0),
        _foreseen("usd", "everything", 0.5, 0.4, 0.6),
        _foreseen("bits_per_byte", member.shape, 2.0, 1.9, 2.1),
    )
    forecast = Forecast(
        name="n",
        recipe_digest="d",
        basis="spot",
        figures=figures,
        not_foreseen={"kwh, training": "nobody knows the power of <this> machine"},
    )
    found = (300.0, None, 2.5)
    compared = tuple(Compared(*pair) for pair in zip(figures, found, strict=True))
    return replace(facts, forecast=forecast, compared=compared)


def test_each_figure_stands_beside_what_came(foretold):
    section = foresight_section(foretold)
    time, dollars, loss = section.rows
    assert (time.figure, time.foreseen, time.found) == ("time, training", "4.0 min", "5.0 min")
    assert (time.off, time.inside) == ("-20.0 %", "inside")
    assert (dollars.figure, dollars.found, dollars.off) == ("USD, all together", "", "")
    label = foretold.scores.members[0].label
    assert loss.figure == f"bits per byte, {label}"
    assert (loss.extent, loss.inside) == ("1.900 to 2.100", "outside")


def test_the_page_says_it_and_escapes_what_others_wrote(foretold):
    page = render(foretold).decode()
    assert 'id="foresight"' in page
    assert "-20.0 %" in page
    assert "nobody knows the power of &lt;this&gt; machine" in page
    assert "<a law>" not in page


def test_without_a_forecast_the_page_says_how_to_get_one(facts):
    bare = replace(facts, forecast=None, compared=())
    assert foresight_section(bare) is None
    assert "Nothing was foreseen of this run" in render(bare).decode()
