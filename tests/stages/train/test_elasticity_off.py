"""Elasticity switched off leaves no trace: the same bits as a model and a loop without it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from tiny_models import TINY
from torch import Tensor

from farthing.model.initialize import initialize
from farthing.model.transformer import Transformer
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.stages.train.schedule import rate_share
from farthing.stages.train.step import TrainingStep
from farthing.text.batches import Batches
from farthing.text.corpus import Corpus

STEPS = 8


def settings(elastic: ElasticConfig | None) -> TrainConfig:
    return TrainConfig(
        steps=STEPS,
        batch_sequences=4,
        micro_sequences=2,
        seed=3,
        elastic=elastic,
        precision="fp32",
    )


def trained(corpus: Corpus, elastic: ElasticConfig | None) -> Transformer:
    """The weights that the training stage's own steps give."""
    config = settings(elastic)
    model = Transformer(TINY, corpus.vocab_size, corpus.tokenizer.end_of_text)
    initialize(model, config.seed)
    optimizer = ModelOptimizer(model, config.optimizer)
    batches = Batches(corpus, context=TINY.context, weights=None, seed=config.seed)
    step = TrainingStep(config, model.train(), optimizer, batches, torch.device("cpu"))
    guard = LossGuard(config.max_loss_jump_nats)
    for number in range(STEPS):
        assert step.run(number, guard).complaint is None
    return model


def fused_loss(model: Transformer, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
    """As the training stage computes it."""
    return model.mean_nats(inputs_BT, targets_BT)


def loss_of_logits(model: Transformer, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
    """As a textbook computes it."""
    return F.cross_entropy(model(inputs_BT).flatten(0, 1), targets_BT.flatten())


def trained_without_any_elastic_code(
    corpus: Corpus, loss: Callable[[Transformer, Tensor, Tensor], Tensor] = fused_loss
) -> Transformer:
    """A plain loop: no schedule, no shape, no step object; the model called on tokens alone."""
    config = settings(None)
    model = Transformer(TINY, corpus.vocab_size, corpus.tokenizer.end_of_text)
    initialize(model, config.seed)
    model.train()
    optimizer = ModelOptimizer(model, config.optimizer)
    batches = Batches(corpus, context=TINY.context, weights=None, seed=config.seed)
    for step in range(STEPS):
        for first in (4 * step, 4 * step + 2):
            tokens = torch.from_numpy(batches.batch(first, 2).tokens)
            (loss(model, tokens[:, :-1], tokens[:, 1:]) / 2).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step(rate_share(step, STEPS, config.schedule), step)
        for block in model.sparse_blocks():
            block.router.end_step(config.balance_rate)
    return model


def assert_same_bits(one: Transformer, other: Transformer) -> None:
    state = other.state_dict()
    for name, tensor in one.state_dict().items():
        assert tensor.numpy().tobytes() == state[name].numpy().tobytes(), name


NEVER = ElasticConfig(
    depth_probability=0,
    depths=(3,),
    experts_probability=0,
    expert_counts=(2,),
    top_k_probability=0,
    top_ks=(1,),
)
ALWAYS = NEVER.model_copy(
    update={"depth_probability": 1.0, "experts_probability": 1.0, "top_k_probability": 1.0}
)


def test_elastic_draws_that_never_happen_equal_a_loop_without_elastic_code(corpus: Corpus):
    assert_same_bits(trained(corpus, NEVER), trained_without_any_elastic_code(corpus))


def test_no_elastic_settings_equal_a_loop_without_elastic_code(corpus: Corpus):
    assert_same_bits(trained(corpus, None), trained_without_any_elastic_code(corpus))


def test_elastic_draws_that_happen_do_change_the_weights(corpus: Corpus):
    with pytest.raises(AssertionError):
        assert_same_bits(trained(corpus, ALWAYS), trained_without_any_elastic_code(corpus))


def test_the_training_stage_follows_the_textbook_loss(corpus: Corpus):
    """Within rounding: a wrong loss that both loops shared would pass the tests above."""
    textbook = trained_without_any_elastic_code(corpus, loss_of_logits).state_dict()
    for name, tensor in trained(corpus, None).state_dict().items():
        torch.testing.assert_close(tensor, textbook[name], rtol=1e-3, atol=1e-4, msg=name)
