"""The points of the scaling law: those that ship, and those of a workspace's own runs."""

import pytest
from tiny_models import TINY

from farthing.artifacts.entries import Evaluation, Member, Plan
from farthing.cost.parameters import count_parameters
from farthing.ledger.meter import NO_WORK, Meter
from farthing.model.shape import Shape
from farthing.predict.points import SAMPLE, booked_points, shipped_points, smallest_active

ELASTIC = {"sizes": ["3L-2E-1K"], "size_weights": None, "full_probability": 0.25}
RECIPE = {
    "model": TINY.model_dump(mode="json"),
    "corpus": {"sources": None},
    "train": {"steps": 50, "batch_sequences": 4, "elastic": ELASTIC},
}
FULL, SMALL = str(Shape.full(TINY)), str(Shape.parse("3L-2E-1K", TINY))


@pytest.fixture
def train(book, machine):
    """Books a training that made a supernet, and scores of its shapes."""

    def enter(recipe=RECIPE, *, status="completed", parent=None, corpus="c" * 64, supernet="s"):
        plan = Plan(
            name="mine",
            recipe=recipe,
            recipe_digest="d",
            corpus_digest=corpus,
            parent=parent,
            members=(Member(shape=FULL, share=1.0),),
        )
        digest = book.append(plan).entry.digest
        meter = Meter(machine, from_process_start=False)
        run = book.start_run("training", "mine", input_key=supernet, meter=meter, plan=digest)
        run.end(
            status,
            artifact_kind="supernet",
            artifact_digest=supernet if status == "completed" else None,
            reason=None if status == "completed" else "why",
        )

    return enter


@pytest.fixture
def score(book):
    def enter(shape, scores, *, supernet="s", split="dev"):
        book.append(
            Evaluation(
                run=0, supernet=supernet, shape=shape, split=split, scores=scores, work=NO_WORK
            )
        )

    return enter


def test_a_family_of_the_workspace_is_a_point_for_each_scored_member(workspace, book, train, score):
    train()
    score(FULL, {"en": 2.0, "zh": 3.0})
    score(SMALL, {"en": 2.5, "zh": 3.5})
    full, small = booked_points(workspace, book.records)
    assert (full.bpb, small.bpb) == (2.5, 3.0)
    assert (full.tokens, full.steps, full.batch_tokens) == (50 * 4 * 32, 50, 4 * 32)
    assert (full.share, small.share) == (0.25, 0.75)
    # By hand, from the counts of the exact architecture: the smallest size is what both name.
    assert full.smallest == small.smallest == small.active < full.active
    assert small.active == count_parameters(TINY, 0, Shape.parse("3L-2E-1K", TINY)).active
    assert full.corpus == SAMPLE


def test_a_later_score_of_a_member_replaces_the_earlier(workspace, book, train, score):
    train()
    score(FULL, {"en": 2.0})
    score(FULL, {"en": 1.9})
    assert [point.bpb for point in booked_points(workspace, book.records)] == [1.9]


def test_other_text_goes_by_its_digest(workspace, book, train, score):
    train({**RECIPE, "corpus": {"sources": ["books"]}}, corpus="abc")
    score(FULL, {"en": 2.0})
    assert [point.corpus for point in booked_points(workspace, book.records)] == ["abc"]


@pytest.mark.parametrize(
    ("booked", "scored"),
    [
        pytest.param({"status": "failed"}, {}, id="training failed"),
        pytest.param({"parent": "older"}, {}, id="trained on from another model"),
        pytest.param({"recipe": {"model": {"width": 3}}}, {}, id="a plan of another version"),
        pytest.param({}, {"split": "benchmarks"}, id="questions"),
        pytest.param({}, {"split": "test"}, id="test text"),
        pytest.param({}, {"supernet": "another"}, id="a model that nobody trained here"),
    ],
)
def test_what_says_nothing_about_the_law_is_left_out(workspace, book, train, score, booked, scored):
    train(**booked)
    score(FULL, {"en": 2.0}, **scored)
    assert booked_points(workspace, book.records) == ()


def test_a_shape_that_no_step_trained_is_left_out(workspace, book, train, score):
    train({**RECIPE, "train": {**RECIPE["train"], "elastic": None}})
    score(FULL, {"en": 2.0})
    score(SMALL, {"en": 9.0})
    assert [(p.bpb, p.share) for p in booked_points(workspace, book.records)] == [(2.0, 1.0)]


def test_the_smallest_size_of_drawn_axes_is_small_in_all_of_them():
    axes = {"depths": [3], "expert_counts": [2], "top_ks": [1]}
    expected = count_parameters(TINY, 0, Shape.uniform(TINY, 3, 2, 1)).active_non_embedding
    assert smallest_active(TINY, axes) == expected
    assert smallest_active(TINY, None) == count_parameters(TINY, 0, Shape.full(TINY)).active


def test_shipped_points_are_of_three_recipes_on_the_sample():
    points = shipped_points()
    recipes = {point.recipe for point in points}
    assert recipes == {"compare-sample", "compare-0.3m", "compare-1m"}
    assert {point.corpus for point in points} == {SAMPLE}
    for point in points:
        assert point.smallest <= point.active <= point.total
        assert point.share == 1 or point.smallest < point.total
        assert point.tokens == pytest.approx(point.steps * point.batch_tokens, rel=1e-3)
        assert 1.5 < point.bpb < 3
