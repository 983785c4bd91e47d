"""Documents to look at: some that were kept and some for each reason, and clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from farthing.artifacts.curation import Cluster, ClusterMember, Sample
from farthing.artifacts.funnel import KEPT
from farthing.artifacts.reservoir import excerpt, spread
from farthing.documents.batch import text_bytes
from farthing.documents.language.identify import LANGUAGES
from farthing.documents.measure import SIGNALS, measure
from farthing.kernels.shingles import shared_and_united
from farthing.kernels.words import split_words
from farthing.stages.curate.duplicates.clusters import Clusters
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions
from farthing.stages.curate.phases.near import shingles_of

_PER_REASON = 5
_PER_DOMAIN = 5
_CLUSTERS = 30
_MEMBERS = 5
_ALWAYS_SHOWN = ("characters", "words")
_SHOWN = ("id", "text", "source", "domain", "licence")


def draw_samples(columns: Columns, decisions: Decisions) -> tuple[Sample, ...]:
    """Some documents of every fate, drawn by the digests of their ids, reason after reason."""
    domains, _ = columns.strings("domain")
    # What was kept is drawn domain by domain, what was dropped reason by reason.
    groups = np.where(decisions.codes == KEPT, -1 - domains, decisions.codes.astype(np.int32))
    ranks = columns.numbers("id")[:, 0]
    order = np.lexsort((ranks, groups))
    places = _places_in_runs(groups[order])
    most = np.where(groups[order] < 0, _PER_DOMAIN, _PER_REASON)
    chosen = np.sort(order[places < most])
    languages = columns.numbers("language")
    made = {}
    for ordinals, batch in columns.rows(chosen, _SHOWN):
        signals = measure(batch.column("text"), split_words(*text_bytes(batch.column("text"))))
        for place, (ordinal, row) in enumerate(zip(ordinals, batch.to_pylist(), strict=True)):
            step, reason = "", ""
            if (code := int(decisions.codes[ordinal])) != KEPT:
                step, reason = decisions.names[code - 1]
            made[int(ordinal)] = Sample(
                id=row["id"],
                source=row["source"],
                domain=row["domain"],
                language=LANGUAGES[languages[ordinal]],
                licence=row["licence"],
                step=step,
                reason=reason,
                letters=len(row["text"]),
                text=excerpt(row["text"]),
                signals=_signals(signals[place], reason),
            )
    drawn = order[places < most]
    return tuple(made[int(ordinal)] for ordinal in drawn)


def draw_clusters(columns: Columns, clusters: Clusters) -> tuple[Cluster, ...]:
    """Some clusters, the largest and a spread of the others, with some of their members."""
    order = np.argsort(clusters.clusters, kind="stable")
    order = order[clusters.sizes[order] > 1]
    groups = np.split(order, np.flatnonzero(np.diff(clusters.clusters[order])) + 1)
    groups = [group for group in groups if len(group)]
    drawn = [groups[place] for place in spread([len(group) for group in groups], _CLUSTERS)]
    # The one that stayed first; of the others those that come first.
    members = [
        group[np.argsort(clusters.reasons[group] != 0, kind="stable")][:_MEMBERS] for group in drawn
    ]
    wanted = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *members]))
    rows = {
        int(ordinal): row
        for ordinals, batch in columns.rows(wanted, _SHOWN)
        for ordinal, row in zip(ordinals, batch.to_pylist(), strict=True)
    }
    likeness = _likeness(columns, members, wanted)
    sizes = columns.numbers("bytes")
    return tuple(
        Cluster(
            documents=len(group),
            bytes=int(sizes[group].sum()),
            members=tuple(
                ClusterMember(
                    id=rows[int(one)]["id"],
                    source=rows[int(one)]["source"],
                    domain=rows[int(one)]["domain"],
                    bytes=int(sizes[one]),
                    kept=bool(clusters.reasons[one] == 0),
                    jaccard=None if place == 0 else likeness[int(one)],
                    excerpt=excerpt(rows[int(one)]["text"]),
                )
                for place, one in enumerate(shown)
            ),
        )
        for group, shown in zip(drawn, members, strict=True)
    )


def _likeness(
    columns: Columns, members: Sequence[npt.NDArray[np.int64]], wanted: npt.NDArray[np.int64]
) -> dict[int, float]:
    """The Jaccard similarity of each member's shingles with those of the first of its cluster."""
    sets = shingles_of(columns, wanted)
    pairs = np.array(
        [(shown[0], one) for shown in members for one in shown[1:]], dtype=np.int64
    ).reshape(-1, 2)
    counts = shared_and_united(sets.shingles, sets.ends, np.searchsorted(sets.documents, pairs))
    return {
        int(pair[1]): float(shared / max(united, 1))
        for pair, (shared, united) in zip(pairs, counts, strict=True)
    }


def _places_in_runs(groups: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """0, 1, 2, ... within every run of equal values."""
    places = np.arange(len(groups))
    new = np.ones(len(groups), dtype=np.bool_)
    new[1:] = groups[1:] != groups[:-1]
    begins: npt.NDArray[np.int64] = np.maximum.accumulate(np.where(new, places, 0))
    return places - begins


def _signals(values: npt.NDArray[np.float32], reason: str) -> dict[str, float | None]:
    """The signal of the rule that failed, and some that say what kind of text it is."""
    _, _, failed = reason.partition(".")
    names = [*([failed] if failed in SIGNALS else []), *_ALWAYS_SHOWN]
    return {name: round(float(values[SIGNALS.index(name)]), 4) for name in names}
