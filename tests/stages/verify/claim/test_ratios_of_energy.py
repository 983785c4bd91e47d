"""A claim whose energy sensors read: ratios in kWh, counted by hand and again."""

from __future__ import annotations

import pytest


@pytest.fixture
def by_sensor(scripts, synthetic, monkeypatch):
    """The claim made by hand, on a machine with a counter in its processor."""
    numbers, sums = scripts("synthetic_numbers"), scripts("synthetic_sums")
    plain_work, plain_amounts = numbers.work_of, numbers.amounts

    def work_of(seconds, **counts):
        work = plain_work(seconds, **counts)
        # In no proportion to the hours, so that the two ratios differ.
        joules = work["joules"] + 1e-6 * work["flops"]
        return {**work, "energy_method": "rapl", "joules": joules}

    def amounts(parts):
        found = plain_amounts(parts)
        return {**found, "energy_method": "rapl" if parts else "none"}

    for module in (numbers, sums, synthetic):
        for name, value in (("work_of", work_of), ("amounts", amounts)):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(sums, "_BASES", ("flops", "device_hours", "kwh"))
    return synthetic


def test_ratios_of_energy_come_out_again(by_sensor, tmp_path, find):
    story = by_sensor.Story(tmp_path)
    assert find(story.write()) == []
    points = {(each["basis"], each["scope"]): each["point"] for each in story.predicate()["ratio"]}
    assert points["kwh", "training"] != pytest.approx(points["device_hours", "training"], rel=1e-3)
    assert points["kwh", "loaded"] < points["kwh", "training"]


@pytest.mark.usefixtures("by_sensor")
@pytest.mark.parametrize("scope", ["training", "loaded"])
def test_a_better_ratio_of_energy_is_seen(scope, tell, find):
    def better(predicate):
        for each in predicate["ratio"]:
            if (each["basis"], each["scope"]) == ("kwh", scope):
                each["point"] *= 2
        return predicate

    ((level, check, detail),) = find(tell(claim=better))
    assert (level, check) == (1, "ratio")
    assert f"claim.json, ratio, {scope} kwh: point" in detail


@pytest.mark.usefixtures("by_sensor")
def test_ratios_of_energy_that_the_book_has_may_not_be_left_out(tell, find):
    def without(predicate):
        kept = [each for each in predicate["ratio"] if each["basis"] != "kwh"]
        return {**predicate, "ratio": kept}

    ((level, check, detail),) = find(tell(claim=without))
    assert (level, check) == (1, "ratio")
    assert "training kwh" in detail


def test_an_estimate_makes_no_ratio_of_energy(tell, find):
    """Energy by the watts of a list: the same claim with ratios in kWh follows from no book."""

    def bold(predicate):
        more = [{**each, "basis": "kwh"} for each in predicate["ratio"] if each["basis"] == "flops"]
        return {**predicate, "ratio": [*predicate["ratio"], *more]}

    ((level, check, _),) = find(tell(claim=bold))
    assert (level, check) == (1, "ratio")
