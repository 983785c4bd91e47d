"""What a member costs, three ways. This is the only place where a parent is shared out.

For a plan with registered members, whose shares were signed before training:

    own            the member's own evaluations and extraction
    parent         everything else in the book, curation and failed, killed and repeated runs
                   included, except runs of another plan that did yield a supernet
    marginal       own                        "marginal, parent excluded"
    amortised      own + share x parent       the shares add up to at most 1
    fully loaded   own + parent               as if this member were the only one

Work that serves several plans, such as one curation, or a plan that never yielded a supernet, is
in the parent of each of them in full: giving up a plan cannot make its failures vanish.

A plan may start from a supernet that an earlier plan yielded: cut out, grown or trained on. Then
all runs of the earlier plan, and of the plan that *that* one started from, are in the parent as
well: they are *inherited*. Each run stands in a sum once, however many ways lead to it. An earlier
supernet that no run of this book made is named, and what it cost is unknown here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farthing.artifacts.entries import Member, Plan, Record
from farthing.ledger.accounts import RunAccount
from farthing.ledger.figures import Figures, Rates, add_figures, make_figures
from farthing.ledger.meter import NO_WORK


@dataclass(frozen=True)
class MemberCost:
    """One registered member on the three views."""

    shape: str
    share: float
    marginal: Figures
    amortised: Figures
    fully_loaded: Figures

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "shape": self.shape,
            "share": self.share,
            "marginal": self.marginal.to_json(),
            "amortised": self.amortised.to_json(),
            "fully_loaded": self.fully_loaded.to_json(),
        }


@dataclass(frozen=True)
class FamilyCost:
    """A plan, its parent's cost and its members'.

    Attributes:
        plan: digest of the plan's entry.
        name: of the plan.
        supernets: digests of what its runs made.
        parent: everything that all members share, what is inherited included.
        inherited: the part of `parent` that served the earlier plans alone; None where the
            training began with random weights.
        outside: digest of the earlier supernet that no run of this book made; None if there is
            none.
        members: the three views of each.
    """

    plan: str
    name: str
    supernets: tuple[str, ...]
    parent: Figures
    inherited: Figures | None
    outside: str | None
    members: tuple[MemberCost, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "plan": self.plan,
            "name": self.name,
            "supernets": list(self.supernets),
            "parent": self.parent.to_json(),
            "inherited": self.inherited.to_json() if self.inherited else None,
            "outside": self.outside,
            "members": [member.to_json() for member in self.members],
        }


def family_costs(
    records: Sequence[Record], runs: Sequence[RunAccount], rates: Rates
) -> tuple[FamilyCost, ...]:
    """The three views for every plan that yielded a supernet.

    Raises:
        BookError: entries "of which" claim more than the run that they are part of.
    """
    supernets: dict[str, list[str]] = {}
    for run in runs:
        made = run.artifact_digest
        if run.start.purpose == "training" and run.status == "completed" and made is not None:
            supernets.setdefault(run.start.plan or "", []).append(made)
    plans = {
        record.entry.digest: record.body for record in records if isinstance(record.body, Plan)
    }
    return tuple(
        _family(digest, plans, runs, supernets, rates) for digest in plans if digest in supernets
    )


def _family(
    digest: str,
    plans: dict[str, Plan],
    runs: Sequence[RunAccount],
    supernets: dict[str, list[str]],
    rates: Rates,
) -> FamilyCost:
    plan = plans[digest]
    made = tuple(dict.fromkeys(supernets[digest]))
    earlier, outside = _earlier_plans(digest, plans, supernets)
    shapes = {member.shape for member in plan.members}
    own: dict[str, list[Figures]] = {shape: [] for shape in shapes}
    parent: list[Figures] = []
    inherited: list[Figures] = []
    for run in runs:
        parts = NO_WORK
        for entry in run.members:
            if entry.supernet in made and entry.shape in shapes:
                own[entry.shape].append(make_figures(entry.work, run.start.machine, rates))
                parts = parts + entry.work
        if not _belongs_elsewhere(run, {digest}, supernets):
            parent.append(run.figures(rates, without=parts))
        elif not _belongs_elsewhere(run, {digest, *earlier}, supernets):
            inherited.append(run.figures(rates, without=parts))
    whole = add_figures([*parent, *inherited])
    return FamilyCost(
        plan=digest,
        name=plan.name,
        supernets=made,
        parent=whole,
        inherited=add_figures(inherited) if inherited else None,
        outside=outside,
        members=tuple(
            _member(member, own[member.shape], whole, runs, rates) for member in plan.members
        ),
    )


def _earlier_plans(
    digest: str, plans: dict[str, Plan], supernets: dict[str, list[str]]
) -> tuple[list[str], str | None]:
    """The plans whose supernets this one goes back to, and the supernet that none of them made."""
    earlier: list[str] = []
    wanted = plans[digest].parent
    while wanted is not None:
        maker = next((plan for plan, made in supernets.items() if wanted in made), None)
        if maker is None:
            return earlier, wanted
        if maker == digest or maker in earlier:
            # Nothing comes out of itself: such a book is odd, but its sums stay finite.
            return earlier, None
        earlier.append(maker)
        wanted = plans[maker].parent if maker in plans else None
    return earlier, None


def _belongs_elsewhere(run: RunAccount, plans: set[str], supernets: dict[str, list[str]]) -> bool:
    """Whether the run served only plans other than `plans` that did yield a supernet."""
    if run.start.plan is not None:
        return run.start.plan not in plans and run.start.plan in supernets
    others = {made for plan, each in supernets.items() if plan not in plans for made in each}
    served = {entry.supernet for entry in run.members}
    own = {made for plan in plans for made in supernets.get(plan, ())}
    return bool(served) and served <= others - own


def _member(
    member: Member,
    own: list[Figures],
    parent: Figures,
    runs: Sequence[RunAccount],
    rates: Rates,
) -> MemberCost:
    # Nothing of its own yet: zero work, priced by the same rates, so that unknown stays unknown.
    marginal = add_figures(own or [make_figures(NO_WORK, runs[0].start.machine, rates)])
    return MemberCost(
        shape=member.shape,
        share=member.share,
        marginal=marginal,
        amortised=add_figures([marginal, parent.scaled(member.share)]),
        fully_loaded=add_figures([marginal, parent]),
    )
