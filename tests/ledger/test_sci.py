"""Software Carbon Intensity of a training, by hand, with the boundary that it holds for."""

from __future__ import annotations

import pytest

from farthing.ledger.sci import Boundary, boundary_of, sci
from farthing.quantity import Provenance, Quantity, assumed, measured

BOUNDARY = Boundary(("training (1 run)",), ("everything else",))


def _kilograms(value: float, low: float, high: float) -> Quantity:
    return Quantity(
        value=value, unit="kg", provenance=Provenance.ESTIMATED, source="kg", low=low, high=high
    )


def test_grams_per_token_are_both_carbons_over_the_tokens():
    found = sci(
        _kilograms(3.0, 2.0, 4.0),
        _kilograms(1.0, 0.5, 2.0),
        measured(2000.0, "tokens", "counted"),
        per="token",
        counted="gross",
        boundary=BOUNDARY,
    )
    # (3 + 1) kg over 2000 tokens; at least 2.5 kg, at most 6 kg.
    assert found.intensity.value == pytest.approx(2.0)
    assert (found.intensity.low, found.intensity.high) == pytest.approx((1.25, 3.0))
    assert found.intensity.unit == "g/token"
    assert found.intensity.provenance == Provenance.ESTIMATED
    assert found.line() == "~2 (1.2 to 3) g CO2e per token (gross)"
    said = found.to_json()
    assert (said["per"], said["counted"], said["included"]) == (
        "token",
        "gross",
        ["training (1 run)"],
    )


@pytest.mark.parametrize(
    ("operational", "made", "units"),
    [
        (None, 1.0, 1.0),
        (1.0, None, 1.0),
        (1.0, 1.0, None),
        (1.0, 1.0, 0.0),
    ],
    ids=["no-operational", "no-embodied", "no-units", "nothing-counted"],
)
def test_without_one_of_its_parts_there_is_no_such_figure(operational, made, units):
    given = [
        None if value is None else assumed(value, unit, "x")
        for value, unit in ((operational, "kg"), (made, "kg"), (units, "tokens"))
    ]
    assert sci(*given, per="token", counted="gross", boundary=BOUNDARY) is None


def test_carbon_in_another_unit_is_refused():
    grams, units = assumed(1.0, "g", "x"), assumed(1.0, "tokens", "x")
    with pytest.raises(ValueError, match="kg"):
        sci(grams, grams, units, per="token", counted="gross", boundary=BOUNDARY)


def test_the_boundary_names_what_is_in_with_failed_runs_and_what_is_not():
    runs = [
        ("curation", "completed"),
        ("training", "failed"),
        ("training", "completed"),
        ("training", "open"),
        ("tuning", "completed"),
        ("ablation", "aborted"),
    ]
    found = boundary_of(runs)
    assert found.included == (
        "collecting and preparing data (1 run)",
        "training (3 runs, 2 of them failed, stopped or open)",
        "searches, tuning, ablations and baselines (2 runs, 1 of them failed, stopped or open)",
    )
    assert "synthetic data: no run of it here" in found.excluded
    assert "evaluation: no run of it here" in found.excluded
    assert any("offsets" in line for line in found.excluded)
    assert found.sentence().startswith("In: collecting and preparing data (1 run); training")


def test_serving_is_out_unless_a_run_of_it_is_there():
    assert any("consumer" in line for line in boundary_of([]).excluded)
    served = boundary_of([("serving", "completed")])
    assert any("consumer" in line for line in served.included)
    assert boundary_of([]).sentence().startswith("In: nothing. Out:")
