"""What is timed when a member is served, and that the figures are those of the clock."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from tiny_models import TINY

from farthing.artifacts.serving import ServingMeasurement
from farthing.artifacts.work import Work
from farthing.bench import serving
from farthing.bench.clock import Lap
from farthing.bench.serve import read_batches
from farthing.bench.serving import Load, lengths_within, measure_serving
from farthing.cost.flops import forward_flops
from farthing.errors import UsageError
from farthing.model.generate import generate_tokens
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer

TEXT = [(7 * place) % 50 for place in range(400)]
SHAPE = Shape.full(TINY)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Transformer(TINY, 64, 63).eval()


def _work(seconds):
    return Work(
        wall_seconds=seconds,
        device_seconds=seconds,
        cpu_seconds=seconds,
        tokens=0,
        flops=0.0,
        optimizer_flops=0.0,
        joules=5.0 * seconds,
        energy_method="tdp_model",
    )


class _Clock:
    """A prefill takes 2 s and a decode 10 s, however fast this machine is; a turn 1 s more each."""

    def __init__(self):
        self.seconds, self.laps = 0.0, 0

    @contextmanager
    def lap(self, _device):
        timed = Lap()
        yield timed
        turn = self.laps // 2
        timed.wall_seconds = (10.0 if self.laps % 2 else 2.0) + turn
        self.laps += 1
        self.seconds += timed.wall_seconds

    def used(self):
        return _work(self.seconds)


def _measure(model, loads, *, repeats=3, clock=None, counted=None):
    clock = clock or _Clock()
    return measure_serving(
        model,
        SHAPE,
        TEXT,
        loads,
        source="a test",
        repeats=repeats,
        used=clock.used,
        count=lambda tokens, flops: (
            counted.append((tokens, flops)) if counted is not None else None
        ),
    )


def test_rates_are_tokens_over_seconds_with_their_spread_and_the_warm_up_is_left_out(
    model, monkeypatch
):
    clock = _Clock()
    monkeypatch.setattr(serving, "lap", clock.lap)
    (point,) = _measure(model, [Load(2, 8, 5)], clock=clock)
    # Turns 1, 2, 3 (0 is the warm-up): prefills of 3, 4, 5 s for 2 x 8 tokens, decodes of 11, 12,
    # 13 s for 2 x 4.
    read, written = point.prefill.rate, point.decode.rate
    assert (read.low, read.value, read.high) == (16 / 5, 16 / 4, 16 / 3)
    assert (written.low, written.value, written.high) == (8 / 13, 8 / 12, 8 / 11)
    assert (read.repeats, point.prefill.tokens, point.decode.tokens) == (3, 48, 24)
    assert point.prefill.work.wall_seconds == pytest.approx(3 + 4 + 5)
    assert point.decode.work.joules == pytest.approx(5 * (11 + 12 + 13))


def test_every_pass_is_counted_with_the_warm_up_in_tokens_and_flops(model):
    counted = []
    loads = [Load(1, 8, 5), Load(3, 8, 5)]
    _measure(model, loads, repeats=2, counted=counted)
    # Pairs one by one: position p of the 12 that are computed sees p + 1.
    pairs = sum(position + 1 for position in range(8 + 4))
    expected = [
        (
            batch * 12,
            forward_flops(TINY, 64, SHAPE, tokens=batch * 12, attended_pairs=batch * pairs),
        )
        for batch in (1, 3)
    ] * 3
    assert counted == expected


def test_a_batch_writes_what_generation_writes_for_each_prompt_alone(model):
    seen = []
    model.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].clone()))
    _measure(model, [Load(3, 8, 5)], repeats=1)
    prompts, steps = seen[5], torch.cat(seen[6:10], dim=1)
    assert prompts.shape == (3, 8)
    assert len({tuple(row) for row in prompts.tolist()}) == 3
    for prompt, written in zip(prompts.tolist(), steps.tolist(), strict=True):
        assert prompt[0] == model.end_of_text
        alone = generate_tokens(
            model, SHAPE, prompt[1:], max_tokens=4, temperature=0, top_p=1.0, seed=0
        )
        assert list(alone) == written


def test_prompt_and_answer_fit_into_learned_positions():
    assert lengths_within(None) == (128, 33)
    for longest in (3, 8, 32, 160, 161, 1000):
        prompt, answer = lengths_within(longest)
        # The last token written is never read.
        assert prompt + answer - 1 <= longest
        assert prompt >= 1
        assert answer >= 2


def test_too_little_text_is_refused(model):
    with pytest.raises(UsageError, match="no prompt of 500"):
        _measure(model, [Load(1, 500, 5)])


def test_batch_sizes_are_numbers_sorted_and_told_apart():
    assert read_batches("8,1,8") == (1, 8)
    assert read_batches(None) == serving.BATCHES
    for wrong in ("", "0", "two", "1,,2", "-1"):
        with pytest.raises(UsageError, match="no numbers of sequences"):
            read_batches(wrong)


def test_batch_sizes_of_a_measurement_are_in_order(model):
    points = _measure(model, [Load(1, 8, 5), Load(2, 8, 5)], repeats=1)
    with pytest.raises(ValueError, match="are not in order"):
        ServingMeasurement._in_order(
            ServingMeasurement.model_construct(points=tuple(reversed(points)))
        )
