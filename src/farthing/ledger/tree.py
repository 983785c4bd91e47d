"""What came out of what: the artifacts of a book, the runs that made them, and what those read.

Out of the entries alone. A *family* is a plan that yielded a supernet. Its runs are those under its
plan, and all that served no other family: one curation for several, or a plan that never yielded
anything, stands with each of them, so that giving up a plan makes no failure vanish. The families
whose models it started from, learned from or let write its text are *earlier* ones; it inherits
their runs, and carries the signed share of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from farthing.artifacts.entries import Extraction, Plan, Record
from farthing.artifacts.references import InheritedRole, InputRef
from farthing.ledger.accounts import RunAccount
from farthing.ledger.entry_ref import EntryRef

_ROLES: dict[str, InheritedRole] = {
    "weights": "weights",
    "teacher": "teacher",
    "generator": "generator",
}

# The roles of the models that a run under no plan is about.
_WORKED_ON = ("supernet", "weights")


@dataclass(frozen=True)
class Earlier:
    """An earlier family of whose cost a later one carries a share.

    Attributes:
        plan: digest of its plan's entry.
        role: what for; of several, the first.
        share: the part of its cost, shares along the way multiplied; at most 1.
    """

    plan: str
    role: InheritedRole
    share: float


@dataclass(frozen=True)
class Ancestry:
    """The families that one goes back to, nearest first, and the models that no run here made."""

    earlier: tuple[Earlier, ...]
    outside: tuple[str, ...]


class CostTree:
    """The artifacts of a book and their runs; it never changes."""

    def __init__(self, records: Sequence[Record], runs: Sequence[RunAccount]) -> None:
        self.runs = tuple(runs)
        self.plans: dict[str, Plan] = {}
        self.plan_entries: dict[str, EntryRef] = {}
        self.members: dict[str, tuple[str, str]] = {}
        self.makers: dict[str, RunAccount] = {}
        self.supernets: dict[str, tuple[str, ...]] = {}
        self._direct: dict[str, tuple[tuple[str, InheritedRole, float], ...]] = {}
        by_number = {run.start.run: run for run in runs}
        for record in records:
            if isinstance(record.body, Plan):
                self.plans[record.entry.digest] = record.body
                self.plan_entries[record.entry.digest] = EntryRef.of(record)
            elif isinstance(record.body, Extraction) and record.body.run in by_number:
                body = record.body
                self.members[body.artifact_digest] = body.supernet, body.shape
                self.makers[body.artifact_digest] = by_number[body.run]
        for run in runs:
            if run.artifact_digest is not None:
                self.makers[run.artifact_digest] = run
                self._note_supernet(run, run.artifact_digest)

    @property
    def families(self) -> tuple[str, ...]:
        """The plans that yielded a supernet, in the order in which they were signed."""
        return tuple(plan for plan in self.plans if plan in self.supernets)

    def family_of(self, model: str) -> str | None:
        """The plan whose training made a supernet, or that of a member's supernet."""
        supernet = self.members[model][0] if model in self.members else model
        return next((plan for plan, made in self.supernets.items() if supernet in made), None)

    def ancestry(self, plan: str) -> Ancestry:
        """The earlier families of a family, each once, however many ways lead to it."""
        found: dict[str, Earlier] = {}
        outside: dict[str, None] = {}
        self._climb(plan, 1.0, (plan,), found, outside)
        return Ancestry(tuple(found.values()), tuple(outside))

    def belongs_elsewhere(self, run: RunAccount, plans: set[str]) -> bool:
        """Whether a run served other families only, and none of `plans`."""
        if run.start.plan is not None:
            return run.start.plan not in plans and run.start.plan in self.supernets
        served = self._served(run)
        return bool(served) and None not in served and not served & plans

    def families_served(self, run: RunAccount) -> set[str]:
        """The families that a run served by what its entries say; empty where it serves all."""
        if run.start.plan is not None:
            return {run.start.plan} & set(self.supernets)
        return {plan for plan in self._served(run) if plan is not None}

    def direct(self, plan: str) -> tuple[tuple[str, InheritedRole, float], ...]:
        """The models that a plan inherits from: digest, role and share, signed or by default."""
        if plan not in self._direct:
            stated = self.plans[plan].inherits
            found = {each.digest: (each.digest, each.role, each.share) for each in stated}
            for each in stated:
                # One model in two roles is one cost: its shares add up.
                share = sum(other.share for other in stated if other.digest == each.digest)
                found[each.digest] = (each.digest, found[each.digest][1], share)
            for model, role in self._read_by(plan).items():
                found.setdefault(model, (model, role, self._left(model, plan)))
            self._direct[plan] = tuple(found.values())
        return self._direct[plan]

    def oversubscribed(self) -> tuple[str, ...]:
        """Models of which the families of this book carry more than the whole, in words."""
        notes = []
        for plan in self.families:
            for model in self.supernets[plan]:
                carried = self._carried(model, self.families)
                if carried > 1 + 1e-9:
                    notes.append(f"{carried:g} of {model} is carried, more than the whole")
        return tuple(notes)

    def _note_supernet(self, run: RunAccount, made: str) -> None:
        if run.start.purpose == "training" and run.status == "completed":
            plan = run.start.plan or ""
            known = self.supernets.get(plan, ())
            if made not in known:
                self.supernets[plan] = (*known, made)

    def _climb(
        self,
        plan: str,
        share: float,
        path: tuple[str, ...],
        found: dict[str, Earlier],
        outside: dict[str, None],
    ) -> None:
        """Add what `plan` goes back to; `path` keeps an odd book's circle finite."""
        for model, role, part in self.direct(plan) if plan in self.plans else ():
            maker = self.family_of(model)
            if maker is None:
                outside.setdefault(model)
            elif maker not in path:
                former = found.get(maker)
                carried = share * part + (former.share if former else 0.0)
                known = former.role if former else role
                found[maker] = Earlier(maker, known, min(1.0, carried))
                self._climb(maker, share * part, (*path, maker), found, outside)

    def _read_by(self, plan: str) -> dict[str, InheritedRole]:
        """The models that made what a plan's runs read, without those of its own."""
        parent = self.plans[plan].parent
        models: dict[str, InheritedRole] = {} if parent is None else {parent: "weights"}
        wanted = [each for run in self.runs if run.start.plan == plan for each in run.start.inputs]
        seen: set[str] = set()
        for each in wanted:
            if each.role == "corpus" and each.digest not in seen and each.digest in self.makers:
                # Text that a model wrote inherits from that model.
                seen.add(each.digest)
                wanted.extend(self.makers[each.digest].start.inputs)
            elif (role := _ROLES.get(each.role)) and self._is_earlier(each, plan):
                models.setdefault(self._supernet(each.digest), role)
        return models

    def _is_earlier(self, model: InputRef, plan: str) -> bool:
        """Whether a model that was read is no work of the plan's own.

        One that no run here made and that weights came from is named by the plan already, by the
        digest of its supernet.
        """
        maker = self.family_of(model.digest)
        return maker != plan and (maker is not None or model.role == "generator")

    def _supernet(self, model: str) -> str:
        return self.members[model][0] if model in self.members else model

    def _left(self, model: str, plan: str) -> float:
        """What earlier plans leave of a model to one that states no share: the first takes all."""
        before = []
        for other in self.families:
            if other == plan:
                break
            before.append(other)
        return max(0.0, 1.0 - self._carried(model, before))

    def _carried(self, model: str, plans: Iterable[str]) -> float:
        """The part of a model's cost that plans carry."""
        return sum(
            share for plan in plans for digest, _, share in self.direct(plan) if digest == model
        )

    def _served(self, run: RunAccount) -> set[str | None]:
        """The families of the models that a run scored, searched, cut or wrote in another form.

        None for unknown ones. What a failed run meant to make is told by its inputs alone.
        """
        models = {entry.supernet for entry in run.members}
        models |= {each.digest for each in run.start.inputs if each.role in _WORKED_ON}
        return {self.family_of(model) for model in models}
