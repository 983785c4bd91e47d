"""Calibration text: a little of the training split, every domain alike, unread where there is any.

Importance and the search for members read it, so that the dev text, on which what they found is
judged afterwards, has had no part in the finding.

Shapes: B windows of a domain, W = context + 1 tokens of a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farthing.errors import ArtifactError, CorpusError
from farthing.model.supernet import Supernet
from farthing.text.batches import Batch, Batches
from farthing.text.corpus import Corpus
from farthing.text.order import BLOCK_SEQUENCES, block_quotas, read_in_blocks


@dataclass(frozen=True)
class CalibrationText:
    """Windows of the training split.

    Attributes:
        batches: by domain, tokens (B, W); as many windows of each.
        bytes_per_token: by domain, UTF-8 bytes of the split per token of text, document marks
            not counted: what turns the nats of a window into bits per byte.
    """

    batches: Mapping[str, Batch]
    bytes_per_token: Mapping[str, float]

    @property
    def tokens(self) -> int:
        """Tokens that one forward pass over all of it reads."""
        return sum(batch.tokens[:, :-1].size for batch in self.batches.values())

    @property
    def attended_pairs(self) -> int:
        """(query, key) pairs of that pass."""
        return sum(batch.attended_pairs for batch in self.batches.values())


def unread_texts(
    supernet: Supernet, corpus: Corpus, lengths: Sequence[int]
) -> tuple[CalibrationText, ...]:
    """Parts of the training text, one after the other, from what the supernet read last onwards.

    Args:
        supernet: for whose calibration they are.
        corpus: that it was trained on.
        lengths: windows of each part (see `calibration_text`). No two parts share one while the
            domain's epoch lasts.

    Raises:
        ArtifactError: the supernet does not say what it has read.
        CorpusError: every domain is shorter than one window.
    """
    order = supernet.origin.get("data_order")
    if order is None:
        raise ArtifactError(
            f"{supernet.directory} does not say which text it was trained on",
            remedy="train it again with this version",
        )
    context, seed = supernet.model.config.context, order["seed"]
    sequences = order["next_sequence"]
    read = (
        read_in_phases(order["phases"], sequences)
        if "phases" in order
        else windows_read(corpus, weights=order["mixture"], sequences=sequences)
    )
    texts = []
    for sequences in lengths:
        text = calibration_text(corpus, context=context, sequences=sequences, seed=seed, after=read)
        texts.append(text)
        for domain, batch in text.batches.items():
            read[domain] = read.get(domain, 0) + len(batch.tokens)
    return tuple(texts)


def calibration_text(
    corpus: Corpus,
    *,
    context: int,
    sequences: int,
    seed: int,
    after: Mapping[str, int] | None = None,
) -> CalibrationText:
    """At least `sequences` windows, evenly over the domains that are long enough for one.

    Args:
        corpus: whose training split is read.
        context: input tokens of a window.
        sequences: how many; rounded up to as many for each domain.
        seed: of the data order. With the seed of a training run, the windows of each domain come
            in the order in which that run read them.
        after: by domain, how many windows of that order to pass over (`windows_read`): what comes
            then is unread while the domain's first epoch lasts.

    Raises:
        CorpusError: every domain is shorter than one window.
    """
    domains = [d for d in corpus.domains if corpus.tokens("train", d) > context]
    if not domains:
        raise CorpusError(
            f"no domain of {corpus.directory} has the {context + 1} training tokens of one window",
            remedy="use more text, or a model with a shorter context",
        )
    each = -(-sequences // len(domains))
    batches, sizes = {}, {}
    for domain in domains:
        order = Batches(corpus, context=context, weights={domain: 1.0}, seed=seed)
        batches[domain] = order.batch((after or {}).get(domain, 0), each)
        documents = corpus.shard("train", domain).num_documents
        text_tokens = corpus.tokens("train", domain) - documents
        sizes[domain] = corpus.bytes("train", domain) / text_tokens
    return CalibrationText(batches, sizes)


def windows_read(
    corpus: Corpus, *, weights: Mapping[str, float] | None, sequences: int
) -> dict[str, int]:
    """By domain, the most windows that the first `sequences` of a training run hold.

    Args:
        corpus: what the run read.
        weights: its mixture (see `Batches`).
        sequences: how many it read; counted up to whole blocks of the order.
    """
    lengths = {domain: float(corpus.tokens("train", domain)) for domain in corpus.domains}
    shares = lengths if weights is None else weights
    positive = {domain: float(share) for domain, share in shares.items() if share > 0}
    blocks = -(-sequences // BLOCK_SEQUENCES)
    return {domain: blocks * quota for domain, quota in block_quotas(positive).items()}


def read_in_phases(phases: Sequence[Mapping[str, Any]], sequences: int) -> dict[str, int]:
    """As `windows_read`, of a run whose mixture changed.

    Args:
        phases: `first_block` and `quotas` of each, as the supernet notes them.
        sequences: how many the run read; counted up to whole blocks of the order.
    """
    mixture = [(int(phase["first_block"]), phase["quotas"]) for phase in phases]
    return read_in_blocks(mixture, -(-sequences // BLOCK_SEQUENCES))
