"""Elastic draws: a function of the step alone, as often as asked, each axis on its own."""

from collections import Counter

import pytest
from tiny_models import MANY_SIZES

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.model.shape import Shape
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.elastic_schedule import ElasticSchedule

FULL = Shape(tuple(range(8)), (16,) * 7, (4,) * 7)
# Every reduced size is really smaller, so that a shape tells which axes were drawn.
ERNIE = ElasticConfig(depths=(4, 6, 7), expert_counts=(8, 12), top_ks=(1, 2, 3))
RANDOM = ERNIE.model_copy(update={"layer_subset": "random", "expert_subset": "random"})
NEVER = {"depth_probability": 0.0, "experts_probability": 0.0, "top_k_probability": 0.0}
DRAWS = 20_000


def _schedule(elastic, model=MANY_SIZES, *, seed=0, steps=1000, **changes):
    config = TrainConfig(steps=steps, batch_sequences=1, seed=seed, elastic=elastic, **changes)
    return ElasticSchedule(config, model)


def _draw(elastic, steps, seed=0):
    schedule = _schedule(elastic, seed=seed)
    return [schedule.draw(step) for step in steps]


@pytest.fixture(scope="module", params=[ERNIE, RANDOM], ids=["nested", "random"])
def draws(request):
    return _draw(request.param, range(DRAWS))


def _count(entry):
    return entry if isinstance(entry, int) else len(entry)


def _reduced(shape):
    """Which axes the shape is smaller on: depth, experts, top-k."""
    return (len(shape.layers) < 8, _count(shape.experts[0]) < 16, shape.top_k[0] < 4)


def _assert_share(count, share, of=DRAWS):
    # 4.5 standard deviations of a binomial: one false alarm in 150,000.
    assert abs(count - share * of) < 4.5 * (share * (1 - share) * of) ** 0.5


@pytest.mark.parametrize("axis", range(3), ids=["depth", "experts", "top-k"])
def test_each_axis_is_reduced_as_often_as_asked(draws, axis):
    _assert_share(sum(_reduced(shape)[axis] for shape in draws), (0.25, 0.20, 0.20)[axis])


def test_the_axes_are_drawn_independently(draws):
    seen = Counter(_reduced(shape) for shape in draws)
    for depth in (False, True):
        for experts in (False, True):
            for top_k in (False, True):
                share = 0.25 if depth else 0.75
                share *= (0.2 if experts else 0.8) * (0.2 if top_k else 0.8)
                _assert_share(seen[depth, experts, top_k], share)


def test_the_whole_supernet_trains_in_48_percent_of_the_steps(draws):
    _assert_share(draws.count(FULL), 0.48)  # 0.75 x 0.80 x 0.80


def test_reduced_sizes_come_evenly(draws):
    depths = Counter(len(shape.layers) for shape in draws)
    experts = Counter(_count(shape.experts[0]) for shape in draws)
    top_ks = Counter(shape.top_k[0] for shape in draws)
    assert set(depths) == {4, 6, 7, 8}
    for depth in (4, 6, 7):
        _assert_share(depths[depth], 0.25 / 3)
    assert set(experts) == {8, 12, 16}
    for count in (8, 12):
        _assert_share(experts[count], 0.2 / 2)
    assert set(top_ks) == {1, 2, 3, 4}
    for top_k in (1, 2, 3):
        _assert_share(top_ks[top_k], 0.2 / 3)


def test_neighbouring_steps_are_independent(draws):
    both = sum(
        _reduced(first)[0] and _reduced(second)[0]
        for first, second in zip(draws[::2], draws[1::2], strict=True)
    )
    _assert_share(both, 0.25**2, of=DRAWS // 2)


def test_every_draw_is_a_shape_that_the_supernet_holds(draws):
    for shape in set(draws):
        assert Shape.parse(str(shape), MANY_SIZES) == shape


def test_every_draw_keeps_the_dense_and_the_last_layer(draws):
    assert all({0, 7} <= set(shape.layers) for shape in draws)


def test_a_step_draws_the_same_shape_in_any_order():
    forward = _draw(RANDOM, range(300))
    assert _draw(RANDOM, range(299, -1, -1)) == forward[::-1]
    assert _draw(RANDOM, [250]) == [forward[250]]


def test_other_seeds_draw_other_shapes():
    assert _draw(ERNIE, range(100), seed=0) != _draw(ERNIE, range(100), seed=1)


def test_draws_never_change_between_versions():
    """A run resumed with a later version must go on with the same sub-models."""
    drawn = " ".join(
        f"{len(shape.layers)}L-{shape.experts[0]}E-{shape.top_k[0]}K"
        for shape in _draw(ERNIE, range(12))
    )
    assert drawn == (
        "8L-16E-2K 7L-16E-3K 4L-16E-4K 6L-16E-4K 8L-16E-4K 8L-16E-4K "
        "6L-16E-2K 4L-16E-1K 8L-16E-1K 4L-16E-4K 8L-16E-4K 8L-16E-4K"
    )


@pytest.mark.parametrize("settings", [None, ElasticConfig(**NEVER)], ids=["off", "probability 0"])
def test_without_elasticity_every_step_trains_the_full_shape(settings):
    assert set(_draw(settings, range(500))) == {FULL}


def test_nested_subsets_keep_the_edges_and_the_best_experts():
    always = ElasticConfig(
        depth_probability=1.0,
        depths=(4,),
        experts_probability=1.0,
        expert_counts=(8,),
        top_k_probability=1.0,
        top_ks=(2,),
    )
    assert set(_draw(always, range(50))) == {Shape((0, 1, 6, 7), (8, 8, 8), (2, 2, 2))}


def test_random_subsets_vary_over_all_layers_and_experts():
    shapes = [shape for shape in _draw(RANDOM, range(4000)) if len(shape.layers) == 6]
    skipped = Counter(layer for s in shapes for layer in range(8) if layer not in s.layers)
    assert set(skipped) == set(range(1, 7))
    for layer in range(1, 7):
        _assert_share(skipped[layer], 1 / 3, of=len(shapes))
    entries = [e for s in shapes for e in s.experts if not isinstance(e, int) and len(e) == 8]
    kept = Counter(expert for entry in entries for expert in entry)
    for expert in range(16):
        _assert_share(kept[expert], 1 / 2, of=len(entries))
    # Layers of one step draw their experts apart.
    assert any(len(set(shape.experts)) > 1 for shape in shapes)


def test_top_k_never_exceeds_the_experts_that_are_left():
    narrow = ElasticConfig(
        **(NEVER | {"experts_probability": 0.5}), expert_counts=(1, 2, 8), top_ks=()
    )
    seen = {(shape.experts[0], shape.top_k[0]) for shape in _draw(narrow, range(200))}
    assert seen == {(16, 4), (8, 4), (2, 2), (1, 1)}


def test_a_dense_model_is_elastic_in_depth_only():
    dense = MANY_SIZES.model_copy(update={"num_experts": 0, "top_k": 0})
    settings = ElasticConfig(**(NEVER | {"depth_probability": 0.5}), depths=(5,))
    schedule = _schedule(settings, dense)
    shapes = {schedule.draw(step) for step in range(100)}
    assert shapes == {Shape(tuple(range(8)), (), ()), Shape((0, 1, 2, 6, 7), (), ())}


@pytest.mark.parametrize(
    ("settings", "name", "value", "limits"),
    [
        ({"depths": (4, 9)}, "depths", "9", "2 to 8"),
        ({"depths": (1,)}, "depths", "1", "2 to 8"),
        ({"expert_counts": (17,)}, "expert_counts", "17", "1 to 16"),
        ({"expert_counts": (0, 8)}, "expert_counts", "0", "1 to 16"),
        ({"top_ks": (5,)}, "top_ks", "5", "1 to 4"),
        ({"top_ks": (-1,)}, "top_ks", "-1", "1 to 4"),
    ],
)
def test_sizes_that_the_supernet_does_not_have_are_refused_by_name(settings, name, value, limits):
    elastic = ERNIE.model_copy(update=settings)
    with pytest.raises(ConfigError) as caught:
        _schedule(elastic)
    assert f"train.elastic.{name}: {value} " in caught.value.what
    assert limits in caught.value.remedy


def test_depths_never_cut_into_the_dense_layers():
    model = MANY_SIZES.model_copy(update={"num_dense_layers": 3})
    with pytest.raises(ConfigError, match=r"train\.elastic\.depths: 3"):
        _schedule(ERNIE.model_copy(update={"depths": (3,)}), model)
    _schedule(ERNIE.model_copy(update={"depths": (4,)}), model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "depth_probability 0.25 needs depths to draw from"),
        ({"depths": [4]}, "experts_probability 0.2 needs expert_counts to draw from"),
        ({"depths": [4], "expert_counts": [8]}, "top_k_probability 0.2 needs top_ks to draw from"),
        ({"depth_probability": 1.5}, "depth_probability = 1.5"),
        ({"layer_subset": "edges"}, "layer_subset = 'edges'"),
    ],
)
def test_settings_that_cannot_be_drawn_from_are_refused(settings, message):
    with pytest.raises(ConfigError) as caught:
        parse_config(ElasticConfig, settings, where="recipe")
    assert message in str(caught.value)
