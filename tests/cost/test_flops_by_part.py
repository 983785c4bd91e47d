"""The parts of a step's FLOPs are those of the modules, and the whole is their sum."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from farthing.cost.flops import TRAINING_PASSES, forward_flops_by_part, training_flops
from farthing.model.kernels.native import plain_kernels
from farthing.model.shape import Shape

SIZES = {"tokens": 24, "attended_pairs": 131}
TEXTS = ["4L", "4L-3E-2K", "2L-6E-1K", "layers=0-1,3/experts=5,e0+4/top_k=2,1", "layers=0"]


@pytest.mark.parametrize("text", TEXTS)
def test_the_parts_of_a_step_add_up_to_the_whole(sparse_config, vocab, text):
    shape = Shape.parse(text, sparse_config)
    parts = forward_flops_by_part(sparse_config, vocab, shape, **SIZES)
    whole = training_flops(sparse_config, vocab, shape, **SIZES)
    assert TRAINING_PASSES * sum(parts.values()) == whole


def _counted(run):
    with FlopCounterMode(display=False) as counter, plain_kernels():
        run()
    return counter.get_total_flops()


def test_each_part_counts_the_products_of_its_own_modules(build, sparse_config, vocab):
    model, shape = build(sparse_config), Shape.full(sparse_config)
    parts = forward_flops_by_part(sparse_config, vocab, shape, **SIZES)
    x_ND = torch.randn(SIZES["tokens"], sparse_config.hidden_dim)
    blocks = model.sparse_blocks()
    router = sum(_counted(lambda b=b: b.router(x_ND, None, sparse_config.top_k)) for b in blocks)
    dense = [model.layers[0].mlp, *(block.shared_experts for block in blocks)]
    assert parts["router"] == router
    assert parts["feed_forward"] == sum(_counted(lambda m=m: m(x_ND)) for m in dense)
    assert parts["output"] == _counted(lambda: model.lm_head(x_ND))


def test_a_model_without_experts_spends_nothing_on_routing(vocab, config):
    parts = forward_flops_by_part(config, vocab, Shape.full(config), **SIZES)
    assert (parts["experts"] > 0) == (parts["router"] > 0) == (config.num_experts > 0)
