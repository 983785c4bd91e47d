"""The compiled projection with its loss against torch's operators in float64."""

import math

import pytest
import torch
import torch.nn.functional as F

from farthing.model.kernels import cross_entropy
from farthing.model.kernels.cross_entropy import (
    linear_cross_entropy,
    linear_token_losses,
    plain_linear_cross_entropy,
)
from farthing.model.kernels.native import plain_kernels

pytestmark = pytest.mark.usefixtures("compiled", "poison")

# (N, D, V): one token, vocabularies below, at and above a vector of 16, and odd widths.
SHAPES = [(1, 1, 1), (1, 7, 2), (5, 16, 17), (70, 17, 16), (150, 48, 257), (3, 100, 1000)]
# Products over up to 150 terms: their roundings of 2**-24 add up to a few of those.
FLOAT32 = 3e-6
# Logits and their gradients are rounded to 8 bits and added up again.
BFLOAT16 = 2e-2


@pytest.fixture
def make(draw):
    """Hidden rows and the output matrix; the targets hold the first and the last id."""

    def inputs(tokens, width, vocab, dtype=torch.float32):
        source = torch.Generator().manual_seed(tokens)
        targets = torch.randint(0, vocab, (tokens,), generator=source)
        targets[0], targets[-1] = 0, vocab - 1
        hidden, weight = draw(tokens, width, dtype=dtype), draw(vocab, width, seed=1, dtype=dtype)
        return [hidden, weight], targets

    return inputs


@pytest.fixture
def _small_chunks(monkeypatch):
    monkeypatch.setattr(cross_entropy, "_CHUNK_BYTES", 1)


def _ours(targets):
    return lambda hidden, weight: linear_cross_entropy(hidden, weight, targets)


def _plain(targets):
    return lambda hidden, weight: plain_linear_cross_entropy(hidden, weight, targets)


def _of_logits(results, logits, target):
    """Loss and gradient of one row of logits, which a hidden row of one 1 carries unchanged."""
    loss, _, d_weight = results(
        _ours(torch.tensor([target])), [torch.ones(1, 1), torch.tensor(logits)[:, None]]
    )
    return loss.double(), d_weight[:, 0].double()


def _exact_of_logits(logits, target):
    logits = torch.tensor(logits).double()
    one_hot = F.one_hot(torch.tensor(target), len(logits))
    return logits.logsumexp(0) - logits[target], logits.softmax(0) - one_hot


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_loss_and_gradients_match_float64(make, results, exact_results, assert_near, shape):
    inputs, targets = make(*shape)
    ours = results(_ours(targets), inputs)
    assert [x.dtype for x in ours] == [torch.float32] * 3
    # With one id there is nothing to learn: differences of equals, of numbers of size 1.
    least = 1.0 if shape[2] == 1 else 0.0
    assert_near(ours, exact_results(_plain(targets), inputs), FLOAT32, least)


@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_in_bfloat16_only_roundings_differ(make, results, exact_results, assert_near, shape, dtype):
    inputs, targets = make(*shape, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.float32):
        ours = results(_ours(targets), inputs)
    assert [x.dtype for x in ours] == [torch.float32, dtype, dtype]
    assert_near(ours, exact_results(_plain(targets), inputs), BFLOAT16)


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("tokens", [1, 63, 64, 65, 150])
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bfloat16"])
def test_chunks_need_not_divide_the_tokens(
    make, results, exact_results, assert_near, tokens, autocast
):
    inputs, targets = make(tokens, 17, 33)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        ours = results(_ours(targets), inputs)
    exact = exact_results(_plain(targets), inputs)
    assert_near(ours, exact, BFLOAT16 if autocast else FLOAT32)


def test_the_size_of_chunks_changes_no_loss_and_no_hidden_gradient(
    make, results, assert_near, monkeypatch
):
    inputs, targets = make(150, 17, 33)
    whole = results(_ours(targets), inputs)
    monkeypatch.setattr(cross_entropy, "_CHUNK_BYTES", 1)
    assert_near(results(_ours(targets), inputs), [x.double() for x in whole], 1e-6)


def test_the_loss_is_torchs(make):
    inputs, targets = make(150, 48, 257)
    with plain_kernels():
        plain = _ours(targets)(*inputs)
    torch.testing.assert_close(_ours(targets)(*inputs), plain, rtol=5e-7, atol=0)


@pytest.mark.parametrize("vocab", [3, 16, 257])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("sign", [1, -1])
def test_one_logit_far_above_or_below_the_others(results, vocab, last, sign):
    target = vocab - 1 if last else 0
    for place in (0, vocab // 2, vocab - 1):
        logits = [-1e4 * sign] * vocab
        logits[place] = 1e4 * sign
        loss, gradient = _of_logits(results, logits, target)
        exact_loss, exact_gradient = _exact_of_logits(logits, target)
        torch.testing.assert_close(loss, exact_loss, rtol=2e-7, atol=3e-7)
        torch.testing.assert_close(gradient, exact_gradient, rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("vocab", [2, 16, 17, 257])
@pytest.mark.parametrize("level", [0.0, 1e4, -1e4, 1e30])
def test_equal_logits_of_any_size_cost_the_logarithm_of_the_vocabulary(results, vocab, level):
    loss, gradient = _of_logits(results, [level] * vocab, vocab - 1)
    assert loss == pytest.approx(math.log(vocab), rel=2e-7)
    expected = torch.full((vocab,), 1 / vocab, dtype=torch.float64)
    expected[-1] -= 1
    torch.testing.assert_close(gradient, expected, rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("level", [0.0, 1e4, -1e4])
@pytest.mark.parametrize("vocab", [5, 320])
def test_probabilities_from_likely_to_all_but_none_are_accurate(results, vocab, level):
    logits = (level - torch.linspace(0, 86, vocab)).tolist()
    loss, gradient = _of_logits(results, logits, 1)
    exact_loss, exact_gradient = _exact_of_logits(logits, 1)
    assert loss == pytest.approx(exact_loss.item(), rel=5e-7)
    # Each relative to itself, but for the target's, which is a difference.
    assert gradient[1] == pytest.approx(exact_gradient[1].item(), abs=2e-7)
    gradient[1] = exact_gradient[1]
    # As if the difference to the largest logit had been rounded once more.
    error = (gradient - exact_gradient).abs() / exact_gradient.abs()
    assert (error < 1e-6 + torch.linspace(0, 86, vocab) * 2**-24).all()


def test_an_impossible_token_is_no_obstacle(results):
    loss, gradient = _of_logits(results, [-float("inf")] * 20 + [1.0, 2.0], 21)
    exact_loss, exact_gradient = _exact_of_logits([-float("inf")] * 20 + [1.0, 2.0], 21)
    torch.testing.assert_close(loss, exact_loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient, exact_gradient, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("divide", [3, -0.5])
def test_a_scaled_loss_scales_its_gradients(make, results, exact_results, assert_near, divide):
    inputs, targets = make(70, 17, 33)
    exact = exact_results(lambda *x: _plain(targets)(*x) / divide, inputs)
    assert_near(results(lambda *x: _ours(targets)(*x) / divide, inputs), exact, FLOAT32)


@pytest.mark.usefixtures("_small_chunks")
@pytest.mark.parametrize("wanted", [0, 1], ids=["hidden", "weight"])
def test_one_input_alone_may_want_its_gradient(make, results, assert_equal, wanted):
    inputs, targets = make(70, 17, 33)
    both = results(_ours(targets), inputs)
    inputs[wanted].requires_grad_()
    loss = _ours(targets)(*inputs)
    loss.backward()
    assert inputs[1 - wanted].grad is None
    assert_equal([loss.detach(), inputs[wanted].grad], [both[0], both[1 + wanted]])


def test_the_loss_alone_can_be_had(make, results):
    inputs, targets = make(70, 17, 33)
    with torch.no_grad():
        loss = _ours(targets)(*inputs)
    assert torch.equal(loss, results(_ours(targets), inputs)[0])


def test_how_tensors_lie_in_memory_changes_roundings_at_most(make, results, assert_near):
    inputs, targets = make(70, 17, 33)
    apart = [torch.stack((x, x), dim=-1)[..., 0] for x in inputs]
    strided = torch.stack((targets, targets), dim=1)[:, 0]
    same = results(_ours(targets), inputs)
    # The product may take another way.
    assert_near(results(_ours(strided), apart), [x.double() for x in same], FLOAT32)


def test_broadcast_inputs_are_what_they_stand_for(draw, results, exact_results, assert_near):
    inputs = [draw(1, 17).expand(70, 17), draw(1, 17, seed=1).expand(33, 17)]
    targets = torch.tensor(5).expand(70)
    ours = results(_ours(targets), inputs)
    assert_near(ours, exact_results(_plain(targets), inputs), FLOAT32, least=1.0)


def test_no_tokens_give_torchs_answer_and_gradients_of_zeros(results):
    targets = torch.zeros(0, dtype=torch.int64)
    loss, d_hidden, d_weight = results(_ours(targets), [torch.zeros(0, 7), torch.ones(5, 7)])
    assert loss.isnan()
    assert d_hidden.shape == (0, 7)
    assert not d_weight.any()


@pytest.mark.parametrize("place", ["hidden", "weight in a vector", "weight behind the vectors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_nan_reaches_the_loss_and_both_gradients(make, results, place, dtype):
    (hidden, weight), targets = make(70, 17, 33, dtype=dtype)
    spoilt = {"hidden": hidden[40], "weight in a vector": weight[5]}.get(place, weight[32])
    spoilt[3] = float("nan")
    loss, d_hidden, d_weight = results(_ours(targets), [hidden, weight])
    assert loss.isnan()
    assert d_weight.isnan().all()
    assert d_hidden[40].isnan().all()
    # In bfloat16 torch's own product of an odd width reads on into the next row, times 0.
    if dtype == torch.float32:
        rows = d_hidden.isnan().all(dim=1)
        assert rows.tolist() == [place != "hidden" or n == 40 for n in range(70)]


@pytest.mark.usefixtures("_small_chunks")
def test_threads_do_not_change_a_bit(make, results, assert_threads_agree):
    inputs, targets = make(150, 48, 257)
    assert_threads_agree(lambda: results(_ours(targets), inputs))


@pytest.mark.parametrize("target", [-100, -1, 33, 2**40])
def test_a_target_outside_the_vocabulary_is_refused(make, target):
    inputs, targets = make(70, 17, 33)
    targets[69] = target
    with pytest.raises(IndexError, match=f"target {target} is out of bounds"):
        linear_cross_entropy(*inputs, targets)


def test_float64_takes_the_plain_path(make, assert_equal):
    inputs, targets = make(70, 17, 33, dtype=torch.float64)
    assert_equal([_ours(targets)(*inputs)], [_plain(targets)(*inputs)])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.usefixtures("_small_chunks")
def test_the_losses_of_single_tokens_match_float64_and_average_to_the_loss(make, shape):
    inputs, targets = make(*shape)
    losses = linear_token_losses(*inputs, targets)
    exact = linear_token_losses(*(tensor.double() for tensor in inputs), targets)
    assert losses.dtype == torch.float32
    assert exact.dtype == torch.float64
    torch.testing.assert_close(losses.double(), exact, atol=2e-5, rtol=FLOAT32)
    mean = linear_cross_entropy(*inputs, targets)
    torch.testing.assert_close(losses.mean(), mean.detach(), atol=1e-6, rtol=1e-6)
    assert not losses.requires_grad


def test_without_gradients_none_are_computed(make, monkeypatch):
    inputs, targets = make(70, 17, 33)
    expected = _ours(targets)(*(x.clone().requires_grad_() for x in inputs))
    monkeypatch.setattr(cross_entropy, "_LinearCrossEntropy", None)
    loss = _ours(targets)(*inputs)
    assert not loss.requires_grad
    assert torch.equal(loss, expected.detach())
    inputs[1].requires_grad_()
    with torch.no_grad():
        assert torch.equal(_ours(targets)(*inputs), loss)


def test_of_no_vocabulary_and_no_tokens_the_loss_is_torchs():
    inputs = [torch.zeros(0, 7), torch.zeros(0, 7)]
    assert linear_cross_entropy(*inputs, torch.zeros(0, dtype=torch.int64)).isnan()


@pytest.mark.parametrize(
    ("hidden", "weight", "targets", "match"),
    [
        (torch.ones(3, 7), torch.ones(5, 8), torch.zeros(3).long(), r"\(3, 7\) .* \(5, 8\)"),
        (torch.ones(1, 3, 7), torch.ones(5, 7), torch.zeros(3).long(), "tokens, width"),
        (torch.ones(3, 7), torch.ones(7), torch.zeros(3).long(), "vocabulary, width"),
        (torch.ones(3, 7), torch.ones(5, 7).bfloat16(), torch.zeros(3).long(), "under autocast"),
        (torch.ones(3, 7), torch.ones(5, 7), torch.zeros(4).long(), r"\(4,\): one int64 id"),
        (torch.ones(3, 7), torch.ones(5, 7), torch.zeros(3).int(), "targets of torch.int32"),
    ],
    ids=["widths", "three dimensions", "a vector", "dtypes", "too many ids", "dtype of ids"],
)
@pytest.mark.parametrize("function", [linear_cross_entropy, linear_token_losses])
def test_sizes_and_dtypes_that_do_not_fit_are_refused(function, hidden, weight, targets, match):
    with pytest.raises(ValueError, match=match):
        function(hidden, weight, targets)
