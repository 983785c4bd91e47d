"""What a baseline pays for a target, and ratios, on costs made up by hand."""

from __future__ import annotations

import math

import pytest

from farthing.artifacts.claims.entries import Target
from farthing.artifacts.claims.statement import Amounts
from farthing.artifacts.work import Work
from farthing.ledger.meter import NO_WORK
from farthing.studies.claim.amounts import rest_of
from farthing.studies.claim.figures import Evidence, Model, cost_of_target


def amounts(flops, *, hours=1.0, kwh=None, method="none"):
    return Amounts(
        runs=1,
        device_hours=hours,
        flops=0.75 * flops,
        optimizer_flops=0.25 * flops,
        tokens=1,
        kwh=kwh,
        energy_method=method,
        usd=None,
    )


def models(*pairs):
    """Of (bits per byte, FLOPs), shortest first."""
    return [Model({"whole": bpb}, amounts(flops)) for bpb, flops in pairs]


NOTHING = amounts(0.0, hours=0.0)
LINES = dict.fromkeys(("repeated", "curation", "tuning"), NOTHING)


@pytest.mark.parametrize(
    ("lengths", "cost"),
    [
        ([(2.0, 10.0), (1.0, 1000.0)], 100.0),
        ([(2.0, 10.0), (1.5, 1000.0)], 1000.0),
        ([(1.5, 10.0), (1.0, 1000.0)], 10.0),
        ([(1.0, 10.0), (1.6, 1000.0)], 10.0),
        ([(1.9, 10.0), (1.6, 1000.0)], None),
        ([(1.9, 10.0), (1.7, 100.0), (1.3, 10000.0)], 1000.0),
    ],
    ids=["between", "the longer", "the shorter", "the first that reaches", "none", "neighbours"],
)
def test_the_cost_of_a_target_is_read_between_two_lengths(lengths, cost):
    found = cost_of_target(models(*lengths), 1.5, "flops")
    assert found == (None if cost is None else pytest.approx(cost))


def evidence(method_bpb, baseline, **others):
    return Evidence(
        targets=[Target(shape="full", bpb=1.5), Target(shape="small", bpb=1.8)],
        methods=[
            Model({"full": full, "small": small}, amounts(flops))
            for full, small, flops in method_bpb
        ],
        baselines=[models(*lengths) for lengths in baseline],
        **{"evaluation": [NOTHING] * 3, "lines": LINES, **others},
    )


REACHED = [(1.4, 1.7, 50.0), (1.41, 1.71, 50.0), (1.42, 1.72, 50.0)]
BOTH = [(2.0, 10.0), (1.0, 1000.0)]


def test_only_members_that_both_sides_reach_count():
    found = evidence(REACHED, [BOTH, BOTH, [(2.0, 10.0), (1.6, 1000.0)]]).reached("flops")
    assert [each.reached for each in found] == [True, True]
    assert [each.counted for each in found] == [False, True]
    assert found[0].baseline_cost[2] is None
    missed = evidence([(1.4, 1.9, 50.0), (1.4, 1.7, 50.0), (1.4, 1.7, 50.0)], [BOTH] * 3)
    assert [each.counted for each in missed.reached("flops")] == [True, False]


def test_a_mean_below_the_target_is_not_enough():
    spread = evidence([(1.2, 1.7, 50.0), (1.45, 1.7, 50.0), (1.6, 1.7, 50.0)], [BOTH] * 3)
    full, _ = spread.reached("flops")
    assert full.mean < full.target < full.upper95
    assert not full.reached


def test_the_ratio_is_what_the_baseline_pays_for_all_counted_members():
    figures = evidence(REACHED, [BOTH] * 3).ratios("flops")
    training = next(each for each in figures if each.scope == "training")
    pays = 10 * 100**0.5 + 10 * 100**0.2
    assert training.by_seed == tuple(pytest.approx(pays / 50) for _ in range(3))
    assert training.point == training.lower95 == pytest.approx(pays / 50)


def test_the_method_pays_its_share_of_all_that_stands_beside_and_the_baseline_nothing():
    lines = {
        "repeated": amounts(30.0),
        "curation": amounts(60.0),
        "tuning": amounts(90.0),
    }
    scoring = [amounts(1.0), amounts(2.0), amounts(3.0)]
    figures = evidence(REACHED, [BOTH] * 3, lines=lines, evaluation=scoring).ratios("flops")
    plain, loaded = figures[:2]
    for seed, own in enumerate((1.0, 2.0, 3.0)):
        dearer = 50.0 + (30.0 + 60.0 + 90.0) / 3 + own
        assert loaded.by_seed[seed] == pytest.approx(plain.by_seed[seed] * 50.0 / dearer)


def test_no_ratio_without_a_member_that_counts():
    assert evidence(REACHED, [[(2.0, 10.0), (1.9, 20.0)]] * 3).ratios("flops") == ()


@pytest.mark.parametrize(("method", "there"), [("rapl", True), ("tdp_model", False)])
def test_a_ratio_of_energy_needs_a_sensor(method, there):
    def sensed(model):
        kwh = amounts(1.0, kwh=2.0, method=method)
        return Model(model.bpb, kwh.model_copy(update={"flops": model.amounts.flops}))

    plain = evidence(REACHED, [BOTH] * 3)
    known = Evidence(
        targets=plain.targets,
        methods=[sensed(each) for each in plain.methods],
        baselines=[[sensed(each) for each in lengths] for lengths in plain.baselines],
        evaluation=plain.evaluation,
        lines=plain.lines,
    )
    bases = [each.basis for each in known.ratios("kwh" if there else "flops")]
    assert ("kwh" in bases) is there
    if there:
        assert bases[0] == "kwh"


def work(seconds, joules, method):
    amounts = {"wall_seconds": seconds, "device_seconds": 2 * seconds, "cpu_seconds": seconds}
    return Work(
        **amounts, tokens=10, flops=4.0, optimizer_flops=1.0, joules=joules, energy_method=method
    )


def test_what_was_done_again_is_the_run_without_what_is_kept():
    whole, kept = work(5.0, 50.0, "rapl"), work(2.0, 20.0, "rapl")
    rest = rest_of(whole, kept)
    assert (rest.device_seconds, rest.joules, rest.energy_method) == (6.0, 30.0, "rapl")
    assert rest_of(whole, NO_WORK) == whole


def test_energy_of_two_methods_does_not_divide():
    rest = rest_of(work(5.0, 50.0, "psu"), work(2.0, 20.0, "rapl"))
    assert rest.joules is None
    assert math.isclose(rest.device_seconds, 6.0)
