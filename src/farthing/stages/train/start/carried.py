"""The optimizer's state of a finished run, for a run that goes on with its weights."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from farthing.errors import ConfigError
from farthing.model.cut import cut_tensors
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.model.transformer import Transformer
from farthing.stages.train.checkpoint import load_checkpoint, newest_checkpoint
from farthing.stages.train.optimizer import ModelOptimizer

_MUON_KINDS = ("momentum",)
_ADAMW_KINDS = ("step", "exp_avg", "exp_avg_sq")
_FRESH = "or set start.optimizer: fresh"


def final_checkpoint(source: Supernet, checkpoints: Path | None) -> Path:
    """The training checkpoint of the step with which the run of `source` ended.

    Raises:
        ConfigError: there is none.
    """
    newest = newest_checkpoint(checkpoints) if checkpoints is not None else None
    step = source.origin["steps"]
    if newest is None or newest.name != f"step-{step:08d}":
        there = (
            f"the newest is {newest.name}"
            if newest
            else "an extracted member has none"
            if checkpoints is None
            else "there is none"
        )
        raise ConfigError(
            f"start.optimizer is carried, but {source.directory} has no training checkpoint of "
            f"its last step {step}: {there}",
            remedy="start from the run itself, with --shape, while its checkpoints are there, "
            + _FRESH,
        )
    return newest


def carried_state(source: Supernet, checkpoint: Path, shape: Shape) -> dict[str, Tensor]:
    """The optimizer's state in `checkpoint`, cut to `shape` like the weights.

    Raises:
        CheckpointError: it is damaged, or of another run.
    """
    saved = load_checkpoint(checkpoint, input_key=source.origin["input_key"])
    model = source.model
    if shape == model.full_shape:
        return saved.optimizer_state
    # The ranking of the finished model: it decides which experts a count keeps.
    return cut_tensors(saved.optimizer_state, model.config, model.expert_ranking, shape)


def check_state(state: dict[str, Tensor], model: Transformer, optimizer: ModelOptimizer) -> None:
    """Whether `state` is one that `optimizer` could have made for `model`.

    Raises:
        ConfigError: naming the first entry that it could not.
    """
    weights = dict(model.named_parameters())
    of_muon = {id(weight) for group in optimizer.muon.param_groups for weight in group["params"]}
    for key in state:
        name, _, kind = key.rpartition("/")
        kinds = _MUON_KINDS if id(weights[name]) in of_muon else _ADAMW_KINDS
        if kind not in kinds:
            raise ConfigError(
                f"start.optimizer is carried, but of {name} the earlier run kept {kind}, and with "
                f"these settings of train.optimizer it has {', '.join(kinds)}",
                remedy=f"use the earlier run's train.optimizer, {_FRESH}",
            )
