"""The search against every member of a small space, scored by a made-up world."""

from __future__ import annotations

import itertools
import math

import pytest

from farthing.model.shape import Shape
from farthing.studies.search.explore import Explorer
from farthing.studies.search.genes import Genes, MemberSpace
from farthing.studies.search.limit import Limit, exact_amount

VOCAB = 40
# What a layer is worth, and what halving its experts costs: the middle is not the least worth.
WORTH = {1: 0.01, 2: 0.30, 3: 0.15}
HALVING = {1: 0.01, 2: 0.12, 3: 0.05, 4: 0.02}


def world(shape: Shape) -> float:
    """Bits per byte of a member; experts 1 and 3 are worth twice the others."""
    bpb = 2.0 + sum(worth for layer, worth in WORTH.items() if layer not in shape.layers)
    sparse = [layer for layer in shape.layers if layer > 0]
    for layer, experts, top_k in zip(sparse, shape.experts, shape.top_k, strict=True):
        ids = range(experts) if isinstance(experts, int) else experts
        kept = sum(2 if expert in (1, 3) else 1 for expert in ids) / 6
        bpb += HALVING[layer] * math.log2(1 / kept) + 0.5 * HALVING[layer] * (2 - top_k)
    return bpb


def explorer(space: MemberSpace, limit: Limit, budget: int, seed: int = 0) -> Explorer:
    return Explorer(
        space,
        limit,
        score=world,
        layer_nats={layer: worth * 1.5 for layer, worth in WORTH.items()},
        full_nats=3.0,
        may_go_on=lambda measured: measured < budget,
        seed=seed,
    )


def searched(space: MemberSpace, limit: Limit, budget: int, seed: int = 0) -> Explorer:
    made = explorer(space, limit, budget, seed)
    made.measure_uniform()
    made.measure_singles()
    made.evolve(lambda _: None)
    return made


def every_member(space: MemberSpace) -> list[Shape]:
    """All members of a space, each once."""
    choices = [
        (count, k, ranking)
        for count in space.counts
        for k in (1, 2)
        if k <= count
        # All experts are all experts, by whatever ranking.
        for ranking in (("prefix", "scores") if count < 4 else ("prefix",))
    ]
    found = []
    for size in range(4):
        for middle in itertools.combinations((1, 2, 3), size):
            if space.kind == "free":
                each = itertools.product(choices, repeat=size + 1)
            else:
                each = ([choice] * (size + 1) for choice in choices)
            for one in each:
                mine = dict(zip((*middle, 4), one, strict=True))
                genes = zip(*(mine.get(layer, choices[0]) for layer in space.sparse), strict=True)
                found.append(space.shape(Genes((0, *middle, 4), *genes)))
    assert len(set(found)) == len(found)
    return found


@pytest.fixture(scope="module")
def portable(sizes, importance) -> MemberSpace:
    return MemberSpace(sizes, importance, "portable")


@pytest.fixture(scope="module")
def free(sizes, importance) -> MemberSpace:
    return MemberSpace(sizes, importance, "free")


def limit_at(space: MemberSpace, kind, share: float) -> Limit:
    """A limit between the smallest member and the whole supernet."""
    amount = exact_amount(kind, space.config, VOCAB)
    low, high = amount(space.shape(space.smallest())), amount(space.shape(space.full()))
    return Limit(kind, low + share * (high - low), amount)


@pytest.mark.parametrize("kind", ["active", "total"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_portable_search_finds_the_best_of_all_members(portable, kind, share: float):
    limit = limit_at(portable, kind, share)
    best = min(world(shape) for shape in every_member(portable) if limit.holds(shape))
    found = searched(portable, limit, budget=60)
    assert found.fitting[0].bpb == pytest.approx(best)


@pytest.fixture(scope="module")
def everyone(free) -> list[Shape]:
    return sorted(every_member(free), key=world)


@pytest.mark.parametrize("kind", ["active", "total"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_the_free_search_comes_close_to_the_best_of_thousands(free, everyone, kind, share):
    limit = limit_at(free, kind, share)
    assert len(everyone) > 10_000
    best = world(next(shape for shape in everyone if limit.holds(shape)))
    found = searched(free, limit, budget=90)
    uniform = found.uniform[0].bpb
    assert len(found.found) <= 90
    # Nearer to the best of all than to the best uniform one, by far.
    assert found.fitting[0].bpb - best <= 0.25 * (uniform - best)


def test_what_was_found_is_parted_into_uniform_members_and_others(free, portable):
    for space in (free, portable):
        limit = limit_at(space, "active", 0.6)
        found = searched(space, limit, budget=50)
        both = [*found.uniform, *found.others]
        assert sorted(one.bpb for one in both) == [one.bpb for one in found.fitting]
        assert all(limit.holds(one.shape) for one in both)
        labels = [one.shape.label(space.config) for one in found.uniform]
        assert all(label.endswith("K") for label in labels)
        assert not any(one.shape.label(space.config).endswith("K") for one in found.others)


def test_the_best_uniform_member_is_measured_whatever_the_budget(free):
    limit = limit_at(free, "active", 0.4)
    found = explorer(free, limit, budget=1)
    found.measure_uniform()
    every = [shape for shape in every_uniform(free) if limit.holds(shape)]
    assert found.uniform[0].bpb == min(world(shape) for shape in every)
    assert free.shape(free.smallest()) in found.found


def every_uniform(space: MemberSpace) -> list[Shape]:
    return [
        Shape.uniform(space.config, depth, count, k)
        for depth in range(2, 6)
        for count in range(1, 5)
        for k in (1, 2)
        if k <= count
    ]


def test_the_same_seed_measures_the_same_members_and_the_budget_holds(free):
    limit = limit_at(free, "active", 0.5)
    runs = [list(searched(free, limit, budget=40, seed=seed).found) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) == 40


def test_a_space_that_is_used_up_ends_the_search(portable):
    limit = limit_at(portable, "total", 0.2)
    found = searched(portable, limit, budget=10**6)
    assert len(found.found) <= len(every_member(portable))


def test_what_was_guessed_is_kept_beside_what_was_measured(free):
    found = searched(free, limit_at(free, "active", 0.5), budget=60).found.values()
    evolved = [one for one in found if one.origin == "evolved"]
    assert all(one.guess is None for one in found if one.origin != "evolved")
    assert all(one.bpb == world(one.shape) for one in found)
    # The predictor is worth its name: far nearer than the spread of what it predicts.
    errors = [abs(one.guess - one.bpb) for one in evolved]
    spread = max(one.bpb for one in evolved) - min(one.bpb for one in evolved)
    assert sum(errors) / len(errors) < spread / 2
