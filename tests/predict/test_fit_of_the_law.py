"""Fitting the scaling law: on losses made by a known law, and on those that ship."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from farthing.errors import PlanError
from farthing.predict.curve import NAMES, curve, models_of
from farthing.predict.fit import fit_law, leave_one_out
from farthing.predict.law import shipped_law
from farthing.predict.points import shipped_points


def test_the_shipped_coefficients_are_what_the_shipped_points_give():
    rows, spread = fit_law(shipped_points(), replicates=2)
    shipped = shipped_law()
    assert rows == pytest.approx(shipped.rows[:3], rel=1e-4)
    assert spread == pytest.approx(shipped.spread, abs=1e-4)


def test_losses_of_a_known_law_are_found_again():
    truth = shipped_law().rows[:1].copy()
    truth[0, NAMES.index("level")] *= 0.8
    truth[0, NAMES.index("size_power")] = 0.6
    losses = curve(truth, models_of(shipped_points()))[0]
    points = [replace(p, bpb=float(y)) for p, y in zip(shipped_points(), losses, strict=True)]
    rows, spread = fit_law(points, replicates=0)
    again = curve(rows, models_of(points))[0]
    assert np.abs(again / losses - 1).max() < 0.004
    assert rows[0, NAMES.index("size_power")] == pytest.approx(0.6, abs=0.05)
    assert spread < 0.01


def test_each_recipe_is_predicted_from_the_others_within_two_per_cent():
    found = leave_one_out(shipped_points())
    assert [left.recipe for left in found] == ["compare-0.3m", "compare-1m", "compare-sample"]
    for left in found:
        errors = [abs(error) for error in left.errors]
        assert statistics.median(errors) < 0.01
        assert max(errors) < 0.02


def test_the_page_shows_the_errors_of_the_law_as_it_ships():
    page = Path(__file__).parents[2] / "docs" / "results" / "planner_law.json"
    title = "The scaling law on recipes that it has not seen"
    shown = {each["title"]: each for each in json.loads(page.read_text(encoding="utf-8"))}[title]
    place = shown["columns"].index("median error")
    for left, row in zip(leave_one_out(shipped_points()), shown["rows"], strict=True):
        median = statistics.median(100 * abs(error) for error in left.errors)
        assert (row[0], row[place]) == (left.recipe, f"{median:.2f} %")


def test_leaving_a_recipe_out_does_not_look_at_its_losses():
    spoilt = [
        replace(p, bpb=p.bpb * 1.5) if p.recipe == "compare-1m" else p for p in shipped_points()
    ]

    def predicted(points):
        return {left.recipe: left.predicted for left in leave_one_out(points)}

    honest = predicted(shipped_points())
    assert predicted(spoilt)["compare-1m"] == honest["compare-1m"]
    assert predicted(spoilt)["compare-0.3m"] != honest["compare-0.3m"]


def test_one_recipe_is_no_law():
    one = [point for point in shipped_points() if point.recipe == "compare-1m"]
    with pytest.raises(PlanError, match="1 recipes"):
        fit_law(one)
