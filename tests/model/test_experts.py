"""The three ways to compute routed experts agree with each other and with plain algebra."""

import pytest
import torch

from farthing.model.experts import Experts, choose_path
from farthing.model.kernels.native import kernels_in_use, plain_kernels, usable
from farthing.model.shape import Shape

# Widths that are a multiple of 16 bytes in bf16: both paths take them.
NUM_EXPERTS, HIDDEN, INNER, TOKENS, TOP_K = 5, 16, 8, 12, 2

ROUTES = {
    "spread": lambda: torch.randint(0, NUM_EXPERTS, (TOKENS, TOP_K)),
    "empty experts": lambda: torch.tensor([1, 3]).repeat(TOKENS, 1),
    "the first and last experts empty": lambda: torch.tensor([[2, 3], [1, 2]]).repeat(TOKENS, 1),
    "one token": lambda: torch.tensor([[4, 0]]),
    "one expert takes all": lambda: torch.full((TOKENS, 1), 2),
    "every token visits every expert": lambda: torch.arange(NUM_EXPERTS).repeat(TOKENS, 1),
}

UPSTREAMS = {
    "an expanded gradient": lambda out: out.sum().backward(),
    "a transposed gradient": lambda out: (
        (out.T.contiguous().T * torch.linspace(-1, 1, out.numel()).to(out).view_as(out))
        .sum()
        .backward()
    ),
    "a column-major gradient": lambda out: out.backward(
        torch.randn(out.shape[::-1], dtype=out.dtype).T
    ),
}


@pytest.fixture
def make_experts():
    def make(dtype, *, path="auto", hidden=HIDDEN, inner=INNER):
        torch.manual_seed(0)
        experts = Experts(NUM_EXPERTS, hidden, inner)
        for weight in experts.parameters():
            torch.nn.init.normal_(weight, std=0.3)
        experts.path = path
        return experts.to(dtype)

    return make


@pytest.fixture
def draw_inputs():
    def draw(route, dtype, hidden=HIDDEN):
        torch.manual_seed(1)
        ids_NK = ROUTES[route]()
        x_ND = torch.randn(len(ids_NK), hidden).to(dtype).requires_grad_()
        weights_NK = torch.rand(ids_NK.shape).to(dtype).requires_grad_()
        return x_ND, ids_NK, weights_NK

    return draw


def _plain(experts, x_ND, ids_NK, weights_NK):
    """One token and one expert at a time."""
    rows = []
    for token, (ids, weights) in enumerate(zip(ids_NK.tolist(), weights_NK, strict=True)):
        x = x_ND[token]
        total = torch.zeros_like(x)
        for expert, weight in zip(ids, weights, strict=True):
            gate = experts.gate_proj[expert] @ x
            up = experts.up_proj[expert] @ x
            total = total + weight * (experts.down_proj[expert] @ (gate * gate.sigmoid() * up))
        rows.append(total)
    return torch.stack(rows)


def _gradients(experts, inputs, upstream, compute):
    out = compute(*inputs)
    torch.manual_seed(2)
    upstream(out)
    tensors = [inputs[0], inputs[2], *experts.parameters()]
    gradients = [tensor.grad for tensor in tensors]
    for tensor in tensors:
        tensor.grad = None
    return out.detach(), gradients


@pytest.mark.parametrize("upstream", UPSTREAMS.values(), ids=UPSTREAMS.keys())
@pytest.mark.parametrize("route", ROUTES)
def test_experts_match_one_token_at_a_time_in_float64(make_experts, draw_inputs, route, upstream):
    experts = make_experts(torch.float64)
    inputs = draw_inputs(route, torch.float64)
    actual = _gradients(experts, inputs, upstream, experts)
    expected = _gradients(
        experts, inputs, upstream, lambda *args: _plain(experts, args[0], args[1], args[2])
    )
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=1e-11)


@pytest.mark.parametrize("upstream", UPSTREAMS.values(), ids=UPSTREAMS.keys())
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 2e-2)], ids=["fp32", "bf16"]
)
@pytest.mark.parametrize("path", ["grouped", "sorted"])
def test_the_fast_paths_agree_with_the_loop(
    make_experts, draw_inputs, route, upstream, dtype, tolerance, path
):
    if path == "sorted" and not usable(torch.empty(1)):
        pytest.skip(f"compiled kernels: {kernels_in_use()}")
    inputs = draw_inputs(route, dtype)
    results = []
    for each in ("loop", path):
        experts = make_experts(dtype, path=each)
        results.append(_gradients(experts, inputs, upstream, experts))
    (loop_out, loop_gradients), (fast_out, fast_gradients) = results
    for loop, fast in zip([loop_out, *loop_gradients], [fast_out, *fast_gradients], strict=True):
        assert fast.dtype == loop.dtype == dtype
        largest = loop.abs().max().clamp_min(1.0).item()
        torch.testing.assert_close(fast, loop, atol=tolerance * largest, rtol=0)


@pytest.mark.parametrize("path", ["loop", "grouped", "auto"])
def test_empty_experts_get_a_gradient_of_exact_zeros(make_experts, draw_inputs, path):
    experts = make_experts(torch.float32, path=path)
    experts(*draw_inputs("empty experts", torch.float32)).sum().backward()
    for weight in experts.parameters():
        assert weight.grad[[0, 2, 4]].count_nonzero() == 0
        assert (weight.grad[[1, 3]].abs().amax(dim=(1, 2)) > 0).all()


@pytest.mark.filterwarnings("ignore")
def test_grouped_products_stay_inside_a_compiled_graph(make_experts, draw_inputs):
    """As accelerators take them; `fullgraph` refuses to break the graph around anything."""
    experts = make_experts(torch.bfloat16, path="grouped")
    inputs = draw_inputs("the first and last experts empty", torch.bfloat16)
    upstream = UPSTREAMS["an expanded gradient"]
    expected = _gradients(experts, inputs, upstream, experts)
    traced = torch.compile(experts, backend="aot_eager", fullgraph=True)
    actual = _gradients(experts, inputs, upstream, traced)
    torch._dynamo.reset()
    torch.testing.assert_close(actual, expected, atol=0, rtol=0)


def test_gradients_match_finite_differences(make_experts, draw_inputs):
    experts = make_experts(torch.float64)
    x_ND, ids_NK, weights_NK = draw_inputs("spread", torch.float64)
    inputs = (x_ND[:4].detach().requires_grad_(), weights_NK[:4].detach().requires_grad_())
    assert torch.autograd.gradcheck(
        lambda x_ND, weights_NK: experts(x_ND, ids_NK[:4], weights_NK), inputs
    )


@pytest.mark.parametrize(
    ("dtype", "hidden", "inner"),
    [
        pytest.param(torch.float64, 16, 8, id="float64"),
        pytest.param(torch.float32, 18, 8, id="fp32 of hidden width 18"),
        pytest.param(torch.float32, 16, 6, id="fp32 of inner width 6"),
        pytest.param(torch.bfloat16, 16, 12, id="bf16 of inner width 12"),
    ],
)
def test_what_grouped_mm_does_not_take_goes_to_the_loop(
    make_experts, draw_inputs, dtype, hidden, inner
):
    inputs = draw_inputs("spread", dtype, hidden)
    experts = make_experts(dtype, hidden=hidden, inner=inner)
    with plain_kernels():
        assert choose_path("auto", inputs[0], experts.gate_proj) == "loop"
        expected = make_experts(dtype, path="loop", hidden=hidden, inner=inner)(*inputs)
        assert torch.equal(experts(*inputs), expected)
    refused = make_experts(dtype, path="grouped", hidden=hidden, inner=inner)
    with pytest.raises(ValueError, match=rf"{dtype}.*{inner}, {hidden}"):
        refused(*inputs)


def test_auto_takes_the_grouped_product_off_the_cpu_and_the_kernels_on_it(make_experts):
    gate = make_experts(torch.float32).gate_proj
    assert choose_path("auto", torch.empty(3, HIDDEN, device="meta"), gate) == "grouped"
    x_ND = torch.empty(3, HIDDEN)
    assert choose_path("auto", x_ND, gate) == ("sorted" if usable(x_ND) else "loop")


def test_kernels_that_are_not_to_be_had_cannot_be_asked_for(make_experts, draw_inputs):
    inputs = draw_inputs("spread", torch.float64)
    with pytest.raises(ValueError, match=r"'sorted' takes no torch.float64 products on cpu"):
        make_experts(torch.float64, path="sorted")(*inputs)


@pytest.mark.parametrize("precision", ["fp32", "bf16 autocast"])
def test_a_whole_model_trains_alike_on_all_paths(build, draw_tokens, sparse_config, precision):
    config = sparse_config.model_copy(update={"hidden_dim": 16, "expert_dim": 8, "num_layers": 3})
    shape = Shape.parse("3L-4E-2K", config)
    tokens_BT = draw_tokens(2, 10, markers=[(0, 4)])
    gradients = []
    for path in ("loop", "grouped", "auto"):
        model = build(config, dtype=torch.float32)
        for block in model.sparse_blocks():
            block.experts.path = path
        with torch.autocast("cpu", torch.bfloat16, enabled=precision != "fp32"):
            logits_BTV = model(tokens_BT, shape)
        logits_BTV.float().log_softmax(-1)[..., 0].mean().backward()
        gradients.append({name: w.grad for name, w in model.named_parameters()})
    tolerance = 1e-5 if precision == "fp32" else 5e-2
    for actual in gradients[1:]:
        for name, expected in gradients[0].items():
            if expected is None:
                assert actual[name] is None
                continue
            atol = tolerance * expected.abs().max().item() + 1e-7
            torch.testing.assert_close(actual[name], expected, atol=atol, rtol=0)
