"""How likely a model finds each choice.

Shapes: B rows of a forward pass, T positions, V vocabulary, C tokens of one continuation.
"""

from __future__ import annotations

from collections import defaultdict

import torch

from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.evaluate.encoding import EncodedQuestions


@torch.no_grad()
def log_likelihoods(
    model: Transformer, shape: Shape, encoded: EncodedQuestions, *, batch_rows: int
) -> list[list[float]]:
    """Nats of every choice of every question: log p(choice | context), at most 0.

    Rows go through the model longest first, so that a batch is nearly of one length. Choices that
    share an input share its forward pass, so equal choices are equal to the last bit: a tie.

    Args:
        model: the supernet, in evaluation mode.
        shape: which member of it.
        encoded: what to ask.
        batch_rows: rows of one forward pass.
    """
    found = [[0.0] * len(requests) for requests in encoded.requests]
    wanted = defaultdict(list)
    for question, requests in enumerate(encoded.requests):
        for choice, (row, targets) in enumerate(requests):
            wanted[row].append((question, choice, targets))
    device = model.embed_tokens.weight.device
    # Causal attention never looks ahead, so any token fills up but one that opens a document.
    padding = int(model.end_of_text == 0)
    order = sorted(
        range(len(encoded.rows)), key=lambda row: (-len(encoded.rows[row]), encoded.rows[row])
    )
    for first in range(0, len(order), batch_rows):
        batch = order[first : first + batch_rows]
        width = len(encoded.rows[batch[0]])
        tokens_BT = torch.full((len(batch), width), padding)
        for place, row in enumerate(batch):
            tokens_BT[place, : len(encoded.rows[row])] = torch.tensor(encoded.rows[row])
        logits_BTV = model(tokens_BT.to(device), shape)
        for place, row in enumerate(batch):
            end = len(encoded.rows[row])
            longest = max(len(targets) for _, _, targets in wanted[row])
            logits_CV = logits_BTV[place, end - longest : end]
            precise = torch.promote_types(logits_CV.dtype, torch.float32)
            logp_CV = logits_CV.to(precise).log_softmax(dim=-1)
            for question, choice, targets in wanted[row]:
                ids_C1 = torch.tensor(targets, device=device)[:, None]
                chosen_C1 = logp_CV[-len(targets) :].gather(1, ids_C1)
                found[question][choice] = float(chosen_C1.double().sum())
    return found
