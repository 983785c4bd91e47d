"""What a plan says in sentences: its goal, what to know, where each figure comes from."""

from __future__ import annotations

from collections.abc import Sequence

from farthing.flow.planning.devices import Devices
from farthing.flow.planning.surroundings import Text, sample_tokens
from farthing.predict.law import Law
from farthing.predict.sizes import MOST_EPOCHS, RULES, bytes_per_token
from farthing.stages.plan.config import PlanConfig
from farthing.stages.plan.limits import Limit
from farthing.stages.plan.result import Spending
from farthing.stages.plan.sizing import SizedRun
from farthing.stages.plan.text import amount

# What a basis does not say by its price.
_TERMS: dict[str, str] = {
    "spot": "Spot devices can be taken away: interruptions, and the work they cost, come on top.",
    "reserved": "A reserved price binds for a year; shown are the hours that the run takes.",
}


def goal_words(config: PlanConfig) -> str:
    """What was asked."""
    parts = []
    if config.budget_usd is not None:
        parts.append(f"${config.budget_usd:,.10g} ({config.basis.replace('_', ' ')})")
    if config.hours is not None:
        parts.append(f"{config.hours:,.4g} hours")
    if config.kwh is not None:
        parts.append(f"{config.kwh:,.4g} kWh")
    if config.kg_co2e is not None:
        parts.append(f"{config.kg_co2e:,.4g} kg CO2e")
    limits = f" within {', '.join(parts)}" if parts else ""
    if config.bpb is not None:
        return f"{config.bpb:g} bits per byte, as cheap as can be{limits}"
    return f"the best family of {config.members}{limits}"


def notes_of(
    config: PlanConfig,
    devices: Devices,
    text: Text,
    run: SizedRun,
    limits: Sequence[Limit],
    over: Sequence[Limit],
    spent: Spending,
) -> tuple[str, ...]:
    """What a reader must know."""
    notes = [_text_note(text, run)]
    if over:
        notes.append(
            f"Your settings take {amount(run.hours.value)} h: more than the "
            + ", ".join(f"{one.name} ({one.words})" for one in over)
            + " leaves."
        )
    elif limits and run.hours.high > limits[0].hours:
        slow = int(run.steps * limits[0].hours / run.hours.high)
        price = spent.usd.get(config.basis)
        cost = f" and ${amount(price.high)}" if price is not None else ""
        notes.append(
            f"The limits hold at the middle of the range: one time in ten it takes more than "
            f"{amount(run.hours.high)} h{cost}. With --set train.steps={slow} they hold there too."
        )
    if config.basis in _TERMS:
        notes.append(_TERMS[config.basis])
    notes.append(
        "Curation, evaluation, failed runs and search for better settings come on top; the bill "
        "has them."
    )
    return (*notes, *unknown_notes(devices))


def unknown_notes(devices: Devices) -> tuple[str, ...]:
    """Which figures nobody has given, and why."""
    names = {"kwh": "Energy", "embodied_kg": "Carbon of making the devices"}
    unknown = devices.rates.unknown
    return tuple(
        f"{words} is unknown: {unknown[name]}." for name, words in names.items() if name in unknown
    )


def explained(
    config: PlanConfig,
    devices: Devices,
    text: Text,
    law: Law,
    run: SizedRun,
    chosen_by: str,
    spent: Spending,
) -> tuple[tuple[str, str, str], ...]:
    """(figure, kind, source) of everything that is no exact count."""
    del config
    rows = [
        ("size", "rule or law", chosen_by),
        ("tokens", "rule", RULES["tokens"]),
        ("text", "assumed", f"{text.words}; {RULES['epochs']}"),
        ("batch", "rule", RULES["batch"]),
        ("width and depth", "rule", RULES["width"]),
        ("experts", "rule", RULES["experts"]),
        ("members", "rule", RULES["members"]),
        ("vocabulary", "rule", RULES["vocabulary"]),
        ("learning rates", "rule", RULES["rates"]),
        ("bits per byte", "estimated", law.basis),
        ("parameters, FLOPs", "counted", "exact, from the shapes (cost/)"),
        ("speed", str(run.step_seconds.provenance), run.step_seconds.source),
    ]
    rows += [
        (f"USD {basis.replace('_', ' ')}", str(price.provenance), price.source)
        for basis, price in devices.rates.usd.items()
    ]
    if devices.rates.kwh is not None:
        rows.append(("kWh", str(devices.rates.kwh.provenance), devices.rates.kwh.source))
    if spent.kg is not None:
        rows.append(("kg CO2e", str(spent.kg.provenance), spent.kg.source.split("; ")[-1]))
    if spent.embodied_kg is not None:
        rows.append(("making devices", "assumed", spent.embodied_kg.source))
    rows += list(devices.explained)
    return tuple(rows)


def _text_note(text: Text, run: SizedRun) -> str:
    if text.sources is None:
        times = run.tokens / sample_tokens()
        return (
            f"It reads the embedded sample {times:.2g} times: {amount(sample_tokens())} tokens of "
            "English, Chinese, code and mathematics."
        )
    each = bytes_per_token(run.family.vocabulary)
    size = run.tokens * each
    if text.tokens is None:
        return (
            f"It needs text: {amount(run.tokens)} tokens are about {amount(size)} bytes at "
            f"{each:.2g} a token (assumed), or a {_fraction()} of that read {MOST_EPOCHS} times. "
            f"Put it into {text.sources[0]} or name yours: --corpus FOLDER."
        )
    return (
        f"It reads {amount(text.tokens)} tokens of text {run.tokens / text.tokens:.2g} times "
        f"({text.words})."
    )


def _fraction() -> str:
    return {2: "half", 3: "third", 4: "quarter"}.get(MOST_EPOCHS, f"{MOST_EPOCHS}th")
