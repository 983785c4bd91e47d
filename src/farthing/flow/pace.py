"""How fast this machine takes a recipe's training steps: a few of them, run before the training.

    probe = measure_pace(run, corpus)      # about six seconds on two threads
    forecast_quickstart(work, probe)       # of predict.local

The steps are those of `farthing train` with the weights of the seed, and everything about them is
thrown away. They are timed in wall time, for that is what a forecast says: what else runs on the
machine slows both, the probe and the training, as long as it stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from farthing.cost.architecture import architecture_of
from farthing.flow.config import RunConfig
from farthing.model.shape import Shape
from farthing.predict.local import Probe, TimedStep, probe_of
from farthing.stages.train.assemble import assemble
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.run import check_fit
from farthing.stages.train.step import TrainingStep
from farthing.stages.train.threads import choose_threads, thread_count_restored
from farthing.text.corpus import Corpus

# Of steps after the first ones, which meet new shapes: memory and, in some libraries, code is made
# for them. Where a step takes long, so little of it is that, and the first ones count.
_BUDGET_SECONDS, _PATIENCE_SECONDS = 3.0, 9.0
_WARMING, _FEWEST, _MOST = 2, 4, 30


def measure_pace(
    run: RunConfig, corpus: Corpus, clock: Callable[[], float] = time.perf_counter
) -> Probe | None:
    """The pace of this processor at the recipe's own steps; None where an accelerator trains.

    Args:
        run: the recipe.
        corpus: what it reads.
        clock: seconds.

    Raises:
        CorpusError, ConfigError: text, mixture, elastic sizes or device that do not fit.
    """
    device, batches = check_fit(run.train, run.model, corpus)
    if device.type != "cpu":
        return None
    with thread_count_restored():
        made = assemble(
            run.train,
            run.model,
            batches,
            device,
            rows=corpus.vocab_size,
            end_of_text=corpus.tokenizer.end_of_text,
        )
        chosen = choose_threads(run.train.threads, None, made.step.rehearse)
        torch.set_num_threads(chosen.threads)
        timed = _timed_steps(run, corpus.vocab_size, made.step, clock)
    return probe_of(timed[min(_WARMING, len(timed) - 1) :], threads=chosen.threads)


def _timed_steps(
    run: RunConfig, vocab_size: int, step: TrainingStep, clock: Callable[[], float]
) -> list[TimedStep]:
    architecture = architecture_of(run.model, vocab_size, Shape.full(run.model))
    guard, spent = LossGuard(float("inf")), 0.0
    timed: list[TimedStep] = []
    for number in range(min(_MOST, run.train.steps)):
        if spent > (_BUDGET_SECONDS if number >= _WARMING + _FEWEST else _PATIENCE_SECONDS):
            break
        began = clock()
        result = step.run(number, guard)
        seconds = clock() - began
        spent += seconds
        timed.append(
            TimedStep(
                architecture=architecture,
                tokens=result.tokens,
                flops=float(result.flops),
                seconds=seconds,
            )
        )
    return timed
