"""Text in, text out, from any member of a family."""

from __future__ import annotations

from farthing.model.generate import generate_tokens
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.text.tokenizer import Tokenizer


def continue_text(
    model: Supernet,
    prompt: str,
    *,
    shape: str | None = None,
    max_tokens: int = 60,
    temperature: float = 0.8,
    top_p: float = 0.95,
    seed: int = 0,
) -> str:
    """What a member writes after `prompt`.

    Args:
        model: a supernet or an extracted member.
        prompt: the beginning of a document.
        shape: which member of a supernet; the whole for None.
        max_tokens: at most this many new tokens.
        temperature: 0 takes the likeliest token each time.
        top_p: sample among the likeliest tokens that together reach this probability.
        seed: of the sampling; the same seed gives the same text.

    Raises:
        ShapeError: the model does not hold `shape`.
    """
    config = model.model.config
    tokenizer = Tokenizer.load(model.directory)
    tokens = generate_tokens(
        model.model,
        Shape.full(config) if shape is None else Shape.parse(shape, config),
        tokenizer.encode(prompt),
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
    )
    # Sampling may stop inside a character: its half is shown as a replacement mark.
    return tokenizer.decode(list(tokens))
