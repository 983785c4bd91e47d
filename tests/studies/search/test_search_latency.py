"""Timing by a clock of our own, and a fit that finds back what it was made of."""

from __future__ import annotations

import itertools
import time

import pytest

from farthing.errors import ConfigError
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.studies.search import latency
from farthing.studies.search.latency import NEW_TOKENS, LatencyModel, measure_latency_ms

VOCAB = 40
PROMPTS = [[5, 6, 7] * 10, [8, 9] * 10]


@pytest.fixture(scope="module")
def model(sizes) -> Transformer:
    made = Transformer(sizes, VOCAB, 0)
    initialize(made, 0)
    return made.eval()


def test_the_median_time_between_tokens_is_measured(model, sizes, monkeypatch):
    """Each token takes as many ticks as the member has layers, but for the prompt's."""
    clock, prompts = [0.0], []

    def generate(_model, shape, prompt, *, max_tokens, temperature, top_p, seed):
        assert (max_tokens, temperature, top_p) == (NEW_TOKENS, 1.0, 1.0)
        prompts.append((shape, tuple(prompt), seed))
        clock[0] += 100
        for place in range(5):
            # Once in a while something else is busy: the median does not mind.
            clock[0] += 50 if place == 2 else len(shape.layers) / 1000
            yield 7

    monkeypatch.setattr(latency, "generate_tokens", generate)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    shapes = [Shape.uniform(sizes, depth, 4, 2) for depth in (5, 2)]
    found = measure_latency_ms(model, shapes, PROMPTS)
    assert found == pytest.approx({shapes[0]: 5.0, shapes[1]: 2.0})
    # They take turns, prompt by prompt, each of 16 tokens.
    assert [shape for shape, _, _ in prompts] == shapes * 5
    assert [prompt for _, prompt, _ in prompts[:4]] == [
        *[tuple(PROMPTS[0][:16])] * 2,
        *[tuple(PROMPTS[1][:16])] * 2,
    ]


def test_a_real_member_takes_some_time(model, sizes):
    shape = Shape.uniform(sizes, 2, 2, 1)
    assert 0 < measure_latency_ms(model, [shape], PROMPTS)[shape] < 1000


def test_a_member_that_says_nothing_cannot_be_timed(model, sizes, monkeypatch):
    monkeypatch.setattr(latency, "generate_tokens", lambda *_, **__: iter(()))
    with pytest.raises(ConfigError, match="2L-2E-1K ends every text at once"):
        measure_latency_ms(model, [Shape.uniform(sizes, 2, 2, 1)], PROMPTS)


def spread(sizes) -> list[Shape]:
    sizes_of = itertools.product((2, 3, 5), (2, 4), (1, 2))
    return [Shape.uniform(sizes, depth, count, k) for depth, count, k in sizes_of]


def test_the_fit_finds_back_a_sum_of_what_members_have(sizes):
    def true_ms(shape: Shape) -> float:
        kept = sum(e if isinstance(e, int) else len(e) for e in shape.experts)
        return 1.5 + 0.7 * len(shape.layers) + 0.2 * sum(shape.top_k) + 0.01 * kept

    fitted = LatencyModel()
    fitted.learn({shape: true_ms(shape) for shape in spread(sizes)})
    other = Shape.parse("layers=0-2,4/experts=e0-1+3,2,4/top_k=2,1,2", sizes)
    assert fitted.guess_ms(other) == pytest.approx(true_ms(other))


def test_more_work_is_never_guessed_to_take_less_time(sizes):
    fitted = LatencyModel()
    # By chance the deeper ones were faster; nothing but the constant is left.
    fitted.learn({shape: 9.0 - len(shape.layers) for shape in spread(sizes)})
    guesses = [fitted.guess_ms(shape) for shape in spread(sizes)]
    deeper = fitted.guess_ms(Shape.full(sizes))
    assert deeper >= max(guesses) - 1e-9
    assert min(guesses) > 0
