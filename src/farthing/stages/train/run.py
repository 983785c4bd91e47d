"""The training stage: corpus in, supernet out, resumable at every step boundary.

run directory
├── checkpoints/step-N/    the newest few, see checkpoint.py
├── metrics.jsonl          one line per step
└── supernet/              the finished artifact
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from farthing.artifacts.canonical import digest_json, sha256_hex
from farthing.artifacts.manifest import Manifest, write_manifest
from farthing.artifacts.storage import make_directory, staged_directory
from farthing.artifacts.work import Work
from farthing.errors import DivergedError, InterruptedRunError
from farthing.ledger.journal import RunRecorder, SegmentDigests
from farthing.ledger.phases import CHECKPOINT, COMPILE, START, TRAIN, WIND_DOWN
from farthing.model.config import ModelConfig
from farthing.model.device import choose_device
from farthing.model.kernels.native import kernels_in_use
from farthing.model.supernet import save_weights
from farthing.model.transformer import Transformer
from farthing.stages.train.assemble import assemble, events_of
from farthing.stages.train.checkpoint import (
    TrainingProgress,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
    sweep_half_written,
)
from farthing.stages.train.compiled import expected_graphs, graphs_compiled
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.deterministic import deterministic_mode
from farthing.stages.train.elastic_schedule import ElasticSchedule
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.interrupt import stop_request
from farthing.stages.train.metrics import MetricsFile
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.stages.train.progress import Watch
from farthing.stages.train.start.begin import Start
from farthing.stages.train.start.order import read_so_far
from farthing.stages.train.step import StepResult, TrainingStep
from farthing.stages.train.threads import check_threads, choose_threads, thread_count_restored
from farthing.text.batches import Batches
from farthing.text.corpus import Corpus

KIND = "supernet"
SUPERNET_ROOM = "supernet"
CHECKPOINT_ROOM = "checkpoints"
_NAMED_SEQUENCES = 3

MakeWatch = Callable[[int], AbstractContextManager[Watch]]


def resumable_step(directory: Path) -> int | None:
    """The step that a run in `directory` would go on from, or None for a fresh start."""
    newest = newest_checkpoint(directory / CHECKPOINT_ROOM)
    return int(newest.name.removeprefix("step-")) if newest else None


def segment_batches(digests: Iterable[str]) -> str:
    """One digest for the batches of a segment, of those of its steps."""
    return sha256_hex("".join(digests).encode())


def check_fit(
    config: TrainConfig, sizes: ModelConfig, corpus: Corpus, *, first_sequence: int = 0
) -> tuple[torch.device, Batches]:
    """What a run of these settings would train on; cheap, so that it can be asked beforehand.

    Args:
        config: the run.
        sizes: the supernet.
        corpus: what to read.
        first_sequence: of the data order, where the run begins to read.

    Raises:
        CorpusError, ConfigError: text, mixture, elastic sizes or device that do not fit.
    """
    ElasticSchedule(config, sizes)
    check_threads(config.threads)
    batches = Batches(
        corpus,
        context=sizes.context,
        weights=config.mixture,
        seed=config.seed,
        first=first_sequence,
        sequences=first_sequence + config.steps * config.batch_sequences,
    )
    return choose_device(config.device), batches


def train(
    config: TrainConfig,
    sizes: ModelConfig,
    corpus: Corpus,
    *,
    directory: Path,
    input_key: str,
    recorder: RunRecorder,
    say: Callable[[str], None],
    make_watch: MakeWatch,
    start: Start | None = None,
) -> Manifest:
    """Train, from the newest checkpoint if there is one, and write `directory/supernet`.

    Args:
        config: the run.
        sizes: the supernet.
        corpus: what to read.
        directory: of this run; the caller holds its lock.
        input_key: of this run; a checkpoint of another is refused.
        recorder: the run's place in the book.
        say: tells the user what the journal notes before the first step.
        make_watch: given the first step, something that is shown every step.
        start: what the run begins with; None for the random weights of the seed.

    Raises:
        DivergedError: the loss is no number or jumped; the weights are those before that step.
        InterruptedRunError: a signal asked for a stop; a checkpoint was saved.
        CheckpointError: the newest checkpoint is damaged.
        CorpusError, ConfigError: text, mixture or sizes that do not fit together.
        WorkspaceError: the disk is full or not writable.
    """
    with ExitStack() as stack:
        stack.enter_context(thread_count_restored())
        stack.enter_context(deterministic_mode(config))
        notes = _Notes(recorder, say)
        run = _prepare(config, sizes, corpus, make_directory(directory), input_key, notes, start)
        stack.enter_context(expected_graphs(config, sizes))
        feed = stack.enter_context(run.step.feed(range(run.progress.step, config.steps)))
        metrics = stack.enter_context(MetricsFile(directory, recorder.number))
        watch = stack.enter_context(make_watch(run.progress.step))
        stop = stack.enter_context(stop_request())
        biller = _Biller(recorder, config)
        while run.progress.step < config.steps:
            result = run.step.run(run.progress.step, run.guard, feed)
            work = biller.bill(result)
            metrics.write(result, work)
            if result.complaint is not None:
                raise _diverged(run, result)
            watch(result, work)
            run.note(result)
            # Read once: a signal that comes later stops after the next step.
            stopping = stop.signal_name
            if stopping or run.is_checkpoint_due():
                run.save()
            if stopping and run.progress.step < config.steps:
                raise _stopped(stopping, run.progress.step)
    return _finish(run, corpus, start)


def _stopped(signal: str, step: int) -> InterruptedRunError:
    return InterruptedRunError(
        f"stopped by {signal} after step {step}",
        remedy="run the same command again: it goes on from the checkpoint just saved",
    )


class _Biller:
    """Enters steps; one in which a layer met a new kind of input was spent on compiling it."""

    def __init__(self, recorder: RunRecorder, config: TrainConfig) -> None:
        self._recorder = recorder
        self._graphs = graphs_compiled()
        # The first step of compiled layers compiles them.
        recorder.enter(TRAIN if config.compile == "off" else COMPILE)

    def bill(self, result: StepResult) -> Work:
        before, self._graphs = self._graphs, graphs_compiled()
        return self._recorder.beat(
            COMPILE if self._graphs > before else TRAIN,
            result.step,
            tokens=result.tokens,
            flops=float(result.flops + result.recomputed_flops),
            optimizer_flops=float(result.optimizer_flops),
        )


@dataclass
class _Run:
    """One attempt: what its steps share."""

    config: TrainConfig
    model: Transformer
    optimizer: ModelOptimizer
    step: TrainingStep
    guard: LossGuard
    batches: Batches
    progress: TrainingProgress
    directory: Path
    input_key: str
    recorder: RunRecorder
    segment: list[StepResult]

    def note(self, result: StepResult) -> None:
        """A step is done."""
        self.segment.append(result)
        self.progress = TrainingProgress(
            step=result.step + 1,
            tokens=self.progress.tokens + result.tokens,
            recent_losses=tuple(self.guard.recent),
            threads=self.progress.threads,
            precision=self.progress.precision,
            kernels=self.progress.kernels,
        )

    def is_checkpoint_due(self) -> bool:
        """At every `checkpoint_every` steps and at the end."""
        step = self.progress.step
        return step == self.config.steps or step % self.config.checkpoint_every == 0

    def save(self) -> None:
        """Save a checkpoint and record the segment that it closes."""
        self.recorder.enter(CHECKPOINT)
        manifest = save_checkpoint(
            self.directory / CHECKPOINT_ROOM,
            self.model,
            self.optimizer,
            self.progress,
            input_key=self.input_key,
            keep=self.config.keep_checkpoints,
        )
        losses = [result.loss for result in self.segment]
        self.recorder.segment(
            self.segment[0].step,
            self.segment[-1].step,
            sum(result.tokens for result in self.segment),
            SegmentDigests(
                loss_sum=sum(losses),
                loss_digest=digest_json(losses),
                batch_digest=segment_batches(r.batch_digest for r in self.segment),
                checkpoint_digest=manifest.content_digest,
            ),
        )
        self.segment.clear()


@dataclass(frozen=True)
class _Notes:
    """What the journal should hold and the user see before the first step."""

    recorder: RunRecorder
    say: Callable[[str], None]

    def event(self, event: str, detail: str) -> None:
        self.recorder.event(event, detail)
        self.say(f"{event:<10}{detail}")


def _prepare(
    config: TrainConfig,
    sizes: ModelConfig,
    corpus: Corpus,
    directory: Path,
    input_key: str,
    notes: _Notes,
    start: Start | None,
) -> _Run:
    first = start.first_sequence if start else 0
    device, batches = check_fit(config, sizes, corpus, first_sequence=first)
    sweep_half_written(directory / CHECKPOINT_ROOM)
    progress = TrainingProgress(step=0, tokens=0, recent_losses=())
    newest = newest_checkpoint(directory / CHECKPOINT_ROOM)
    saved = load_checkpoint(newest, input_key=input_key) if newest else None
    if saved:
        progress = saved.progress
        # It may have begun on another machine, where `auto` meant another precision: it keeps it.
        config = config.model_copy(update={"precision": progress.precision or config.precision})
        notes.recorder.event("resume", f"from {saved.name}, {progress.tokens} tokens")
    if device.type == "cpu":
        notes.recorder.enter(COMPILE)
        kernels_in_use()
        notes.recorder.enter(START)
    made = assemble(
        config,
        sizes,
        batches,
        device,
        rows=corpus.vocab_size,
        end_of_text=corpus.tokenizer.end_of_text,
    )
    if saved:
        saved.restore(made.model, made.optimizer)
    elif start:
        start.begin(made.model, made.optimizer, config.seed)
        notes.event("start", str(start))
    if start:
        start.teach(made.step, device)
    _note_other_kernels(progress.kernels, made.kernels, notes)
    progress = progress.model_copy(
        update={"precision": made.precision, "kernels": made.kernels.partition(":")[0]}
    )
    notes.recorder.enter(COMPILE)
    progress = _with_threads(config, made.step, device, progress, notes)
    for event, detail in events_of(made, config):
        notes.event(event, detail)
    return _Run(
        config=config,
        model=made.model,
        optimizer=made.optimizer,
        step=made.step,
        guard=LossGuard(config.max_loss_jump_nats, progress.recent_losses),
        batches=batches,
        progress=progress,
        directory=directory,
        input_key=input_key,
        recorder=notes.recorder,
        segment=[],
    )


def _note_other_kernels(before: str | None, now: str, notes: _Notes) -> None:
    """Resumption is exact with the same kernels only."""
    if before is not None and before != now.partition(":")[0]:
        notes.event("note", f"the run began with {before}: the last bits may differ from now on")


def _with_threads(
    config: TrainConfig,
    step: TrainingStep,
    device: torch.device,
    progress: TrainingProgress,
    notes: _Notes,
) -> TrainingProgress:
    """Let torch use the number of threads that is wanted, began with, or fastest; note it."""
    begun_with = progress.threads
    if progress.step and begun_with is None:
        # The checkpoint is older than the choice: torch's own number it was.
        begun_with = torch.get_num_threads()
    if device.type == "cpu" or config.threads is not None:
        chosen = choose_threads(config.threads, begun_with, step.rehearse)
        torch.set_num_threads(chosen.threads)
        notes.event("threads", f"{chosen.threads}: {chosen.reason}")
    return progress.model_copy(update={"threads": torch.get_num_threads()})


def _finish(run: _Run, corpus: Corpus, start: Start | None) -> Manifest:
    """Rank the experts and write the finished supernet."""
    run.recorder.enter(WIND_DOWN)
    nested = rank_experts(run.model, run.config, start)
    origin = {
        "corpus": corpus.digest,
        "tokenizer": corpus.tokenizer.fingerprint,
        "input_key": run.input_key,
        "steps": run.progress.step,
        "tokens": run.progress.tokens,
        "precision": run.progress.precision,
        "data_order": read_so_far(
            run.batches, corpus.digest, run.progress.step * run.config.batch_sequences
        ),
        "prefixes_trained": nested,
        "start": start.lineage if start else None,
    }
    with staged_directory(run.directory / SUPERNET_ROOM) as staged:
        save_weights(run.model, staged, origin)
        corpus.tokenizer.save(staged)
        return write_manifest(staged, kind=KIND, input_key=run.input_key, detail=origin)


def rank_experts(model: Transformer, config: TrainConfig, start: Start | None) -> bool:
    """Put the experts of a model that was trained to its end into order of importance.

    Returns:
        Whether prefixes were trained as prefixes: those stay as they are. Otherwise the busiest
        experts come first.
    """
    inherited = start is not None and start.source.supernet.origin.get("prefixes_trained", False)
    experts = model.config.num_experts
    if inherited or (config.elastic is not None and config.elastic.trains_prefixes(experts)):
        return True
    for place, block in enumerate(model.sparse_blocks()):
        model.expert_ranking[place] = block.router.mass.argsort(descending=True, stable=True)
    return False


def _diverged(run: _Run, result: StepResult) -> DivergedError:
    batch = run.step.sequences(result.step)
    newest = newest_checkpoint(run.directory / CHECKPOINT_ROOM)
    good = f"the last good checkpoint is {newest}" if newest else "there is no checkpoint yet"
    shapes = " and ".join(str(shape) for shape in result.shapes)
    texts = "; ".join(run.batches.describe(batch.start, len(batch))[:_NAMED_SEQUENCES])
    return DivergedError(
        f"step {result.step}: {result.complaint} (shape {shapes}, sequences "
        f"{batch[0]}-{batch[-1]}, batch {result.batch_digest[:16]}; first of them: {texts})",
        remedy=f"{good}. Look at that text first. To go on from there over this step, raise "
        "train.max_loss_jump_nats; lower train.optimizer rates or train.clip_norm start a new run",
    )
