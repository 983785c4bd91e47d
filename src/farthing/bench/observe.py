"""Looking at a step and its machine again and again, in turns.

First the number of threads. Then repeats of: one sample of the machine's peaks, and for each of
some steps (with the sub-models that training would draw) the whole step and every part of it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from farthing.artifacts.measurement import Basis
from farthing.bench.clock import Lap, Neighbours, basis_of
from farthing.bench.floor import Demand, demands, mean_demands
from farthing.bench.parts import time_parts
from farthing.bench.plan import Plan, make_plan
from farthing.bench.subject import Subject
from farthing.hardware.measure import MachineProbe
from farthing.stages.train.threads import fastest, race

# Output matrices start at zero: the first gradients are empty, and the optimizer would rest.
_WARM_UP_STEPS = 4
# Of the time given, for finding the number of threads.
_RACE_SHARE = 0.25
_RACE_ROUNDS = (3, 10)
_SOON = 16


@dataclass
class Observations:
    """Everything that was looked at, before it is made into figures.

    Attributes:
        threads: the number chosen; all but `thread_laps` was measured on it.
        basis: the clock that everything is compared by.
        thread_laps: steps of `raced_shape` on each number that was tried.
        wholes: per repeat, one whole step: a mean over the shapes.
        parts: per part and repeat, one step's worth of it: a mean over the shapes.
        demands: what each part asks of the machine, likewise.
        flops, optimizer_flops: of one step, likewise.
        neighbours_threads: hardware threads that other processes kept busy meanwhile.
    """

    threads: int
    basis: Basis
    thread_laps: dict[int, list[Lap]]
    raced_shape: str
    probe: MachineProbe
    shapes: tuple[str, ...] = ()
    wholes: list[Lap] = field(default_factory=list)
    parts: dict[str, list[Lap]] = field(default_factory=dict)
    demands: dict[str, Demand] = field(default_factory=dict)
    flops: float = 0.0
    optimizer_flops: float = 0.0
    neighbours_threads: float = 0.0


def observe(
    subject: Subject, counts: Sequence[int], seconds: float, say: Callable[[str], None]
) -> Observations:
    """Everything that `seconds` are enough for; `say` prints a line of progress."""
    raced = _warm_up(subject)
    neighbours = Neighbours()
    say(f"threads   {', '.join(map(str, counts))}: at least three rounds")
    laps = race(
        counts,
        lambda: subject.whole_step(raced)[0],
        budget_seconds=_RACE_SHARE * seconds,
        rounds=_RACE_ROUNDS,
    )
    threads = fastest({count: [lap.wall_seconds for lap in taken] for count, taken in laps.items()})
    torch.set_num_threads(threads)
    step_seconds = statistics.median(lap.wall_seconds for lap in laps[threads])
    elastic = subject.run.train.elastic is not None
    plan = make_plan((1 - _RACE_SHARE) * seconds, step_seconds, elastic=elastic)
    about = f"about {plan.seconds:.0f} s, compiling apart"
    say(f"measure   {plan.repeats} repeats of {plan.shapes} steps: {about}")
    basis = basis_of(subject.device, threads)
    clock = time.process_time if basis == "processor time" else time.perf_counter
    # Sizes are chosen on the threads that they are compared on.
    probe = MachineProbe(subject.device, clock)
    seen = Observations(threads, basis, laps, subject.label(raced), probe)
    _count(subject, plan, seen)
    time_parts(subject, 0)
    for repeat in range(plan.repeats):
        _observe_once(subject, plan, seen)
        say(f"measure   repeat {repeat + 1} of {plan.repeats}")
    seen.neighbours_threads = neighbours.busy_threads()
    return seen


def _warm_up(subject: Subject) -> int:
    """Take a few steps; the number of one to race with, the full shape alone if drawn soon."""
    for step in range(_WARM_UP_STEPS):
        subject.whole_step(step)
    full = subject.model.full_shape
    return next((step for step in range(_SOON) if set(subject.shapes(step)) == {full}), 0)


def _count(subject: Subject, plan: Plan, seen: Observations) -> None:
    """What the steps do, counted once: it is the same in each repeat. A compiled step compiles."""
    results = [subject.whole_step(step)[1] for step in range(plan.shapes)]
    seen.shapes = tuple(subject.label(result.step) for result in results)
    seen.flops = sum(result.flops for result in results) / len(results)
    seen.optimizer_flops = sum(result.optimizer_flops for result in results) / len(results)
    seen.demands = mean_demands(
        demands(subject, result.step, result.optimizer_flops) for result in results
    )


def _observe_once(subject: Subject, plan: Plan, seen: Observations) -> None:
    seen.probe.sample()
    whole = Lap()
    parts: dict[str, Lap] = {}
    for step in range(plan.shapes):
        whole += subject.whole_step(step)[0]
        for part, taken in time_parts(subject, step).items():
            parts[part] = parts.get(part, Lap()) + taken
    seen.wholes.append(whole.over(plan.shapes))
    for part, taken in parts.items():
        seen.parts.setdefault(part, []).append(taken.over(plan.shapes))
