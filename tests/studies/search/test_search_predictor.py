"""The predictor believes importance at first, and then what was measured."""

from __future__ import annotations

import math
import random

import pytest

from farthing.studies.search.genes import Genes, MemberSpace
from farthing.studies.search.predictor import Predictor

FULL = 2.0
LAYERS = {1: 0.2, 2: 0.02, 3: 0.1}


@pytest.fixture(scope="module")
def space(sizes, importance) -> MemberSpace:
    return MemberSpace(sizes, importance, "free")


def truth(space: MemberSpace, genes: Genes) -> float:
    """An additive world: other effects than were believed."""
    lost = sum({1: 0.25, 2: 0.01, 3: 0.12}[la] for la in space.skippable if la not in genes.layers)
    for place, layer in enumerate(space.sparse):
        if layer in genes.layers:
            lost += 0.004 * (place + 1) * math.log2(4 / genes.counts[place])
            lost += 0.01 * math.log2(2 / genes.top_ks[place])
    return FULL + lost


def test_before_anything_is_measured_a_layer_costs_what_importance_says(space: MemberSpace):
    predictor = Predictor(space, FULL, LAYERS)
    assert predictor.guess(space.full()) == pytest.approx(FULL)
    guesses = {}
    for genes in space.shrinks(space.full())[:3]:
        (gone,) = set(range(5)) - set(genes.layers)
        guesses[gone] = predictor.guess(genes) - FULL
    squares = 0.005 * FULL / 5
    assert guesses == pytest.approx({la: bpb + squares for la, bpb in LAYERS.items()})


def test_what_was_measured_is_learnt_and_holds_for_members_not_measured(space: MemberSpace):
    source = random.Random(1)
    members = [space.mutate(space.full(), source) for _ in range(80)]
    predictor = Predictor(space, FULL, LAYERS)
    before = [abs(predictor.guess(g) - truth(space, g)) for g in members[60:]]
    predictor.learn([(genes, truth(space, genes)) for genes in members[:60]])
    after = [abs(predictor.guess(g) - truth(space, g)) for g in members[60:]]
    assert max(after) < 0.01
    assert sum(after) < sum(before) / 3


def test_one_measurement_moves_the_guess_towards_it(space: MemberSpace):
    predictor = Predictor(space, FULL, LAYERS)
    single = space.singles()[0]
    before = predictor.guess(single)
    predictor.learn([(single, before + 0.05)])
    assert before < predictor.guess(single) <= before + 0.05
