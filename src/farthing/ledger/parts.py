"""A family's runs cut into parts: what each member caused, what all share, what is inherited.

    member         an evaluation or extraction of a registered member
    unregistered   the same of a shape that no plan registered: nobody signed a share for it
    family         the rest of each run of the family
    inherited      the runs of earlier families

The parts of one run add up to the run. Nothing stands in two parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from farthing.artifacts.references import InheritedRole
from farthing.artifacts.work import Work
from farthing.ledger.accounts import RunAccount
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.figures import Figures, make_figures
from farthing.ledger.meter import NO_WORK
from farthing.ledger.rates import Pricing
from farthing.ledger.tree import Ancestry, CostTree

Belonging = Literal["member", "unregistered", "family", "inherited"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run, or a part of one.

    Attributes:
        run: the whole run.
        belonging: to whom the part belongs.
        only: the work of the part, where an entry of the book says it; None for the run without
            the other parts.
        without: the other parts' work, where `only` is None.
        shape: the member's or unregistered shape.
        origin: digest of the plan that an inherited run served; None for the others.
        role: what for it is inherited.
        share: of an inherited run, the part that the family carries; 1 of the others.
        entries: the entries of the book from which the part's work comes.
    """

    run: RunAccount
    belonging: Belonging
    only: Work | None = None
    without: Work = NO_WORK
    shape: str | None = None
    origin: str | None = None
    role: InheritedRole | None = None
    share: float = 1.0
    entries: tuple[EntryRef, ...]

    @property
    def wall_seconds(self) -> float:
        """Wall time held in this part; of a run that lost its journal, the most."""
        if self.only is not None:
            return self.only.wall_seconds
        return max(0.0, held_seconds(self.run) - self.without.wall_seconds)

    def figures(self, pricing: Pricing) -> Figures:
        """The cost of the part by the rates of its run.

        Raises:
            BookError: the parts of the run are larger than the run.
        """
        rates = pricing.of(self.run.start.run)
        if self.only is not None:
            return make_figures(self.only, self.run.start.machine, rates)
        return self.run.figures(rates, without=self.without)


def held_seconds(run: RunAccount) -> float:
    """Wall time that a run is billed for; of one that lost its journal, the most."""
    return max(run.work.wall_seconds, run.most_seconds or 0.0)


def family_parts(tree: CostTree, plan: str, ancestry: Ancestry) -> tuple[Part, ...]:
    """The parts of all runs that served a family or an earlier one, in the order of the runs.

    Args:
        tree: of the book.
        plan: digest of the family's plan.
        ancestry: the earlier families, as the tree tells them.
    """
    shapes = {member.shape for member in tree.plans[plan].members}
    made = set(tree.supernets[plan])
    lineage = {plan, *(each.plan for each in ancestry.earlier)}
    parts: list[Part] = []
    for run in tree.runs:
        if tree.belongs_elsewhere(run, lineage):
            continue
        within = of_models(run, made, shapes)
        parts += within
        rest = _rest(run, within)
        if tree.belongs_elsewhere(run, {plan}):
            rest = _inherited(rest, tree, ancestry)
        parts.append(rest)
    return tuple(parts)


def of_models(run: RunAccount, made: Iterable[str], shapes: Iterable[str]) -> list[Part]:
    """The parts of a run that are one shape's of one of these supernets.

    Args:
        run: to be cut up.
        made: digests of the supernets.
        shapes: those that the plan registered.
    """
    registered = set(shapes)
    return [
        Part(
            run=run,
            belonging="member" if entry.shape in registered else "unregistered",
            only=entry.work,
            shape=entry.shape,
            entries=tuple(dict.fromkeys((*run.entries[:1], ref))),
        )
        for entry, ref in zip(run.members, run.member_entries, strict=True)
        if entry.supernet in made
    ]


def whole_run(run: RunAccount) -> Part:
    """A run as one part."""
    return Part(run=run, belonging="family", entries=run.entries)


def _rest(run: RunAccount, within: list[Part]) -> Part:
    taken = sum((part.only or NO_WORK for part in within), NO_WORK)
    refs = {ref for part in within for ref in part.entries}
    entries = (*run.entries, *sorted(refs - set(run.entries)))
    return Part(run=run, belonging="family", without=taken, entries=entries)


def _inherited(part: Part, tree: CostTree, ancestry: Ancestry) -> Part:
    """The part as one of the earlier families that it served: of several, the nearest."""
    served = tree.families_served(part.run)
    earlier = [each for each in ancestry.earlier if each.plan in served]
    return Part(
        run=part.run,
        belonging="inherited",
        without=part.without,
        origin=earlier[0].plan,
        role=earlier[0].role,
        share=max(each.share for each in earlier),
        entries=part.entries,
    )
