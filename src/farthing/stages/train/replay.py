"""Some steps of a run once more, from its checkpoint or from its seed: the same bits, or how near.

    replayed = replay(config, sizes, corpus, begin=folder, input_key=key, steps=range(200, 400))
    assert state_digest(replayed, input_key=key) == segment.checkpoint_digest

With the same code, packages, instructions and number of threads every bit is the same. Elsewhere
`routes` forces the expert choices that were noted, and `distance` says how far the end is from the
one that was claimed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from farthing.errors import CheckpointError, ClaimError, DivergedError
from farthing.model.config import ModelConfig
from farthing.model.transformer import Transformer
from farthing.stages.train.assemble import Assembled, assemble
from farthing.stages.train.checkpoint import (
    MODEL,
    OPTIMIZER,
    Checkpoint,
    TrainingProgress,
    load_checkpoint,
    state_of,
    write_checkpoint,
)
from farthing.stages.train.compiled import expected_graphs
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.deterministic import deterministic_mode
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.routes import RouteLog, Routes, attached, check_can_listen
from farthing.stages.train.run import check_fit, segment_batches
from farthing.stages.train.start.begin import Start
from farthing.stages.train.step import StepResult
from farthing.stages.train.threads import thread_count_restored
from farthing.text.corpus import Corpus

Precision = Literal["fp32", "bf16", "fp8"]


@dataclass(frozen=True)
class Replayed:
    """What some steps did, and the state after them.

    Attributes:
        results: of each step.
        model: with the weights after the last.
        tensors: every tensor of the state, named as in a checkpoint.
        progress: as a checkpoint says it.
    """

    results: tuple[StepResult, ...]
    model: Transformer
    tensors: dict[str, Tensor]
    progress: TrainingProgress

    @property
    def losses(self) -> list[float]:
        """Of each step, in nats."""
        return [result.loss for result in self.results]

    @property
    def shapes(self) -> list[list[str]]:
        """Of the passes of each step."""
        return [[str(shape) for shape in result.shapes] for result in self.results]

    @property
    def tokens(self) -> int:
        """Of all steps."""
        return sum(result.tokens for result in self.results)

    @property
    def batch_digest(self) -> str:
        """As the book's segment has it."""
        return segment_batches(result.batch_digest for result in self.results)


@dataclass(frozen=True)
class Distance:
    """How far the end of a replay is from the claimed end; all but the losses are shares.

    Attributes:
        overall: L2 of the difference of all weights over L2 of their claimed change.
        of_weights: the same difference over L2 of the weights.
        worst: the largest such share of a single weight tensor.
        worst_name: of that tensor.
        optimizer: L2 of the difference of the optimizer's moments over L2 of these moments.
        counts_differ: whether anything that is counted, not rounded, differs: whole numbers, and
            how often the optimizer moved a weight.
        loss: largest difference of a step's loss, in nats; None where no losses were given.
    """

    overall: float
    of_weights: float
    worst: float
    worst_name: str
    optimizer: float
    counts_differ: bool
    loss: float | None


def replay(
    config: TrainConfig,
    sizes: ModelConfig,
    corpus: Corpus,
    *,
    begin: Path | None,
    input_key: str,
    steps: range,
    start: Start | None = None,
    routes: Routes | None = None,
    note: RouteLog | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
) -> Replayed:
    """Take `steps` of a run again; nothing is written.

    Args:
        config: of the run.
        sizes: of its supernet, as its recipe has them.
        corpus: that it read.
        begin: folder of the checkpoint before the first step; None for what the seed makes, or
            `start`.
        input_key: of the run; a checkpoint of another is refused.
        steps: their numbers.
        start: what the run began with, if not with random weights.
        routes: expert choices to force.
        note: takes down the expert choices.
        threads: to compute on, be they more than there are here: the bits need them; None for those
            of the checkpoint, then of the settings.
        precision: of the matrix products, where neither checkpoint nor settings name one.

    Raises:
        CheckpointError: the checkpoint is damaged, of another run, or of another step.
        ClaimError: the forced choices do not fit the steps.
        ConfigError: choices cannot be noted or forced, or settings that fit nothing here.
        DivergedError: the loss of a step is no number, or jumped: no run goes on from there.
    """
    assert routes is None or note is None, "forced choices are known already"
    if listener := routes or note:
        check_can_listen(config.compile)
    saved = load_checkpoint(begin, input_key=input_key) if begin else None
    progress = _progress(begin, saved, steps)
    wanted = threads or progress.threads or config.threads or torch.get_num_threads()
    chosen = progress.precision or precision or config.precision
    config = config.model_copy(update={"precision": chosen, "threads": None})
    with ExitStack() as stack:
        stack.enter_context(thread_count_restored())
        stack.enter_context(deterministic_mode(config))
        torch.set_num_threads(wanted)
        made = _made(config, sizes, corpus, saved, start)
        kernels = made.kernels.partition(":")[0]
        chosen_here = {"threads": wanted, "precision": made.precision, "kernels": kernels}
        progress = progress.model_copy(update=chosen_here)
        stack.enter_context(expected_graphs(config, sizes))
        if listener:
            stack.enter_context(attached(made.step, listener))
        results, progress = _run(config, made, progress, steps)
    if routes is not None:
        routes.check_all_used()
    return Replayed(results, made.model, state_of(made.model, made.optimizer), progress)


def state_digest(replayed: Replayed, *, input_key: str) -> str:
    """The content digest that a checkpoint of this state has."""
    with tempfile.TemporaryDirectory(prefix="farthing-") as folder:
        manifest = write_checkpoint(
            Path(folder), replayed.tensors, replayed.progress, input_key=input_key
        )
    return manifest.content_digest


def distance(
    replayed: Replayed,
    begin: Mapping[str, Tensor],
    end: Mapping[str, Tensor],
    losses: list[float] | None = None,
) -> Distance:
    """How far the state after a replay is from the claimed one.

    Args:
        replayed: the steps.
        begin: tensors of the state before them, as a checkpoint has them.
        end: the claimed tensors after them.
        losses: the claimed loss of each step.

    Raises:
        ClaimError: the claimed state is not one of this model.
    """
    check_alike(replayed.tensors, end)
    squares: dict[str, tuple[float, float]] = {}
    off = size = weights = 0.0
    for name, tensor in replayed.tensors.items():
        ours, theirs = tensor.detach().cpu().double(), end[name].double()
        if name.startswith(OPTIMIZER) and not name.endswith("/step"):
            off += float((ours - theirs).square().sum())
            size += float(theirs.square().sum())
        elif name.startswith(MODEL) and tensor.is_floating_point():
            change = float((theirs - begin[name].detach().cpu().double()).square().sum())
            squares[name] = float((ours - theirs).square().sum()), change
            weights += float(theirs.square().sum())
    shares = {name: _share(*pair) for name, pair in squares.items()}
    worst = max(shares, key=lambda name: shares[name])
    differences = None
    if losses is not None:
        pairs = zip(replayed.losses, losses, strict=True)
        differences = max(abs(ours - theirs) for ours, theirs in pairs)
    total_off, total_change = (sum(pair[place] for pair in squares.values()) for place in (0, 1))
    return Distance(
        overall=_share(total_off, total_change),
        of_weights=_share(total_off, weights),
        worst=shares[worst],
        worst_name=worst.removeprefix(MODEL),
        optimizer=_share(off, size),
        counts_differ=any(
            not torch.equal(tensor.detach().cpu(), end[name])
            for name, tensor in replayed.tensors.items()
            if name.endswith("/step") or not tensor.is_floating_point()
        ),
        loss=differences,
    )


def check_alike(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Raises ClaimError unless both hold tensors of the same names, types and shapes."""
    for name in sorted(ours.keys() ^ theirs.keys()):
        raise ClaimError(f"only one of two states holds {name}", remedy=_OTHER_STATE)
    for name, tensor in ours.items():
        other = theirs[name]
        if (tensor.dtype, tensor.shape) != (other.dtype, other.shape):
            raise ClaimError(
                f"{name} is {other.dtype} {tuple(other.shape)}, "
                f"not {tensor.dtype} {tuple(tensor.shape)}",
                remedy=_OTHER_STATE,
            )


_OTHER_STATE = "the checkpoint is not one of this model: ask for the answer again"


def _share(off: float, size: float) -> float:
    """The root of a share; without a size, any difference is infinitely large."""
    if size == 0.0:
        return 0.0 if off == 0.0 else float("inf")
    return float((off / size) ** 0.5)


def _progress(begin: Path | None, saved: Checkpoint | None, steps: range) -> TrainingProgress:
    """What stands before the first of `steps`."""
    progress = saved.progress if saved else TrainingProgress(step=0, tokens=0, recent_losses=())
    if progress.step != steps.start:
        raise CheckpointError(
            f"checkpoint {begin} was saved before step {progress.step}, not {steps.start}",
            remedy="name the checkpoint before the segment",
        )
    return progress


def _made(
    config: TrainConfig,
    sizes: ModelConfig,
    corpus: Corpus,
    saved: Checkpoint | None,
    start: Start | None,
) -> Assembled:
    first = start.first_sequence if start else 0
    device, batches = check_fit(config, sizes, corpus, first_sequence=first)
    end_of_text = corpus.tokenizer.end_of_text
    made = assemble(config, sizes, batches, device, rows=corpus.vocab_size, end_of_text=end_of_text)
    if saved:
        _check_state(saved, made)
        saved.restore(made.model, made.optimizer)
    elif start:
        start.begin(made.model, made.optimizer, config.seed)
    if start:
        start.teach(made.step, device)
    return made


def _check_state(saved: Checkpoint, made: Assembled) -> None:
    """A checkpoint of strangers: torch would cast and broadcast what does not fit."""
    expected = state_of(made.model, made.optimizer)
    given = {n: t for n, t in saved.tensors.items() if not n.startswith(OPTIMIZER)}
    check_alike(expected, given)
    weights = dict(made.model.named_parameters())
    of_muon = {
        id(weight) for group in made.optimizer.muon.param_groups for weight in group["params"]
    }
    for key, tensor in saved.optimizer_state.items():
        name, _, kind = key.rpartition("/")
        weight = weights.get(name)
        kinds = ("momentum",) if id(weight) in of_muon else ("exp_avg", "exp_avg_sq", "step")
        shape = () if kind == "step" or weight is None else weight.shape
        if weight is None or kind not in kinds or tensor.shape != torch.Size(shape):
            raise ClaimError(f"no optimizer of this run keeps {key}", remedy=_OTHER_STATE)
        if tensor.dtype != (torch.float32 if kind == "step" else weight.dtype):
            raise ClaimError(f"{key} is {tensor.dtype}", remedy=_OTHER_STATE)


def _run(
    config: TrainConfig, made: Assembled, progress: TrainingProgress, steps: range
) -> tuple[tuple[StepResult, ...], TrainingProgress]:
    guard = LossGuard(config.max_loss_jump_nats, progress.recent_losses)
    results = []
    with made.step.feed(steps) as feed:
        for step in steps:
            result = made.step.run(step, guard, feed)
            if result.complaint is not None:
                raise DivergedError(
                    f"step {step}, taken again: {result.complaint}",
                    remedy="a run whose loss does that stops there: it cannot have gone on",
                )
            results.append(result)
    tokens = progress.tokens + sum(result.tokens for result in results)
    reached = {"step": steps.stop, "tokens": tokens, "recent_losses": tuple(guard.recent)}
    return tuple(results), progress.model_copy(update=reached)
