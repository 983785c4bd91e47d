"""What was foreseen of a family beside what was found.

    for each in compare_forecast(records, runs, pricing, supernet):
        print(each.foreseen.what, each.foreseen.value, each.found)

The forecast is the last one of the recipe that the book has from before the run that made the
supernet; attempts at that run that ended early count with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farthing.artifacts.entries import Evaluation, Plan, Purpose, Record, RunStart
from farthing.artifacts.forecast import EVERYTHING, Forecast, Foreseen
from farthing.ledger.accounts import RunAccount
from farthing.ledger.figures import Figures, add_figures
from farthing.ledger.rates import Pricing

# What of a family's runs can be foreseen, in the order in which they come.
_PURPOSES: tuple[Purpose, ...] = ("curation", "training", "evaluation", "extraction")


@dataclass(frozen=True)
class Compared:
    """One figure.

    Attributes:
        foreseen: what the book said before.
        found: what it was; None where it was not found out, or where nothing had to be done.
    """

    foreseen: Foreseen
    found: float | None

    @property
    def off(self) -> float | None:
        """By which share the foreseen figure is too high (negative: too low)."""
        return None if not self.found else self.foreseen.value / self.found - 1

    @property
    def inside(self) -> bool | None:
        """Whether what was found lies in the foreseen range."""
        if self.found is None:
            return None
        return self.foreseen.low <= self.found <= self.foreseen.high


def forecast_of(
    records: Sequence[Record], runs: Sequence[RunAccount], supernet: str
) -> Forecast | None:
    """What was signed before the run that made `supernet` (its digest) began; None for nothing."""
    maker = _maker(runs, supernet)
    if maker is None:
        return None
    recipes = {r.entry.digest: r.body.recipe_digest for r in records if isinstance(r.body, Plan)}
    recipe = recipes.get(maker.start.plan or "")
    found = None
    for record in records:
        if isinstance(record.body, RunStart) and record.body.run == maker.start.run:
            break
        if isinstance(record.body, Forecast) and record.body.recipe_digest == recipe:
            found = record.body
    return found


def compare_forecast(
    records: Sequence[Record], runs: Sequence[RunAccount], pricing: Pricing, supernet: str
) -> tuple[Compared, ...]:
    """Every figure that was foreseen of a supernet's family; empty where nothing was.

    Args:
        records: of the book.
        runs: their accounts.
        pricing: the rates of each run.
        supernet: its content digest.
    """
    forecast = forecast_of(records, runs, supernet)
    if forecast is None:
        return ()
    families = _runs_of(records, forecast, runs, supernet)
    costs = {
        purpose: add_figures([run.figures(pricing.of(run.start.run)) for run in found])
        for purpose, found in families.items()
        if found
    }
    scores = _bits_per_byte(records, supernet)
    return tuple(
        Compared(
            each,
            scores.get(each.of)
            if each.what == "bits_per_byte"
            else _spent(each, costs, families, forecast),
        )
        for each in forecast.figures
    )


def _maker(runs: Sequence[RunAccount], supernet: str) -> RunAccount | None:
    return next((run for run in runs if run.artifact_digest == supernet), None)


def _runs_of(
    records: Sequence[Record], forecast: Forecast, runs: Sequence[RunAccount], supernet: str
) -> dict[str, list[RunAccount]]:
    """The runs that the forecast is about, by purpose: what stood there before was not foreseen."""
    maker = _maker(runs, supernet)
    assert maker is not None
    later: set[int] = set()
    seen = False
    for record in records:
        seen = seen or record.body is forecast
        if seen and isinstance(record.body, RunStart):
            later.add(record.body.run)
    read = {each.digest for each in maker.start.inputs}
    found: dict[str, list[RunAccount]] = {purpose: [] for purpose in _PURPOSES}
    keys = {run.start.input_key for run in runs if run.artifact_digest in read}
    # Questions are asked by whoever wants answers: nobody foresees them.
    scored = {r.body.run for r in records if isinstance(r.body, Evaluation)}
    for run in runs:
        start = run.start
        of_training = start.purpose == "training" and start.input_key == maker.start.input_key
        of_corpus = start.purpose == "curation" and start.input_key in keys
        of_family = supernet in {each.digest for each in start.inputs} and (
            start.purpose == "extraction" or (start.purpose == "evaluation" and start.run in scored)
        )
        if start.run in later and (of_corpus or of_family or of_training):
            found[start.purpose].append(run)
    # A second training of the same recipe has a forecast of its own.
    found["training"] = [run for run in found["training"] if run.start.run <= maker.start.run]
    return found


def _spent(
    each: Foreseen,
    costs: Mapping[str, Figures],
    families: Mapping[str, Sequence[RunAccount]],
    forecast: Forecast,
) -> float | None:
    of = list(costs) if each.of == EVERYTHING else [each.of] if each.of in costs else []
    if not of:
        return None
    if each.what == "seconds":
        return sum(run.work.wall_seconds for purpose in of for run in families[purpose])
    parts = [_amount(each, costs[purpose], forecast) for purpose in of]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _amount(each: Foreseen, figures: Figures, forecast: Forecast) -> float | None:
    found = figures.kwh
    if each.what == "usd":
        assert forecast.basis is not None
        found = figures.usd[forecast.basis]
    return None if found is None else found.value


def _bits_per_byte(records: Sequence[Record], supernet: str) -> dict[str, float]:
    """The mean over domains by shape, of the last evaluation on dev that scored it."""
    return {
        record.body.shape: sum(record.body.scores.values()) / len(record.body.scores)
        for record in records
        if isinstance(record.body, Evaluation)
        and record.body.supernet == supernet
        and record.body.split == "dev"
        and record.body.scores
    }
