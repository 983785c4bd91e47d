"""The choices that ERNIE 5.0 left open: each does to the draws what its description says."""

from collections import Counter

import pytest
from tiny_models import MANY_SIZES

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.model.shape import Shape
from farthing.stages.train.config import ScheduleConfig, TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig, LayerDropoutConfig
from farthing.stages.train.elastic_fit import balance_pairs
from farthing.stages.train.elastic_schedule import ElasticSchedule
from farthing.stages.train.schedule import rate_share

FULL = Shape.full(MANY_SIZES)
SIZES = {"depths": (4, 6, 7), "expert_counts": (8, 12), "top_ks": (1, 2, 3)}
NEVER = {"depth_probability": 0.0, "experts_probability": 0.0, "top_k_probability": 0.0}
DRAWS = 20_000


def _schedule(steps=DRAWS, schedule=None, seed=0, **elastic):
    config = TrainConfig(
        steps=steps,
        batch_sequences=1,
        seed=seed,
        schedule=schedule or ScheduleConfig(),
        elastic=ElasticConfig(**(SIZES | elastic)),
    )
    return ElasticSchedule(config, MANY_SIZES)


def _draws(**elastic):
    schedule = _schedule(**elastic)
    return [schedule.draw(step) for step in range(DRAWS)]


def _assert_share(count, share, of=DRAWS):
    # 4.5 standard deviations of a binomial: one false alarm in 150,000.
    assert abs(count - share * of) <= 4.5 * (share * (1 - share) * of) ** 0.5


def _count(entry):
    return entry if isinstance(entry, int) else len(entry)


def _reduced(shape):
    return (len(shape.layers) < 8, _count(shape.experts[0]) < 16, shape.top_k[0] < 4)


def test_sizes_come_in_proportion_to_their_weights():
    shapes = _draws(
        depth_weights=(1, 2, 5), expert_count_weights=(3, 1), top_k_weights=(0.5, 0.25, 0.25)
    )
    depths = Counter(len(shape.layers) for shape in shapes)
    for depth, share in ((4, 1 / 8), (6, 2 / 8), (7, 5 / 8)):
        _assert_share(depths[depth], 0.25 * share)
    counts = Counter(shape.experts[0] for shape in shapes)
    for count, share in ((8, 3 / 4), (12, 1 / 4)):
        _assert_share(counts[count], 0.2 * share)
    top_ks = Counter(shape.top_k[0] for shape in shapes)
    for top_k, share in ((1, 1 / 2), (2, 1 / 4), (3, 1 / 4)):
        _assert_share(top_ks[top_k], 0.2 * share)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_full_probability_is_the_share_of_full_steps(p):
    shapes = _draws(full_probability=p)
    _assert_share(shapes.count(FULL), p)


def test_smaller_steps_are_independent_draws_of_which_none_is_full():
    """The shares of all seven combinations against the independent ones, conditioned by hand."""
    seen = Counter(_reduced(shape) for shape in _draws(full_probability=0.5))
    independent = {
        (d, e, k): (0.25 if d else 0.75) * (0.2 if e else 0.8) * (0.2 if k else 0.8)
        for d in (False, True)
        for e in (False, True)
        for k in (False, True)
    }
    full = independent.pop((False, False, False))
    for axes, share in independent.items():
        _assert_share(seen[axes], 0.5 * share / (1 - full))


@pytest.mark.parametrize("axis", range(3))
def test_an_axis_alone_is_smaller_in_every_step_that_is_not_full(axis):
    name = ("depth_probability", "experts_probability", "top_k_probability")[axis]
    shapes = _draws(**(NEVER | {name: 0.01}), full_probability=0.25)
    seen = Counter(_reduced(shape) for shape in shapes)
    assert set(seen) == {(False,) * 3, tuple(place == axis for place in range(3))}
    _assert_share(shapes.count(FULL), 0.25)


@pytest.mark.parametrize("restricted", [1, 2, 3, 6])
def test_restricted_layers_rotate_so_that_all_are_restricted_equally_often(restricted):
    elastic = NEVER | {"experts_probability": 1.0, "restricted_layers": restricted}
    schedule = _schedule(**elastic)
    shapes = [schedule.draw(step) for step in range(7 * 10)]
    narrow = Counter()
    for shape in shapes:
        places = [place for place, count in enumerate(shape.experts) if count < 16]
        assert len(places) == restricted
        narrow.update(places)
    assert set(narrow.values()) == {10 * restricted}
    assert len({tuple(shape.experts) for shape in shapes}) >= 7
    # Where only kept layers count: a shallow shape restricts as many.
    shallow = _schedule(**(elastic | {"depth_probability": 1.0, "depths": (4,)})).draw(0)
    assert sum(count < 16 for count in shallow.experts) == min(restricted, 3)


def test_the_top_k_of_a_layer_is_bounded_by_its_own_experts():
    shapes = _draws(
        **(NEVER | {"experts_probability": 1.0, "expert_counts": (2,), "restricted_layers": 2})
    )
    assert {pair for s in shapes for pair in zip(s.experts, s.top_k, strict=True)} == {
        (2, 2),
        (16, 4),
    }


def test_restricted_layers_may_keep_random_experts():
    elastic = NEVER | {"experts_probability": 1.0, "expert_counts": (2,)}
    shape = _schedule(**elastic, restricted_layers=1, expert_subset="random").draw(3)
    assert sorted(map(_count, shape.experts)) == [2, 16, 16, 16, 16, 16, 16]
    assert Shape.parse(str(shape), MANY_SIZES) == shape


def test_top_k_of_the_layer_scope_is_drawn_for_each_layer():
    shapes = _draws(**(NEVER | {"top_k_probability": 0.2, "top_k_scope": "layer"}))
    smaller = [shape for shape in shapes if shape != FULL]
    _assert_share(len(smaller), 0.2)
    for layer in range(7):
        top_ks = Counter(shape.top_k[layer] for shape in smaller)
        assert set(top_ks) == {1, 2, 3}
        for top_k in (1, 2, 3):
            _assert_share(top_ks[top_k], 1 / 3, of=len(smaller))
    equal = sum(shape.top_k[0] == shape.top_k[6] for shape in smaller)
    _assert_share(equal, 1 / 3, of=len(smaller))


def test_layer_dropout_skips_layers_apart_and_beside_reduced_depths():
    dropout = LayerDropoutConfig(rate=0.2)
    shapes = _draws(**(NEVER | {"depth_probability": 0.5, "depths": (6,)}), layer_dropout=dropout)
    assert all({0, 7} <= set(shape.layers) for shape in shapes)
    # A reduced depth leaves out the middle two of them in half of the steps.
    for layer in range(1, 7):
        kept = sum(layer in shape.layers for shape in shapes)
        _assert_share(kept, 0.8 * (0.5 if layer in (3, 4) else 1.0))
    both = sum({1, 2} <= set(shape.layers) for shape in shapes)
    _assert_share(both, 0.8**2)
    for shape in set(shapes):
        assert Shape.parse(str(shape), MANY_SIZES) == shape


def test_full_steps_drop_no_layer():
    dropout = LayerDropoutConfig(rate=0.9)
    shapes = _draws(**NEVER, layer_dropout=dropout, full_probability=0.4)
    # Of the others one in two million keeps all six.
    _assert_share(shapes.count(FULL), 0.4)


@pytest.mark.parametrize(("onset", "first"), [(0.0, 0), (0.29, 29), (0.5, 50), (0.999, 99)])
def test_before_the_onset_every_step_is_one_full_pass(onset, first):
    schedule = _schedule(steps=100, onset=onset, full_probability=0.0, passes=("draw", "smallest"))
    assert all(schedule.plan(step).shapes == (FULL,) for step in range(first))
    assert all(FULL not in schedule.plan(step).shapes for step in range(first, 100))
    assert all(len(schedule.plan(step).shapes) == 2 for step in range(first, 100))


@pytest.mark.parametrize("steps", [5, 100, 1000])
@pytest.mark.parametrize("decay_share", [0.2, 0.29, 0.57, 1 / 3])
def test_onset_decay_is_the_first_step_of_a_lower_learning_rate(steps, decay_share):
    rates = ScheduleConfig(warmup_share=0, decay_share=decay_share)
    schedule = _schedule(steps=steps, schedule=rates, onset="decay", full_probability=0.0)
    for step in range(steps):
        falling = rate_share(step, steps, rates) < 1
        assert (schedule.draw(step) != FULL) == falling, step


def test_onset_decay_without_a_decay_is_refused():
    with pytest.raises(ConfigError, match=r"train\.elastic\.onset: decay, but .*decay_share 0\.0"):
        _schedule(onset="decay", schedule=ScheduleConfig(decay_share=0))


def test_the_sandwich_has_the_full_the_smallest_and_two_different_draws():
    schedule = _schedule(passes=("full", "smallest", "draw", "draw"), full_probability=0.0)
    smallest = Shape((0, 1, 6, 7), (8,) * 3, (1,) * 3)
    different = 0
    for step in range(200):
        plan = schedule.plan(step)
        assert plan.judged == (0,)
        assert plan.shapes[:2] == (FULL, smallest)
        # The first draw is what a schedule without further passes draws.
        assert plan.shapes[2] == schedule.draw(step)
        different += plan.shapes[2] != plan.shapes[3]
    assert different > 150


def test_further_draws_of_a_step_follow_the_same_distribution():
    schedule = _schedule(passes=("draw", "draw"))
    second = [schedule.plan(step).shapes[1] for step in range(DRAWS)]
    _assert_share(second.count(FULL), 0.48)
    assert schedule.plan(0).judged == (0, 1)


def test_smallest_restricts_every_layer_and_draws_its_subsets_as_the_others_do():
    schedule = _schedule(
        passes=("smallest",),
        restricted_layers=1,
        expert_subset="random",
        layer_subset="random",
        layer_dropout=LayerDropoutConfig(rate=0.9),
    )
    shapes = [schedule.plan(step).shapes[0] for step in range(50)]
    assert len(set(shapes)) == 50
    for shape in shapes:
        assert len(shape.layers) == 4
        assert {len(experts) for experts in shape.experts} == {8}
        assert set(shape.top_k) == {1}


def test_every_choice_together_still_gives_shapes_that_the_supernet_holds():
    schedule = _schedule(
        full_probability=0.2,
        layer_subset="random",
        expert_subset="random",
        restricted_layers=2,
        top_k_scope="layer",
        layer_dropout=LayerDropoutConfig(rate=0.2, profile="rising", time="falling"),
        onset=0.5,
        passes=("draw", "smallest", "full", "draw"),
        depth_weights=(1, 2, 3),
    )
    forward = [schedule.plan(step) for step in range(9_900, 10_300)]
    assert [schedule.plan(step) for step in range(10_299, 9_899, -1)] == forward[::-1]
    assert {plan.judged for plan in forward} == {(0,), (2,)}
    for plan in forward:
        for shape in plan.shapes:
            assert Shape.parse(str(shape), MANY_SIZES) == shape


def test_draws_of_the_new_choices_never_change_between_versions():
    schedule = _schedule(
        full_probability=0.25, depth_weights=(1, 2, 3), top_k_scope="layer", restricted_layers=3
    )
    assert [str(schedule.draw(step)) for step in range(5)] == [
        "layers=0-1,6-7/experts=16/top_k=4",
        "layers=0-7/experts=16/top_k=4",
        "layers=0-7/experts=16/top_k=4",
        "layers=0-7/experts=16/top_k=4",
        "layers=0-7/experts=8,16,16,16,16,8,8/top_k=2,1,2,1,1,2,2",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth_weights": (1, 2)}, "depth_weights has 2 entries for the 3 of depths"),
        ({"top_k_weights": (1, 0, 2)}, "top_k_weights.1 = 0"),
        ({"restricted_layers": 0}, "restricted_layers = 0"),
        ({"onset": 1.0}, "onset"),
        ({"onset": "late"}, "onset"),
        ({"passes": ()}, "passes"),
        ({"passes": ("large",)}, "passes.0 = 'large'"),
        ({"distill_weight": 1.5}, "distill_weight = 1.5"),
        ({"layer_dropout": {"rate": 0.1, "profile": "falling"}}, "layer_dropout.profile"),
        (NEVER | {"full_probability": 0.5}, "full_probability 0.5 leaves smaller steps"),
        (
            NEVER | {"depths": (), "expert_counts": (), "top_ks": (), "passes": ("smallest",)},
            "passes has `smallest`, but no list of sizes",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ConfigError) as caught:
        parse_config(ElasticConfig, SIZES | settings, where="recipe")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message", "remedy"),
    [
        ({"restricted_layers": 8}, "restricted_layers: 8 of 7 sparse layers", "choose 1 to 7"),
        (
            {"full_probability": 0.5, "top_ks": (2, 4)},
            "top_ks: 4 is the full size",
            "leave the full size out",
        ),
    ],
)
def test_settings_that_the_supernet_has_no_room_for_are_refused(settings, message, remedy):
    with pytest.raises(ConfigError) as caught:
        _schedule(**settings)
    assert message in caught.value.what
    assert remedy in caught.value.remedy


WHOLE = ("4L-8E-2K", "8L-16E-1K", "6L-2E-2K")


def _whole_sizes(**elastic):
    config = TrainConfig(
        steps=DRAWS,
        batch_sequences=1,
        elastic=ElasticConfig(sizes=WHOLE, full_probability=0.4, **elastic),
    )
    return ElasticSchedule(config, MANY_SIZES)


def test_whole_sizes_come_instead_of_axes_in_proportion_to_their_weights():
    schedule = _whole_sizes(size_weights=(1, 2, 3))
    drawn = Counter(schedule.draw(step) for step in range(DRAWS))
    assert len(drawn) == 4
    _assert_share(drawn[FULL], 0.4)
    for text, share in zip(WHOLE, (0.1, 0.2, 0.3), strict=True):
        _assert_share(drawn[Shape.parse(text, MANY_SIZES)], share)


def test_the_subsets_of_whole_sizes_are_chosen_as_those_of_axes():
    shapes = [_whole_sizes(expert_subset="random").draw(step) for step in range(200)]
    kept = {shape.experts[0] for shape in shapes if _count(shape.experts[0]) == 2}
    assert len(kept) > 20
    schedule = _whole_sizes(passes=("full", "smallest"))
    assert schedule.plan(0).shapes == (FULL, Shape.parse("4L-8E-2K", MANY_SIZES))


def test_whole_sizes_have_balancing_biases_for_every_pair_that_training_meets():
    for changes in ({}, {"restricted_layers": 2}, {"passes": ("full", "smallest", "draw")}):
        elastic = ElasticConfig(sizes=WHOLE, full_probability=0.4, balance="by_size", **changes)
        pairs = {*balance_pairs(elastic, MANY_SIZES), (16, 4)}
        config = TrainConfig(steps=300, batch_sequences=1, elastic=elastic)
        schedule = ElasticSchedule(config, MANY_SIZES)
        met = {
            pair
            for step in range(300)
            for shape in schedule.plan(step).shapes
            for pair in zip(map(_count, shape.experts), shape.top_k, strict=True)
        }
        assert met <= pairs


def test_a_whole_size_of_layers_alone_keeps_all_experts():
    elastic = ElasticConfig(sizes=("6L",), full_probability=0.0)
    schedule = ElasticSchedule(TrainConfig(steps=1, batch_sequences=1, elastic=elastic), MANY_SIZES)
    assert schedule.draw(0) == Shape.parse("6L", MANY_SIZES)
    assert not elastic.trains_prefixes(16)


def test_only_sizes_with_fewer_experts_train_prefixes():
    def trains(*sizes):
        return ElasticConfig(sizes=sizes, full_probability=0.5).trains_prefixes(16)

    assert trains(*WHOLE)
    assert not trains("8L-16E-1K", "4L-16E-4K")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"full_probability": None}, "sizes need full_probability"),
        ({"sizes": ("4L-8E",)}, "'4L-8E' is none; write it as 4L-8E-2K or 4L"),
        ({"sizes": ("4L-8E-2K", "4l-8e-2k")}, "one stands there twice"),
        ({"depths": (4,)}, "instead of depths"),
        ({"top_k_scope": "layer"}, "one top-k each"),
        ({"size_weights": (1, 2)}, "2 entries for the 3 of sizes"),
    ],
    ids=["share", "form", "twice", "axes", "scope", "weights"],
)
def test_whole_sizes_that_contradict_other_settings_are_refused(changes, words):
    settings = {"sizes": WHOLE, "full_probability": 0.5, **changes}
    with pytest.raises(ConfigError, match=words):
        parse_config(ElasticConfig, settings, where="a test")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("8L-16E-4K", "is the full size"),
        ("9L-16E-4K", "does not fit"),
        ("4L-8E-9K", "does not fit"),
    ],
    ids=["full", "depth", "top-k"],
)
def test_whole_sizes_that_the_supernet_does_not_hold_are_refused(size, words):
    elastic = ElasticConfig(sizes=(size,), full_probability=0.5)
    with pytest.raises(ConfigError, match=words):
        ElasticSchedule(TrainConfig(steps=1, batch_sequences=1, elastic=elastic), MANY_SIZES)
