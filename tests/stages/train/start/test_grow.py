"""A grown model holds the one it grew from as a member, to the bit."""

import pytest
import torch

from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.start.config import GrowConfig
from farthing.stages.train.start.grow import (
    check_growth,
    grow_tensors,
    keeps_function,
    source_layers,
    source_member,
)

SIZES = ModelConfig(
    num_layers=5,
    hidden_dim=16,
    num_heads=2,
    num_kv_heads=1,
    head_dim=8,
    dense_ffn_dim=24,
    num_experts=4,
    expert_dim=8,
    top_k=2,
    context=16,
)
BOTH = GrowConfig(layers="stack", experts="copy", noise=0.1)


def sizes(**changes) -> ModelConfig:
    return SIZES.model_copy(update=changes)


def trained(config: ModelConfig) -> Transformer:
    """Weights, biases and rankings as after training: nothing is zero, nothing in order."""
    model = Transformer(config, 50, 0)
    initialize(model, 0)
    source = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            if not weight.any():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=source))
        for place, block in enumerate(model.sparse_blocks()):
            count = config.num_experts
            block.router.balance_bias.copy_(0.1 * torch.randn(count, generator=source))
            block.router.mass.copy_(torch.rand(count, generator=source))
            model.expert_ranking[place] = torch.randperm(count, generator=source)
    return model.eval()


def grown(model: Transformer, target: ModelConfig, grow: GrowConfig, seed: int = 0) -> Transformer:
    check_growth(model.config, target, grow)
    larger = Transformer(target, model.vocab_size, model.end_of_text)
    larger.load_state_dict(
        grow_tensors(model.state_dict(), model.config, target, grow, seed), strict=True
    )
    return larger.eval()


def logits(model: Transformer, shape: Shape | None = None) -> torch.Tensor:
    source = torch.Generator().manual_seed(5)
    tokens_BT = torch.randint(1, model.vocab_size, (3, 16), generator=source)
    with torch.no_grad():
        return model(tokens_BT, shape)


@pytest.mark.parametrize("dense", [0, 1, 2])
@pytest.mark.parametrize(
    ("depth", "experts"), [(5, 6), (5, 8), (6, 4), (7, 6), (8, 4), (9, 8), (12, 12)]
)
def test_the_member_of_the_sources_sizes_is_the_source(dense: int, depth: int, experts: int):
    source = trained(sizes(num_dense_layers=dense))
    grow = GrowConfig(
        layers="stack" if depth > 5 else "none",
        experts="copy" if experts > 4 else "none",
        noise=0.1,
    )
    target = sizes(num_dense_layers=dense, num_layers=depth, num_experts=experts, top_k=3)
    larger = grown(source, target, grow)
    member = source_member(source.config, target)
    assert torch.equal(logits(larger, member), logits(source))
    # Smaller members come over too: they nest in that one.
    small = Shape.uniform(source.config, 4, 2, 1)
    kept = Shape.uniform(target, 4, 2, 1)
    assert torch.equal(logits(larger, kept), logits(source, small))


def test_the_middle_is_repeated_and_ends_stay_single():
    six = sizes(num_layers=6)
    assert source_layers(six, 6) == (0, 1, 2, 3, 4, 5)
    assert source_layers(six, 10) == (0, 1, 2, 3, 4, 1, 2, 3, 4, 5)
    assert source_layers(six, 14) == (0, *(1, 2, 3, 4) * 3, 5)
    assert source_layers(six, 7) == (0, 1, 2, 3, 3, 4, 5)
    assert source_layers(sizes(num_layers=4), 6) == (0, 1, 2, 1, 2, 3)
    assert source_layers(sizes(num_layers=4, num_experts=0), 6) == (0, 1, 2, 1, 2, 3)
    assert source_layers(sizes(num_dense_layers=2), 7) == (0, 1, 2, 3, 2, 3, 4)


@pytest.mark.parametrize(
    ("top_k", "more", "larger_k"),
    [
        pytest.param(2, 8, 4, id="twice the experts and twice the top-k"),
        pytest.param(2, 12, 6, id="three times"),
        pytest.param(1, 12, 1, id="top-1 chooses one of equal copies"),
    ],
)
def test_copies_without_noise_keep_the_function(top_k: int, more: int, larger_k: int):
    source = trained(sizes(top_k=top_k))
    grow = GrowConfig(experts="copy", noise=0.0)
    target = sizes(num_experts=more, top_k=larger_k)
    assert keeps_function(source.config, target, grow)
    torch.testing.assert_close(
        logits(grown(source, target, grow)), logits(source), rtol=0, atol=2e-5
    )


@pytest.mark.parametrize(
    ("changes", "grow"),
    [
        pytest.param({"num_experts": 8, "top_k": 2}, {"noise": 0.0}, id="the same top-k"),
        pytest.param({"num_experts": 6, "top_k": 3}, {"noise": 0.0}, id="uneven copies"),
        pytest.param({"num_experts": 8, "top_k": 4}, {"noise": 0.1}, id="noise"),
        pytest.param({"num_layers": 6}, {"layers": "stack", "experts": "none"}, id="layers"),
    ],
)
def test_where_the_function_is_not_said_to_be_kept_it_is_not(changes, grow):
    source = trained(SIZES)
    settings = GrowConfig(**{"experts": "copy", **grow})
    target = sizes(**changes)
    assert not keeps_function(SIZES, target, settings)
    assert not torch.allclose(logits(grown(source, target, settings)), logits(source), atol=1e-3)


def test_noise_is_on_the_copies_alone_and_as_large_as_said():
    source = trained(sizes(expert_dim=64, hidden_dim=64))
    target = sizes(expert_dim=64, hidden_dim=64, num_experts=8)
    larger = grown(source, target, GrowConfig(experts="copy", noise=0.2))
    for old, new, ranking_E in zip(
        source.sparse_blocks(), larger.sparse_blocks(), source.expert_ranking, strict=True
    ):
        assert torch.equal(new.experts.up_proj[:4], old.experts.up_proj)
        assert torch.equal(new.router.weight[:4], old.router.weight)
        assert torch.equal(new.router.balance_bias[4:], old.router.balance_bias[ranking_E])
        for copy, parent in enumerate(ranking_E.tolist(), start=4):
            for mine, theirs in (
                (new.experts.up_proj[copy], old.experts.up_proj[parent]),
                (new.experts.down_proj[copy], old.experts.down_proj[parent]),
                (new.router.weight[copy], old.router.weight[parent]),
            ):
                share = ((mine - theirs).std() / theirs.std()).item()
                assert share == pytest.approx(0.2, rel=0.35)
    again = grown(source, target, GrowConfig(experts="copy", noise=0.2))
    other = grown(source, target, GrowConfig(experts="copy", noise=0.2), seed=1)
    name = "layers.1.mlp.experts.up_proj"
    assert torch.equal(again.state_dict()[name], larger.state_dict()[name])
    assert not torch.equal(other.state_dict()[name], larger.state_dict()[name])


def test_copies_share_the_weight_that_their_original_had():
    source = trained(SIZES)
    larger = grown(source, sizes(num_experts=6), GrowConfig(experts="copy"))
    for old, new, ranking_E in zip(
        source.sparse_blocks(), larger.sparse_blocks(), source.expert_ranking, strict=True
    ):
        best, second, third, last = ranking_E.tolist()
        assert new.router.mass[best] == new.router.mass[4] == old.router.mass[best] / 2
        assert new.router.mass[second] == new.router.mass[5]
        assert new.router.mass[third] == old.router.mass[third]
        assert new.router.mass[last] == old.router.mass[last]
    assert torch.equal(larger.expert_ranking[:, :4], source.expert_ranking)


@pytest.mark.parametrize(
    ("source", "changes", "grow", "message"),
    [
        (SIZES, {"hidden_dim": 32, "num_layers": 6}, BOTH, "hidden_dim is 32, and 16"),
        (SIZES, {"num_layers": 4, "num_experts": 8}, BOTH, "num_layers is 4, fewer than the 5"),
        (SIZES, {"num_layers": 6}, BOTH, "start.grow.experts is copy"),
        (SIZES, {"num_experts": 8}, GrowConfig(layers="stack"), "start.grow.layers is stack"),
        (
            SIZES,
            {"num_layers": 6, "num_experts": 8},
            GrowConfig(layers="stack"),
            "start.grow.experts is none",
        ),
        (sizes(num_layers=2), {"num_layers": 4}, GrowConfig(layers="stack"), "could be repeated"),
        (
            sizes(num_experts=0, top_k=0),
            {"num_experts": 4},
            GrowConfig(experts="copy"),
            "no routed experts",
        ),
    ],
)
def test_what_cannot_grow_says_why(source: ModelConfig, changes, grow, message: str):
    with pytest.raises(ConfigError, match=message):
        check_growth(source, sizes(**changes), grow)
