"""A published architecture on other devices, or on its own: what training it would take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farthing.cost.architecture import Architecture
from farthing.cost.parameters import architecture_parameters
from farthing.cost.published import PublishedModel, PublishedSizes, find_published
from farthing.cost.training import training_flops_of
from farthing.errors import PlanError, UnknownHardwareError
from farthing.flow.planning.answer import Answer
from farthing.flow.planning.devices import Devices, pool_seconds
from farthing.flow.planning.layouts import layout_row, ledger_lines, no_layout, placed
from farthing.flow.planning.run import PlanRequest
from farthing.flow.planning.surroundings import Surroundings
from farthing.flow.planning.words import unknown_notes
from farthing.predict.layouts import Placement, placed_mfu
from farthing.predict.runs import PublishedRun, published_runs
from farthing.predict.sizes import batch_sequences
from farthing.predict.throughput import expected_mfu, shipped_model
from farthing.quantity import Quantity
from farthing.stages.plan.limits import Limit, limits_of
from farthing.stages.plan.result import Spending, spending, spending_json
from farthing.stages.plan.text import (
    amount,
    entry,
    figure,
    layout_words,
    notes,
    spending_lines,
)

_SECONDS_PER_HOUR = 3600.0
_PER_MACHINE = 8


@dataclass(frozen=True)
class _Replanned:
    """Everything that is printed."""

    model: PublishedSizes
    tokens: float
    devices: Devices
    flops: float
    spent: Spending
    mfu: Quantity
    placements: tuple[Placement, ...]
    about_layouts: tuple[str, ...]
    limits: tuple[Limit, ...]
    run: PublishedRun | None


def plan_published(request: PlanRequest, name: str) -> Answer:
    """What training a published architecture takes.

    Args:
        request: devices (None for those of its makers), tokens (None for theirs), and limits.
        name: of the model, as `find_published` reads it.

    Raises:
        UsageError: no such model.
        PlanError: nobody tells its tokens or its devices, and they were not given; it fits nowhere.
        UnknownHardwareError: a device or price that nobody has given.
    """
    model = find_published(name)
    config = request.config
    if config.bpb is not None:
        raise PlanError(
            "--bpb goes with a family of farthing's: a published model's text is not ours",
            remedy="leave --bpb or --from-model out",
        )
    around = Surroundings.of(request.workspace)
    run = next((one for one in published_runs() if one.model == model.name), None)
    tokens = _tokens(model, config.text_tokens)
    flops = training_flops_of(model.sizes, tokens=tokens)
    devices = around.devices(
        _hardware(request, model, run, flops),
        config.basis,
        request.grid,
        priced=config.budget_usd is not None,
    )
    if not devices.groups:
        raise PlanError(
            f"{model.name} on a processor: no published training had one",
            remedy="name accelerators: --hardware h100:1024",
        )
    seconds = pool_seconds(devices.groups, model.sizes, flops, around.speeds)
    hours = seconds.scaled(1 / _SECONDS_PER_HOUR, "h")
    found, why = _placements(model.sizes, devices, tokens)
    first = devices.groups[0].device
    made = _Replanned(
        model=model,
        tokens=tokens,
        devices=devices,
        flops=flops,
        spent=spending(hours, devices.count, devices.rates),
        mfu=expected_mfu(model.sizes, first, devices.count, booked=around.speeds),
        placements=tuple(found),
        about_layouts=why,
        limits=limits_of(config, devices.rates),
        run=run,
    )
    return Answer(
        lines=tuple(_lines(made)),
        values=_values(made),
        ledger=_ledger(first.id, found),
        explained=_explained(made),
    )


def _tokens(model: PublishedSizes, given: float | None) -> float:
    if given is not None:
        return given
    if isinstance(model, PublishedModel):
        return float(model.tokens)
    raise PlanError(
        f"nobody tells on how many tokens {model.name} was trained",
        remedy="say how many to plan for: --tokens 10T",
    )


def _hardware(
    request: PlanRequest, model: PublishedSizes, run: PublishedRun | None, flops: float
) -> str:
    if request.hardware is not None:
        return request.hardware
    if run is None:
        raise PlanError(
            f"nobody tells on which devices {model.name} was trained, or for how long",
            remedy="name devices: --hardware h100:2048",
        )
    usual = shipped_model().typical_devices(flops)
    count = run.devices or _PER_MACHINE * max(1, round(usual / _PER_MACHINE))
    return f"{run.device}:{count}"


def _placements(
    sizes: Architecture, devices: Devices, tokens: float
) -> tuple[list[Placement], tuple[str, ...]]:
    """Best and runner-up where all devices are of one kind."""
    kinds = {group.device.id: group.device for group in devices.groups}
    if len(kinds) > 1:
        return [], ("No layout was searched: the devices are of several kinds.",)
    (device,) = kinds.values()
    multiple = devices.count if devices.count < _most_sequences(sizes, tokens) else 1
    sequences = batch_sequences(tokens, sizes.context, multiple=multiple)
    try:
        found, assumed = placed(
            sizes,
            device,
            devices.count,
            batch_tokens=sequences * sizes.context,
            fp8=True,
            optimizer="adamw",
        )
    except UnknownHardwareError as error:
        return [], (no_layout(error.what, device.id),)
    return found, tuple(assumed)


def _most_sequences(sizes: Architecture, tokens: float) -> int:
    return batch_sequences(tokens, sizes.context)


def _ledger(device: str, found: Sequence[Placement]) -> tuple[str, ...]:
    return tuple(ledger_lines(device, found[0], found[0].seconds.total)) if found else ()


def _lines(made: _Replanned) -> Iterator[str]:
    model, spent = made.model, made.spent
    count = architecture_parameters(model.sizes)
    yield from entry(
        "model",
        f"{model.name}, as published: {amount(count.total)} parameters, "
        f"{amount(count.active)} of them active, {model.sizes.layers} layers of width "
        f"{model.sizes.width:,}, context {model.sizes.context:,}",
    )
    yield from entry("tokens", f"{amount(made.tokens)}, {made.flops:.3g} FLOPs")
    yield from entry("hardware", made.devices.words)
    for limit in made.limits:
        share = limit.hours / spent.hours.value
        yield from entry(
            limit.name,
            f"{limit.words} is enough for {amount(share * made.tokens)} tokens "
            f"({share:.3g} of the run)",
        )
    yield from entry(
        "speed",
        f"{figure(made.mfu)} of the bf16 peak (fp16 where there is none) over all hours held",
    )
    yield ""
    if made.placements:
        yield from _layout_lines(made)
        yield ""
    yield from spending_lines(spent, made.devices.rates.no_price)
    yield ""
    yield from notes(_notes(made))


def _layout_lines(made: _Replanned) -> Iterator[str]:
    for place, one in enumerate(made.placements):
        row = layout_row(("best", "second")[min(place, 1)], one, one.seconds.total)
        yield from entry(row.where, layout_words(row))


def _notes(made: _Replanned) -> Iterator[str]:
    yield from made.devices.notes
    run, spent = made.run, made.spent
    if run is not None and made.devices.groups[0].device.id == run.device:
        ratio = spent.device_hours.value / run.device_hours * run.tokens / made.tokens
        yield (
            f"Its makers published {amount(run.device_hours)} hours of {run.device} for "
            f"{amount(run.tokens)} tokens: the prediction is {ratio:.2f} of that. This run is "
            "among those that the speed was fitted to (docs/results/planner.md leaves each out)."
        )
    if made.model.note:
        yield f"{made.model.note[0].upper()}{made.model.note[1:]}."
    yield from made.about_layouts
    if made.placements and placed_mfu(made.placements[0], made.mfu).value > made.mfu.value:
        gain = made.placements[0].relative_speed
        yield (
            f"The layout counts on FP8, {gain:.2f} times as fast by its own reckoning; the hours "
            "are those of runs as they were, most of them in bfloat16."
        )
    yield "Failed runs, search, data, evaluation and post-training come on top."
    yield from unknown_notes(made.devices)


def _values(made: _Replanned) -> dict[str, object]:
    count = architecture_parameters(made.model.sizes)
    return {
        "model": made.model.name,
        "parameters": count.total,
        "active": count.active,
        "tokens": made.tokens,
        "flops": made.flops,
        "hardware": made.devices.words,
        "mfu": made.mfu.to_json(),
        "limits": [
            {"limit": limit.name, "given": limit.words, "hours": limit.hours}
            for limit in made.limits
        ],
        "layouts": [layout_row("", one, one.seconds.total).__dict__ for one in made.placements],
        "about_layouts": list(made.about_layouts),
        "spending": spending_json(made.spent),
        "no_price": dict(made.devices.rates.no_price),
        "published_device_hours": made.run.device_hours if made.run is not None else None,
    }


def _explained(made: _Replanned) -> tuple[tuple[str, str, str], ...]:
    rates = made.devices.rates
    rows = [
        ("parameters, FLOPs", "counted", "exact, from the published sizes (cost/)"),
        ("speed", str(made.mfu.provenance), made.mfu.source),
    ]
    rows += [
        (f"USD {basis.replace('_', ' ')}", str(price.provenance), price.source)
        for basis, price in rates.usd.items()
    ]
    if rates.kwh is not None:
        rows.append(("kWh", str(rates.kwh.provenance), rates.kwh.source))
    return tuple(rows)
