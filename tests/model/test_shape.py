"""Shapes: one canonical string each, read back as what they were, refused where they do not fit."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import ShapeError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape, keep_layers, skippable_layers

CONFIG = ModelConfig(
    num_layers=8,
    num_dense_layers=1,
    hidden_dim=16,
    num_heads=2,
    num_kv_heads=1,
    head_dim=8,
    dense_ffn_dim=32,
    num_experts=16,
    expert_dim=8,
    top_k=4,
    context=16,
)
DENSE = CONFIG.model_copy(update={"num_experts": 0, "top_k": 0})


@st.composite
def shapes(draw):
    layers = tuple(sorted(draw(st.sets(st.integers(0, 7), min_size=1))))
    sparse = sum(layer >= 1 for layer in layers)
    ids = st.sets(st.integers(0, 15), min_size=1).map(lambda found: tuple(sorted(found)))
    experts = draw(st.lists(st.integers(1, 16) | ids, min_size=sparse, max_size=sparse))
    limits = [entry if isinstance(entry, int) else len(entry) for entry in experts]
    top_k = tuple(draw(st.integers(1, limit)) for limit in limits)
    return Shape(layers, tuple(experts), top_k).checked(CONFIG)


@given(shapes())
def test_a_shape_reads_back_from_its_string(shape):
    assert Shape.parse(str(shape), CONFIG) == shape


@given(shapes(), shapes())
def test_two_shapes_share_a_string_and_a_digest_only_if_they_are_one(first, second):
    assert (str(first) == str(second)) == (first == second)
    assert (first.digest == second.digest) == (first == second)


@given(shapes())
def test_the_string_of_a_string_is_the_same_string(shape):
    assert str(Shape.parse(str(shape), CONFIG)) == str(shape)


@given(shapes())
def test_the_digest_is_that_of_the_string(shape):
    assert shape.digest == hashlib.sha256(str(shape).encode()).hexdigest()


GOLDEN = [
    (
        Shape((0, 1, 2, 6, 7), (8,) * 4, (2,) * 4),
        "layers=0-2,6-7/experts=8/top_k=2",
        "7a7204561afeba1f",
        "5L-8E-2K",
    ),
    (
        Shape((0, 2, 4), (16, 8), (2, 1)),
        "layers=0,2,4/experts=16,8/top_k=2,1",
        "a03db3c13435d47c",
        "3L-",
    ),
    (
        Shape((0, 1), ((0, 1, 2, 3, 9),), (1,)),
        "layers=0-1/experts=e0-3+9/top_k=1",
        "8292057333184c42",
        "2L-",
    ),
    (Shape((0,), (), ()), "layers=0", "f2a21ce217a0d228", "1L-"),
]


@pytest.mark.parametrize(("shape", "text", "digest", "label"), GOLDEN, ids=lambda part: str(part))
def test_strings_digests_and_labels_never_change(shape, text, digest, label):
    assert str(shape) == text
    assert shape.digest[:16] == digest
    assert shape.label(CONFIG) == (label if label[-1] != "-" else label + shape.digest[:6])


SAME = {
    "8L-16E-4K": "layers=0-7/experts=16/top_k=4",
    "8L": "layers=0-7/experts=16/top_k=4",
    "8l-8e-2k": "layers=0-7/experts=8/top_k=2",
    " 8L ": "layers=0-7/experts=16/top_k=4",
    "layers=7,1,0,1/experts=4/top_k=2": "layers=0-1,7/experts=4/top_k=2",
    "top_k=2/experts=4/layers=0-1": "layers=0-1/experts=4/top_k=2",
    "layers=0-2/experts=4,4/top_k=2,2": "layers=0-2/experts=4/top_k=2",
    "layers=0-2/experts=e3+1+2/top_k=2,1": "layers=0-2/experts=e1-3/top_k=2,1",
}


@pytest.mark.parametrize(("written", "canonical"), SAME.items(), ids=SAME.keys())
def test_other_ways_to_write_a_shape_reach_the_same_string(written, canonical):
    assert str(Shape.parse(written, CONFIG)) == canonical


def test_a_label_is_short_only_where_it_reads_back_as_the_same_shape():
    nested = Shape.parse("5L-8E-2K", CONFIG)
    other = Shape.parse("layers=0-3,7/experts=8/top_k=2", CONFIG)
    assert Shape.parse(nested.label(CONFIG), CONFIG) == nested
    assert other.label(CONFIG) != nested.label(CONFIG)


def test_naming_every_expert_is_the_same_shape_as_counting_them():
    named = Shape.parse("layers=0-7/experts=e0-15/top_k=4", CONFIG)
    assert named == Shape.full(CONFIG)


def test_a_dense_model_has_shapes_of_layers_only():
    assert str(Shape.full(DENSE)) == "layers=0-7"
    assert str(Shape.parse("8L", DENSE)) == "layers=0-7"
    assert Shape.full(DENSE).label(DENSE) == "8L"


UNREADABLE = [
    "",
    "nonsense",
    "6",
    "L",
    "6L-8E",
    "layers=",
    "layers=a/experts=1/top_k=1",
    "layers=-1/experts=1/top_k=1",
    "layers=0-1/experts=e/top_k=1",
    "layers=0-1/experts=1.5/top_k=1",
    "layers=0-1/experts=4/top_k=2/width=3",
    "layers=0-1/layers=0-3/experts=4/top_k=1",
    "layers=0-99999999999/experts=4/top_k=1",
    "layers=3-1/experts=4/top_k=2",
    "experts=4/top_k=2",
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_text_that_is_no_shape_is_refused_with_itself_and_the_two_forms(text):
    with pytest.raises(ShapeError) as caught:
        Shape.parse(text, CONFIG)
    assert repr(text) in caught.value.what
    assert "6L-8E-2K" in caught.value.remedy
    assert "layers=0-3,7/experts=8/top_k=2" in caught.value.remedy


PER_LAYER = "one entry for all, or one per kept sparse layer"
UNFIT = {
    "layers=0-8/experts=4/top_k=2": ("layers=0-8", "8 layers"),
    "9L-4E-2K": ("depth of 9", "2 to 8"),
    "0L-4E-2K": ("depth of 0", "2 to 8"),
    "1L-4E-2K": ("depth of 1", "2 to 8"),
    "8L-17E-2K": ("experts=17", "at most 16"),
    "8L-0E-0K": ("experts=0", "at most 16"),
    "8L-0E-2K": ("experts=0", "at most 16"),
    "8L-4E-5K": ("top_k=5", "1 to 4"),
    "8L-4E-0K": ("top_k=0", "1 to 4"),
    "layers=0-2/experts=0/top_k=1": ("experts=0", "at most 16"),
    "layers=0-2/experts=4,17/top_k=1": ("layer 2 holds experts 0-15, not experts=17", "at most 16"),
    "layers=0-2/experts=e3+16/top_k=1": ("experts=e3+16", "at most 16"),
    "layers=0-2/experts=e3+5/top_k=3": ("top_k=3", "1 to 2"),
    "layers=0-2/experts=4,4,4/top_k=1": ("3 experts", PER_LAYER),
    "layers=0-2/experts=4/top_k=1,1,1": ("3 top_k", PER_LAYER),
    "layers=0-2/experts=4": ("0 top_k", PER_LAYER),
    "layers=0-2": ("0 experts", PER_LAYER),
    "layers=0/experts=99/top_k=2": ("experts=99", PER_LAYER),
}


@pytest.mark.parametrize(("text", "value", "remedy"), [(t, *e) for t, e in UNFIT.items()])
def test_a_shape_that_the_supernet_does_not_hold_is_refused(text, value, remedy):
    with pytest.raises(ShapeError) as caught:
        Shape.parse(text, CONFIG)
    assert value in caught.value.what
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("text", ["8L-4E-2K", "layers=0-7/experts=4/top_k=2"])
def test_a_dense_model_refuses_experts(text):
    with pytest.raises(ShapeError, match="experts=4"):
        Shape.parse(text, DENSE)


def test_a_shape_of_a_sparse_model_is_refused_by_one_with_other_sizes():
    shape = Shape.full(CONFIG)
    with pytest.raises(ShapeError, match="experts=16"):
        shape.checked(CONFIG.model_copy(update={"num_experts": 8}))
    with pytest.raises(ShapeError, match="layers=0-7"):
        shape.checked(CONFIG.model_copy(update={"num_layers": 4}))


@pytest.mark.parametrize(
    "shape",
    [
        Shape((0, 0, 1), (4,), (1,)),
        Shape((1, 0), (4,), (1,)),
        Shape((0, 1), ((3, 3),), (2,)),
        Shape((0, 1), ((5, 2),), (1,)),
    ],
    ids=["a layer twice", "layers out of order", "an expert twice", "experts out of order"],
)
def test_ids_that_repeat_or_are_out_of_order_are_refused(shape):
    with pytest.raises(ShapeError, match="ascending"):
        shape.checked(CONFIG)


@pytest.mark.parametrize("dense", [0, 1, 2, 3, 7])
def test_depths_nest_and_keep_the_dense_layers_and_the_last(dense):
    config = CONFIG.model_copy(update={"num_dense_layers": dense})
    firm = set(range(max(dense, 1))) | {7}
    depths = range(len(firm), 9)
    kept = [set(keep_layers(config, depth)) for depth in depths]
    assert [len(layers) for layers in kept] == list(depths)
    assert all(fewer < more for fewer, more in itertools.pairwise(kept))
    assert all(firm <= layers for layers in kept)
    assert set(skippable_layers(config)) == set(range(8)) - firm


def test_the_middle_leaves_first():
    assert [keep_layers(CONFIG, depth) for depth in (7, 6, 5, 4, 3, 2)] == [
        (0, 1, 2, 3, 5, 6, 7),
        (0, 1, 2, 5, 6, 7),
        (0, 1, 2, 6, 7),
        (0, 1, 6, 7),
        (0, 1, 7),
        (0, 7),
    ]
    assert skippable_layers(CONFIG) == (4, 3, 5, 2, 6, 1)


def test_the_selection_of_a_layer_is_its_own_entry():
    shape = Shape((0, 2, 5, 7), (16, (1, 4), 3), (4, 2, 1)).checked(CONFIG)
    assert shape.selection(2, CONFIG) == (16, 4)
    assert shape.selection(5, CONFIG) == ((1, 4), 2)
    assert shape.selection(7, CONFIG) == (3, 1)
