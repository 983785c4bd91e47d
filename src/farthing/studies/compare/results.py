"""What the tasks of a comparison hand back: scores, and what the runs behind them used."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from farthing.artifacts.manifest import read_manifest
from farthing.artifacts.scores import MemberScore
from farthing.flow import RunConfig
from farthing.ledger.attempts import attempts, runs_where
from farthing.session import Session
from farthing.stages.train.run import KIND as SUPERNET
from farthing.stages.train.run import SUPERNET_ROOM


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunCost(_Frozen):
    """What one training run used: all that its result rests on.

    Attributes:
        input_key: of the run.
        supernet: content digest of what it made.
        steps: of its schedule.
        attempts: runs in the book; more than one where it was interrupted.
        tokens, flops, optimizer_flops, device_seconds, cpu_seconds, wall_seconds: sums over them,
            without what had to be done again after an interruption: that stands in the bill, and
            would make an arm dearer that did nothing to deserve it.
        lost_device_seconds: what was done again.
        machine: where the last attempt ran.
    """

    input_key: str
    supernet: str
    steps: int
    attempts: int
    tokens: int
    flops: float
    optimizer_flops: float
    device_seconds: float
    cpu_seconds: float
    wall_seconds: float
    machine: str
    lost_device_seconds: float = 0.0


class Scored(_Frozen):
    """One member of an arm.

    Attributes:
        member: whose place it takes, by its label in the elastic family.
        runs: input keys of all training runs behind it, the oldest first.
        score: sizes and bits per byte on dev text.
        accuracy: share of right answers by benchmark, as the field quotes it.
    """

    member: str
    runs: tuple[str, ...]
    score: MemberScore
    accuracy: dict[str, float] = {}


class Beside(_Frozen):
    """What was spent beside training: curation and the evaluation of one model's members."""

    flops: float
    device_seconds: float


class CellResult(_Frozen):
    """One task: an arm (or a baseline) with one seed, and a length where there are several.

    Attributes:
        key: of all settings and inputs that decide it; not of the code.
        arm: `elastic`, `plain`, ... or `baseline`.
        name: of the baseline, or what distinguishes several runs of the arm.
        seed: of weights, data order and elastic draws.
        length: share of the recipe's steps (of the elastic run's FLOPs for baselines).
        runs: every training run of this cell.
        scored: every member of this cell.
        beside: curation and evaluation.
        code: version of the code that trains.
        complaint: why nothing came of it (a baseline or variant whose loss broke); empty if
            something did.
    """

    key: str
    arm: str
    name: str
    seed: int
    length: float
    runs: tuple[RunCost, ...]
    scored: tuple[Scored, ...]
    beside: Beside
    code: str
    complaint: str = ""


def run_cost(session: Session, run: RunConfig, place: Path) -> RunCost:
    """What the book says of a training that is finished.

    Another arm may have made the same run under its own name: that is no attempt of this one.

    Args:
        session: of the workspace.
        run: the recipe that was trained.
        place: the run's folder.
    """
    made = read_manifest(place / SUPERNET_ROOM, kind=SUPERNET)
    found = attempts(session.book, {made.input_key}, name=run.name)
    work = found.kept
    return RunCost(
        input_key=made.input_key,
        supernet=made.content_digest,
        steps=run.train.steps,
        attempts=len(found.runs),
        tokens=work.tokens,
        flops=work.flops,
        optimizer_flops=work.optimizer_flops,
        device_seconds=work.device_seconds,
        cpu_seconds=work.cpu_seconds,
        wall_seconds=work.wall_seconds,
        machine=found.runs[-1].start.machine.name,
        lost_device_seconds=found.work.device_seconds - work.device_seconds,
    )


def beside(session: Session, supernets: set[str]) -> Beside:
    """All curation in the book, and every evaluation of these models."""
    work = runs_where(
        session.book,
        lambda run: (
            run.start.purpose == "curation"
            or any(entry.supernet in supernets for entry in run.members)
        ),
    ).work
    return Beside(flops=work.flops, device_seconds=work.device_seconds)
