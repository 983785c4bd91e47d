"""Sampling from a member: greedy, seeded, and never outside its nucleus."""

from collections import Counter

import pytest
import torch

from farthing.model.generate import generate_tokens
from farthing.model.shape import Shape

END_OF_TEXT = 0
SETTINGS = {"max_tokens": 20, "temperature": 1.0, "top_p": 1.0, "seed": 0}


def _generate(model, text="5L", prompt=(3, 5), **changes):
    shape = Shape.parse(text, model.config)
    return list(generate_tokens(model.eval(), shape, prompt, **{**SETTINGS, **changes}))


@pytest.mark.parametrize("text", ["5L", "3L-2E-1K", "layers=0,3/experts=e1+4/top_k=1"])
def test_without_temperature_each_token_is_the_likeliest_of_the_full_forward(
    build, sparse_config, text
):
    model, shape = build(sparse_config).eval(), Shape.parse(text, sparse_config)
    tokens = [END_OF_TEXT, 3, 5]
    for _ in range(20):  # beyond the trained context of 12
        likeliest = model(torch.tensor([tokens]), shape)[0, -1].argmax().item()
        if likeliest == END_OF_TEXT:
            break
        tokens.append(likeliest)
    assert _generate(model, text, temperature=0.0) == tokens[3:]


@pytest.fixture
def fixed_model(build, sparse_config):
    """A model that gives the same logits everywhere: token t has probability `of[t]`."""

    def fix(of):
        model = build(sparse_config)
        with torch.no_grad():
            for weight in (model.norm.weight, model.lm_head.weight):
                weight.zero_()
        logits_V = torch.tensor([of.get(t, 0.0) for t in range(model.vocab_size)]).double().log()
        model.lm_head.register_forward_hook(lambda _, __, out: out + logits_V)
        return model

    return fix


def test_tokens_come_as_often_as_the_model_says(fixed_model):
    model = fixed_model({1: 0.5, 2: 0.3, 3: 0.2})
    counts = Counter(_generate(model, "layers=0", max_tokens=2000))
    for token, share in {1: 0.5, 2: 0.3, 3: 0.2}.items():
        # Five standard deviations of a binomial.
        assert abs(counts[token] / 2000 - share) < 5 * (share * (1 - share) / 2000) ** 0.5


def test_only_the_nucleus_is_sampled(fixed_model):
    model = fixed_model({1: 0.5, 2: 0.3, 3: 0.2})
    assert set(_generate(model, "layers=0", top_p=0.6, max_tokens=200)) == {1, 2}
    assert set(_generate(model, "layers=0", top_p=0.01, max_tokens=50)) == {1}


def test_a_low_temperature_sharpens_and_a_high_one_flattens(fixed_model):
    model = fixed_model({1: 0.6, 2: 0.4})
    cold = Counter(_generate(model, "layers=0", temperature=0.1, max_tokens=400))
    hot = Counter(_generate(model, "layers=0", temperature=10.0, max_tokens=400))
    # (0.6 / 0.4) ** 10 = 58 to one; (0.6 / 0.4) ** 0.1 = 1.04 to one.
    assert cold[2] < 25
    assert 140 < hot[2] < 260


def test_the_same_seed_writes_the_same_text_and_another_seed_another(build, sparse_config):
    model = build(sparse_config)
    first = _generate(model, seed=1)
    assert _generate(model, seed=1) == first
    assert any(_generate(model, seed=seed) != first for seed in (2, 3, 4))


def test_generation_stops_where_the_document_ends(fixed_model):
    assert _generate(fixed_model({END_OF_TEXT: 1.0})) == []


def test_generation_stops_after_the_asked_number_of_tokens(fixed_model):
    assert _generate(fixed_model({4: 1.0}), max_tokens=7) == [4] * 7


def test_an_empty_prompt_starts_a_document(fixed_model):
    assert _generate(fixed_model({4: 1.0}), prompt=(), max_tokens=2) == [4, 4]
