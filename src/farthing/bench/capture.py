"""What each module of a model saw in a real step: its inputs, and its outputs' gradients.

One forward and backward pass with hooks; afterwards every call can be repeated alone, on the very
tensors (detached) and with the very gradients, so that routing, masks and sizes are real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from farthing.bench.subject import Subject
from farthing.model.block import DecoderLayer, SparseFeedForward
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer


@dataclass
class Call:
    """One call of a module.

    Attributes:
        inputs: its arguments, tensors cut off from the pass that they came from.
        gradients: of its differentiable outputs, in their order.
    """

    module: nn.Module
    inputs: tuple[Any, ...]
    gradients: dict[int, Tensor] = field(default_factory=dict)

    def outputs(self) -> list[Tensor]:
        """Call it again; the differentiable outputs."""
        return differentiable(self.module(*self.inputs))

    def output_gradients(self) -> list[Tensor]:
        """What the backward pass brought to `outputs`."""
        return [self.gradients[place] for place in sorted(self.gradients)]


@dataclass(frozen=True)
class Captured:
    """What one micro-batch showed.

    Attributes:
        calls: of each part, in the order of the forward pass.
        hidden: what the output matrix read, (N, D).
        targets: the tokens that it was to predict, (N,).
        output_weight: that matrix, (V, D).
    """

    calls: dict[str, list[Call]]
    hidden: Tensor
    targets: Tensor
    output_weight: Tensor


def capture(subject: Subject, shape: Shape, tokens_BW: Tensor) -> Captured:
    """Run one micro-batch forward and backward; what each part saw, by part.

    Gradients of the weights are left in place, as a step's backward leaves them.
    """
    calls: dict[str, list[Call]] = {}
    hidden: list[Tensor] = []

    def keep_hidden(_module: nn.Module, _arguments: object, output: Tensor) -> None:
        hidden.append(leaf(output.flatten(0, 1)))

    targets_BT = tokens_BW[:, 1:]
    # A compiled layer hides its modules; hooks would make it compile again. They are gone before
    # the backward pass, in which a recomputed layer would be seen a second time.
    with torch.compiler.set_stance("force_eager"):
        last = subject.model.norm.register_forward_hook(keep_hidden)
        with _hooks(subject.model, shape, calls), subject.autocast():
            loss = subject.model.mean_nats(tokens_BW[:, :-1], targets_BT, shape)
        last.remove()
        loss.backward()  # type: ignore[no-untyped-call]
    return Captured(calls, hidden[0], targets_BT.flatten(), subject.model.lm_head.weight)


def differentiable(output: Any) -> list[Tensor]:  # noqa: ANN401 - whatever a module returns
    """The tensors of an output that carry a gradient."""
    every = output if isinstance(output, tuple) else (output,)
    return [one for one in every if isinstance(one, Tensor) and one.requires_grad]


def leaf(tensor: Tensor) -> Tensor:
    """The same values, as the beginning of a graph."""
    return tensor.detach().requires_grad_(tensor.requires_grad)


def modules_by_part(model: Transformer, shape: Shape) -> Iterator[tuple[str, nn.Module]]:
    """Every module of a shape whose calls are a part of the step; `experts` stands for two."""
    yield "embedding", model.embed_tokens
    if model.config.embedding_norm:
        yield "norms", model.embed_norm
    for index in shape.layers:
        layer = model.layers[index]
        assert isinstance(layer, DecoderLayer)
        yield "norms", layer.input_layernorm
        yield "attention", layer.self_attn
        yield "norms", layer.post_attention_layernorm
        if not isinstance(layer.mlp, SparseFeedForward):
            yield "feed_forward", layer.mlp
            continue
        yield "router", layer.mlp.router
        yield "experts", layer.mlp.experts
        if layer.mlp.shared_experts is not None:
            yield "feed_forward", layer.mlp.shared_experts
    yield "norms", model.norm


@contextmanager
def _hooks(model: Transformer, shape: Shape, calls: dict[str, list[Call]]) -> Iterator[None]:
    handles = [
        module.register_forward_hook(_recorder(calls.setdefault(part, [])), with_kwargs=True)
        for part, module in modules_by_part(model, shape)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _recorder(calls: list[Call]) -> Callable[[nn.Module, Any, Any, Any], None]:
    def record(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:  # noqa: ANN401
        given = (*args, *kwargs.values())
        call = Call(module, tuple(leaf(one) if isinstance(one, Tensor) else one for one in given))
        calls.append(call)
        for place, tensor in enumerate(differentiable(output)):
            tensor.register_hook(_keeper(call, place))  # type: ignore[no-untyped-call]

    return record


def _keeper(call: Call, place: int) -> Callable[[Tensor], None]:
    def keep(gradient: Tensor) -> None:
        # A copy: autograd may add another branch's gradient to this one in place.
        call.gradients[place] = gradient.clone()

    return keep
