"""One AdamW for every weight, as nanoGPT has it: against torch's own, with its two groups."""

import pytest
import torch

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.transformer import Transformer
from farthing.stages.train.config import OptimizerConfig
from farthing.stages.train.optimizer import ModelOptimizer

SIZES = ModelConfig(
    num_layers=2,
    num_dense_layers=2,
    hidden_dim=16,
    num_heads=2,
    num_kv_heads=2,
    head_dim=8,
    dense_ffn_dim=24,
    context=8,
    positions="learned",
    norm="layer",
    qk_norm=False,
    activation="gelu",
    initialization="gpt2",
)
RATE = 0.01
ADAMW = OptimizerConfig(
    matrix_optimizer="adamw",
    matrix_learning_rate=RATE,
    embedding_learning_rate=RATE,
    output_learning_rate=RATE,
    other_learning_rate=RATE,
    weight_decay=0.1,
    embedding_weight_decay=0.1,
    adam_epsilon=1e-8,
)


def _model(*, tied):
    model = Transformer(SIZES.model_copy(update={"tie_embeddings": tied}), 19, end_of_text=0)
    initialize(model, seed=0)
    return model


def _loss(model, step):
    tokens_BT = torch.randint(1, 19, (2, 9), generator=torch.Generator().manual_seed(step))
    return model.mean_nats(tokens_BT[:, :-1], tokens_BT[:, 1:])


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_adamw_for_every_weight_is_torchs_with_decay_of_matrices_only(tied):
    model, twin = _model(tied=tied).double(), _model(tied=tied).double()
    optimizer = ModelOptimizer(model, ADAMW, step_tokens=16)
    decayed = [weight for weight in twin.parameters() if weight.ndim == 2]
    plain = [weight for weight in twin.parameters() if weight.ndim == 1]
    reference = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
        betas=(0.9, 0.95),
        eps=1e-8,
    )
    for step, share in enumerate((0.5, 1.0, 0.3)):
        _loss(model, step).backward()
        _loss(twin, step).backward()
        optimizer.step(share, step)
        for group in reference.param_groups:
            group["lr"] = RATE * share
        reference.step()
        reference.zero_grad()
        assert optimizer.muon.flops == 0
    for (name, actual), expected in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12, msg=name)


def test_each_kind_of_weight_has_its_rate_and_its_decay():
    changes = {
        "matrix_learning_rate": 0.1,
        "embedding_learning_rate": 0.2,
        "output_learning_rate": 0.3,
        "other_learning_rate": 0.4,
        "weight_decay": 0.5,
        "embedding_weight_decay": 0.6,
    }
    model = _model(tied=False)
    optimizer = ModelOptimizer(model, ADAMW.model_copy(update=changes))
    names = {weight: name for name, weight in model.named_parameters()}
    found = {
        names[group["params"][0]]: (group["lr"], group["weight_decay"])
        for group in optimizer.adamw.param_groups
    }
    assert found.keys() == set(names.values())
    kinds = {"embed": (0.2, 0.6), "lm_head": (0.3, 0.6), "_proj": (0.1, 0.5), "norm": (0.4, 0.0)}
    for name, settings in found.items():
        assert [settings] == [kinds[kind] for kind in kinds if kind in name], name


def test_state_of_adamw_alone_goes_through_a_checkpoint():
    model = _model(tied=True)
    optimizer = ModelOptimizer(model, ADAMW)
    for step in range(3):
        _loss(model, step).backward()
        optimizer.step(1.0, step)
    resumed = _model(tied=True)
    resumed.load_state_dict({name: t.clone() for name, t in model.state_dict().items()})
    loaded = ModelOptimizer(resumed, ADAMW)
    loaded.load_state_tensors({key: t.clone() for key, t in optimizer.state_tensors().items()})
    for one, its in ((model, optimizer), (resumed, loaded)):
        _loss(one, 3).backward()
        its.step(1.0, 3)
    expected = dict(model.named_parameters())
    assert all(torch.equal(weight, expected[name]) for name, weight in resumed.named_parameters())


@pytest.mark.parametrize(
    "settings", [{"matrix_optimizer": "adamw"}, {"matrix_learning_rate": 0.1}], ids=str
)
def test_a_rate_of_the_matrices_goes_with_adamw(settings):
    with pytest.raises(ConfigError, match="goes with matrix_optimizer: adamw"):
        parse_config(OptimizerConfig, settings, where="recipe")
