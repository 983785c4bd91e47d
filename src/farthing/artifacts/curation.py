"""What curation did to the text of a corpus: the funnel, and documents to look at.

The files that hold it are in `farthing.artifacts.trail`. Amounts are those of raw documents: UTF-8
bytes, before any tokenizer. Nothing here depends on how fast or by how many processes it was made,
so that equal corpora have equal digests; what each step took stands in the book (`CurationStep`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Of a document in a sample, a cluster or a hit: enough to judge it by.
EXCERPT_LETTERS = 600

Verdict = Literal["contaminated", "question_only"]


class Part(BaseModel):
    """Base of everything that a trail says: frozen, no unknown fields, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Amount(Part):
    """Some documents, and the bytes of their text."""

    documents: int = Field(default=0, ge=0)
    bytes: int = Field(default=0, ge=0)

    def __add__(self, other: Amount) -> Amount:
        return Amount(documents=self.documents + other.documents, bytes=self.bytes + other.bytes)


class Dropped(Part):
    """The documents of one domain that one step dropped for one reason.

    Attributes:
        domain: as the documents state it.
        reason: `near_duplicate`, or a group with its case: `rule:web.mean_word_length`.
        amount: documents, and the bytes that they had when they were dropped.
    """

    domain: str
    reason: str
    amount: Amount


class FunnelStep(Part):
    """One step of curation.

    Attributes:
        name: in one word.
        entered, left: the text before and after it.
        dropped: what it dropped, by domain and reason.
        changed_bytes: what it took from documents that stayed (markup, repeated lines); below zero
            where it made them longer (masks).
        tokens: of the text that left, where it was tokenised by then; else None.
    """

    name: str
    entered: Amount
    left: Amount
    dropped: tuple[Dropped, ...] = ()
    changed_bytes: int = 0
    tokens: int | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        gone = sum((each.amount for each in self.dropped), Amount())
        documents = self.left.documents + gone.documents
        size = self.left.bytes + gone.bytes + self.changed_bytes
        if (documents, size) != (self.entered.documents, self.entered.bytes):
            raise ValueError(
                f"step {self.name}: {self.entered} entered, but what left, was dropped or was "
                f"changed adds up to {documents} documents and {size} bytes"
            )
        return self

    @property
    def gone(self) -> Amount:
        """All that it dropped."""
        return sum((each.amount for each in self.dropped), Amount())

    def reasons(self) -> dict[str, Amount]:
        """What it dropped by reason, all domains together; the most bytes first."""
        found: dict[str, Amount] = {}
        for each in self.dropped:
            found[each.reason] = found.get(each.reason, Amount()) + each.amount
        order = sorted(found, key=lambda reason: (-found[reason].bytes, reason))
        return {reason: found[reason] for reason in order}


class Share(Part):
    """One language, domain or licence: the text that was read, and what was kept of it."""

    name: str
    read: Amount
    kept: Amount


class MaskCount(Part):
    """How often personal data of one kind was masked in kept text of one domain."""

    kind: str
    domain: str
    masks: int
    documents: int


class MixedStream(Part):
    """A part of the training text that batches draw from as one.

    Attributes:
        stream: its name; the domain itself where that is not divided by quality.
        domain: what it belongs to.
        tokens: of its training text.
        weights: its share of the batches, phase by phase.
    """

    stream: str
    domain: str
    tokens: int
    weights: tuple[float, ...]


class Mixture(Part):
    """How batches are drawn from the streams.

    Attributes:
        until: where each phase ends, as a share of the training run; the last one is 1.
        streams: all of them; each has one weight for each phase.
    """

    until: tuple[float, ...] = Field(default=(1.0,), min_length=1)
    streams: tuple[MixedStream, ...]

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if any(len(each.weights) != len(self.until) for each in self.streams):
            raise ValueError("every stream needs one weight for each phase")
        if self.until[-1] != 1.0 or list(self.until) != sorted(set(self.until)):
            raise ValueError(f"phases end at {self.until}: they must rise, and end at 1")
        return self

    def epochs(self, tokens: int) -> dict[str, float]:
        """How often a run of so many tokens goes through each stream."""
        lengths = [end - begin for begin, end in pairwise((0.0, *self.until))]
        return {
            each.stream: tokens
            * sum(weight * length for weight, length in zip(each.weights, lengths, strict=True))
            / each.tokens
            for each in self.streams
            if each.tokens
        }


class Funnel(Part):
    """From raw documents to what training reads.

    Attributes:
        steps: in the order in which a document meets them.
        languages, domains, licences: the text that was read and kept, by what it is in, what it is
            mixed as, and what its documents state.
        masks: personal data that was masked.
        mixture: how the kept text is mixed; None where that is left to training.
    """

    steps: tuple[FunnelStep, ...]
    languages: tuple[Share, ...] = ()
    domains: tuple[Share, ...] = ()
    licences: tuple[Share, ...] = ()
    masks: tuple[MaskCount, ...] = ()
    mixture: Mixture | None = None

    @model_validator(mode="after")
    def _steps_follow(self) -> Self:
        for before, after in pairwise(self.steps):
            if before.left != after.entered:
                raise ValueError(
                    f"{before.left} left {before.name}, but {after.entered} entered {after.name}"
                )
        return self


class Sample(Part):
    """A document to look at.

    Attributes:
        id, source, domain, language, licence: of the document.
        step: that dropped it; empty where it was kept.
        reason: why; empty where it was kept.
        letters: of the whole text.
        text: its first letters.
        signals: those that say why it was kept or dropped, by name; None where one has no value.
    """

    id: str
    source: str
    domain: str
    language: str
    licence: str
    step: str = ""
    reason: str = ""
    letters: int
    text: str
    signals: dict[str, float | None] = {}

    @property
    def kept(self) -> bool:
        """Whether it is in the corpus."""
        return not self.reason


class ClusterMember(Part):
    """One document of a cluster.

    Attributes:
        id, source, domain: of the document.
        bytes: of its text.
        kept: whether it is the one that stayed.
        jaccard: of its shingles with those of the member that tied it to the cluster; None of the
            first one.
        excerpt: its first letters.
    """

    id: str
    source: str
    domain: str
    bytes: int
    kept: bool
    jaccard: float | None = Field(default=None, ge=0, le=1)
    excerpt: str


class Cluster(Part):
    """Near-duplicates that were found together.

    Attributes:
        documents, bytes: of all of it.
        members: some of it, the one that stayed first.
    """

    documents: int
    bytes: int
    members: tuple[ClusterMember, ...]


class BenchmarkHits(Part):
    """What of one evaluation set stands in the text.

    Attributes:
        benchmark: its name.
        items: of the set.
        not_looked_for: those whose question has too few words to be found.
        items_hit: those of which some document is contaminated.
        documents: contaminated by it.
        question_only: documents with a question of it and without the answer.
    """

    benchmark: str
    items: int
    not_looked_for: int = 0
    items_hit: int
    documents: int
    question_only: int


class Hit(Part):
    """An item in a document.

    Attributes:
        benchmark, item: which one.
        document, source, domain: where.
        score: of the question: the share of its n-grams that the document has, weighed by rarity.
        answer: whether the answer stands near it; None where the item has none.
        verdict: what was made of it.
        question: the item's own words.
        snippet: the words of the document.
    """

    benchmark: str
    item: str
    document: str
    source: str
    domain: str
    score: float
    answer: bool | None
    verdict: Verdict
    question: str
    snippet: str


class Contamination(Part):
    """Evaluation sets against the text.

    Attributes:
        benchmarks: all that were looked for, those that were not found included.
        hits: some of the hits to look at.
        unlisted: how many more there are.
    """

    benchmarks: tuple[BenchmarkHits, ...]
    hits: tuple[Hit, ...] = ()
    unlisted: int = 0
