"""The router: sigmoid scores, a bias that selects but never weighs, and its balancing."""

import pytest
import torch

from farthing.model.router import Router

NUM_EXPERTS, HIDDEN, SCALE = 6, 8, 2.5


@pytest.fixture
def router():
    torch.manual_seed(0)
    router = Router(NUM_EXPERTS, HIDDEN, SCALE)
    torch.nn.init.normal_(router.weight)
    return router


@pytest.fixture
def tokens():
    torch.manual_seed(1)
    return torch.randn(40, HIDDEN)


def _expected_weights(router, x_ND, ids_NK):
    """Plain sigmoid of the chosen, renormalised: no bias anywhere."""
    logits_NE = x_ND.double() @ router.weight.detach().double().T
    chosen_NK = (1 / (1 + (-logits_NE).exp())).gather(1, ids_NK)
    return SCALE * chosen_NK / chosen_NK.sum(1, keepdim=True)


def test_without_a_bias_the_highest_scores_are_chosen(router, tokens):
    ids_NK, _ = router(tokens, None, 2)
    for x, ids in zip(tokens, ids_NK, strict=True):
        scores = [(float(row @ x), expert) for expert, row in enumerate(router.weight.detach())]
        assert set(ids.tolist()) == {expert for _, expert in sorted(scores)[-2:]}


def test_the_bias_selects_but_never_weighs(router, tokens):
    router.balance_bias[:] = torch.tensor([0.0, 9.0, 0.0, 0.0, 9.0, 0.0])
    ids_NK, weights_NK = router(tokens, None, 2)
    assert {frozenset(ids) for ids in ids_NK.tolist()} == {frozenset({1, 4})}
    expected_NK = _expected_weights(router, tokens, ids_NK)
    torch.testing.assert_close(weights_NK.double(), expected_NK, atol=1e-6, rtol=0)


def test_weights_add_up_to_the_routed_scale_even_where_scores_are_tiny(router, tokens):
    _, weights_NK = router(-20 * router.weight.sum(0) * torch.ones(3, 1), None, 3)
    torch.testing.assert_close(weights_NK.sum(1), torch.full((3,), SCALE))
    _, weights_NK = router(tokens, None, 3)
    torch.testing.assert_close(weights_NK.sum(1), torch.full((40,), SCALE))


def test_only_experts_that_take_part_are_chosen(router, tokens):
    # Experts 0 and 3 would be everybody's favourites.
    router.balance_bias[:] = torch.tensor([9.0, 0.0, 0.0, 9.0, 0.0, 0.0])
    ids_S = torch.tensor([1, 2, 5])
    ids_NK, weights_NK = router(tokens, ids_S, 2)
    assert set(ids_NK.flatten().tolist()) <= {1, 2, 5}
    expected_NK = _expected_weights(router, tokens, ids_NK)
    torch.testing.assert_close(weights_NK.double(), expected_NK, atol=1e-6, rtol=0)


def test_scores_stay_fp32_under_bf16_autocast(router, tokens):
    ids_NK, weights_NK = router(tokens, None, 2)
    with torch.autocast("cpu", torch.bfloat16):
        cast_ids_NK, cast_weights_NK = router(tokens, None, 2)
        _, from_bf16_NK = router(tokens.bfloat16(), None, 2)
    assert cast_weights_NK.dtype == from_bf16_NK.dtype == torch.float32
    assert torch.equal(cast_ids_NK, ids_NK)
    assert torch.equal(cast_weights_NK, weights_NK)


def test_a_float64_input_is_scored_in_float64(router, tokens):
    _, weights_NK = router.double()(tokens.double(), None, 2)
    assert weights_NK.dtype == torch.float64


def test_the_gradient_reaches_the_router_through_the_weights_only(router, tokens):
    router.balance_bias.requires_grad_()
    _, weights_NK = router(tokens, torch.tensor([0, 2, 4]), 2)
    weights_NK[:, 0].sum().backward()
    assert router.balance_bias.grad is None
    assert router.weight.grad[[1, 3, 5]].count_nonzero() == 0
    assert (router.weight.grad[[0, 2, 4]].abs().amax(1) > 0).all()


def _route(router, counts):
    """Send `counts[e]` tokens to expert e, by one strong direction per expert."""
    with torch.no_grad():
        router.weight.copy_(10 * torch.eye(NUM_EXPERTS, HIDDEN))
    ids = [expert for expert, count in counts.items() for _ in range(count)]
    taking_part = torch.tensor(sorted(counts))
    router(torch.eye(HIDDEN)[ids], None if len(counts) == NUM_EXPERTS else taking_part, 1)


def test_the_bias_rises_for_underloaded_and_falls_for_overloaded_experts(router):
    _route(router, {0: 9, 1: 1, 2: 5, 3: 5, 4: 4, 5: 6})
    router.end_step(0.25)
    # The mean load is 5: two experts sit on it and stay.
    assert router.balance_bias.tolist() == [-0.25, 0.25, 0.0, 0.0, 0.25, -0.25]


def test_the_bias_of_experts_that_sat_out_stays(router):
    router.balance_bias[:] = 0.5
    _route(router, {1: 7, 2: 1, 4: 1})
    router.end_step(0.125)
    assert router.balance_bias.tolist() == [0.5, 0.375, 0.625, 0.5, 0.625, 0.5]


def test_a_router_that_sat_out_keeps_bias_and_mass(router):
    _route(router, {1: 7, 2: 1})
    router.end_step(0.125)
    before = router.balance_bias.clone(), router.mass.clone()
    router.end_step(0.125)
    assert torch.equal(router.balance_bias, before[0])
    assert torch.equal(router.mass, before[1])
    assert not router.load.any()


def test_a_step_adds_up_its_micro_batches(router):
    _route(router, {1: 3, 2: 1, 4: 1})
    _route(router, {1: 0, 2: 4, 4: 0})
    router.end_step(1.0)
    # Loads 3, 5, 1 of the three that took part: their mean is 3.
    assert router.balance_bias.tolist() == [0.0, 0.0, -1.0, 0.0, 1.0, 0.0]


def test_each_step_starts_from_an_empty_count(router):
    _route(router, {0: 9, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1})
    router.end_step(1.0)
    router.balance_bias.zero_()
    router.end_step(1.0)
    assert router.balance_bias.count_nonzero() == 0
    _route(router, {1: 1, 2: 3})
    router.end_step(1.0)
    assert router.balance_bias.tolist() == [0.0, 1.0, -1.0, 0.0, 0.0, 0.0]


def test_mass_is_a_slow_average_of_the_share_of_routed_weight(router):
    router.mass[:] = 1.0
    # Two micro-batches of one step: only their sum counts.
    _route(router, {1: 4, 2: 1})
    _route(router, {1: 2, 2: 2, 4: 1})
    router.end_step(0.0)
    # One expert per token, so every choice weighs the same. Absent experts keep theirs.
    seen = {1: 0.6, 2: 0.3, 4: 0.1}
    expected = [0.99 + 0.01 * seen[e] if e in seen else 1.0 for e in range(NUM_EXPERTS)]
    torch.testing.assert_close(router.mass, torch.tensor(expected))


def test_evaluation_counts_no_load(router, tokens):
    router.eval()
    router(tokens, None, 2)
    router.end_step(1.0)
    assert router.balance_bias.count_nonzero() == router.mass.count_nonzero() == 0


def test_balancing_evens_out_a_lopsided_router(router):
    torch.manual_seed(3)
    with torch.no_grad():
        router.weight[:, 0] += torch.linspace(-2, 2, NUM_EXPERTS)
    tokens = torch.randn(512, HIDDEN) + torch.eye(HIDDEN)[0] * 2

    def busiest_share():
        ids_NK, _ = router(tokens, None, 2)
        loads_E = torch.stack([(ids_NK == expert).sum() for expert in range(NUM_EXPERTS)])
        return (loads_E.max() / loads_E.sum()).item()

    before = busiest_share()
    for _ in range(200):
        router(tokens, None, 2)
        router.end_step(0.01)
    # A perfectly even load would be one sixth.
    assert before > 0.3
    assert busiest_share() < 0.2
