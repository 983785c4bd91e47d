"""What of the book one artifact carries, with its whole lineage, on three views.

    marginal       its own work                        "marginal, parent excluded"
    amortised      its own, the signed share of what it shares with its family, and of that share
                   the signed part of what the family inherits
    fully loaded   its own, all that it shares with its family, and all that the family inherits

What its own work is follows from what it is:

    a supernet     every run of its family, without the parts that registered members caused
    a member       the evaluations and extractions of its shape
    anything else  the runs that made it, every attempt; what they read is inherited
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from farthing.artifacts.entries import Plan
from farthing.errors import UsageError
from farthing.ledger.accounts import RunAccount
from farthing.ledger.categories import category_of
from farthing.ledger.entry_ref import EntryRef, numbers_text
from farthing.ledger.lines import BillLine, Relation, View
from farthing.ledger.parts import Part, family_parts, of_models, whole_run
from farthing.ledger.rates import Pricing
from farthing.ledger.shared_costs import SharedCost
from farthing.ledger.tree import CostTree

_ROUNDING_SECONDS = 1e-6


@dataclass(frozen=True)
class Carried:
    """A part of a run on an artifact's bill.

    Attributes:
        part: of the run.
        relation: of the work to the artifact.
        share: what the amortised view carries of it.
        signed: the entries of the plans that say so.
    """

    part: Part
    relation: Relation
    share: float
    signed: tuple[EntryRef, ...]

    def factor(self, view: View) -> float:
        """The part of the cost that a view carries."""
        if self.relation == "own" or view == "fully_loaded":
            return 1.0
        return 0.0 if view == "marginal" else self.share


@dataclass(frozen=True)
class Lineage:
    """Everything in the book that an artifact rests on.

    Attributes:
        what: the artifact is, in words.
        carried: the parts of runs, in the order of the runs.
        notes: what is odd about its shares.
        outside: models that it goes back to and that no run of this book made.
    """

    what: str
    carried: tuple[Carried, ...]
    notes: tuple[str, ...]
    outside: tuple[str, ...]


def lineage_of(tree: CostTree, digest: str, above: frozenset[str] = frozenset()) -> Lineage:
    """What an artifact of the book rests on.

    Args:
        tree: of the book.
        digest: of the artifact.
        above: what rests on it; an odd book in which something comes out of itself stays finite.

    Raises:
        UsageError: no run of the book made it.
    """
    plan = tree.family_of(digest)
    if digest in tree.members:
        supernet, shape = tree.members[digest]
        return _of_member(tree, plan, supernet, shape)
    if plan is not None and plan in tree.plans:
        return _of_supernet(tree, plan)
    if digest in tree.makers:
        return _of_other(tree, digest, above | {digest})
    raise UsageError(
        f"no run of this book made {digest}",
        remedy="name an artifact of this workspace by its folder or by its digest",
    )


def artifact_lines(
    lineage: Lineage, view: View, pricing: Pricing, expenses: Iterable[SharedCost]
) -> tuple[BillLine, ...]:
    """The lines of a view; work of which it carries nothing has none.

    Raises:
        BookError: entries "of which" claim more than the run that they are part of.
    """
    lines = [
        _line(each, each.factor(view), pricing) for each in lineage.carried if each.factor(view)
    ]
    for expense in expenses:
        lines += _expense_lines(expense, lineage.carried, view, pricing)
    return tuple(lines)


def not_on_it(lineage: Lineage, view: View, tree: CostTree) -> tuple[str, ...]:
    """The runs of the book that a bill leaves out, in whole or in part, and why."""
    excluded = []
    dropped = [each.part.run.start.run for each in lineage.carried if not each.factor(view)]
    if dropped:
        why = "parent excluded" if view == "marginal" else "no share of it is signed for this"
        excluded.append(f"runs {numbers_text(dropped)}: {why} ({view.replace('_', ' ')})")
    there = {each.part.run.start.run for each in lineage.carried}
    elsewhere = [run.start.run for run in tree.runs if run.start.run not in there]
    if elsewhere:
        excluded.append(f"runs {numbers_text(elsewhere)}: work for other models of this book")
    if apart := _told_apart(lineage):
        excluded.append(
            f"runs {numbers_text(apart)}: the parts that registered members caused are on their "
            "own bills"
        )
    return tuple(excluded)


def _told_apart(lineage: Lineage) -> list[int]:
    """The runs of which some parts stand on other bills."""
    taken: dict[int, float] = {}
    for each in lineage.carried:
        number = each.part.run.start.run
        seconds = each.part.only.wall_seconds if each.part.only else 0.0
        taken[number] = taken.get(number, 0.0) + each.part.without.wall_seconds - seconds
    return [run for run, seconds in taken.items() if seconds > _ROUNDING_SECONDS]


def _of_supernet(tree: CostTree, plan: str) -> Lineage:
    body, ancestry = tree.plans[plan], tree.ancestry(plan)
    carried = []
    for part in family_parts(tree, plan, ancestry):
        if part.belonging == "inherited":
            signed = (tree.plan_entries[plan],)
            carried.append(Carried(part, "inherited", part.share, signed))
        elif part.belonging != "member":
            carried.append(Carried(part, "own", 1.0, ()))
    what = f"supernet of {body.name}"
    return Lineage(what, tuple(carried), _share_notes(tree, plan), ancestry.outside)


def _of_member(tree: CostTree, plan: str | None, supernet: str, shape: str) -> Lineage:
    if plan is None or plan not in tree.plans:
        own = [
            Carried(part, "own", 1.0, ())
            for run in tree.runs
            for part in of_models(run, {supernet}, ())
            if part.shape == shape
        ]
        return Lineage(f"member {shape}", tuple(own), (), (supernet,))
    body, ancestry = tree.plans[plan], tree.ancestry(plan)
    share = _registered_share(body, shape)
    signed = (tree.plan_entries[plan],)
    carried = []
    for part in family_parts(tree, plan, ancestry):
        if part.shape == shape:
            carried.append(Carried(part, "own", 1.0, ()))
        elif part.belonging == "inherited":
            carried.append(Carried(part, "inherited", (share or 0.0) * part.share, signed))
        elif part.belonging != "member":
            carried.append(Carried(part, "parent", share or 0.0, signed))
    notes = _share_notes(tree, plan)
    if share is None:
        notes = (
            f"{shape} was never registered in the plan: it has no signed share of its family's "
            "cost, so the amortised view carries none of it",
            *notes,
        )
    return Lineage(f"member {shape} of {body.name}", tuple(carried), notes, ancestry.outside)


def _of_other(tree: CostTree, digest: str, above: frozenset[str]) -> Lineage:
    maker = tree.makers[digest]
    attempts = [run for run in tree.runs if _same(run, maker)]
    own = {run.start.run for run in attempts}
    carried = [Carried(whole_run(run), "own", 1.0, ()) for run in attempts]
    notes: list[str] = []
    outside: list[str] = []
    for each in maker.start.inputs:
        if each.digest in above or each.role == "tokenizer":
            continue
        if each.digest not in tree.makers:
            outside.append(each.digest)
            continue
        # A file that holds a member in another form is that member: it carries the same shares.
        kept = each.role == "weights"
        earlier = lineage_of(tree, each.digest, above)
        taken = own | {other.part.run.start.run for other in carried}
        carried += [
            replace(other, relation="inherited", share=other.share if kept else 0.0)
            for other in earlier.carried
            if other.part.run.start.run not in taken
        ]
        if not kept:
            notes.append(f"nobody signed a share of {each.role} {each.digest[:16]}... for this")
        notes += earlier.notes
        outside += earlier.outside
    carried.sort(key=lambda each: each.part.run.start.run)
    what = f"{maker.start.purpose} {maker.start.name}"
    return Lineage(what, tuple(carried), tuple(dict.fromkeys(notes)), tuple(dict.fromkeys(outside)))


def _same(run: RunAccount, maker: RunAccount) -> bool:
    names = ((each.start.purpose, each.start.name, each.start.input_key) for each in (run, maker))
    return len(set(names)) == 1


def _registered_share(plan: Plan, shape: str) -> float | None:
    return next((member.share for member in plan.members if member.shape == shape), None)


def _share_notes(tree: CostTree, plan: str) -> tuple[str, ...]:
    """What of the inherited is carried, and by whose word."""
    stated = {each.digest for each in tree.plans[plan].inherits}
    return tuple(
        f"of {role} {digest[:16]}... the family carries {share:g}, "
        + (
            "as its plan signed"
            if digest in stated
            else "by default: the first child carries all, later ones what is left"
        )
        for digest, role, share in tree.direct(plan)
    )


def _line(each: Carried, factor: float, pricing: Pricing) -> BillLine:
    run, part = each.part.run, each.part
    figures = part.figures(pricing)
    rates = pricing.entry_of(run.start.run)
    entries = {*part.entries, *((rates,) if rates else ()), *(each.signed if factor != 1 else ())}
    of_part = f", its part for {part.shape}" if part.shape else ""
    unsigned = " (never registered)" if part.belonging == "unregistered" else ""
    what = f"{run.start.purpose} {run.start.name}{of_part}{unsigned}"
    return BillLine(
        category=category_of(run),
        relation=each.relation,
        what=what if part.role is None else f"{what}, for its {part.role}",
        run=run.start.run,
        attempt=run.start.attempt,
        status=run.status,
        reason=run.reason,
        share=factor,
        figures=figures if factor == 1.0 else figures.scaled(factor),
        entries=tuple(sorted(entries)),
        shape=part.shape,
    )


def _expense_lines(
    expense: SharedCost, carried: Sequence[Carried], view: View, pricing: Pricing
) -> list[BillLine]:
    """One line per relation to the artifact."""
    lines = []
    for relation in dict.fromkeys(each.relation for each in carried):
        shares = [
            (each.part.run.start.run, expense.share_of(each.part) * each.factor(view))
            for each in carried
            if each.relation == relation
        ]
        if share := sum(part for _, part in shares):
            run = next(run for run, part in shares if part)
            lines.append(expense_line(expense, relation, share, pricing, run))
    return lines


def expense_line(
    expense: SharedCost, relation: Relation, share: float, pricing: Pricing, run: int
) -> BillLine:
    """An expense or idle time, or the share of one that an artifact carries.

    Args:
        expense: of the book, or idle time.
        relation: of who caused it to the artifact.
        share: of the expense, from 0 to 1.
        pricing: says which figures of a bill are known at all.
        run: one of those that caused it.
    """
    return BillLine(
        category=expense.category,
        relation=relation,
        what=expense.what,
        run=None,
        attempt=None,
        status=None,
        reason=None,
        share=share,
        figures=expense.figures(share, pricing, run),
        entries=expense.entries(pricing),
    )
