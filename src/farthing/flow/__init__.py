"""The stages in order, and what they need to know: the public door of farthing for scripts.

A name brings its module when it is first asked for: who curates or plans does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farthing.flow.borrowing import borrow, take_sizes
    from farthing.flow.config import RunConfig
    from farthing.flow.curation import export_corpus, run_curate, run_curate_shard
    from farthing.flow.known import choose_member, spread_members
    from farthing.flow.opening import corpus_of, find_run, open_model, open_run
    from farthing.flow.planning.run import PlanRequest, plan_run
    from farthing.flow.run import (
        run_benchmarks,
        run_evaluate,
        run_extract,
        run_gguf,
        run_train,
    )

__all__ = [
    "PlanRequest",
    "RunConfig",
    "borrow",
    "choose_member",
    "corpus_of",
    "export_corpus",
    "find_run",
    "open_model",
    "open_run",
    "plan_run",
    "run_benchmarks",
    "run_curate",
    "run_curate_shard",
    "run_evaluate",
    "run_extract",
    "run_gguf",
    "run_train",
    "spread_members",
    "take_sizes",
]

_MODULES = {
    "borrowing": ("borrow", "take_sizes"),
    "config": ("RunConfig",),
    "curation": ("export_corpus", "run_curate", "run_curate_shard"),
    "known": ("choose_member", "spread_members"),
    "opening": ("corpus_of", "find_run", "open_model", "open_run"),
    "planning.run": ("PlanRequest", "plan_run"),
    "run": ("run_benchmarks", "run_evaluate", "run_extract", "run_gguf", "run_train"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
