"""Sampling text from any member of a family, with a key-value cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from farthing.model.shape import Shape
from farthing.model.transformer import KeyValueCache, Transformer


@torch.no_grad()
def generate_tokens(
    model: Transformer,
    shape: Shape,
    prompt: Sequence[int],
    *,
    max_tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
) -> Iterator[int]:
    """Yield new token ids until the document ends or `max_tokens` are out.

    Args:
        model: the supernet, in evaluation mode.
        shape: which member of it.
        prompt: token ids, the opening `end_of_text` not included.
        max_tokens: at most this many.
        temperature: 0 takes the likeliest token each time.
        top_p: sample among the likeliest tokens that together reach this probability.
        seed: of the sampling; the same seed gives the same text.

    A model with learned positions sees the last ones: where they are full, all that it still sees
    is computed anew for each token, as nanoGPT does.
    """
    device = model.embed_tokens.weight.device
    generator = torch.Generator().manual_seed(seed)
    cache = KeyValueCache(shape)
    tokens = [model.end_of_text, *prompt]
    seen, longest = list(tokens), model.config.longest
    for _ in range(max_tokens):
        if longest is not None and cache.length + len(tokens) > longest:
            cache, tokens = KeyValueCache(shape), seen[-longest:]
        logits_BTV = model(torch.tensor([tokens], device=device), shape, cache)
        token = _sample(logits_BTV[0, -1].float().cpu(), temperature, top_p, generator)
        if token == model.end_of_text:
            return
        yield token
        tokens = [token]
        seen.append(token)


def _sample(logits_V: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits_V.argmax())
    sorted_V, ids_V = (logits_V / temperature).softmax(dim=-1).sort(descending=True, stable=True)
    # Keep the token that crosses top_p: at least one always stays.
    beyond_V = sorted_V.cumsum(dim=-1) - sorted_V >= top_p
    kept_V = sorted_V.masked_fill(beyond_V, 0.0)
    choice = torch.multinomial(kept_V, num_samples=1, generator=generator)
    return int(ids_V[choice])
