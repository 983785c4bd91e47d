"""Level 1, plausibility: what no machine can do, and no clock can say.

The bounds are wide on purpose: an honest run never meets them. What stays inside them is not
thereby true; it is what replaying segments is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import pairwise

from farthing.artifacts.entries import MachineRecord
from farthing.artifacts.work import SENSORS, Work
from farthing.hardware.accelerators import Accelerator, accelerators
from farthing.stages.verify.claim.book import ClaimBook, Run
from farthing.stages.verify.claim.journals import CLOCK_SLACK_SECONDS
from farthing.stages.verify.finding import Finding

_CHECK = "plausibility"
_PROCESSOR = "cpu-thread"

# A process is billed from its own beginning, which is before the first of its runs.
_BEFORE_START_SECONDS = 600.0
_BEFORE_START_SHARE = 0.05
_SHARE_SLACK = 0.05
_SECONDS_SLACK = 1.0
# FLOP/s of one hardware thread that no processor reaches: two 512-bit fused multiply-adds a cycle
# at 7.8 GHz in fp32; a tile unit of 2048 FLOP a cycle at 4 GHz in bf16.
_THREAD_FP32 = 0.5e12
_THREAD_NARROW = 8.2e12
# An accelerator that the catalogue does not know.
_UNKNOWN_DEVICE = 2e16
_LEAST_WATTS = 0.05
_MOST_THREAD_WATTS = 60.0
_ABOVE_TDP = 1.25
_MOST_HOST_WATTS = 4000.0
_UNKNOWN_TDP_WATTS = 3000.0
_MODEL_ROUNDING = 1e-6
_DEVICE_ROUNDING = 1e-3
# Segments shorter than this are timed by clocks that tick as long.
_SHORTEST_SECONDS = 0.05


def check_plausible(book: ClaimBook, odd: dict[int, tuple[str, ...]]) -> Iterator[Finding]:
    """Clocks, seconds, throughput and watts of every run.

    Args:
        book: of the claim.
        odd: by run, what its journal says that cannot have happened.
    """
    problems = 0
    for where, problem in (*_clock_problems(book), *_run_problems(book, odd)):
        problems += 1
        yield Finding(_CHECK, False, where, problem, 1)
    if not problems:
        detail = (
            f"{len(book.runs)} runs: clocks run forward, seconds fit their entries, no device is "
            "faster than its peak, and power lies between idle and full load where a sensor read it"
        )
        yield Finding(_CHECK, True, "book.jsonl", detail, 1)


def _clock_problems(book: ClaimBook) -> Iterator[tuple[str, str]]:
    for before, after in pairwise(book.records):
        back = _seconds(after.entry.time, before.entry.time)
        line = f"book.jsonl, line {after.entry.number + 1}"
        if back is None:
            yield line, "time: no UTC time"
            return
        if back > CLOCK_SLACK_SECONDS:
            yield line, f"the clock went back by {back:.1f} s"


def _run_problems(book: ClaimBook, odd: dict[int, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for run in book.runs.values():
        place = run.ended or run.started
        for problem in odd.get(run.number, ()):
            yield f"journals/{run.number}.jsonl", problem
        for problem in (
            *_time_problems(run),
            *_work_problems(run),
            *_growth_problems(run),
            *_speed_problems(run, _narrow(book, run)),
            *_power_problems(run),
        ):
            yield place.line, f"run {run.number}: {problem}"


def _time_problems(run: Run) -> Iterator[str]:
    if run.ended is None or run.end is None or run.end.evidence != "meter":
        return
    between = _seconds(run.started.time, run.ended.time)
    wall = run.billed.wall_seconds
    if between is None:
        return
    if wall < between * (1 - _SHARE_SLACK) - CLOCK_SLACK_SECONDS:
        yield f"wall_seconds: {wall:.1f}, but {between:.1f} s lie between its start and its end"
    most = between * (1 + _BEFORE_START_SHARE) + _BEFORE_START_SECONDS
    if wall > most:
        yield f"wall_seconds: {wall:.1f}, of which its entries leave room for {most:.1f}"


def _work_problems(run: Run) -> Iterator[str]:
    work, machine = run.billed, run.start.machine
    for name in ("wall_seconds", "device_seconds", "cpu_seconds", "flops", "optimizer_flops"):
        if getattr(work, name) < 0:
            yield f"{name}: {getattr(work, name)} is below zero"
    held = work.wall_seconds * machine.devices
    if abs(work.device_seconds - held) > _DEVICE_ROUNDING * held + _SECONDS_SLACK:
        yield (
            f"device_seconds: {work.device_seconds:.1f}; {machine.devices} devices over "
            f"{work.wall_seconds:.1f} s make {held:.1f}"
        )
    busiest = work.device_seconds * (1 + _SHARE_SLACK) + _SECONDS_SLACK
    if machine.device == _PROCESSOR and work.cpu_seconds > busiest:
        yield f"cpu_seconds: {work.cpu_seconds:.1f} in {work.device_seconds:.1f} device-seconds"


def _growth_problems(run: Run) -> Iterator[str]:
    """Running totals never fall, and end in what is billed."""
    works = [*(segment.work for segment in run.segments), run.billed]
    for before, after in pairwise(works):
        for name in ("wall_seconds", "device_seconds", "tokens", "flops", "optimizer_flops"):
            if getattr(after, name) < getattr(before, name) * (1 - _MODEL_ROUNDING):
                yield f"{name}: falls from {getattr(before, name)} to {getattr(after, name)}"
                return


def _speed_problems(run: Run, narrow: bool) -> Iterator[str]:
    peak, whose = device_peak(run.start.machine, narrow=narrow)
    works = [None, *(segment.work for segment in run.segments), run.billed]
    for before, after in pairwise(works):
        assert after is not None
        seconds = after.device_seconds - (before.device_seconds if before else 0.0)
        flops = after.flops + after.optimizer_flops
        flops -= before.flops + before.optimizer_flops if before else 0.0
        if flops > peak * max(seconds, _SHORTEST_SECONDS):
            yield (
                f"flops: {flops:.4g} in {seconds:.4g} device-seconds is more than {peak:.3g} "
                f"FLOP/s, {whose}"
            )
            return


def _power_problems(run: Run) -> Iterator[str]:
    work, machine = run.billed, run.start.machine
    if work.joules is None or work.device_seconds < _SECONDS_SLACK:
        return
    if work.joules < 0:
        yield f"joules: {work.joules} is below zero"
        return
    watts = work.joules / work.device_seconds
    if work.energy_method == "tdp_model":
        yield from _model_problems(work, machine)
    elif work.energy_method in SENSORS or work.energy_method == "mixed":
        most = _most_watts(machine)
        if watts < _LEAST_WATTS:
            yield f"joules: {watts:.3g} W a device is below what one draws at idle"
        if watts > most:
            yield f"joules: {watts:.4g} W a device is above {most:.4g} W, all of a machine's load"


def _model_problems(work: Work, machine: MachineRecord) -> Iterator[str]:
    """Modelled energy is device-seconds times the watts that the run's start names."""
    if machine.watts_low is None or machine.watts_high is None or work.joules is None:
        return
    low, high = (watts * work.device_seconds for watts in (machine.watts_low, machine.watts_high))
    if not low * (1 - _SHARE_SLACK) <= work.joules <= high * (1 + _SHARE_SLACK):
        yield f"joules: {work.joules:.4g}; the watts that it names make {low:.4g} to {high:.4g}"


def device_peak(machine: MachineRecord, *, narrow: bool) -> tuple[float, str]:
    """FLOP/s that one device cannot exceed, and whose figure that is.

    Args:
        machine: as the run's start names it.
        narrow: whether products may be in less than fp32.
    """
    if machine.device == _PROCESSOR:
        peak = _THREAD_NARROW if narrow else _THREAD_FP32
        return peak, "assumed as the most of any hardware thread"
    known = _accelerator(machine.accelerator)
    if known is None or not known.peaks:
        return _UNKNOWN_DEVICE, "assumed as the most of any device"
    return max(figure.value for figure in known.peaks.values()), f"the peak of {known.name}"


def _most_watts(machine: MachineRecord) -> float:
    """Of one device and its share of the machine."""
    if machine.device == _PROCESSOR:
        stated = machine.watts_high or 0.0
        return max(_MOST_THREAD_WATTS, stated * _ABOVE_TDP) + _MOST_HOST_WATTS / machine.devices
    known = _accelerator(machine.accelerator)
    tdp = known.tdp_watts.value if known and known.tdp_watts else _UNKNOWN_TDP_WATTS
    return tdp * _ABOVE_TDP + _MOST_HOST_WATTS / machine.devices


@cache
def _accelerator(name: str | None) -> Accelerator | None:
    return next((each for each in accelerators() if each.id == name), None)


def _narrow(book: ClaimBook, run: Run) -> bool:
    """Whether a run's products may be narrower than fp32, by its plan."""
    if run.start.plan not in book.plans:
        return True
    _, plan = book.plans[run.start.plan]
    train = plan.recipe.get("train")
    return not isinstance(train, dict) or train.get("precision") != "fp32"


def _seconds(begin: str, end: str) -> float | None:
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    except (TypeError, ValueError):
        return None
