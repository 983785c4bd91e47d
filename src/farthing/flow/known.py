"""What a workspace knows about the members of a family: to choose one, and for its card."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.expense import Reading
from farthing.artifacts.family import benchmarks_of, scores_of
from farthing.artifacts.scores import MemberScore, ScoreMatrix
from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError, ShapeError
from farthing.flow.opening import find_corpus
from farthing.hardware.catalogue import read_catalogue
from farthing.ledger.accounts import RunAccount, collect_runs
from farthing.ledger.bill import make_bill
from farthing.ledger.carbon import place_of
from farthing.ledger.expenses import booked_expenses
from farthing.ledger.figures import Rates
from farthing.ledger.holdings import BookedHolding, booked_holdings
from farthing.ledger.hourly import open_series
from farthing.ledger.rates import make_pricing
from farthing.ledger.tree import CostTree
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.session import Session
from farthing.stages.extract.card import CardFacts, DataSource, MemberQuality
from farthing.stages.extract.cut import member_config
from farthing.text.corpus import Corpus

_SHARES = (1.0, 0.5, 0.3)
_RATES = TypeAdapter(Rates)


def choose_member(
    supernet: Supernet, workspace: Workspace, *, max_active: int | None, max_total: int | None
) -> Shape:
    """The scored member with the fewest bits per byte that is small enough and can be extracted.

    Args:
        supernet: the family's.
        workspace: where its scores are; dev text decides.
        max_active: most parameters that a token may visit, embeddings included; None for any.
        max_total: most parameters in all; None for any.

    Raises:
        ConfigError: the family has no scores, or no member is that small.
    """
    matrix = scores_of(workspace, supernet.digest)
    if matrix is None:
        raise ConfigError(
            f"no member of {supernet.directory} has been scored on dev text, so none can be chosen "
            "by size",
            remedy="run `farthing evaluate` first, or name the member with --shape",
        )
    able = _able(matrix, supernet)
    fitting = [
        member
        for member in able
        if (max_active is None or member.active <= max_active)
        and (max_total is None or member.total <= max_total)
    ]
    if not fitting:
        raise ConfigError(
            f"none of the {len(able)} scored members that can be extracted is that small"
            + (_smallest(able) if able else ""),
            remedy="allow more, or score smaller members: farthing evaluate --shape ...",
        )
    best = min(fitting, key=lambda member: member.mean_bpb)
    return Shape.parse(best.shape, supernet.model.config)


def spread_members(supernet: Supernet, matrix: ScoreMatrix) -> list[Shape]:
    """Up to three members from large to small: the best within each share of the largest's size.

    Size is non-embedding parameters: no member can leave vocabulary out. Members that cannot be
    extracted are passed over.
    """
    config = supernet.model.config
    able = _able(matrix, supernet)
    most = max((member.non_embedding for member in able), default=0)
    chosen: dict[str, Shape] = {}
    for share in _SHARES:
        fitting = [member for member in able if member.non_embedding <= share * most]
        if fitting:
            best = min(fitting, key=lambda member: member.mean_bpb)
            chosen.setdefault(best.shape, Shape.parse(best.shape, config))
    return list(chosen.values())


def card_facts(supernet: Supernet, shape: Shape, session: Session) -> CardFacts:
    """Everything that the card of a member says beyond the supernet itself."""
    score, split = _score(supernet, shape, session.workspace)
    return CardFacts(
        quality=MemberQuality(split=split, bpb=score.bpb, mean_bpb=score.mean_bpb)
        if score
        else None,
        benchmarks=benchmarks_of(session.workspace, supernet.digest, str(shape)),
        bill=make_bill(session.workspace, session.settings, hours_may_lack=True),
        data=_data_sources(supernet, session.workspace),
        licence=session.settings.licence,
        location=place_of(session.settings, read_catalogue(session.workspace.root)),
    )


def card_inputs(facts: CardFacts, supernet: Supernet, session: Session) -> dict[str, Any]:
    """What decides whether a card is up to date, as JSON values: scores, rates, licence.

    Not the whole bill: every run changes it, and a card says which entry of the book it stands at.
    """
    return {
        "quality": asdict(facts.quality) if facts.quality else None,
        "benchmarks": facts.benchmarks.model_dump(mode="json") if facts.benchmarks else None,
        "licence": facts.licence,
        "location": facts.location,
        **_cost_inputs(supernet, session),
        "corpus at hand": bool(facts.data),
    }


def _cost_inputs(supernet: Supernet, session: Session) -> dict[str, Any]:
    """The rates of a family's runs as they hold today, and what was entered about those by hand.

    The rates of the run to come are among them: the extraction is one of the family's, and must
    not make its own card out of date.
    """
    root, records = session.workspace.root, session.book.records
    runs = collect_runs(session.workspace, records)
    tree, pricing = CostTree(records, runs), make_pricing(records, session.settings, root)
    plan = tree.family_of(supernet.digest)
    family: dict[int, RunAccount] = {}
    if plan is not None:
        lineage = {plan, *(each.plan for each in tree.ancestry(plan).earlier)}
        family = {r.start.run: r for r in runs if not tree.belongs_elsewhere(r, lineage)}
    rates = [pricing.declared(run) for run in sorted({*family, len(runs)})]
    series = {each.series.digest: each.series for each in rates if each.series is not None}
    # Of readings, those that count: the entries that the runs rest on.
    readings = {record.entry.digest for record in records if isinstance(record.body, Reading)}
    entered = readings & {each.digest for run in family.values() for each in run.entries}
    for cost in (*booked_expenses(records, runs), *booked_holdings(records, runs)):
        if family.keys() & cost.seconds.keys():
            read = cost.readings if isinstance(cost, BookedHolding) else ()
            entered |= {each.digest for each in (cost.entry, *read)}
    return {
        "rates": sorted({digest_json(_RATES.dump_python(each, mode="json")) for each in rates}),
        "series lost": sorted(
            digest for digest, each in series.items() if isinstance(open_series(each, root), str)
        ),
        "entered": sorted(entered),
    }


def _score(
    supernet: Supernet, shape: Shape, workspace: Workspace
) -> tuple[MemberScore | None, str]:
    """The member's scores, on test text if that has been read, else on dev text."""
    for split in ("test", "dev"):
        matrix = scores_of(workspace, supernet.digest, split)
        for member in matrix.members if matrix else ():
            if member.shape == str(shape):
                return member, split
    return None, "dev"


def _data_sources(supernet: Supernet, workspace: Workspace) -> tuple[DataSource, ...]:
    place = find_corpus(supernet, workspace)
    if place is None:
        # It may have been deleted to save space; the card then says that it is not known.
        return ()
    corpus = Corpus.open(place, verify=False)
    documents: Counter[tuple[str, str, str]] = Counter()
    sizes: Counter[tuple[str, str, str]] = Counter()
    for domain in corpus.domains:
        for record in corpus.documents("train", domain):
            key = (record.source, record.licence, record.language)
            documents[key] += 1
            sizes[key] += record.bytes
    return tuple(
        DataSource(*key, documents=documents[key], bytes=size) for key, size in sizes.most_common()
    )


def _able(matrix: ScoreMatrix, supernet: Supernet) -> list[MemberScore]:
    """The scored members that can be extracted."""
    config = supernet.model.config
    return [m for m in matrix.members if _can_leave(Shape.parse(m.shape, config), supernet)]


def _smallest(members: list[MemberScore]) -> str:
    smallest = min(members, key=lambda member: (member.total, member.active))
    return (
        f"; the smallest, {smallest.label}, has {smallest.total:,} parameters, "
        f"{smallest.active:,} of them active"
    )


def _can_leave(shape: Shape, supernet: Supernet) -> bool:
    try:
        member_config(supernet.model.config, shape)
    except ShapeError:
        return False
    return True
