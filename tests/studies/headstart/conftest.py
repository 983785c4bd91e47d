"""Cells of a study made up by hand, so that every figure is known beforehand."""

from __future__ import annotations

import pytest

from farthing.artifacts.scores import MemberScore
from farthing.studies.compare.results import Beside, CellResult, RunCost, Scored


def _score(member, bpb):
    return MemberScore(
        shape=member,
        label=member,
        total=8,
        active=8,
        non_embedding=8,
        active_non_embedding=8,
        flops_per_token=16.0,
        bpb={"en": bpb},
        mean_bpb=bpb,
        best_for_flops=False,
        best_for_size=False,
    )


def _run(key, cost, steps):
    return RunCost(
        input_key=key,
        supernet=key,
        steps=steps,
        attempts=1,
        tokens=1,
        flops=0.75 * cost,
        optimizer_flops=0.25 * cost,
        device_seconds=2 * cost,
        cpu_seconds=cost,
        wall_seconds=cost,
        machine="a machine",
    )


@pytest.fixture
def make_cell():
    """A cell whose training runs cost `costs` (FLOPs; twice as many device-seconds)."""

    def make(arm, seed, costs, bpb, *, name="", length=1.0, complaint=""):
        key = f"{arm}{name}{seed}{length}"
        runs = tuple(_run(f"{key}{place}", cost, 10) for place, cost in enumerate(costs))
        keys = tuple(run.input_key for run in runs)
        return CellResult(
            key=key,
            arm=arm,
            name=name,
            seed=seed,
            length=length,
            runs=runs,
            scored=tuple(
                Scored(member=member, runs=keys, score=_score(member, value))
                for member, value in bpb.items()
            ),
            beside=Beside(flops=0.0, device_seconds=0.0),
            code="0123456789",
            complaint=complaint,
        )

    return make
