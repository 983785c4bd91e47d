"""What text a family was trained and scored on: amounts, sources, licences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa

from farthing.text.corpus import SPLITS, Corpus, Split
from farthing.text.provenance import document_batches

_MOST_SOURCES = 40


@dataclass(frozen=True)
class Amount:
    """How much text."""

    documents: int
    bytes: int
    tokens: int

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.documents + other.documents,
            self.bytes + other.bytes,
            self.tokens + other.tokens,
        )


NOTHING = Amount(0, 0, 0)


@dataclass(frozen=True)
class DomainFacts:
    """One domain: its text by split, and its share of the training batches."""

    name: str
    splits: dict[Split, Amount]
    share: float


@dataclass(frozen=True)
class StreamFacts:
    """A part of the training text of a domain: that with scores of quality in a range."""

    domain: str
    least_quality: float
    most_quality: float


@dataclass(frozen=True)
class SourceFacts:
    """All documents of one source under one licence, all splits together."""

    source: str
    licence: str
    domains: tuple[str, ...]
    amount: Amount


@dataclass(frozen=True)
class DataFacts:
    """A corpus.

    Attributes:
        digest: its content digest.
        tokenizer: its kind.
        vocab_size: token ids.
        domains: sorted by name; of a divided domain the held-out text, and each stream by itself.
        streams: of training text that is divided by quality; empty where none is.
        mixture_is_set: whether the recipe or the corpus weighs the domains; else they count as
            long as they are.
        sources: the largest first, at most some tens.
        more_sources: how many are not listed.
        more_amount: what those hold.
        licences: by licence, the largest first.
        dropped: documents that curation left out, by reason.
    """

    digest: str
    tokenizer: str
    vocab_size: int
    domains: tuple[DomainFacts, ...]
    streams: dict[str, StreamFacts]
    mixture_is_set: bool
    sources: tuple[SourceFacts, ...]
    more_sources: int
    more_amount: Amount
    licences: tuple[tuple[str, Amount], ...]
    dropped: dict[str, int]

    def total(self, split: Split) -> Amount:
        """All domains together."""
        return sum((domain.splits[split] for domain in self.domains), NOTHING)


def read_data(corpus: Corpus, mixture: Mapping[str, float] | None) -> DataFacts:
    """Add up a corpus whose digests were compared; `mixture` as in the recipe."""
    detail = corpus.manifest.detail
    mixture = _stated(corpus) if mixture is None else corpus.spread(mixture)
    grouped = _group_documents(corpus)
    sources = sorted(
        (
            SourceFacts(source, licence, tuple(sorted(domains)), amount)
            for (source, licence), (domains, amount) in grouped.items()
        ),
        key=lambda each: (-each.amount.bytes, each.source, each.licence),
    )
    listed, rest = sources[:_MOST_SOURCES], sources[_MOST_SOURCES:]
    return DataFacts(
        digest=corpus.digest,
        tokenizer=str(detail["tokenizer"]["kind"]),
        vocab_size=corpus.vocab_size,
        domains=_domains(corpus.domains, detail["splits"], mixture),
        streams=_streams(detail.get("streams", {})),
        mixture_is_set=mixture is not None,
        sources=tuple(listed),
        more_sources=len(rest),
        more_amount=sum((each.amount for each in rest), NOTHING),
        licences=_licences(sources),
        dropped={str(reason): int(count) for reason, count in detail.get("dropped", {}).items()},
    )


def _streams(stated: Mapping[str, Any]) -> dict[str, StreamFacts]:
    return {
        name: StreamFacts(str(part["domain"]), part["least_quality"], part["most_quality"])
        for name, part in stated.items()
    }


def _stated(corpus: Corpus) -> dict[str, float] | None:
    """The mixture that the corpus states, over the whole run."""
    if corpus.mixture is None:
        return None
    ends = (0.0, *corpus.mixture.until)
    return {
        each.stream: sum(
            weight * (end - begin)
            for weight, (begin, end) in zip(each.weights, pairwise(ends), strict=True)
        )
        for each in corpus.mixture.streams
    }


def _domains(
    names: Iterable[str], splits: Mapping[str, Any], mixture: Mapping[str, float] | None
) -> tuple[DomainFacts, ...]:
    amounts: dict[str, dict[Split, Amount]] = {
        name: {
            split: Amount(**{k: splits[split][name][k] for k in ("documents", "bytes", "tokens")})
            for split in SPLITS
        }
        for name in names
    }
    tokens = {name: float(each["train"].tokens) for name, each in amounts.items()}
    weights = mixture if mixture is not None else tokens
    whole = sum(weights.values()) or 1.0
    return tuple(
        DomainFacts(name, each, weights.get(name, 0.0) / whole) for name, each in amounts.items()
    )


def _group_documents(corpus: Corpus) -> dict[tuple[str, str], tuple[set[str], Amount]]:
    grouped: dict[tuple[str, str], tuple[set[str], Amount]] = {}
    names = ["source", "licence", "domain"]
    for batch in document_batches(corpus.directory, [*names, "bytes", "tokens"]):
        sums = [("bytes", "sum"), ("tokens", "sum"), ([], "count_all")]
        for row in pa.Table.from_batches([batch]).group_by(names).aggregate(sums).to_pylist():
            key = (row["source"], row["licence"])
            domains, amount = grouped.get(key, (set(), NOTHING))
            more = Amount(row["count_all"], row["bytes_sum"], row["tokens_sum"])
            grouped[key] = (domains | {row["domain"]}, amount + more)
    return grouped


def _licences(sources: Sequence[SourceFacts]) -> tuple[tuple[str, Amount], ...]:
    by_licence: dict[str, Amount] = {}
    for each in sources:
        by_licence[each.licence] = by_licence.get(each.licence, NOTHING) + each.amount
    return tuple(sorted(by_licence.items(), key=lambda item: (-item[1].bytes, item[0])))
