"""A farthing model as a judge of text: what curation is handed, since it knows no model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.stages.evaluate.bits_per_byte import window_batches
from farthing.text.tokenizer import Tokenizer


def quality_scorer(
    supernet: Supernet, shape: Shape | None = None
) -> Callable[[Sequence[str]], list[float]]:
    """A function from texts to the bits per UTF-8 byte that the model needs for each.

    Every text goes through the model alone: beside others, padding and batch would move its last
    bits, and with them who is kept. It is cut into windows as evaluation does; an empty text needs
    infinitely many.

    Args:
        supernet: a trained run's, or an extracted member.
        shape: which member of it; None for all of it.

    Raises:
        ArtifactError: its tokenizer cannot be read.
    """
    tokenizer = Tokenizer.load(supernet.directory)

    def bits_per_byte_of(texts: Sequence[str]) -> list[float]:
        return [
            _bits_per_byte(supernet, shape, [tokenizer.end_of_text, *ids], len(text.encode()))
            for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True)
        ]

    return bits_per_byte_of


@torch.no_grad()
def _bits_per_byte(
    supernet: Supernet, shape: Shape | None, tokens: list[int], text_bytes: int
) -> float:
    if not text_bytes:
        return math.inf
    model = supernet.model
    device = model.embed_tokens.weight.device
    nats = 0.0
    for tokens_BW in window_batches(np.array(tokens, dtype=np.uint32), model.config.context, 1):
        inputs_BT = torch.from_numpy(tokens_BW[:, :-1]).to(device)
        targets_BT = torch.from_numpy(tokens_BW[:, 1:]).to(device)
        nats += float(model.token_nats(inputs_BT, targets_BT, shape).double().sum())
    return nats / math.log(2) / text_bytes
