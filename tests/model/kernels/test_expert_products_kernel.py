"""The compiled experts against one gathered product per choice in float64."""

import pytest
import torch
import torch.nn.functional as F

from farthing.model.kernels.expert_products import sorted_experts

pytestmark = pytest.mark.usefixtures("compiled", "poison")

# (D, F), and (E, K, N): widths below, at and above a vector of 16; one expert, all experts.
WIDTHS = [(1, 1), (7, 16), (16, 7), (17, 48), (100, 17)]
ROUTES = [(1, 1, 1), (3, 3, 2), (5, 2, 1), (5, 2, 40), (4, 1, 300)]
# Products over up to 300 terms, three in a row: their roundings of 2**-24 add up to a few.
FLOAT32 = 3e-6
# Weights, rows and what lies between the products are all rounded to 8 bits.
BFLOAT16 = 2e-2


def _plain_experts(ids_NK):
    def compute(x_ND, weights_NK, gate_EFD, up_EFD, down_EDF):
        gate_NKF, up_NKF = (
            torch.einsum("nkfd,nd->nkf", w[ids_NK], x_ND) for w in (gate_EFD, up_EFD)
        )
        out_NKD = torch.einsum("nkdf,nkf->nkd", down_EDF[ids_NK], F.silu(gate_NKF) * up_NKF)
        return (out_NKD * weights_NK[..., None]).sum(dim=1)

    return compute


def _ours(ids_NK):
    return lambda x_ND, weights_NK, *stacks: sorted_experts(x_ND, ids_NK, weights_NK, *stacks)


@pytest.fixture
def make(draw):
    """Ids; then tokens, weights and the three stacks; then the gradient of the output."""

    def inputs(route, widths, dtype=torch.float32, out=None):
        (experts, top_k, tokens), (width, inner) = route, widths
        source = torch.Generator().manual_seed(tokens)
        ids = torch.rand(tokens, experts, generator=source).argsort(dim=1)[:, :top_k]
        stacks = [
            (0.5 * draw(experts, *sizes, seed=seed)).to(dtype)
            for seed, sizes in enumerate([(inner, width), (inner, width), (width, inner)], 1)
        ]
        x, grad = draw(tokens, width, dtype=dtype), draw(tokens, width, seed=5)
        return ids, [x, draw(tokens, top_k, seed=4).abs(), *stacks], grad.to(out or dtype)

    return inputs


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_experts_match_float64(make, results, exact_results, assert_near, route, widths):
    ids, inputs, grad = make(route, widths)
    exact = exact_results(_plain_experts(ids), inputs, grad)
    assert_near(results(_ours(ids), inputs, grad), exact, FLOAT32)


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_bfloat16_with_its_padding_differs_by_rounding_only(
    make, results, exact_results, assert_near, route, widths
):
    ids, inputs, grad = make(route, widths, torch.bfloat16)
    ours = results(_ours(ids), inputs, grad)
    # The weights of the choices are float32 throughout.
    assert [x.dtype for x in ours] == [torch.bfloat16] * 2 + [torch.float32] + [torch.bfloat16] * 3
    exact = exact_results(_plain_experts(ids), inputs, grad)
    assert_near(ours, exact, BFLOAT16)


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("x_dtype", [torch.float32, torch.bfloat16], ids=str)
def test_under_autocast_gradients_have_the_dtypes_of_their_inputs(
    make, results, exact_results, assert_near, widths, x_dtype
):
    ids, inputs, grad = make((5, 2, 40), widths, out=torch.bfloat16)
    inputs[0] = inputs[0].to(x_dtype)
    with torch.autocast("cpu", torch.bfloat16):
        ours = results(_ours(ids), inputs, grad)
    assert [x.dtype for x in ours] == [torch.bfloat16, x_dtype] + [torch.float32] * 4
    exact = exact_results(_plain_experts(ids), inputs, grad)
    assert_near(ours, exact, BFLOAT16)


@pytest.mark.parametrize("load", [1, 63, 64, 65, 128])
def test_loads_around_a_padded_block_are_all_right(
    draw, make, results, exact_results, assert_near, load
):
    _, inputs, _ = make((3, 1, load + 3), (17, 20), torch.bfloat16)
    grad = draw(load + 3, 17, dtype=torch.bfloat16)
    ids = torch.tensor([0] * 3 + [2] * load)[:, None]
    exact = exact_results(_plain_experts(ids), inputs, grad)
    assert_near(results(_ours(ids), inputs, grad), exact, BFLOAT16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("busy", [[0], [4], [1, 3], [2]], ids=str)
def test_experts_without_tokens_have_gradients_of_exactly_zero(make, results, dtype, busy):
    ids, inputs, grad = make((5, 2, 40), (17, 20), dtype)
    ids = torch.tensor(busy * 2)[:2].repeat(40, 1)
    *_, d_gate, d_up, d_down = results(_ours(ids), inputs, grad)
    for gradient in (d_gate, d_up, d_down):
        touched = gradient.flatten(1).any(dim=1).nonzero().flatten().tolist()
        assert touched == busy
        assert gradient.isfinite().all()


def test_an_expert_chosen_twice_by_a_token_counts_twice(make, results, exact_results, assert_near):
    _, inputs, grad = make((5, 2, 40), (17, 20))
    ids = torch.full((40, 2), 3)
    exact = exact_results(_plain_experts(ids), inputs, grad)
    assert_near(results(_ours(ids), inputs, grad), exact, FLOAT32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_choice_of_no_weight_still_has_a_gradient(
    make, results, exact_results, assert_near, dtype
):
    ids, inputs, grad = make((5, 2, 40), (17, 20), dtype)
    inputs[1][:, 1] = 0
    _, _, d_weights, *_ = results(_ours(ids), inputs, grad)
    assert d_weights[:, 1].all()
    exact = exact_results(_plain_experts(ids), inputs, grad)
    assert_near([d_weights], [exact[2]], FLOAT32 if dtype == torch.float32 else BFLOAT16)


def test_the_order_of_the_tokens_changes_roundings_at_most(make, results, assert_near):
    ids, inputs, grad = make((5, 2, 64), (17, 20))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    moved = [inputs[0][order], inputs[1][order], *inputs[2:]]
    out, dx, d_weights, *_ = results(_ours(ids), inputs, grad)
    ours = results(_ours(ids[order]), moved, grad[order])[:3]
    assert_near(ours, [x[order].double() for x in (out, dx, d_weights)], FLOAT32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_no_tokens_give_no_rows_and_gradients_of_zeros(make, results, dtype):
    _, inputs, grad = make((5, 2, 0), (17, 20), dtype)
    ids = torch.zeros(0, 2, dtype=torch.int64)
    out, dx, d_weights, *d_stacks = results(_ours(ids), inputs, grad)
    assert (out.shape, dx.shape, d_weights.shape) == ((0, 17), (0, 17), (0, 2))
    assert not any(gradient.any() for gradient in d_stacks)


def test_how_tensors_lie_in_memory_changes_roundings_at_most(make, results, assert_near):
    ids, inputs, grad = make((5, 2, 40), (17, 20))
    apart = [torch.stack((x, x), dim=-1)[..., 0] for x in (ids, *inputs, grad)]
    ours = results(_ours(apart[0]), apart[1:-1], apart[-1])
    # The products may take another way.
    same = results(_ours(ids), inputs, grad)
    assert_near(ours, [x.double() for x in same], FLOAT32)


def test_broadcast_tensors_are_what_they_stand_for(draw, results, assert_equal):
    ids = torch.tensor([[1, 3]]).expand(40, 2)
    shapes = [(40, 17), (40, 2), (5, 20, 17), (5, 20, 17), (5, 17, 20)]
    inputs = [draw(1, *s[1:], seed=i).expand(s) for i, s in enumerate(shapes)]
    grad = draw(1, 1).expand(40, 17)
    whole = results(_ours(ids.contiguous()), [x.contiguous() for x in inputs], grad.contiguous())
    assert_equal(results(_ours(ids), inputs, grad), whole)


def test_nan_in_a_token_reaches_that_token_and_its_experts(make, results):
    ids, inputs, grad = make((5, 2, 40), (17, 20))
    inputs[0][7, 16] = float("nan")
    out, dx, d_weights, *d_stacks = results(_ours(ids), inputs, grad)
    for tensor in (out, dx, d_weights):
        assert tensor.isnan().any(dim=1).nonzero().flatten().tolist() == [7]
    for gradient in d_stacks:
        spoilt = gradient.flatten(1).isnan().any(dim=1).nonzero().flatten()
        assert torch.equal(spoilt, ids[7].sort().values)


@pytest.mark.parametrize("index", [2, 3, 4], ids=["gate", "up", "down"])
def test_nan_in_an_expert_reaches_the_tokens_that_chose_it(make, results, index):
    ids, inputs, grad = make((5, 2, 40), (17, 20))
    inputs[index][3, 0, 0] = float("nan")
    out, dx, *_ = results(_ours(ids), inputs, grad)
    choosers = (ids == 3).any(dim=1)
    assert torch.equal(out.isnan().any(dim=1), choosers)
    assert torch.equal(dx.isnan().any(dim=1), choosers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_threads_do_not_change_a_bit(make, results, assert_threads_agree, dtype):
    ids, inputs, grad = make((5, 2, 300), (32, 48), dtype)
    assert_threads_agree(lambda: results(_ours(ids), inputs, grad))


@pytest.mark.parametrize("bad", [-1, 5, 2**40, -(2**63)])
def test_an_id_of_no_expert_is_refused(make, bad):
    ids, inputs, _ = make((5, 2, 40), (17, 20))
    ids[39, 1] = bad
    with pytest.raises(IndexError, match=f"expert {bad} is out of bounds: there are 5"):
        _ours(ids)(*inputs)


@pytest.mark.parametrize(
    ("index", "changed", "match"),
    [
        (0, (39, 17), "40 rows have choices"),
        (0, (40, 16), "the experts are 17 wide"),
        (1, (40, 3), "the ids int64"),
        (2, (5, 20, 18), "gate"),
        (3, (4, 20, 17), "up"),
        (4, (5, 20, 17), "down"),
    ],
    ids=["tokens", "width", "weights", "gate", "up", "down"],
)
def test_sizes_that_do_not_fit_are_refused(make, index, changed, match):
    ids, inputs, _ = make((5, 2, 40), (17, 20))
    inputs[index] = torch.ones(changed)
    with pytest.raises(ValueError, match=match):
        _ours(ids)(*inputs)


def test_ids_of_another_dtype_are_refused(make):
    ids, inputs, _ = make((5, 2, 40), (17, 20))
    with pytest.raises(ValueError, match=r"ids of torch.int32"):
        _ours(ids.int())(*inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("wanted", range(5), ids=["x", "weights", "gate", "up", "down"])
def test_one_input_alone_may_want_its_gradient(make, results, assert_equal, dtype, wanted):
    ids, inputs, grad = make((5, 2, 40), (17, 20), dtype)
    _, *all_gradients = results(_ours(ids), inputs, grad)
    leaf = inputs[wanted].requires_grad_()
    (gradient,) = torch.autograd.grad(_ours(ids)(*inputs), leaf, grad)
    assert_equal([gradient], [all_gradients[wanted]])


def test_gradients_that_nobody_wants_are_not_computed(make, monkeypatch):
    ids, inputs, grad = make((5, 2, 40), (17, 20))
    inputs[0].requires_grad_()
    out = _ours(ids)(*inputs)
    products, multiply = [], torch.mm
    monkeypatch.setattr(
        torch, "mm", lambda *x, **kwargs: products.append(x) or multiply(*x, **kwargs)
    )
    out.backward(grad)
    # Of each expert: that of the hidden rows, and that of the tokens.
    assert len(products) == 2 * len(ids.unique())
