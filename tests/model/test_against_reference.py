"""Values and gradients of every sub-model equal those of a plain per-token transformer."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

# Each case: the shape as a user writes it; per kept sparse layer the experts (a count means the
# first so many of the ranking, a list means these) and the top-k.
CASES = {
    "the full shape": ("5L", {1: (6, 3), 2: (6, 3), 3: (6, 3), 4: (6, 3)}),
    "skipped layers": ("layers=0,2,4/experts=6/top_k=3", {2: (6, 3), 4: (6, 3)}),
    "fewer experts": ("5L-4E-3K", {1: (4, 3), 2: (4, 3), 3: (4, 3), 4: (4, 3)}),
    "a smaller top-k": ("5L-6E-1K", {1: (6, 1), 2: (6, 1), 3: (6, 1), 4: (6, 1)}),
    "one expert": ("2L-1E-1K", {4: (1, 1)}),
    "explicit experts": (
        "layers=0,1,4/experts=e0+2+5/top_k=2",
        {1: ([0, 2, 5], 2), 4: ([0, 2, 5], 2)},
    ),
    "a mixture per layer": (
        "layers=0-1,3-4/experts=e3-5,2,6/top_k=3,2,1",
        {1: ([3, 4, 5], 3), 3: (2, 2), 4: (6, 1)},
    ),
    "a dense layer alone": ("layers=0", {}),
    "no dense layer": ("layers=1-2/experts=5/top_k=2", {1: (5, 2), 2: (5, 2)}),
}

VARIANTS = {
    "no shared expert": {"num_shared_experts": 0},
    "two dense layers": {"num_dense_layers": 2},
    "no dense layer": {"num_dense_layers": 0},
    "every head its own key": {"num_kv_heads": 4},
    "one key for all heads": {"num_kv_heads": 1},
    "tied embeddings": {"tie_embeddings": True},
    "a dense GPT": {"num_experts": 0, "top_k": 0, "expert_dim": 0},
    "a dense GPT with tied embeddings": {"num_experts": 0, "top_k": 0, "tie_embeddings": True},
}


def _kept(kept, model, case):
    """Spell out the experts of a case with the model's own (random) ranking."""
    spelled = {0: None} if "layers=1" not in case[0] else {}
    for layer, (experts, top_k) in case[1].items():
        ranking = model.expert_ranking[layer - 1].tolist()
        spelled[layer] = (ranking[:experts] if isinstance(experts, int) else experts, top_k)
    return kept(spelled)


def _assert_same_gradients(model, reference):
    expected = reference.gradients()
    for name, weight in model.named_parameters():
        if expected[name] is None:
            assert weight.grad is None, name
        else:
            torch.testing.assert_close(
                weight.grad, expected[name], atol=1e-10, rtol=1e-9, msg=lambda m, n=name: f"{n} {m}"
            )


def _compare(model, plain, kept, shape, tokens_BT):
    logits_BTV = model(tokens_BT, shape)
    expected_BTV = plain.logits(tokens_BT, kept)
    torch.testing.assert_close(logits_BTV, expected_BTV, atol=1e-11, rtol=1e-10)
    upstream_BTV = torch.linspace(-1, 1, logits_BTV.numel(), dtype=torch.float64)
    upstream_BTV = upstream_BTV.view_as(logits_BTV).cos()
    logits_BTV.backward(upstream_BTV)
    expected_BTV.backward(upstream_BTV)
    _assert_same_gradients(model, plain)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_shape_computes_what_the_reference_computes(
    build, draw_tokens, reference, kept, sparse_config, case
):
    model = build(sparse_config)
    tokens_BT = draw_tokens(2, 9, markers=[(0, 0), (0, 4), (1, 7)])
    shape = Shape.parse(case[0], sparse_config)
    _compare(model, reference(model, sparse_config), _kept(kept, model, case), shape, tokens_BT)


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_variant_of_the_architecture_computes_what_the_reference_computes(
    build, draw_tokens, reference, kept, sparse_config, change
):
    config = ModelConfig.model_validate(sparse_config.model_dump() | {"num_layers": 3} | change)
    model = build(config)
    dense = config.num_dense_layers if config.num_experts else config.num_layers
    everything = kept({i: None if i < dense else (list(range(6)), 3) for i in range(3)})
    tokens_BT = draw_tokens(1, 8, markers=[(0, 3)])
    _compare(model, reference(model, config), everything, None, tokens_BT)


def test_experts_that_no_token_chose_get_zero_gradient(build, draw_tokens, sparse_config):
    model = build(sparse_config)
    shape = Shape.parse("5L-4E-1K", sparse_config)
    model(draw_tokens(1, 2), shape).square().sum().backward()
    for block in model.sparse_blocks():
        visited = block.router.load > 0
        assert 1 <= visited.sum() <= 2
        for weight in (block.experts.gate_proj, block.experts.up_proj, block.experts.down_proj):
            assert weight.grad[~visited].count_nonzero() == 0
            assert (weight.grad[visited].abs().amax(dim=(1, 2)) > 0).all()


class _Consumers(TorchDispatchMode):
    """Notes which operations read the memory of a set of weights and give new memory back."""

    def __init__(self, weights):
        super().__init__()
        self.storages = {weight.untyped_storage().data_ptr() for weight in weights}
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        del types
        out = func(*args, **(kwargs or {}))
        if any(self._watched(arg) for arg in args) and not self._watched(out):
            self.names.add(func.overloadpacket.__name__)
        return out

    def _watched(self, value):
        if isinstance(value, list | tuple):
            return any(self._watched(item) for item in value)
        if not isinstance(value, torch.Tensor):
            return False
        return value.untyped_storage().data_ptr() in self.storages


@pytest.mark.parametrize("text", ["5L", "4L-3E-2K", "layers=0,3/experts=e1+4/top_k=1"])
def test_a_shape_reads_weights_only_for_matrix_products(build, draw_tokens, sparse_config, text):
    model = build(sparse_config)
    matrices = [
        weight
        for name, weight in model.named_parameters()
        # The router's few chosen rows are gathered: one row of numbers per expert.
        if weight.ndim >= 2 and "router" not in name and "embed" not in name
    ]
    with _Consumers(matrices) as consumers:
        model(draw_tokens(2, 6), Shape.parse(text, sparse_config))
    # Projections of one input are put side by side, for one product instead of two or three.
    assert consumers.names == {"mm", "cat"}


def test_running_shapes_leaves_every_weight_where_and_as_it_was(build, draw_tokens, sparse_config):
    model = build(sparse_config)
    before = {name: (t.data_ptr(), t.clone()) for name, t in model.state_dict().items()}
    for text in ("5L", "4L-3E-2K", "layers=0,3/experts=e1+4/top_k=1"):
        model(draw_tokens(2, 6), Shape.parse(text, sparse_config)).sum().backward()
    for name, tensor in model.state_dict().items():
        assert tensor.data_ptr() == before[name][0]
        assert torch.equal(tensor, before[name][1]), name


def test_a_run_without_a_shape_is_the_full_shape(build, draw_tokens, sparse_config):
    model = build(sparse_config)
    tokens_BT = draw_tokens(2, 6)
    full = Shape(tuple(range(5)), (6, 6, 6, 6), (3, 3, 3, 3))
    assert torch.equal(model(tokens_BT), model(tokens_BT, full))
