"""The compiled routing against torch's operators in float64, and its rules for ties and NaN."""

from functools import partial

import pytest
import torch

from farthing.model.kernels.routing import plain_route, route

pytestmark = pytest.mark.usefixtures("compiled", "poison")

SCALE = 1.7
# (N, S, K): one expert, one choice, every expert chosen, more experts than a vector holds.
SHAPES = [(1, 1, 1), (5, 7, 3), (40, 16, 1), (40, 16, 16), (300, 17, 4), (9, 48, 8), (9, 100, 6)]
# The sigmoid, a sum of up to 16, two divisions: a few roundings of 2**-24.
FLOAT32 = 1e-6
NAN = float("nan")


@pytest.fixture
def make(draw):
    """Logits and biases; then the gradient of the weights."""

    def inputs(tokens, experts, top_k):
        return (2 * draw(tokens, experts), 0.1 * draw(experts, seed=1)), draw(tokens, top_k, seed=2)

    return inputs


def _weights(route, logits, bias, grad, top_k):
    """Ids, weights, and the gradient of the logits."""
    logits = logits.detach().requires_grad_()
    ids, weights = route(logits, bias, top_k, SCALE)
    assert not ids.requires_grad
    return ids, weights.detach(), *torch.autograd.grad(weights, logits, grad)


def _choices(logits, bias, top_k):
    return route(torch.tensor([logits]), torch.tensor(bias), top_k, 1.0)[0][0].tolist()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_choices_weights_and_gradients_match_float64(make, assert_near, shape):
    (logits, bias), grad = make(*shape)
    ids, *ours = _weights(route, logits, bias, grad, shape[2])
    exact_ids, *exact = _weights(
        plain_route, logits.double(), bias.double(), grad.double(), shape[2]
    )
    assert torch.equal(ids, exact_ids)
    assert_near(ours, exact, FLOAT32, least=0.1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_weights_of_a_token_sum_to_the_scale(make, shape):
    (logits, bias), _ = make(*shape)
    _, weights = route(logits, bias, shape[2], SCALE)
    torch.testing.assert_close(weights.sum(dim=-1), torch.full((shape[0],), SCALE))


def test_the_bias_chooses_but_does_not_weigh(make):
    (logits, _), _ = make(40, 16, 3)
    bias = torch.zeros(16)
    bias[[2, 9, 13]] = 5.0
    ids, weights = route(logits, bias, 3, 1.0)
    assert ids.sort().values.tolist() == [[2, 9, 13]] * 40
    scores = logits.sigmoid().gather(1, ids)
    torch.testing.assert_close(weights, scores / scores.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("experts", [4, 16, 33])
@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_ties_go_to_the_lower_id(experts, top_k):
    assert _choices([0.25] * experts, [0.0] * experts, top_k) == list(range(top_k))
    # Two levels, the higher one on the odd ids.
    levels = [0.0, 1.0] * (experts // 2) + [0.0] * (experts % 2)
    best = sorted(range(experts), key=lambda e: (-levels[e], e))
    assert _choices(levels, [0.0] * experts, top_k) == best[:top_k]


def test_choices_fall_in_score_plus_bias():
    assert _choices([0.0, 3.0, 1.0, 2.0], [0.0] * 4, 4) == [1, 3, 2, 0]
    assert _choices([0.0, 3.0, 1.0, 2.0], [2.0, 0.0, 0.0, 0.5], 3) == [0, 3, 1]


@pytest.mark.parametrize("low", [-1e4, -float("inf")])
@pytest.mark.parametrize("top_k", [1, 3, 5])
def test_unselectable_experts_are_never_chosen_while_others_are_left(draw, low, top_k):
    logits, bias = 20 * draw(200, 20), torch.full((20,), low)
    able = [0, 3, 7, 16, 19]
    bias[able] = 0.0
    ids, weights = route(logits, bias, top_k, 1.0)
    assert set(ids.flatten().tolist()) <= set(able)
    assert all(len(set(row)) == top_k for row in ids.tolist())
    assert weights.isfinite().all()


@pytest.mark.parametrize("low", [-1e4, -float("inf")])
def test_where_too_few_are_selectable_every_choice_is_still_another_expert(low):
    assert _choices([2.0, 0.0, 1.0], [0.0, low, low], 3)[0] == 0
    for bias in ([0.0, low, low], [low, low, 0.0], [low] * 3):
        assert sorted(_choices([2.0, 0.0, 1.0], bias, 3)) == [0, 1, 2]


@pytest.mark.parametrize("top_k", [1, 3, 5])
@pytest.mark.parametrize("place", [0, 2, 16, 19])
def test_a_nan_logit_is_chosen_first_wherever_it_stands(draw, place, top_k):
    logits, bias = draw(3, 20), torch.zeros(20)
    logits[1, place] = NAN
    ids, weights, gradient = _weights(route, logits, bias, torch.ones(3, top_k), top_k)
    assert ids[1, 0] == place
    assert weights.isnan().any(dim=1).tolist() == [False, True, False]
    assert gradient.isnan().any(dim=1).tolist() == [False, True, False]


def test_of_several_nans_the_lower_id_is_first():
    assert _choices([1.0, NAN, 2.0, NAN, 3.0, NAN], [0.0] * 6, 4) == [1, 3, 5, 4]
    assert _choices([NAN] * 6, [0.0] * 6, 3) == [0, 1, 2]


def test_a_nan_gradient_reaches_its_token_alone(make):
    (logits, bias), grad = make(5, 7, 3)
    grad[2, 1] = NAN
    *_, gradient = _weights(route, logits, bias, grad, 3)
    assert gradient.isnan().any(dim=1).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("level", [-100.0, -80.0, 80.0, 1e4])
def test_far_logits_give_finite_weights_and_gradients(level):
    logits = torch.full((1, 4), level)
    _, weights, gradient = _weights(route, logits, torch.zeros(4), torch.ones(1, 2), 2)
    # Where all scores all but vanish, so may the weights: the sum is kept away from 0.
    expected = plain_route(logits.double(), torch.zeros(4).double(), 2, SCALE)[1]
    torch.testing.assert_close(weights.double(), expected, rtol=1e-6, atol=1e-15)
    assert gradient.isfinite().all()


def test_experts_that_were_not_chosen_have_no_gradient(make):
    (logits, bias), grad = make(40, 16, 3)
    ids, _, gradient = _weights(route, logits, bias, grad, 3)
    chosen = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, ids, True)
    assert not gradient[~chosen].any()
    assert gradient[chosen].all()


@pytest.mark.parametrize("top_k", [1, 3])
def test_no_tokens_make_no_choices(top_k):
    ids, weights, gradient = _weights(
        route, torch.zeros(0, 7), torch.zeros(7), torch.zeros(0, top_k), top_k
    )
    assert (ids.shape, weights.shape, gradient.shape) == ((0, top_k), (0, top_k), (0, 7))


def test_how_tensors_lie_in_memory_changes_nothing(make, assert_equal):
    (logits, bias), grad = make(40, 17, 3)
    apart = [torch.stack((x, x), dim=-1)[..., 0] for x in (logits, bias, grad)]
    same = _weights(route, logits, bias, grad, 3)
    assert_equal(_weights(route, *apart, 3), same)


def test_broadcast_tensors_are_what_they_stand_for(draw, assert_equal):
    broadcast = draw(1, 17).expand(40, 17), torch.zeros(1).expand(17), draw(40, 1).expand(40, 3)
    whole = [x.contiguous() for x in broadcast]
    assert_equal(*(_weights(route, *tensors, 3) for tensors in (broadcast, whole)))


def test_threads_do_not_change_a_bit(make, assert_threads_agree):
    (logits, bias), grad = make(501, 33, 4)
    assert_threads_agree(lambda: list(_weights(route, logits, bias, grad, 4)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_other_dtypes_take_the_plain_path(make, assert_equal, dtype):
    (logits, bias), _ = make(40, 16, 3)
    for inputs in ((logits.to(dtype), bias.to(dtype)), (logits, bias.to(dtype))):
        compute = [partial(f, *inputs, 3, SCALE) for f in (route, plain_route)]
        assert_equal(*(function() for function in compute))


@pytest.mark.parametrize("top_k", [-1, 0, 8])
def test_more_choices_than_experts_or_none_are_refused(make, top_k):
    (logits, bias), _ = make(5, 7, 3)
    with pytest.raises(ValueError, match=f"top_k is {top_k}: of 7 experts"):
        route(logits, bias, top_k, SCALE)


@pytest.mark.parametrize("size", [(6,), (8,), (5, 7), ()], ids=str)
def test_biases_that_are_not_one_for_each_expert_are_refused(make, size):
    (logits, _), _ = make(5, 7, 3)
    with pytest.raises(ValueError, match=r"for logits of \(5, 7\)"):
        route(logits, torch.zeros(size), 3, SCALE)
