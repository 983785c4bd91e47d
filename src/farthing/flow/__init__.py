"""The stages in order, and what they need to know: the public door of farthing for scripts."""

from farthing.flow.borrow import borrow, take_sizes
from farthing.flow.config import RunConfig
from farthing.flow.curation import export_corpus, run_curate, run_curate_shard
from farthing.flow.known import choose_member, spread_members
from farthing.flow.opening import corpus_of, find_run, open_model, open_run
from farthing.flow.run import (
    run_benchmarks,
    run_evaluate,
    run_extract,
    run_gguf,
    run_train,
)

__all__ = [
    "RunConfig",
    "borrow",
    "choose_member",
    "corpus_of",
    "export_corpus",
    "find_run",
    "open_model",
    "open_run",
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
