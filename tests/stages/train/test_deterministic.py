"""`train.deterministic`: what it asks of torch, and what it leaves behind."""

import pytest
import torch

from farthing.errors import ConfigError
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.deterministic import deterministic_mode

PLAIN = TrainConfig(steps=9, batch_sequences=4)
ASKED = PLAIN.model_copy(update={"deterministic": True})


def test_torch_is_told_inside_and_is_as_before_after():
    with deterministic_mode(PLAIN):
        assert not torch.are_deterministic_algorithms_enabled()
    with deterministic_mode(ASKED):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_cannot_give_the_same_bits_is_named():
    with (
        pytest.raises(ConfigError, match="put_cuda does not have a deterministic"),
        deterministic_mode(ASKED),
    ):
        raise RuntimeError("put_cuda does not have a deterministic implementation, but ...")
    assert not torch.are_deterministic_algorithms_enabled()


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes"), deterministic_mode(ASKED):
        raise RuntimeError("shapes do not fit")


def test_a_recipe_that_asks_for_nothing_new_is_written_as_before():
    written = PLAIN.model_dump(mode="json")
    assert "deterministic" not in written
    assert ASKED.model_dump(mode="json") == {**written, "deterministic": True}
    assert TrainConfig.model_validate_json(ASKED.model_dump_json()) == ASKED
    assert TrainConfig.model_validate_json(PLAIN.model_dump_json()) == PLAIN
