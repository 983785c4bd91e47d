"""The parts of a training step, each timed alone on what a real step handed it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from farthing.bench.capture import Call, Captured, capture
from farthing.bench.clock import Lap, lap
from farthing.bench.expert_products import products_of
from farthing.bench.subject import Subject
from farthing.model.kernels.attention import document_starts
from farthing.model.kernels.cross_entropy import linear_cross_entropy
from farthing.model.kernels.varlen import shared_mask

# In the order of the table, with the words it uses.
TITLES = {
    "attention": "attention",
    "router": "router",
    "dispatch": "dispatch",
    "experts": "experts",
    "feed_forward": "dense, shared",
    "norms": "norms",
    "embedding": "embedding",
    "output": "output, loss",
    "optimizer": "optimizer",
    "data": "data",
    "elastic": "elastic draw",
}

# A draw takes microseconds: too short for one look at the clock.
_DRAWS = 16


@dataclass(frozen=True)
class Piece:
    """Something to time: a forward pass, and the gradients that its outputs get back."""

    forward: Callable[[], list[Tensor]]
    gradients: list[Tensor]


def time_parts(subject: Subject, step: int) -> dict[str, Lap]:
    """Every part of step number `step`, all passes, layers and micro-batches.

    Weights move a little. A part that this model does not have is left out, and so is what
    `Subject.left_out` names.
    """
    laps: defaultdict[str, Lap] = defaultdict(Lap)
    shapes = subject.shapes(step)
    laps["elastic"] = _time_elastic(subject, step)
    firsts = subject.micro_batch_firsts(step)
    for first in firsts:
        with lap(subject.device) as timed:
            # As a training step reads it: the digest goes into the journal.
            batch = subject.batches.batch(first, subject.micro)
            tokens_BW = torch.from_numpy(batch.tokens).to(subject.device)
            _ = batch.attended_pairs, batch.digest
        laps["data"] += timed
        if first == firsts[-1]:
            laps["optimizer"] = _time_optimizer(subject, step, tokens_BW)
        for shape in shapes:
            captured = capture(subject, shape, tokens_BW)
            for name, taken in _time_modules(subject, captured, tokens_BW).items():
                laps[name] += taken
    subject.model.zero_grad(set_to_none=True)
    for block in subject.model.sparse_blocks():
        # Forget what the repeated routers counted.
        block.router.end_step(0.0)
    return dict(laps)


def time_pieces(subject: Subject, pieces: list[Piece]) -> Lap:
    """Forward of all pieces, then backward of all, as in a step; no gradients to begin with."""
    subject.model.zero_grad(set_to_none=True)
    with lap(subject.device) as timed:
        with subject.autocast():
            outputs = [output for piece in pieces for output in piece.forward()]
        torch.autograd.backward(outputs, [grad for piece in pieces for grad in piece.gradients])
    return timed


def pieces_of(captured: Captured) -> dict[str, list[Piece]]:
    """What the forward and backward passes are made of, by part; `experts` with their dispatch."""
    pieces = {
        part: [Piece(call.outputs, call.output_gradients()) for call in calls]
        for part, calls in captured.calls.items()
    }
    hidden_ND, targets_N = captured.hidden, captured.targets
    weight_VD = captured.output_weight

    def output() -> list[Tensor]:
        return [linear_cross_entropy(hidden_ND, weight_VD, targets_N)]

    pieces["output"] = [Piece(output, [torch.ones((), device=hidden_ND.device)])]
    return pieces


def _time_modules(subject: Subject, captured: Captured, tokens_BW: Tensor) -> dict[str, Lap]:
    laps = {part: time_pieces(subject, some) for part, some in pieces_of(captured).items()}
    with lap(subject.device) as starts:
        starts_BT = document_starts(tokens_BW[:, :-1], subject.model.end_of_text)
        shared_mask(starts_BT, subject.model.config.head_dim)
    laps["attention"] += starts
    if "experts" in laps:
        block, laps["experts"] = laps["experts"], _time_products(subject, captured.calls["experts"])
        laps["dispatch"] = block.beyond(laps["experts"])
    return laps


def _time_products(subject: Subject, calls: list[Call]) -> Lap:
    with subject.autocast():
        products = [products_of(call) for call in calls]
    with lap(subject.device) as timed:
        for one in products:
            one.run()
    return timed


def _time_optimizer(subject: Subject, step: int, tokens_BW: Tensor) -> Lap:
    """Clipping, both optimizers and the routers' bias, on the gradients of all passes together.

    These are made first and untimed: what repeating the parts leaves is the last part's alone.
    """
    subject.model.zero_grad(set_to_none=True)
    for shape in subject.shapes(step):
        capture(subject, shape, tokens_BW)
    with lap(subject.device) as timed:
        float(subject.made.step.clip())
        subject.made.step.update(step)
    return timed


def _time_elastic(subject: Subject, step: int) -> Lap:
    """The draws of all passes, and the selection of experts that each layer makes of them."""
    micro_batches = subject.micro_batch_firsts(step)
    with lap(subject.device) as timed:
        for _ in range(_DRAWS):
            shapes = subject.shapes(step)
            for _ in micro_batches:
                for shape in shapes:
                    for layer in shape.layers:
                        subject.model.selection(shape, layer)
    return timed.over(_DRAWS)
