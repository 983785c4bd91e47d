"""What a claim's bundle says, in the three views of docs/results/claims.md.

`training` and `loaded` stand in the claim itself. The third is counted here from the same entries:
in it the baseline pays for the corpus and for scoring its models as the method does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.artifacts.claims.archive import open_bundle
from farthing.artifacts.claims.entries import Basis
from farthing.artifacts.claims.names import BOOK_NAME, CLAIM_NAME
from farthing.artifacts.claims.statement import Amounts, Claim, ClaimedRun
from farthing.studies.claim.amounts import cost_in
from farthing.studies.claim.figures import Model, cost_of_target
from farthing.studies.claim.reading import read_unverified
from farthing.studies.statistics import Ratio

Json = dict[str, Any]
BASES: tuple[Basis, ...] = ("flops", "device_hours")
_SHARED = ("repeated", "curation", "tuning")
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class View:
    """The baseline's cost over the method's; above 1 the method wins.

    Attributes:
        name: `training`, `loaded` or `both loaded`.
        point: geometric mean over the seeds.
        lower95: one-sided 95 % bound.
    """

    name: str
    point: float
    lower95: float


@dataclass(frozen=True)
class Bundle:
    """A claim with the book that it holds, nothing of it checked.

    Attributes:
        digest: of the statement.
        claim: what it says.
        entries: kind and body of every entry of the book.
        bytes: of the file.
    """

    digest: str
    claim: Claim
    entries: tuple[tuple[str, Json], ...]
    bytes: int

    @classmethod
    def read(cls, path: Path) -> Bundle:
        """From a `.claim` file.

        Raises:
            ClaimError: it is no bundle of a claim.
        """
        digest, claim = read_unverified(path)
        with open_bundle(path, statement_name=CLAIM_NAME) as bundle:
            lines = [json.loads(line) for line in bundle.lines(BOOK_NAME)]
        entries = tuple((line["kind"], line["body"]) for line in lines)
        return cls(digest, claim, entries, path.stat().st_size)

    def bodies(self, kind: str) -> list[Json]:
        """Of all entries of a kind."""
        return [body for each, body in self.entries if each == kind]

    @property
    def draft(self) -> Json:
        """The draft that the claim names: the last of its name in the book."""
        return [each for each in self.bodies("claim.draft") if each["name"] == self.claim.name][-1]

    def models(self, arm: str, seed: int) -> list[ClaimedRun]:
        """Of one side and seed, the shortest first."""
        own = [each for each in self.claim.runs if (each.arm, each.seed) == (arm, seed)]
        return sorted(own, key=lambda each: each.amounts.tokens)

    def scoring(self, model: str) -> Amounts:
        """What the completed evaluations of a model used."""
        runs = {
            start["run"]
            for start in self.bodies("run.start")
            if start["purpose"] == "evaluation"
            and any((i["role"], i["digest"]) == ("supernet", model) for i in start["inputs"])
        }
        ends = [each for each in self.bodies("run.end") if each["run"] in runs]
        works = [each["work"] for each in ends if each["status"] == "completed"]
        return Amounts(
            runs=len(works),
            device_hours=sum(each["device_seconds"] for each in works) / _SECONDS_PER_HOUR,
            flops=sum(each["flops"] for each in works),
            optimizer_flops=sum(each["optimizer_flops"] for each in works),
            tokens=sum(each["tokens"] for each in works),
            kwh=None,
            energy_method="none",
            usd=None,
        )


def views(bundle: Bundle, basis: Basis) -> list[View]:
    """All three in a basis; none where the claim has no ratio in it."""
    said = {each.scope: each for each in bundle.claim.ratio if each.basis == basis}
    if not said:
        return []
    found = [View(scope, each.point, each.lower95) for scope, each in said.items()]
    theirs, ours = zip(*_both_pay(bundle, basis), strict=True)
    ratio = Ratio.of(theirs, ours)
    assert ratio.lower is not None, "a claim has several seeds"
    return [*found, View("both loaded", ratio.mean, ratio.lower)]


def alone(bundle: Bundle) -> list[float]:
    """What the baseline pays for one counted member over the method's whole run, by member.

    In the claim's own basis, training alone, geometric mean over the seeds; below 1, whoever wants
    this member and no other trains it cheaper as the baseline does.
    """
    claim = bundle.claim
    ours = [bundle.models("method", seed)[0].amounts for seed in claim.seeds]
    paid = [_known(claim.basis, amounts) for amounts in ours]
    found = []
    for each in claim.reached:
        costs = [cost for cost in each.baseline_cost if cost is not None]
        if each.counted and len(costs) == len(paid):
            found.append(Ratio.of(costs, paid).mean)
    return found


def _both_pay(bundle: Bundle, basis: Basis) -> Iterator[tuple[float, float]]:
    """By seed, what the baseline and the method pay when each pays everything of its own."""
    claim = bundle.claim
    lines = {line.what: line.amounts for line in claim.cost}
    counted = [each for each in claim.reached if each.counted]
    corpus = _known(basis, lines["curation"]) / len(claim.seeds)
    shared = sum(_known(basis, lines[line]) for line in _SHARED) / len(claim.seeds)
    for seed in claim.seeds:
        (method,) = bundle.models("method", seed)
        theirs = bundle.models("baseline", seed)
        models = [Model(each.bpb, each.amounts) for each in theirs]
        scored = [_known(basis, bundle.scoring(each.model)) for each in theirs]
        paid = [cost_of_target(models, each.target, basis) for each in counted]
        training = sum(cost for cost in paid if cost is not None)
        yield (
            training + corpus + len(counted) * sum(scored) / len(scored),
            _known(basis, method.amounts) + shared + _known(basis, bundle.scoring(method.model)),
        )


def _known(basis: Basis, amounts: Amounts) -> float:
    cost = cost_in(basis, amounts) if amounts.device_hours else 0.0
    assert cost is not None, "hours and FLOPs are always known"
    return cost
