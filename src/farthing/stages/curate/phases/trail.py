"""The trail of a corpus: its funnel, and documents, clusters and hits to look at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.artifacts.curation import (
    Amount,
    BenchmarkHits,
    Contamination,
    Funnel,
    Hit,
    MaskCount,
    Mixture,
    Verdict,
)
from farthing.artifacts.funnel import Fates, StepFacts, count_funnel, count_shares
from farthing.artifacts.reservoir import excerpt
from farthing.artifacts.trail import Trail
from farthing.documents.language.identify import LANGUAGES
from farthing.documents.refusals import OF_FILES, Refusals
from farthing.stages.curate.contamination.index import ItemIndex
from farthing.stages.curate.contamination.judge import CONTAMINATED, QUESTION_ONLY
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.contamination import FoundItem
from farthing.stages.curate.phases.decide import Decided
from farthing.stages.curate.phases.decisions import STEPS, Decisions
from farthing.stages.curate.phases.samples import draw_clusters, draw_samples
from farthing.stages.curate.privacy.mask import KINDS

_LISTED_HITS = 20
_MASKED_FROM = STEPS.index("mask")
_CUT_FROM = STEPS.index("lines")


@dataclass(frozen=True)
class Outcome:
    """All that the trail is told from.

    Attributes:
        columns: of the measuring phase.
        decided: of its documents, finished.
        refusals: of reading.
        index: of all evaluation items; None where nobody looked for any.
    """

    columns: Columns
    decided: Decided
    refusals: Refusals
    index: ItemIndex | None


def make_trail(outcome: Outcome, *, tokens: int, mixture: Mixture | None) -> Trail:
    """Everything that the corpus says about how it was made.

    Args:
        outcome: what was done.
        tokens: of the corpus.
        mixture: as the corpus states it.
    """
    contamination = None
    if outcome.index is not None:
        contamination = _contamination(outcome.columns, outcome.decided.found, outcome.index)
    clusters = (
        ()
        if outcome.decided.clusters is None
        else draw_clusters(outcome.columns, outcome.decided.clusters)
    )
    return Trail(
        funnel=_funnel(outcome, tokens, mixture),
        samples=draw_samples(outcome.columns, outcome.decided.decisions),
        clusters=clusters,
        contamination=contamination,
    )


def _funnel(outcome: Outcome, tokens: int, mixture: Mixture | None) -> Funnel:
    columns, decisions = outcome.columns, outcome.decided.decisions
    fates = _fates(outcome)
    read_bytes = columns.numbers("read_bytes")
    facts = {name: StepFacts() for name in STEPS}
    reached = _reached(decisions)
    masked = columns.numbers("bytes")
    facts["mask"] = StepFacts(
        changed_bytes=int((read_bytes - masked)[reached >= _MASKED_FROM].sum())
    )
    facts["lines"] = StepFacts(
        changed_bytes=int((masked - outcome.decided.final_sizes)[reached > _CUT_FROM].sum())
    )
    facts["split"] = StepFacts(tokens=tokens)
    licences, licence_names = columns.strings("licence")
    domains, domain_names = columns.strings("domain")
    sizes = outcome.refusals.bytes_by_reason()
    refused = {
        reason: Amount(documents=count, bytes=sizes[reason])
        for reason, count in outcome.refusals.by_reason().items()
        if reason not in OF_FILES
    }
    return Funnel(
        steps=count_funnel(facts, fates, refused),
        languages=count_shares(
            LANGUAGES, columns.numbers("language"), fates, read_bytes=read_bytes
        ),
        domains=count_shares(domain_names, domains, fates, read_bytes=read_bytes),
        licences=count_shares(licence_names, licences, fates, read_bytes=read_bytes),
        masks=_masks(columns, decisions),
        mixture=mixture,
    )


def _reached(decisions: Decisions) -> npt.NDArray[np.int64]:
    """Place in `STEPS` of the step that dropped each document; one past the last for the rest."""
    steps = [len(STEPS), *(STEPS.index(fate.step) for fate in decisions.names)]
    return np.array(steps, dtype=np.int64)[decisions.codes]


def _fates(outcome: Outcome) -> Fates:
    columns, decisions = outcome.columns, outcome.decided.decisions
    reached = _reached(decisions)
    sizes = np.where(
        reached < _MASKED_FROM, columns.numbers("read_bytes"), columns.numbers("bytes")
    )
    sizes = np.where(reached > _CUT_FROM, outcome.decided.final_sizes, sizes)
    codes, names = columns.strings("domain")
    return Fates(decisions.names, decisions.codes, sizes, codes, names)


def _masks(columns: Columns, decisions: Decisions) -> tuple[MaskCount, ...]:
    counts = columns.numbers("masks")
    codes, names = columns.strings("domain")
    found = []
    for code, domain in enumerate(names):
        mine = counts[decisions.kept & (codes == code)]
        for place, kind in enumerate(KINDS):
            if total := int(mine[:, place].sum()):
                documents = int(np.count_nonzero(mine[:, place]))
                found.append(MaskCount(kind=kind, domain=domain, masks=total, documents=documents))
    return tuple(sorted(found, key=lambda each: (each.kind, each.domain)))


def _contamination(columns: Columns, found: Sequence[FoundItem], index: ItemIndex) -> Contamination:
    wanted = np.unique([each.ordinal for each in found]).astype(np.int64)
    rows = {
        int(ordinal): row
        for ordinals, batch in columns.rows(wanted, ("id", "source", "domain"))
        for ordinal, row in zip(ordinals, batch.to_pylist(), strict=True)
    }
    listed: Counter[str] = Counter()
    hits = []
    for each in found:
        item = index.items[each.match.item]
        listed[item.benchmark] += 1
        if listed[item.benchmark] <= _LISTED_HITS:
            row = rows[each.ordinal]
            hits.append(
                Hit(
                    benchmark=item.benchmark,
                    item=item.item,
                    document=row["id"],
                    source=row["source"],
                    domain=row["domain"],
                    score=round(each.match.score, 4),
                    answer=each.match.answered if item.answers else None,
                    verdict=each.match.verdict,
                    question=excerpt(item.question),
                    snippet=each.match.snippet,
                )
            )
    return Contamination(
        benchmarks=_benchmarks(found, index), hits=tuple(hits), unlisted=len(found) - len(hits)
    )


def _benchmarks(found: Sequence[FoundItem], index: ItemIndex) -> tuple[BenchmarkHits, ...]:
    items = index.question_counts
    unseen = index.not_looked_for
    hit: dict[str, set[int]] = defaultdict(set)
    documents: Mapping[tuple[str, Verdict], set[int]] = defaultdict(set)
    for each in found:
        name = index.items[each.match.item].benchmark
        documents[name, each.match.verdict].add(each.ordinal)
        if each.match.verdict == CONTAMINATED:
            hit[name].add(int(index.questions[each.match.item]))
    return tuple(
        BenchmarkHits(
            benchmark=name,
            items=items[name],
            not_looked_for=unseen.get(name, 0),
            items_hit=len(hit[name]),
            documents=len(documents[name, CONTAMINATED]),
            question_only=len(documents[name, QUESTION_ONLY] - documents[name, CONTAMINATED]),
        )
        for name in sorted(items)
    )
