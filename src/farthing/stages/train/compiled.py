"""Compiled layers under elastic training: few graphs, and an error instead of a silent fallback.

    compile_layers(model, "blocks")
    with expected_graphs(config, sizes):
        ...  # all steps

A step draws layers, experts and top-k, and each combination is another shape of the model. Layers
are compiled one by one, and layers of one kind share their graphs: which layers run is then no
concern of the compiler. Inside a layer the number of experts is a symbol, so that what remains is
the list in `graph_limit`. torch's own limit is 8, and behind it the layer silently runs
uncompiled; here the limit is what the settings need, and passing it stops the run.

`graphs` also has the device record what `blocks` compiles and play it back, one recording for each
number of experts and top-k that is drawn: worth it where layers are so small that launching kernels
takes longer than running them. A wait for the device inside a layer cannot be recorded: the layer
is then cut in two around it. The experts' rows per expert are data; the grouped product reads them
on the device, so only ways of counting that bring them to the host (`tolist`, `bincount`,
`nonzero`) cut it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor
from torch._dynamo.exc import FailOnRecompileLimitHit

from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.transformer import Transformer
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.elastic_fit import balance_pairs

CompileMode = Literal["blocks", "graphs"]

# With and without a document that starts inside a sequence; with and without gradients.
_BOUNDARIES, _GRADIENTS = 2, 2
# All experts, one, or a number that is a symbol.
_EXPERT_KINDS = 3


def compile_layers(model: Transformer, mode: CompileMode) -> None:
    """Compile every layer's `forward`, when it is first called with each kind of input."""
    how = "reduce-overhead" if mode == "graphs" else "default"
    for layer in model.layers:
        layer.forward = _marking(torch.compile(layer.forward, mode=how))


def graph_limit(sizes: ModelConfig, elastic: ElasticConfig | None) -> int:
    """How many graphs one layer's code may need, over all layers and steps."""
    dense = int(sizes.first_sparse_layer > 0)
    sparse = 0
    if sizes.num_experts:
        top_ks = {sizes.top_k}
        if elastic is not None:
            # Where few experts are kept, the top-k is at most their number.
            drawn = {sizes.top_k, *elastic.all_top_ks}
            counts = {sizes.num_experts, *elastic.all_expert_counts}
            top_ks = {min(top_k, count) for top_k in drawn for count in counts}
        sparse = len(top_ks) * (1 if elastic is None else _EXPERT_KINDS)
        if own := balance_pairs(elastic, sizes):
            # A bias of its own is looked up by both numbers: neither can be a symbol.
            sparse = len(own) + 1
    return _BOUNDARIES * _GRADIENTS * (dense + sparse)


def expected_graphs(config: TrainConfig, sizes: ModelConfig) -> AbstractContextManager[None]:
    """Bound the graphs inside to what these settings need; does nothing without compilation."""
    if config.compile == "off":
        return nullcontext()
    return bounded_graphs(graph_limit(sizes, config.elastic))


@contextmanager
def bounded_graphs(limit: int) -> Iterator[None]:
    """Let each piece of compiled code have up to `limit` graphs inside, and stop at the next.

    Raises:
        ConfigError: more were needed.
    """
    dynamo: Any = torch._dynamo.config
    with dynamo.patch(recompile_limit=limit, fail_on_recompile_limit_hit=True):
        try:
            yield
        except FailOnRecompileLimitHit as error:
            raise ConfigError(
                f"a layer needed more than the {limit} compiled graphs of these elastic settings",
                remedy="set train.compile=off to go on uncompiled; TORCH_LOGS=recompiles shows "
                "which input changed, and is worth a bug report",
            ) from error


def graphs_compiled() -> int:
    """Graphs that this process compiled so far, for logs and tests."""
    counters: Any = torch._dynamo.utils.counters
    return int(counters["stats"]["unique_graphs"])


def _marking(compiled: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*arguments: Any) -> Any:  # noqa: ANN401
        for ids_S in _expert_ids(arguments):
            # A symbol from the first call on: no graph for the size that happens to come first.
            torch._dynamo.maybe_mark_dynamic(ids_S, 0)
        return compiled(*arguments)

    return forward


def _expert_ids(arguments: tuple[Any, ...]) -> Iterator[Tensor]:
    """The expert ids of a layer's selection: the only vectors that it is given."""
    for item in arguments:
        if isinstance(item, tuple):
            yield from _expert_ids(item)
        elif isinstance(item, Tensor) and item.ndim == 1:
            yield item
