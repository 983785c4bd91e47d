"""Bits per byte on held-out text: the loss that no choice of tokenizer can flatter.

Shapes: B windows of a forward pass, W = context + 1 tokens of a window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.text.shards import TokenShard


@torch.no_grad()
def bits_per_byte(
    model: Transformer, shape: Shape, shard: TokenShard, *, text_bytes: int, batch_sequences: int
) -> float:
    """Bits per UTF-8 byte of every document of `shard`.

    The text is cut into windows of one context that do not overlap, and each token is scored once,
    given what stands before it in its window and its document. Predicting where a document ends
    is not scored: that marker is no byte of the text.

    Args:
        model: the supernet, in evaluation mode.
        shape: which member of it.
        shard: held-out tokens.
        text_bytes: UTF-8 bytes of that text.
        batch_sequences: windows of one forward pass.
    """
    device = model.embed_tokens.weight.device
    nats = 0.0
    for tokens_BW in window_batches(shard.tokens, model.config.context, batch_sequences):
        inputs_BT = torch.from_numpy(tokens_BW[:, :-1]).to(device)
        targets_BT = torch.from_numpy(tokens_BW[:, 1:]).to(device)
        nats_BT = model.token_nats(inputs_BT, targets_BT, shape)
        nats += float(nats_BT[targets_BT != model.end_of_text].double().sum())
    return nats / math.log(2) / text_bytes


def window_batches(
    tokens: npt.NDArray[np.unsignedinteger], context: int, batch: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Disjoint windows, `batch` at a time, (B, W); the last, shorter one comes alone."""
    targets = len(tokens) - 1
    whole = targets // context
    for first in range(0, whole, batch):
        starts = range(first * context, min(first + batch, whole) * context, context)
        yield np.stack([tokens[start : start + context + 1] for start in starts]).astype(np.int64)
    if targets % context:
        yield tokens[whole * context :][None].astype(np.int64)
