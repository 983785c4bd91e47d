"""Compiling each layer, as the trainer does, changes speed and nothing else."""

import shutil

import pytest
import torch

from farthing.model.shape import Shape

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("g++") is None and shutil.which("clang++") is None,
        reason="torch.compile needs a C++ compiler on CPU",
    ),
    # The compiler's own: deprecated torch.jit, and .grad of tensors that it made up.
    pytest.mark.filterwarnings("ignore"),
]

# Elastic training draws these in turn; the first comes back to meet the compiled code again.
SHAPES = ["1L", "1L-4E-1K", "1L"]


@pytest.fixture(scope="module")
def _own_cache(tmp_path_factory):
    """Compile afresh, and leave nothing behind for another test to find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()


def _losses_and_gradients(model, batches):
    results = []
    for text, tokens_BT in zip(SHAPES, batches, strict=True):
        shape = Shape.parse(text, model.config)
        loss = model.mean_nats(tokens_BT[:, :-1], tokens_BT[:, 1:], shape)
        loss.backward()
        results.append((loss.detach(), {name: w.grad for name, w in model.named_parameters()}))
        model.zero_grad(set_to_none=True)
    return results


@pytest.mark.usefixtures("_own_cache")
def test_compiled_layers_give_the_losses_and_gradients_of_plain_ones(
    build, draw_tokens, sparse_config
):
    config = sparse_config.model_copy(update={"num_layers": 1, "num_dense_layers": 0})
    batches = [draw_tokens(2, 10, seed=seed, markers=[(0, 4)]) for seed in range(len(SHAPES))]
    plain = build(config, dtype=torch.float32)
    compiled = build(config, dtype=torch.float32)
    for layer in compiled.layers:
        layer.compile()
    expected = _losses_and_gradients(plain, batches)
    actual = _losses_and_gradients(compiled, batches)
    torch.testing.assert_close(actual, expected, atol=2e-5, rtol=1e-4)
    for plain_block, compiled_block in zip(
        plain.sparse_blocks(), compiled.sparse_blocks(), strict=True
    ):
        assert torch.equal(compiled_block.router.load, plain_block.router.load)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
