"""Cells of a comparison made up by hand, so that every figure is known beforehand."""

from __future__ import annotations

import pytest

from farthing.artifacts.scores import MemberScore
from farthing.studies.compare.results import Beside, CellResult, RunCost, Scored

SEEDS = (0, 1)
MEMBERS = ("full", "half")
SIZES = {"full": 1000, "half": 500}


def score(member, bpb):
    return MemberScore(
        shape=member,
        label=member,
        total=SIZES.get(member, 800),
        active=SIZES.get(member, 800),
        non_embedding=SIZES.get(member, 800),
        active_non_embedding=SIZES.get(member, 800),
        flops_per_token=2.0 * SIZES.get(member, 800),
        bpb={"en": bpb},
        mean_bpb=bpb,
        best_for_flops=False,
        best_for_size=False,
    )


@pytest.fixture
def make_cell():
    """A cell with one training run of `cost` (FLOPs and device-seconds) and these members' bpb."""

    def make(arm, seed, cost, bpb, *, name="", length=1.0, beside=0.0):
        key = f"{arm}{name}{seed}{length}"
        run = RunCost(
            input_key=key,
            supernet=key,
            steps=1,
            attempts=1,
            tokens=1,
            flops=0.9 * cost,
            optimizer_flops=0.1 * cost,
            device_seconds=2 * cost,
            cpu_seconds=cost,
            wall_seconds=cost,
            machine="a machine",
        )
        return CellResult(
            key=key,
            arm=arm,
            name=name,
            seed=seed,
            length=length,
            runs=(run,),
            scored=tuple(
                Scored(member=member, runs=(key,), score=score(member, value))
                for member, value in bpb.items()
            ),
            beside=Beside(flops=beside, device_seconds=2 * beside),
            code="0123456789",
        )

    return make
