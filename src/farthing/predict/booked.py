"""How fast a workspace's own trainings were: model FLOPs and seconds of each, from the book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farthing.artifacts.config import parse_config
from farthing.artifacts.entries import Plan, Record
from farthing.artifacts.phase import Phase
from farthing.artifacts.workspace import Workspace
from farthing.cost.architecture import Architecture, architecture_of
from farthing.errors import ConfigError
from farthing.ledger.accounts import RunAccount, collect_runs
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

# Once for each run, however long it is.
_ONCE: frozenset[Phase] = frozenset({"start-up", "compile", "wind-down"})
# What a machine without accelerators counts: its hardware threads.
_ON_CPU = "cpu-thread"
_TRAININGS = frozenset({"training", "baseline", "ablation", "tuning"})


@dataclass(frozen=True)
class BookedSpeed:
    """One finished training of the workspace.

    Attributes:
        architecture: of the whole supernet.
        device_id: of the accelerators in the catalogue; None on a processor, and on accelerators
            that it does not know.
        cpu: the processor's name; None on accelerators.
        devices: held at a time: accelerators, or hardware threads.
        threads: of the computation.
        flops: model FLOPs, those of recomputed layers again.
        seconds: of wall time, checkpoints and evaluation between steps included.
        once_seconds: of wall time beside them that any run takes once: start-up, compilation,
            winding down.
    """

    architecture: Architecture
    device_id: str | None
    cpu: str | None
    devices: int
    threads: int
    flops: float
    seconds: float
    once_seconds: float = 0.0

    def share_of(self, peak: float) -> float:
        """Of `peak` FLOP/s of each of its devices, what it reached."""
        return self.flops / (self.seconds * self.devices * peak)


def booked_speeds(workspace: Workspace, records: Sequence[Record]) -> tuple[BookedSpeed, ...]:
    """Every completed training whose plan says what was trained, in the order of their numbers.

    Left out: runs without a plan or FLOPs, those that lost their journal, and plans of versions
    whose settings of a model are not today's.

    Raises:
        BookError: a journal of a run that is still open was changed.
    """
    plans = {record.entry.digest: record.body for record in records}
    speeds = []
    for run in collect_runs(workspace, records):
        plan = plans.get(run.start.plan) if run.start.plan else None
        if isinstance(plan, Plan) and _counts(run):
            architecture = planned_architecture(plan)
            if architecture is not None:
                speeds.append(_speed(run, architecture))
    return tuple(speeds)


def planned_architecture(plan: Plan) -> Architecture | None:
    """The whole supernet of a plan, as counts take it; None where its recipe cannot be read.

    The vocabulary is the one asked for: a small corpus may have made a smaller one.
    """
    sizes: Any = plan.recipe.get("model")
    corpus: Any = plan.recipe.get("corpus")
    vocabulary = corpus.get("vocab_size") if isinstance(corpus, dict) else None
    if not isinstance(vocabulary, int):
        return None
    try:
        model = parse_config(ModelConfig, sizes, where=f"the plan of {plan.name}")
    except ConfigError:
        return None
    return architecture_of(model, vocabulary, Shape.full(model))


def _counts(run: RunAccount) -> bool:
    return (
        run.status == "completed"
        and run.evidence == "meter"
        and run.start.purpose in _TRAININGS
        and run.work.flops > 0
        and _steady_seconds(run) > 0
    )


def _steady_seconds(run: RunAccount) -> float:
    return run.work.wall_seconds - _once_seconds(run)


def _once_seconds(run: RunAccount) -> float:
    return sum(each.work.wall_seconds for each in run.phases if each.phase in _ONCE)


def _speed(run: RunAccount, architecture: Architecture) -> BookedSpeed:
    machine, environment = run.start.machine, run.start.environment
    return BookedSpeed(
        architecture=architecture,
        device_id=machine.accelerator,
        cpu=environment.cpu if machine.device == _ON_CPU else None,
        devices=machine.devices,
        threads=environment.threads,
        flops=run.work.flops,
        seconds=_steady_seconds(run),
        once_seconds=_once_seconds(run),
    )
