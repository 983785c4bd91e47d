"""Every member that a search can reach is one that the supernet holds, in its own space."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.model.shape import Shape
from farthing.studies.search.genes import MemberSpace, smallest_shape


@pytest.fixture(scope="module", params=["portable", "free"])
def space(request, sizes, importance) -> MemberSpace:
    return MemberSpace(sizes, importance, request.param)


def test_full_and_smallest_are_the_ends(space: MemberSpace):
    assert space.shape(space.full()) == Shape.full(space.config)
    fewest = 2 if space.kind == "portable" else 1
    assert space.shape(space.smallest()) == Shape.uniform(space.config, 2, fewest, 1)
    assert smallest_shape(space.config, space.kind) == space.shape(space.smallest())
    assert space.grows(space.full()) == []
    assert space.shrinks(space.smallest()) == []


def test_counts_by_scores_name_the_best_experts(space: MemberSpace):
    single = next(g for g in space.singles() if "scores" in g.rankings)
    shape = space.shape(single)
    assert (1, 3) in shape.experts
    prefix = next(g for g in space.singles() if g.counts[0] == 2 and "scores" not in g.rankings)
    assert 2 in space.shape(prefix).experts


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_change_leads_to_a_member_of_the_space(seed: int, space: MemberSpace):
    source = random.Random(seed)
    one, other = space.full(), space.smallest()
    for _ in range(12):
        one, other = space.mutate(one, source), space.cross(one, other, source)
        for genes in (one, other, *space.shrinks(one), *space.grows(other)):
            shape = space.shape(genes)
            assert shape.checked(space.config) == shape
            assert {0, 4} <= {*shape.layers}
            if space.kind == "portable":
                counts = {e if isinstance(e, int) else len(e) for e in shape.experts}
                assert len(counts) <= 1
                assert min(counts) >= 2
                assert len(set(shape.top_k)) <= 1


def test_one_step_smaller_is_one_step_larger_backwards(space: MemberSpace):
    full = space.full()
    for smaller in space.shrinks(full):
        back = {space.shape(larger) for larger in space.grows(smaller)}
        assert space.shape(full) in back


@pytest.mark.parametrize("most", [7, 12, 20, 33, 100])
def test_the_largest_uniform_members_are_those_nothing_fitting_contains(space, most: int):
    def amount(depth: int, count: int, k: int) -> int:
        return depth * (count + 2 * k)

    def holds(shape: Shape) -> bool:
        count = shape.experts[0]
        assert isinstance(count, int)
        return amount(len(shape.layers), count, shape.top_k[0]) <= most

    fewest = 2 if space.kind == "portable" else 1
    fitting = [
        (depth, count, k)
        for depth in range(2, 6)
        for count in range(fewest, 5)
        for k in (1, 2)
        if k <= count and amount(depth, count, k) <= most
    ]
    expected = {
        one
        for one in fitting
        if not any(
            other != one and all(a >= b for a, b in zip(other, one, strict=True))
            for other in fitting
        )
    }
    found = space.largest_uniform(holds)
    assert len(found) == len(expected)
    assert {(len(g.layers), g.counts[0], g.top_ks[0]) for g in found} == expected
    assert all(
        space.shape(g) == Shape.uniform(space.config, *t)
        for g in found
        for t in [(len(g.layers), g.counts[0], g.top_ks[0])]
    )


def test_a_dense_family_has_layers_to_choose_only(dense_sizes, dense_importance):
    space = MemberSpace(dense_sizes, dense_importance, "free")
    assert space.singles() == []
    assert space.shape(space.full()) == Shape.full(dense_sizes)
    (largest,) = space.largest_uniform(lambda shape: len(shape.layers) <= 3)
    assert space.shape(largest) == Shape.uniform(dense_sizes, 3, 0, 0)
    source = random.Random(0)
    assert all(
        {0, 4} <= {*space.shape(space.mutate(space.full(), source)).layers} for _ in range(20)
    )


def test_many_experts_are_counted_in_steps(sizes, importance):
    wide = sizes.model_copy(update={"num_experts": 64})
    space = MemberSpace(wide, importance, "free")
    assert space.counts == list(range(4, 65, 4))
    assert space.smallest().counts[0] == 1
