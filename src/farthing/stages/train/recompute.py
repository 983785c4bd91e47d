"""Activation checkpointing by budget: which layers forget their activations and compute them again.

    held = measure(model.layers, run)
    for index in choose_layers(held, micro_sequences, available_bytes):
        recompute(model.layers[index])

What a layer keeps for its backward pass is read off autograd itself, on one and on two sequences:
exact for whatever kernels compute it, where a formula would follow them by hand. Compiled layers
keep less than this (the compiler recomputes what is cheap): then the choice is on the safe side.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from farthing.cost.activations import LayerBytes, peak_bytes
from farthing.cost.flops import forward_flops
from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

GIB = 1 << 30


def recompute(layer: nn.Module) -> None:
    """Let `layer` keep its input only, and run its forward pass again in the backward pass.

    A layer that is compiled is compiled first, with its `forward` replaced: recomputation goes
    around compiled code, not into it.
    """
    forward = layer.forward

    def forward_twice(*arguments: Any) -> Any:  # noqa: ANN401
        if not torch.is_grad_enabled():
            return forward(*arguments)
        # No random numbers are drawn inside a layer: nothing to save and set back.
        return checkpoint(
            forward,
            *arguments,
            use_reentrant=False,
            preserve_rng_state=False,
            # The second pass may not count the experts' load again.
            context_fn=lambda: (nullcontext(), buffers_kept(layer)),
        )

    layer.forward = forward_twice


def measure(layers: Sequence[nn.Module], run: Callable[[int], object]) -> list[LayerBytes]:
    """What each layer holds for its backward pass.

    Args:
        layers: of the model, before they are compiled.
        run: a forward pass of the whole model on that many sequences, as training does it. What
            routers count meanwhile is set back.
    """
    one, two = (_held(layers, run, sequences) for sequences in (1, 2))
    return [
        LayerBytes(
            fixed=2 * saved - twice_saved,
            per_sequence=twice_saved - saved,
            input_per_sequence=entering,
        )
        for (saved, entering), (twice_saved, _) in zip(one, two, strict=True)
    ]


def choose_layers(held: Sequence[LayerBytes], sequences: int, available: int) -> frozenset[int]:
    """The fewest layers whose recomputation makes the rest fit.

    Those that hold most go first, among equals the earliest: when a layer is recomputed, all
    later ones have given their memory back.

    Args:
        held: from `measure`.
        sequences: of one micro-batch.
        available: bytes for the activations of all layers.

    Raises:
        ConfigError: they do not fit even if every layer is recomputed.
    """
    order = sorted(range(len(held)), key=lambda layer: (-held[layer].saved(sequences), layer))
    for count in range(len(held) + 1):
        chosen = frozenset(order[:count])
        if peak_bytes(held, sequences, chosen) <= available:
            return chosen
    least = min(peak_bytes(held, sequences, order[:count]) for count in range(len(held) + 1))
    raise ConfigError(
        f"train.activation_gib {available / GIB:.3g} holds no micro-batch of {sequences} "
        f"sequences: with layers recomputed it still takes {least / GIB:.3g} GiB",
        remedy="lower train.micro_sequences, or raise train.activation_gib",
    )


def recomputed_flops(
    config: ModelConfig,
    shape: Shape,
    recomputed: Collection[int],
    *,
    tokens: int,
    attended_pairs: int,
) -> int:
    """FLOPs that recomputation adds to a step: one more forward pass of the layers that run.

    At most one matrix product a layer fewer is computed: torch stops where nothing that follows
    is needed.

    Args:
        config: the supernet.
        shape: what runs.
        recomputed: layers that recompute, if they run.
        tokens: positions computed.
        attended_pairs: (query, key) pairs inside documents.
    """
    layers = tuple(layer for layer in shape.layers if layer in recomputed)
    chosen = [shape.selection(layer, config) for layer in layers if config.is_sparse(layer)]
    part = Shape(layers, tuple(experts for experts, _ in chosen), tuple(k for _, k in chosen))
    return forward_flops(config, 0, part, tokens=tokens, attended_pairs=attended_pairs)


@contextmanager
def buffers_kept(*modules: nn.Module) -> Iterator[None]:
    """Set back what a forward pass writes into buffers: routers count load, once a batch."""
    buffers = [buffer for module in modules for buffer in module.buffers()]
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)


def _held(
    layers: Sequence[nn.Module], run: Callable[[int], object], sequences: int
) -> list[tuple[int, int]]:
    """Bytes that autograd saves inside each layer, and those of the layer's input."""
    results: list[tuple[int, int]] = []
    # Tensors kept alive, so that no two share an address; those of others are not the layer's.
    saved: list[Tensor] = []
    entering: list[Tensor] = []

    def enter(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
        saved.clear()
        entering[:] = _tensors(arguments)

    def leave(module: nn.Module, _arguments: tuple[Any, ...], _out: object) -> None:
        stream, *others = entering
        foreign = {_place(tensor) for tensor in (*module.parameters(), *module.buffers(), *others)}
        sizes = {_place(t): t.untyped_storage().nbytes() for t in (*saved, stream)}
        size = sum(bytes_ for place, bytes_ in sizes.items() if place not in foreign)
        results.append((size, stream.untyped_storage().nbytes()))
        saved.clear()

    def pack(tensor: Tensor) -> None:
        saved.append(tensor)

    handles = [layer.register_forward_pre_hook(enter) for layer in layers]
    handles += [layer.register_forward_hook(leave) for layer in layers]
    try:
        with buffers_kept(*layers), torch.autograd.graph.saved_tensors_hooks(pack, _never):
            run(sequences)
    finally:
        for handle in handles:
            handle.remove()
    return results


def _tensors(item: object) -> Iterator[Tensor]:
    if isinstance(item, Tensor):
        yield item
    elif isinstance(item, tuple):
        for part in item:
            yield from _tensors(part)


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _never(_packed: object) -> Tensor:
    raise AssertionError("a measuring pass has no backward")
