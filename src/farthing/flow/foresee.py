"""What a training will take and give: signed into the book before it starts, and shown.

Hours rest on steps that were timed on this machine, or on its booked runs where the training is too
short to be worth timing; losses on the scaling law, moved by what the workspace has measured.
Nothing here decides anything about the run.
"""

from __future__ import annotations

from collections.abc import Callable

from farthing.artifacts.entries import Plan
from farthing.artifacts.forecast import Forecast, Foreseeable, Foreseen
from farthing.artifacts.settings import BASES, Basis
from farthing.cost.architecture import architecture_of
from farthing.cost.parameters import count_parameters
from farthing.flow.config import RunConfig
from farthing.flow.pace import measure_pace
from farthing.hardware.machine import Machine
from farthing.ledger.environment import machine_record
from farthing.ledger.figures import Rates
from farthing.ledger.given_rates import make_rates
from farthing.model.shape import Shape, distinct_shapes
from farthing.predict.booked import booked_speeds
from farthing.predict.law import law_of
from farthing.predict.local import (
    UNKNOWN,
    Probe,
    QuickstartWork,
    booked_probe,
    forecast_quickstart,
    reference_seconds,
)
from farthing.predict.points import SAMPLE, booked_points, smallest_active
from farthing.quantity import Quantity
from farthing.session import Session
from farthing.stages.train.elastic_expectation import expected_step_flops
from farthing.text.corpus import Corpus

# Timing steps takes some seconds: a training of less than this on the reference machine is not
# worth them.
_WORTH_TIMING_SECONDS = 60.0
_WATT_SECONDS_PER_KWH = 3.6e6
_SECONDS_PER_HOUR = 3600.0


def sign_forecast(run: RunConfig, corpus: Corpus, plan: Plan, session: Session) -> Forecast:
    """Foresee the next training under a plan, and enter it into the book.

    Args:
        run: the recipe.
        corpus: what it reads.
        plan: that it is trained under.
        session: whose book; what is foreseen is shown too.
    """
    figures: list[Foreseen] = []
    missing: dict[str, str] = {}
    machine = session.meter.machine
    rates = make_rates(session.settings, session.workspace.root).on(machine_record(machine))
    seconds = _seconds(run, corpus, session, machine, missing)
    figures += [_foreseen("seconds", of, each) for of, each in seconds.items()]
    basis = _basis(rates)
    if "training" in seconds:
        figures += _spent(seconds["training"], machine, rates, basis, missing)
    figures += _losses(run, corpus, session, missing)
    priced = any(each.what == "usd" for each in figures)
    forecast = Forecast(
        name=run.name,
        recipe_digest=plan.recipe_digest,
        basis=basis if priced else None,
        figures=tuple(figures),
        not_foreseen=missing,
    )
    session.book.append(forecast)
    session.show.line(f"foresee   {_in_words(forecast, run)}")
    return forecast


def _seconds(
    run: RunConfig,
    corpus: Corpus,
    session: Session,
    machine: Machine,
    missing: dict[str, str],
) -> dict[str, Quantity]:
    """Of training and of scoring its members."""
    if machine.accelerator is not None or run.start is not None:
        missing["seconds, training"] = (
            "steps of accelerators are not timed beforehand"
            if machine.accelerator is not None
            else "a run that begins with a trained model does other work beside its steps"
        )
        return {}
    flops = expected_step_flops(run.train, run.model, corpus.vocab_size)
    work = QuickstartWork(
        model=run.model,
        vocab_size=corpus.vocab_size,
        steps=run.train.steps,
        batch_tokens=run.train.batch_sequences * run.model.context,
        flops_per_step=flops,
        text_bytes=0,
        members=tuple(distinct_shapes(run.evaluate.members, run.model)),
        scored_tokens=sum(corpus.tokens(run.evaluate.split, domain) for domain in corpus.domains),
        extracted=0,
    )
    found = forecast_quickstart(work, _probe(run, corpus, work, session))
    return {of: found[of] for of in ("training", "evaluation")}


def _probe(run: RunConfig, corpus: Corpus, work: QuickstartWork, session: Session) -> Probe:
    full = architecture_of(run.model, corpus.vocab_size, Shape.full(run.model))
    tokens = work.steps * work.batch_tokens
    if reference_seconds(full, tokens, work.steps * work.flops_per_step) > _WORTH_TIMING_SECONDS:
        timed = measure_pace(run, corpus)
        if timed is not None:
            return timed
    speeds = booked_speeds(session.workspace, session.book.records)
    return booked_probe(speeds, cpu=session.meter.machine.processor.name) or UNKNOWN


def _spent(
    seconds: Quantity,
    machine: Machine,
    rates: Rates,
    basis: Basis | None,
    missing: dict[str, str],
) -> list[Foreseen]:
    """Dollars and energy of the training: all devices are held as long as it takes."""
    found = []
    price = rates.usd_per_device_hour[basis] if basis is not None else None
    if price is None:
        missing["usd, training"] = "no price is set in farthing.yaml (prices)"
    else:
        hours = seconds.scaled(machine.devices / _SECONDS_PER_HOUR, "h")
        found.append(_foreseen("usd", "training", hours.times(price, "USD")))
    watts = machine.watts_per_device
    if watts is None:
        missing["kwh, training"] = f"nobody has given the power of {machine.name} (hardware)"
    else:
        # As the meter models it where no sensor reads: devices held, whether busy or not.
        joules = seconds.scaled(machine.devices).times(watts, "J")
        found.append(_foreseen("kwh", "training", joules.scaled(1 / _WATT_SECONDS_PER_KWH, "kWh")))
    return found


def _losses(
    run: RunConfig, corpus: Corpus, session: Session, missing: dict[str, str]
) -> list[Foreseen]:
    """Bits per byte of each registered member."""
    if run.start is not None:
        missing["bits_per_byte"] = "the law is about models that begin with random weights"
        return []
    law = law_of(
        booked_points(session.workspace, session.book.records),
        corpus=SAMPLE if run.corpus.sources is None else corpus.digest,
    )
    elastic = run.train.elastic
    smallest = smallest_active(run.model, elastic.model_dump(mode="json") if elastic else None)
    steps = float(run.train.steps)
    tokens = steps * run.train.batch_sequences * run.model.context
    found = []
    for shape in distinct_shapes(run.evaluate.members, run.model):
        count = count_parameters(run.model, 0, shape)
        active, total = count.active_non_embedding, count.non_embedding
        outside = law.outside(active=active, tokens=tokens, steps=steps)
        if outside is not None:
            missing[f"bits_per_byte, {shape.label(run.model)}"] = outside
            continue
        found.append(
            _foreseen(
                "bits_per_byte",
                str(shape),
                law.bpb(
                    active=active,
                    total=total,
                    tokens=tokens,
                    steps=steps,
                    smallest=smallest if elastic else None,
                ),
            )
        )
    return found


def _basis(rates: Rates) -> Basis | None:
    """The first basis that has a price, as reports show it."""
    return next((basis for basis in BASES if rates.usd_per_device_hour[basis] is not None), None)


def _foreseen(what: Foreseeable, of: str, found: Quantity) -> Foreseen:
    return Foreseen(
        what=what, of=of, value=found.value, low=found.low, high=found.high, source=found.source
    )


def _in_words(forecast: Forecast, run: RunConfig) -> str:
    """The training's time and money and the loss of the full shape, as far as they are foreseen."""
    found = {(each.what, each.of): each for each in forecast.figures}
    full = str(Shape.full(run.model))
    said = [
        _words[each.what](each)
        for key in (("seconds", "training"), ("usd", "training"), ("bits_per_byte", full))
        if (each := found.get(key)) is not None
    ]
    return "; ".join(said) or "; ".join(f"no {what}: {why}" for what, why in _first(forecast))


def _first(forecast: Forecast) -> list[tuple[str, str]]:
    return sorted(forecast.not_foreseen.items())[:1]


_words: dict[Foreseeable, Callable[[Foreseen], str]] = {
    "seconds": lambda each: (
        f"{each.value / 60:.1f} min of training ({each.low / 60:.1f} to {each.high / 60:.1f})"
    ),
    "usd": lambda each: f"${each.value:.4f}",
    "kwh": lambda each: f"{each.value:.4f} kWh",
    "bits_per_byte": lambda each: (
        f"{each.value:.3f} bits per byte at full size ({each.low:.3f} to {each.high:.3f})"
    ),
}
