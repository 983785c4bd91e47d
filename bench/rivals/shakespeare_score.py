"""Nats per byte of tiny Shakespeare's validation text, by one protocol for both sides.

Shapes: B windows of a batch, T tokens of a window, V vocabulary.

The text's tokens are cut into windows of one context that do not overlap; every token but the
text's first is scored once, given what stands before it in its window (64 bytes at the most where
tokens are bytes). Bytes of the scored tokens divide the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import nanogpt
import torch
import torch.nn.functional as F
from torch import Tensor

from farthing.flow import open_run
from farthing.text.tokenizer import Tokenizer

BATCH = 256


def nanogpt_nats(
    folder: Path, out: Path, text: str, characters: Sequence[str]
) -> tuple[float, int]:
    """Of the checkpoint in `out`; and its parameters.

    Args:
        folder: nanoGPT's files.
        out: its output folder.
        text: what to score.
        characters: its vocabulary, in order.
    """
    module = nanogpt.load_model_module(folder)
    saved = torch.load(out / "ckpt.pt", map_location="cpu", weights_only=True)
    model = module.GPT(module.GPTConfig(**saved["model_args"]))
    model.load_state_dict(saved["model"])
    model.eval()
    ids = {character: i for i, character in enumerate(characters)}
    tokens = torch.tensor([ids[character] for character in text])

    def logits(inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        # With targets it computes the logits of every position.
        return model(inputs_BT, targets_BT)[0]

    nats = _sum_of_nats(logits, tokens, saved["model_args"]["block_size"])
    return nats / (len(text) - 1), sum(weight.numel() for weight in model.parameters())


def farthing_nats(run: Path, text: str) -> tuple[float, int]:
    """Of the finished run in this folder; and its parameters."""
    _, supernet = open_run(run)
    tokenizer = Tokenizer.load(supernet.directory)
    tokens = tokenizer.encode(text)
    scored = len(text.encode()) - len(tokenizer.decode(tokens[:1]).encode())
    model = supernet.model.float().to("cpu").eval()
    nats = _sum_of_nats(
        lambda inputs_BT, _: model(inputs_BT), torch.tensor(tokens), model.config.context
    )
    return nats / scored, sum(weight.numel() for weight in model.parameters())


@torch.no_grad()
def _sum_of_nats(logits: Callable[[Tensor, Tensor], Tensor], tokens: Tensor, context: int) -> float:
    whole = (len(tokens) - 1) // context
    inputs = tokens[: whole * context].view(whole, context)
    targets = tokens[1 : whole * context + 1].view(whole, context)
    pairs = list(zip(inputs.split(BATCH), targets.split(BATCH), strict=True))
    rest = tokens[whole * context :]
    if len(rest) > 1:
        pairs.append((rest[None, :-1], rest[None, 1:]))
    nats = 0.0
    for inputs_BT, targets_BT in pairs:
        logits_BTV = logits(inputs_BT, targets_BT).double()
        nats += float(
            F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), reduction="sum")
        )
    return nats
