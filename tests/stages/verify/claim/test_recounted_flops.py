"""The verifier's FLOPs against those that the bill counts, which know nothing of each other."""

from __future__ import annotations

import pytest

from farthing.cost.flops import newton_schulz_flops, training_flops
from farthing.errors import ShapeError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.stages.train.elastic_schedule import StepPlan
from farthing.stages.train.passes import own_students, plan_flops
from farthing.stages.verify.claim.flops import (
    Text,
    orthogonalising_flops,
    step_flops,
)
from farthing.stages.verify.claim.shapes import Kept, Sizes, full_shape, read_shape

SPARSE = ModelConfig(
    num_layers=6,
    num_dense_layers=2,
    hidden_dim=24,
    num_heads=4,
    num_kv_heads=2,
    head_dim=10,
    dense_ffn_dim=56,
    num_experts=8,
    expert_dim=14,
    num_shared_experts=2,
    top_k=3,
    context=32,
)
NO_SHARED = SPARSE.model_copy(update={"num_shared_experts": 0, "num_dense_layers": 0})
DENSE = SPARSE.model_copy(update={"num_experts": 0, "expert_dim": 0, "top_k": 0})
GELU = DENSE.model_copy(update={"activation": "gelu", "positions": "learned"})
CASES = {
    "whole": (SPARSE, "layers=0-5/experts=8/top_k=3"),
    "smaller": (SPARSE, "layers=0-2,5/experts=4/top_k=2"),
    "by layer": (SPARSE, "layers=0-5/experts=8,e0-2+7,2,8/top_k=3,1,2,2"),
    "dense layers alone": (SPARSE, "layers=0-1"),
    "without shared experts": (NO_SHARED, "layers=0-5/experts=8/top_k=3"),
    "dense": (DENSE, "layers=0-5"),
    "two matrices": (GELU, "layers=0-3,5"),
}


def _sizes(config):
    return Sizes.of(config.model_dump(mode="json"))


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_pass_costs_what_the_bill_says(case):
    config, text = CASES[case]
    kept = read_shape(text, _sizes(config))
    shape = Shape.parse(text, config)
    assert str(shape) == text
    counted = step_flops(_sizes(config), 101, [kept], Text(640, 5000), distilled=False)
    assert counted == training_flops(config, 101, shape, tokens=640, attended_pairs=5000)


@pytest.mark.parametrize("passes", ["full small", "small small", "full"])
def test_distillation_costs_what_the_bill_says(passes):
    texts = {"full": CASES["whole"][1], "small": CASES["smaller"][1]}
    shapes = [texts[name] for name in passes.split()]
    plan = StepPlan(tuple(Shape.parse(text, SPARSE) for text in shapes), (0,))
    booked = plan_flops(
        SPARSE,
        101,
        plan,
        students=len(own_students(plan, SPARSE, 0.5)),
        teacher=SPARSE,
        tokens=640,
        attended_pairs=5000,
    )
    sizes = _sizes(SPARSE)
    kept = [read_shape(text, sizes) for text in shapes]
    assert step_flops(sizes, 101, kept, Text(640, 5000), distilled=True) == booked


def test_orthogonalising_costs_what_the_bill_says_matrix_by_matrix():
    matrices = 6 * [(40, 24), (20, 24), (20, 24), (24, 40)] + 2 * 3 * [(24, 56)]
    matrices += 4 * (8 * 3 * [(24, 14)] + 3 * [(24, 28)])
    booked = sum(newton_schulz_flops(*each, iterations=5) for each in matrices)
    sizes = _sizes(SPARSE)
    assert orthogonalising_flops(sizes, full_shape(sizes), 5) == booked


def test_the_whole_model_is_read_as_such():
    sizes = _sizes(SPARSE)
    assert read_shape(CASES["whole"][1], sizes) == full_shape(sizes)
    assert read_shape(CASES["by layer"][1], sizes) == Kept(
        (0, 1, 2, 3, 4, 5), (8, 4, 2, 8), (3, 1, 2, 2)
    )


@pytest.mark.parametrize(
    "text",
    [
        "layers=0-6/experts=8/top_k=3",
        "layers=1,0/experts=8/top_k=3",
        "layers=0,0-5/experts=8/top_k=3",
        "layers=0-5",
        "layers=0-1/experts=8/top_k=3",
        "layers=0-5/experts=9/top_k=3",
        "layers=0-5/experts=0/top_k=0",
        "layers=0-5/experts=2/top_k=3",
        "layers=0-5/experts=8,8/top_k=3",
        "layers=0-5/experts=e0-8/top_k=1",
        "layers=0-99999999999/experts=8/top_k=3",
        "6L-8E-3K",
        "layers=/experts=8/top_k=3",
        "layers=0-5/experts=8/top_k=3\n",
    ],
)
def test_what_is_no_shape_of_the_model_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        read_shape(text, _sizes(SPARSE))
    if text not in ("6L-8E-3K", "layers=1,0/experts=8/top_k=3", "layers=0,0-5/experts=8/top_k=3"):
        # What is written otherwise has another spelling; the rest is no shape for anybody.
        with pytest.raises(ShapeError):
            Shape.parse(text.removesuffix("\n") + "/" * text.endswith("\n"), SPARSE)


def test_a_model_of_absurd_sizes_is_refused_before_it_is_counted():
    section = SPARSE.model_dump(mode="json")
    with pytest.raises(ValueError, match="none that was trained"):
        Sizes.of({**section, "num_layers": 10**9})
