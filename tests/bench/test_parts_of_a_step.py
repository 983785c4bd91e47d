"""What is timed as a part is what the step does: same calls, same gradients."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from farthing.bench import parts
from farthing.bench.capture import capture
from farthing.bench.clock import Lap
from farthing.bench.expert_products import products_of
from farthing.bench.floor import demands
from farthing.bench.parts import TITLES, pieces_of, time_parts, time_pieces
from farthing.cost.flops import training_flops
from farthing.cost.traffic import optimizer_traffic
from farthing.flow import RunConfig
from farthing.model.shape import Shape
from farthing.recipes.loader import load_recipe


def _gradients(model):
    return {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("text", ["4L-8E-2K", "3L-4E-1K"])
def test_the_parts_together_give_the_gradients_of_the_whole_step(build_subject, text, precision):
    subject = build_subject(load_recipe("smoke", [f"train.precision={precision}"], RunConfig))
    assert subject.precision == precision
    shape = Shape.parse(text, subject.model.config)
    subject.model.zero_grad(set_to_none=True)
    captured = capture(subject, shape, subject.windows(0))
    whole = _gradients(subject.model)
    alone: dict[str, torch.Tensor] = {}
    for pieces in pieces_of(captured).values():
        time_pieces(subject, pieces)
        for name, gradient in _gradients(subject.model).items():
            alone[name] = alone.get(name, 0) + gradient
    assert alone.keys() == whole.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(alone[name], gradient, rtol=1e-4, atol=1e-7, msg=name)


def test_every_part_has_a_time_and_a_title(subject):
    laps = time_parts(subject, 0)
    assert laps.keys() == TITLES.keys()
    assert all(lap.wall_seconds >= 0 and lap.cpu_seconds >= 0 for lap in laps.values())
    assert laps["attention"].wall_seconds > 0


def test_a_dense_model_has_no_routed_parts(build_subject):
    run = load_recipe(
        "smoke",
        ["model.num_experts=0", "train.elastic=null", "evaluate.members=[4L]"],
        RunConfig,
    )
    assert TITLES.keys() - time_parts(build_subject(run), 0).keys() == {
        "router",
        "dispatch",
        "experts",
    }


def test_the_routers_forget_what_was_only_a_measurement(subject):
    time_parts(subject, 0)
    for block in subject.model.sparse_blocks():
        assert block.router.load.sum() == 0
        assert not block.router.present.any()


def test_the_products_of_the_experts_are_those_that_are_counted(subject):
    shape = subject.model.full_shape
    captured = capture(subject, shape, subject.windows(0))
    with FlopCounterMode(display=False) as counter:
        for call in captured.calls["experts"]:
            products_of(call).run()
    config = subject.model.config
    tokens, layers = subject.micro * config.context, len(captured.calls["experts"])
    one = 2 * tokens * config.top_k * 3 * config.hidden_dim * config.expert_dim
    assert counter.get_total_flops() == 3 * layers * one


def test_the_flops_of_the_parts_are_those_that_training_books(subject):
    for step in range(8):
        _, result = subject.whole_step(step)
        asked = demands(subject, step, result.optimizer_flops)
        booked = result.flops + result.optimizer_flops
        assert sum(demand.flops for demand in asked.values()) == booked
        pairs = sum(
            subject.batches.batch(first, subject.micro).attended_pairs
            for first in subject.micro_batch_firsts(step)
        )
        assert result.flops == training_flops(
            subject.model.config,
            subject.model.vocab_size,
            *subject.shapes(step),
            tokens=subject.tokens,
            attended_pairs=pairs,
        )


def test_a_step_is_drawn_as_training_draws_it(subject):
    shapes = {str(subject.whole_step(step)[1].shapes[0]) for step in range(8)}
    assert shapes == {str(subject.shapes(step)[0]) for step in range(8)}
    assert len(shapes) > 1


SANDWICH = "train.elastic.passes=[full,smallest,draw]"


@pytest.fixture
def sandwich(build_subject):
    """A step of three passes over each of two micro-batches."""
    settings = ["train.micro_sequences=2", SANDWICH, "train.elastic.balance=by_size"]
    return build_subject(load_recipe("smoke", settings, RunConfig))


def test_the_parts_are_those_of_all_passes(sandwich, monkeypatch):
    seen = []
    real = parts.capture

    def watched(subject, shape, tokens_BW):
        seen.append(str(shape))
        return real(subject, shape, tokens_BW)

    laps = iter(range(10**6))
    monkeypatch.setattr(parts, "capture", watched)
    monkeypatch.setattr(parts, "_time_optimizer", lambda *_: Lap(1.0, 1.0))
    monkeypatch.setattr(
        parts, "_time_modules", lambda *_: {"attention": Lap(float(next(laps)), 0.0)}
    )
    found = time_parts(sandwich, 5)
    passes = [str(shape) for shape in sandwich.whole_step(5)[1].shapes]
    assert len(set(passes)) > 1
    assert seen == 2 * passes
    assert found["attention"].wall_seconds == 0 + 1 + 2 + 3 + 4 + 5


def test_the_optimizer_is_timed_on_the_gradients_of_all_passes(sandwich, monkeypatch):
    """The last pass is smaller than the first: its gradients alone would leave layers out."""
    model = sandwich.model
    grown = []
    update = sandwich.made.step.update

    def watched(step):
        grown.append({name for name, weight in model.named_parameters() if weight.grad is not None})
        update(step)

    monkeypatch.setattr(sandwich.made.step, "update", watched)
    for step in range(4):
        time_parts(sandwich, step)
    assert grown == [{name for name, _ in model.named_parameters()}] * 4
    assert any(sandwich.shapes(step)[-1] != model.full_shape for step in range(4))


def test_the_flops_of_all_passes_are_those_that_training_books(sandwich):
    for step in range(4):
        _, result = sandwich.whole_step(step)
        asked = demands(sandwich, step, result.optimizer_flops)
        booked = result.flops + result.optimizer_flops
        assert sum(demand.flops for demand in asked.values()) == booked
        every = " + ".join(shape.label(sandwich.model.config) for shape in result.shapes)
        assert sandwich.label(step) == every
        # The optimizer moves each weight once, however many passes gave it a gradient.
        whole = optimizer_traffic(
            sandwich.model.config, sandwich.model.vocab_size, sandwich.model.full_shape
        )
        assert asked["optimizer"].traffic == whole


def test_what_distillation_adds_is_said_to_be_in_no_part(sandwich, build_subject):
    settings = [SANDWICH, "train.elastic.distill_weight=0.5"]
    taught = build_subject(load_recipe("smoke", settings, RunConfig))
    assert "distillation" in taught.left_out
    assert sandwich.left_out == ""
    _, result = taught.whole_step(0)
    asked = demands(taught, 0, result.optimizer_flops)
    # So the parts hold fewer FLOPs than the step, by the teaching.
    assert sum(one.flops for one in asked.values()) < result.flops + result.optimizer_flops
