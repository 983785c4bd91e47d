"""The phases of a run: what its time went into, in words that are the same for every run."""

from __future__ import annotations

from typing import ClassVar, Literal

from farthing.artifacts.body import Body
from farthing.artifacts.work import Work

Phase = Literal[
    "start-up",
    "compile",
    "curation",
    "synthesis",
    "training",
    "checkpointing",
    "evaluation",
    "search",
    "extraction",
    "serving",
    "wind-down",
]


class PhaseWork(Body):
    """What one phase of a run used; the phases of a run add up to the run."""

    kind_name: ClassVar[str] = "phase"

    phase: Phase
    work: Work
