"""Muon against singular values, a loop written out by hand, and what it must leave alone."""

import pytest
import torch
from torch import nn

from farthing.stages.train.muon import Muon, orthogonalise


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def _muon(weights, **changes):
    settings = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0, "iterations": 5}
    return Muon(weights, **(settings | changes))


SIZES = [(12, 12), (6, 30), (30, 6), (1, 9), (9, 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_singular_values_become_about_one_and_singular_vectors_stay(size, scale):
    # A known decomposition: singular values from 0.2 to 1, far from equal.
    rank = min(size)
    left, _ = torch.linalg.qr(torch.randn(size[0], rank, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(size[1], rank, dtype=torch.float64))
    values = torch.linspace(0.2, 1.0, rank, dtype=torch.float64)
    matrix = scale * left @ torch.diag(values) @ right.T
    out = orthogonalise(matrix[None], 5)[0]
    inside = left.T @ out @ right
    assert (inside.diag() > 0.6).all()
    assert (inside.diag() < 1.3).all()
    torch.testing.assert_close(inside, torch.diag(inside.diag()), atol=1e-9, rtol=0)
    torch.testing.assert_close(left @ inside @ right.T, out, atol=1e-9, rtol=0)


def test_a_random_matrix_comes_near_its_polar_factor():
    matrix = torch.randn(20, 50)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    out = orthogonalise(matrix[None], 5)[0]
    values = torch.linalg.svdvals(out)
    assert 0.6 < values.min() < values.max() < 1.3
    cosine = (out * (left @ right)).sum() / out.norm() / (left @ right).norm()
    assert cosine > 0.98


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_stack_gives_what_its_matrices_give_one_by_one(size):
    stack = torch.randn(4, *size, dtype=torch.float64)
    one_by_one = torch.stack([orthogonalise(matrix[None], 5)[0] for matrix in stack])
    torch.testing.assert_close(orthogonalise(stack, 5), one_by_one, atol=1e-12, rtol=0)


def test_a_tall_matrix_gives_the_transpose_of_the_wide_one():
    wide = torch.randn(1, 5, 17, dtype=torch.float64)
    torch.testing.assert_close(orthogonalise(wide.mT, 5), orthogonalise(wide, 5).mT)


def test_a_vanishing_matrix_stays_finite():
    assert orthogonalise(torch.full((1, 3, 4), 1e-30), 5).isfinite().all()


def _by_hand(weight, gradients, *, rate, momentum, decay):
    """Muon as its source writes it, one 2-D matrix, the update from an exact SVD's shape."""
    weight, buffer = weight.clone(), torch.zeros_like(weight)
    for gradient in gradients:
        buffer = momentum * buffer + (1 - momentum) * gradient
        update = momentum * buffer + (1 - momentum) * gradient
        x = update if weight.shape[0] <= weight.shape[1] else update.T
        x = x / x.square().sum().sqrt()
        for _ in range(5):
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        x = x if weight.shape[0] <= weight.shape[1] else x.T
        weight = weight * (1 - rate * decay)
        weight = weight - rate * max(1, weight.shape[0] / weight.shape[1]) ** 0.5 * x
    return weight, buffer


@pytest.mark.parametrize("size", [(8, 8), (6, 14), (14, 6)], ids=["square", "wide", "tall"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_steps_match_a_loop_written_out_by_hand(size, decay):
    start = torch.randn(3, *size, dtype=torch.float64)
    gradients = torch.randn(4, 3, *size, dtype=torch.float64)
    stacked, single = nn.Parameter(start.clone()), nn.Parameter(start[0].clone())
    muon = _muon([stacked, single], weight_decay=decay)
    for gradient in gradients:
        stacked.grad, single.grad = gradient.clone(), gradient[0].clone()
        muon.step()
    for index in range(3):
        weight, buffer = _by_hand(
            start[index], gradients[:, index], rate=0.1, momentum=0.9, decay=decay
        )
        torch.testing.assert_close(stacked[index], weight, atol=1e-11, rtol=0)
        buffers = muon.state[stacked]["momentum"]
        torch.testing.assert_close(buffers[index], buffer, atol=1e-13, rtol=0)
    torch.testing.assert_close(single, stacked[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_matrices_without_gradient_keep_weight_and_momentum(decay):
    stack = nn.Parameter(torch.randn(4, 5, 7))
    skipped, idle = nn.Parameter(torch.randn(5, 7)), nn.Parameter(torch.randn(5, 7))
    muon = _muon([stack, skipped, idle], weight_decay=decay)
    for weight in (stack, skipped, idle):
        weight.grad = torch.randn_like(weight)
    muon.step()
    before = {w: (w.detach().clone(), muon.state[w]["momentum"].clone()) for w in (stack, skipped)}
    idle_before = idle.detach().clone(), muon.state[idle]["momentum"].clone()
    stack.grad = torch.randn_like(stack)
    stack.grad[[1, 3]] = 0.0
    skipped.grad = torch.zeros_like(skipped)
    idle.grad = None
    muon.step()
    for expert in (1, 3):
        assert torch.equal(stack[expert], before[stack][0][expert])
        assert torch.equal(muon.state[stack]["momentum"][expert], before[stack][1][expert])
    for expert in (0, 2):
        assert not torch.equal(stack[expert], before[stack][0][expert])
        assert not torch.equal(muon.state[stack]["momentum"][expert], before[stack][1][expert])
    assert torch.equal(skipped, before[skipped][0])
    assert torch.equal(muon.state[skipped]["momentum"], before[skipped][1])
    assert torch.equal(idle, idle_before[0])
    assert torch.equal(muon.state[idle]["momentum"], idle_before[1])


def test_an_expert_that_sat_out_a_step_goes_on_as_if_the_step_had_not_been():
    start, gradients = torch.randn(2, 4, 6), torch.randn(3, 2, 4, 6)
    absent = gradients.clone()
    absent[1, 1] = 0.0
    weights = []
    for steps in (absent, gradients[[0, 2]]):
        weight = nn.Parameter(start.clone())
        muon = _muon([weight])
        for gradient in steps:
            weight.grad = gradient.clone()
            muon.step()
        weights.append(weight.detach())
    torch.testing.assert_close(weights[0][1], weights[1][1])


def test_where_nothing_has_a_gradient_nothing_happens():
    weight = nn.Parameter(torch.randn(3, 4, 6))
    before = weight.detach().clone()
    muon = _muon([weight], weight_decay=0.5)
    weight.grad = torch.zeros_like(weight)
    muon.step()
    assert torch.equal(weight, before)
    assert muon.flops == 0


def test_flops_count_the_matrices_of_the_last_step_only():
    stack, matrix = nn.Parameter(torch.randn(4, 5, 7)), nn.Parameter(torch.randn(9, 3))
    muon = _muon([stack, matrix], iterations=2)
    # Per iteration and m x n matrix, m the shorter side: X X^T, its square, and (..) X.
    of_stack = 2 * (2 * 5 * 5 * 7 + 2 * 5 * 5 * 5 + 2 * 5 * 5 * 7)
    of_matrix = 2 * (2 * 3 * 3 * 9 + 2 * 3 * 3 * 3 + 2 * 3 * 3 * 9)
    stack.grad, matrix.grad = torch.randn_like(stack), torch.randn_like(matrix)
    muon.step()
    assert muon.flops == 4 * of_stack + of_matrix
    stack.grad[[0, 1, 2]] = 0.0
    matrix.grad = None
    muon.step()
    assert muon.flops == of_stack


def test_the_learning_rate_of_the_group_scales_the_step():
    start, gradient = torch.randn(4, 6), torch.randn(4, 6)
    moves = []
    for rate in (0.1, 0.05):
        weight = nn.Parameter(start.clone())
        muon = _muon([weight])
        muon.param_groups[0]["lr"] = rate
        weight.grad = gradient.clone()
        muon.step()
        moves.append(weight.detach() - start)
    torch.testing.assert_close(moves[0], 2 * moves[1], atol=1e-6, rtol=0)


def test_a_matrix_waits_for_its_turn_and_then_goes_as_far_as_the_steps_it_waited():
    torch.manual_seed(3)
    stack, single = nn.Parameter(torch.randn(3, 4, 6)), nn.Parameter(torch.randn(5, 5))
    before = stack.detach().clone(), single.detach().clone()
    muon = _muon([stack, single], every=2)
    gradients = [(torch.randn(3, 4, 6), torch.randn(5, 5)) for _ in range(2)]
    momenta = [torch.zeros(3, 4, 6), torch.zeros(5, 5)]
    for turn, (stack_grad, single_grad) in enumerate(gradients):
        stack.grad, single.grad = stack_grad.clone(), single_grad.clone()
        muon.turn = turn
        muon.step()
        for momentum, grad in zip(momenta, (stack_grad, single_grad), strict=True):
            momentum.lerp_(grad, 0.1)
        # Matrices are numbered through: 0, 1, 2 in the stack, 3 the single one.
        for e in range(3):
            moved = not torch.equal(stack[e], before[0][e])
            assert moved == (turn == 1 or e % 2 == 0), (turn, e)
        assert torch.equal(single, before[1]) == (turn == 0)
    nesterov = gradients[1][1].lerp(momenta[1], 0.9)
    expected = before[1] - 2 * 0.1 * orthogonalise(nesterov[None], 5)[0]
    torch.testing.assert_close(single.detach(), expected, atol=1e-6, rtol=0)


def test_a_lower_precision_orthogonalises_small_gradients_too():
    matrix = 1e-30 * torch.randn(1, 12, 30)
    values = torch.linalg.svdvals(orthogonalise(matrix * 1e25, 5, torch.bfloat16)[0])
    assert 0.5 < values.min() < values.max() < 1.4
    assert orthogonalise(matrix, 5, torch.bfloat16).dtype == torch.float32
