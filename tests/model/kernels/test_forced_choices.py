"""Choices that somebody else made: their weights, their gradient, and how near a tie they were."""

import pytest
import torch

from farthing.model.kernels.routing import choice_gap, plain_route, route, weigh
from farthing.model.router import Router

LOGITS = torch.tensor([[2.0, 1.0, -1.0, 0.5], [0.0, 3.0, 1.0, 2.0]], dtype=torch.float64)
BIAS = torch.tensor([0.0, 0.1, 0.0, -0.2], dtype=torch.float64)


@pytest.mark.parametrize("choose", [route, plain_route], ids=["chosen", "plain"])
def test_of_the_choices_that_it_makes_itself_the_weights_are_the_same(choose):
    logits = LOGITS.float()
    picks, weights = choose(logits, BIAS.float(), 2, 1.5)
    torch.testing.assert_close(weigh(logits, picks, 1.5), weights)


def test_weights_of_forced_choices_follow_the_formula_and_so_does_their_gradient():
    picks = torch.tensor([[2, 0], [3, 0]])
    assert torch.autograd.gradcheck(
        lambda logits: weigh(logits, picks, 2.5), LOGITS.clone().requires_grad_()
    )
    for row, chosen, weights in zip(
        LOGITS.tolist(), picks.tolist(), weigh(LOGITS, picks, 2.5).tolist(), strict=True
    ):
        scores = [1 / (1 + 2.718281828459045 ** -row[expert]) for expert in chosen]
        expected = [2.5 * score / sum(scores) for score in scores]
        assert weights == pytest.approx(expected)


def test_the_gap_is_from_the_best_left_out_to_the_worst_chosen():
    picks = torch.tensor([[0, 1], [0, 2]])
    for row, chosen, gap in zip(
        LOGITS.tolist(), picks.tolist(), choice_gap(LOGITS, BIAS, picks).tolist(), strict=True
    ):
        scores = [1 / (1 + 2.718281828459045**-x) + b for x, b in zip(row, BIAS, strict=True)]
        left = max(scores[expert] for expert in range(4) if expert not in chosen)
        assert gap == pytest.approx(left - min(scores[expert] for expert in chosen))
    own, _ = route(LOGITS, BIAS, 2, 1.0)
    assert (choice_gap(LOGITS, BIAS, own) <= 0).all()
    assert (choice_gap(LOGITS, BIAS, torch.tensor([[0, 1, 2, 3]] * 2)) == -torch.inf).all()


def test_a_router_asks_what_stands_in_the_place_of_its_choice():
    torch.manual_seed(0)
    router = Router(4, 8, 1.0)
    torch.nn.init.normal_(router.weight)
    tokens, picks = torch.randn(5, 8), torch.tensor([[0, 1]] * 5)
    router.route = lambda logits, _bias, _top_k, scale: (picks, weigh(logits, picks, scale))
    ids, weights = router(tokens, torch.tensor([3, 1, 0]), 2)
    # Places among the experts that take part.
    assert ids.tolist() == [[3, 1]] * 5
    assert router.load.tolist() == [0, 5, 0, 5]
    weights[:, 0].sum().backward()
    assert router.weight.grad[3].abs().sum() > 0
    assert router.weight.grad[0].abs().sum() == 0
