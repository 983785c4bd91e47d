"""How good a member is: quickly on the search text, and window by window against another one.

Shapes: B windows of a forward pass, W = context + 1 tokens of a window.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.evaluate.bits_per_byte import window_batches
from farthing.stages.evaluate.calibration import CalibrationText
from farthing.studies.search.paired import PairedDifference, paired_over_blocks
from farthing.text.corpus import Corpus, Split


def search_bpb(
    model: Transformer, shape: Shape, text: CalibrationText, *, batch_sequences: int
) -> float:
    """Bits per byte on calibration text: the mean over its domains, each counted once.

    A window holds parts of documents, so its bytes are its text tokens times the domain's bytes per
    token: a constant of the text, the same for every member.
    """
    bits = []
    for domain, batch in text.batches.items():
        nats, scored = 0.0, 0
        for tokens_BW in torch.split(torch.from_numpy(batch.tokens), batch_sequences):
            nats += float(_window_nats(model, shape, tokens_BW).sum())
            scored += int((tokens_BW[:, 1:] != model.end_of_text).sum())
        bits.append(nats / math.log(2) / (scored * text.bytes_per_token[domain]))
    return sum(bits) / len(bits)


def paired_difference(
    model: Transformer,
    first: Shape,
    second: Shape,
    corpus: Corpus,
    *,
    split: Split,
    batch_sequences: int,
) -> PairedDifference:
    """Compare two members on held-out text, window by window as `bits_per_byte` cuts it."""
    differences = []
    for domain in corpus.held_out_domains:
        nats_of = [
            held_out_nats(model, shape, corpus, split, domain, batch_sequences)
            for shape in (first, second)
        ]
        differences.append((nats_of[0] - nats_of[1]) / math.log(2) / corpus.bytes(split, domain))
    return paired_over_blocks(differences)


def held_out_nats(
    model: Transformer, shape: Shape, corpus: Corpus, split: Split, domain: str, batch: int
) -> npt.NDArray[np.float64]:
    """Nats of the text of each window of a held-out split, in order."""
    shard = corpus.shard(split, domain)
    found = [
        _window_nats(model, shape, torch.from_numpy(tokens_BW)).cpu().numpy()
        for tokens_BW in window_batches(shard.tokens, model.config.context, batch)
    ]
    return np.concatenate(found)


@torch.no_grad()
def _window_nats(model: Transformer, shape: Shape, tokens_BW: torch.Tensor) -> torch.Tensor:
    """Nats of the text of each window, (B,) in float64; document marks are not scored."""
    tokens_BW = tokens_BW.to(model.embed_tokens.weight.device)
    targets_BT = tokens_BW[:, 1:]
    nats_BT = model.token_nats(tokens_BW[:, :-1], targets_BT, shape)
    return torch.where(targets_BT != model.end_of_text, nats_BT.double(), 0.0).sum(dim=1)
