"""A run's work cut up by what it was doing: no moment is left out, and none counts twice.

A heartbeat says what the run was doing since the one before it, a segment that a checkpoint was
saved, and the end of a run that ended well that it was winding down. So each phase is a sum of
differences between running totals, and all of them together are the last total.
"""

from __future__ import annotations

from farthing.artifacts.entries import Purpose
from farthing.artifacts.phase import Phase, PhaseWork
from farthing.artifacts.work import Work, joules_of, method_of

# What heartbeats say. Whatever else they say, such as the step of a curation, is what the run is
# for.
START = "start"
COMPILE = "compile"
TRAIN = "train"
CHECKPOINT = "checkpoint"
WIND_DOWN = "wind-down"

_NAMED: dict[str, Phase] = {
    START: "start-up",
    COMPILE: "compile",
    TRAIN: "training",
    CHECKPOINT: "checkpointing",
    "evaluate": "evaluation",
    "benchmarks": "evaluation",
    "extract": "extraction",
    WIND_DOWN: "wind-down",
}

_FOR: dict[Purpose, Phase] = {
    "curation": "curation",
    "synthesis": "synthesis",
    "training": "training",
    "baseline": "training",
    "ablation": "training",
    "tuning": "training",
    "evaluation": "evaluation",
    "search": "search",
    "extraction": "extraction",
    "serving": "serving",
}


def phase_of(name: str, purpose: Purpose) -> Phase:
    """The phase of a heartbeat that says `name`, in a run for `purpose`."""
    return _NAMED.get(name, _FOR[purpose])


def first_after_start(purpose: Purpose) -> str:
    """What a run does once it is set up; training says itself when that is."""
    return START if _FOR[purpose] == "training" else _FOR[purpose]


class PhaseSums:
    """Adds up the phases of one run while its running totals come in."""

    def __init__(self, purpose: Purpose, nothing: Work) -> None:
        """Begin.

        Args:
            purpose: of the run.
            nothing: the total before its first moment.
        """
        self._purpose = purpose
        self._sums: dict[Phase, Work] = {}
        self._phase: Phase = "start-up"
        self._begun = self._last = nothing

    def add(self, name: str, total: Work) -> None:
        """Up to the total `total` the run was doing what `name` says since the last call."""
        phase = phase_of(name, self._purpose)
        # Most steps go on with what the one before did: their difference is taken once, for all.
        if phase != self._phase:
            self._close()
            self._phase = phase
        self._last = total

    def parts(self) -> tuple[PhaseWork, ...]:
        """The phases up to the last total, in the order in which they came."""
        self._close()
        return tuple(PhaseWork(phase=phase, work=work) for phase, work in self._sums.items())

    def _close(self) -> None:
        """Add what the phase under way used, and begin it anew."""
        if self._last is self._begun:
            return
        used = _told(self._last - self._begun)
        before = self._sums.get(self._phase)
        self._sums[self._phase] = used if before is None else before + used
        self._begun = self._last


def _told(work: Work) -> Work:
    """The work without parts of the energy into which nothing went meanwhile.

    They would lend their doubt to it: a model of the start-up makes no later phase an estimate.
    """
    some = tuple(part for part in work.energy_parts if part.joules != 0 or part.high_joules != 0)
    if not some or len(some) == len(work.energy_parts):
        return work
    return work.with_energy(joules_of(some), method_of(some), some)
