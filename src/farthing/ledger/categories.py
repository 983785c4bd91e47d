"""What a run was for, in the words of a bill: every run in exactly one category."""

from __future__ import annotations

from typing import Literal

from farthing.artifacts.entries import Purpose
from farthing.ledger.accounts import RunAccount

Category = Literal[
    "failed",
    "data",
    "synthesis",
    "search",
    "ablation",
    "baseline",
    "evaluation",
    "extraction",
    "serving",
    "post-training",
    "training",
    "idle",
    "expense",
]

CATEGORIES: dict[Category, str] = {
    "training": "training that ended well and began with random weights",
    "post-training": "training that ended well and began with the weights of a model",
    "failed": "failed, killed and aborted work of every kind, and runs that have not ended",
    "search": "searches and tuning",
    "ablation": "ablations",
    "baseline": "baselines to compare with",
    "data": "curation of text",
    "synthesis": "text that models wrote",
    "evaluation": "scoring",
    "extraction": "members cut out and converted",
    "serving": "serving",
    "idle": "time that a machine was paid for and no run held it",
    "expense": "money beside the hours of devices",
}

_OF_PURPOSE: dict[Purpose, Category] = {
    "curation": "data",
    "synthesis": "synthesis",
    "search": "search",
    "tuning": "search",
    "ablation": "ablation",
    "baseline": "baseline",
    "evaluation": "evaluation",
    "extraction": "extraction",
    "serving": "serving",
}


def category_of(run: RunAccount) -> Category:
    """The first of these rules that fits decides.

    What did not end well is failed, whatever it was for; then the purpose counts; training is told
    apart by what it began with.
    """
    if run.status != "completed":
        return "failed"
    if run.start.purpose in _OF_PURPOSE:
        return _OF_PURPOSE[run.start.purpose]
    if any(each.role == "weights" for each in run.start.inputs):
        return "post-training"
    return "training"
