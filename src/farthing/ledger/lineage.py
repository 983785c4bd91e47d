"""What a member costs, three ways. This is the only place where a parent is shared out.

For a plan with registered members, whose shares were signed before training:

    own            the member's own evaluations and extraction
    parent         everything else in the book, curation and failed, killed and repeated runs
                   included, except runs of another plan that did yield a supernet
    marginal       own                        "marginal, parent excluded"
    amortised      own + share x parent       the shares add up to at most 1
    fully loaded   own + parent               as if this member were the only one

Work that serves several plans, such as one curation, or a plan that never yielded a supernet, is
in the parent of each of them in full: giving up a plan cannot make its failures vanish. Work for
shapes that no plan registered is in the parent too, since nobody signed a share for them, and is
named there.

A plan may start from a supernet that an earlier plan yielded: cut out, grown or trained on; learn
from it, or read text that it wrote. Then all runs of the earlier plan, and of the plan that *that*
one started from, are in the parent as well: they are *inherited*. Each run stands in a sum once,
however many ways lead to it. Of the inherited, the amortised view carries the share that the plan
signed; where it signed none, the first child carries all of it and later ones nothing. An earlier
supernet that no run of this book made is named, and what it cost is unknown here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from farthing.artifacts.entries import Member
from farthing.ledger.figures import Figures, add_figures, make_figures
from farthing.ledger.meter import NO_WORK
from farthing.ledger.parts import Part, family_parts
from farthing.ledger.rates import Pricing
from farthing.ledger.shared_costs import SharedCost
from farthing.ledger.tree import CostTree


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


@dataclass(frozen=True, kw_only=True)
class FamilyCost:
    """A plan, its parent's cost and its members'.

    Attributes:
        plan: digest of the plan's entry.
        name: of the plan.
        supernets: digests of what its runs made.
        parent: everything that all members share, what is inherited included.
        inherited: the part of `parent` that served the earlier plans alone; None where the
            training began with random weights.
        unregistered: the part of `parent` that scored and cut shapes which no plan registered, by
            shape.
        outside: digest of the earlier supernet that no run of this book made; None if there is
            none.
        members: the three views of each.
    """

    plan: str
    name: str
    supernets: tuple[str, ...]
    parent: Figures
    inherited: Figures | None
    unregistered: dict[str, Figures]
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
            "unregistered": {
                shape: figures.to_json() for shape, figures in self.unregistered.items()
            },
            "outside": self.outside,
            "members": [member.to_json() for member in self.members],
        }


def family_costs(
    tree: CostTree, pricing: Pricing, expenses: Iterable[SharedCost] = ()
) -> tuple[FamilyCost, ...]:
    """The three views for every plan that yielded a supernet.

    Raises:
        BookError: entries "of which" claim more than the run that they are part of.
    """
    every = tuple(expenses)
    return tuple(_family(plan, tree, pricing, every) for plan in tree.families)


def part_costs(part: Part, pricing: Pricing, expenses: Iterable[SharedCost]) -> tuple[Figures, ...]:
    """What a part of a run cost, and its shares of the expenses and idle time that it caused.

    Raises:
        BookError: the parts of the run are larger than the run.
    """
    number = part.run.start.run
    shares = ((each, each.share_of(part)) for each in expenses)
    return (
        part.figures(pricing),
        *(each.figures(share, pricing, number) for each, share in shares if share),
    )


def _family(
    plan: str, tree: CostTree, pricing: Pricing, expenses: tuple[SharedCost, ...]
) -> FamilyCost:
    body, ancestry = tree.plans[plan], tree.ancestry(plan)
    parts = family_parts(tree, plan, ancestry)
    costs = [(part, add_figures(part_costs(part, pricing, expenses))) for part in parts]

    def chosen(wanted: Callable[[Part], bool]) -> list[Figures]:
        return [cost for part, cost in costs if wanted(part)]

    others = dict.fromkeys(part.shape for part in parts if part.belonging == "unregistered")
    inherited = chosen(lambda part: part.belonging == "inherited")
    shared = [(part, cost) for part, cost in costs if part.belonging != "member"]
    whole = add_figures(cost for _, cost in shared)
    # Scaled part by part: the signed shares of earlier models differ.
    carried = add_figures(
        cost if part.share == 1.0 else cost.scaled(part.share) for part, cost in shared
    )
    # Nothing of its own yet: zero work, priced by the same rates, so that unknown stays unknown.
    nothing = make_figures(NO_WORK, tree.runs[0].start.machine, pricing.of(0))
    return FamilyCost(
        plan=plan,
        name=body.name,
        supernets=tree.supernets[plan],
        parent=whole,
        inherited=add_figures(inherited) if inherited else None,
        unregistered={
            shape: add_figures(_of_shape(costs, "unregistered", shape))
            for shape in others
            if shape is not None
        },
        outside=next(iter(ancestry.outside), None),
        members=tuple(
            _member(member, _of_shape(costs, "member", member.shape) or [nothing], whole, carried)
            for member in body.members
        ),
    )


def _of_shape(costs: Iterable[tuple[Part, Figures]], belonging: str, shape: str) -> list[Figures]:
    return [cost for part, cost in costs if (part.belonging, part.shape) == (belonging, shape)]


def _member(member: Member, own: list[Figures], parent: Figures, carried: Figures) -> MemberCost:
    marginal = add_figures(own)
    return MemberCost(
        shape=member.shape,
        share=member.share,
        marginal=marginal,
        amortised=add_figures([marginal, carried.scaled(member.share)]),
        fully_loaded=add_figures([marginal, parent]),
    )
