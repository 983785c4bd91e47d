"""`farthing plan`: from limits and a goal to a whole recipe, with what it takes and how good it is.

    made = plan_run(PlanRequest(PlanConfig(budget_usd=500), hardware="h100:8"))
    for line in plan_lines(made):
        print(line)

Nothing here loads torch, unless this machine's processor has to be probed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from farthing.artifacts.config import parse_config
from farthing.errors import PlanError
from farthing.flow.config import RunConfig
from farthing.flow.planning.devices import Devices
from farthing.flow.planning.layouts import (
    Layouts,
    find_layouts,
    one_device_note,
    short_step_note,
)
from farthing.flow.planning.recipe import family_in, recipe_of, step_flops, train_config
from farthing.flow.planning.surroundings import Surroundings, Text
from farthing.flow.planning.words import (
    explained,
    goal_words,
    notes_of,
)
from farthing.model.config import ModelConfig
from farthing.predict.law import Law
from farthing.predict.sizes import Family, members_of
from farthing.quantity import Quantity
from farthing.stages.plan.config import PlanConfig
from farthing.stages.plan.goal import check_within, least_for
from farthing.stages.plan.limits import Limit, limits_of
from farthing.stages.plan.result import Alternative, PlannedMember, RunPlan, spending
from farthing.stages.plan.sizing import SizedRun, StepFlops, World, outside, predicted, size_for

_FACTORS = (0.5, 2.0)
_HOURS_PER_YEAR = 8766
_LONGEST_HOURS = 10 * _HOURS_PER_YEAR
_SHRINK, _SHRINKINGS, _WORTH_HOLDING = 0.8, 24, 0.8
_ROUNDING = 1.005

Change = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class PlanRequest:
    """What somebody asks for.

    Attributes:
        config: limits and goal.
        hardware: the devices, as `read_pool` reads them; None or `here` for this machine.
        grid: of the catalogue; None for that of `farthing.yaml`.
        corpus: a folder of text, or a finished corpus; None where there is none yet.
        workspace: whose prices, additions and runs count.
        change: what `--set` does to the recipe.
    """

    config: PlanConfig
    hardware: str | None = None
    grid: str | None = None
    corpus: Path | None = None
    workspace: Path = Path()
    change: Change | None = None


def plan_run(request: PlanRequest) -> RunPlan:
    """The plan.

    Raises:
        PlanError: no limit and no goal; limits too narrow; a goal beyond the law; no layout fits.
        UnknownHardwareError: a device, price, power or grid that nobody has given.
        ConfigError: `farthing.yaml`, an addition to the catalogue or a change is wrong.
    """
    config = request.config
    around = Surroundings.of(request.workspace)
    text = around.text(request.corpus, config.text_tokens)
    devices = around.devices(
        request.hardware, config.basis, request.grid, priced=config.budget_usd is not None
    )
    limits = limits_of(config, devices.rates)
    if not limits and config.bpb is None:
        raise PlanError(
            "neither a limit nor a goal was given",
            remedy="give one of --budget USD, --hours H, --kwh N, --kg-co2e N or --bpb X",
        )
    world = _world(config, devices, text, around.law(text))
    run, chosen_by = _choose(config, world, limits)
    if request.change is not None:
        world, run, chosen_by = _changed(request, config, world, run, chosen_by, limits)
    world, run, chosen_by, found = _fitting(request, devices, world, run, chosen_by, limits)
    text = text.for_run(run.tokens)
    # What quality the run has is asked of the law of the text that it will read.
    world = replace(world, law=around.law(text))
    return _assembled(request, devices, world, text, limits, run, chosen_by, found)


def _world(config: PlanConfig, devices: Devices, text: Text, law: Law) -> World:
    def flops(family: Family, steps: int, sequences: int) -> StepFlops:
        train = train_config(family, steps, sequences)
        return step_flops(train, family.model, family.vocabulary)

    return World(
        step_flops=flops,
        step_seconds=devices.pace,
        law=law,
        members=config.members,
        devices=devices.count if devices.groups else 1,
        text_tokens=text.tokens,
        vocabulary=text.vocabulary,
    )


def _choose(config: PlanConfig, world: World, limits: tuple[Limit, ...]) -> tuple[SizedRun, str]:
    if config.bpb is None:
        return size_for(world, limits[0].hours)
    run, chosen_by = least_for(world, config.bpb, beyond=config.beyond_the_law)
    check_within(run, limits, config.bpb)
    return run, chosen_by


def _changed(
    request: PlanRequest,
    config: PlanConfig,
    world: World,
    run: SizedRun,
    chosen_by: str,
    limits: tuple[Limit, ...],
) -> tuple[World, SizedRun, str]:
    """The same with the user's settings: sizes that they name stay, the rest is found anew."""
    assert request.change is not None
    changed = request.change(_bare(run))
    model = parse_config(ModelConfig, changed.get("model"), where="--set model")
    vocabulary = changed["corpus"].get("vocab_size", run.family.vocabulary)
    if (model, vocabulary) != (run.family.model, run.family.vocabulary):
        own = Family(model, vocabulary, members_of(model, config.members))
        world = replace(world, family=own)
        run, chosen_by = _choose(config, world, limits)
        changed = request.change(_bare(run))
    asked = _parsed(changed)
    if (own := family_in(asked)) != run.family:
        # Members of the user's own choice.
        run = replace(run, family=own)
        world = replace(world, family=own)
    flops = step_flops(asked.train, asked.model, run.family.vocabulary)
    seconds = world.step_seconds(run.family, asked.train.batch_sequences, flops)
    steps = asked.train.steps
    if steps == run.steps and limits:
        # Another schedule, another batch: as many steps as the limit still pays for.
        steps = min(steps, int(limits[0].hours * 3600 / seconds.value)) or 1
    return (
        world,
        SizedRun(run.family, steps, asked.train.batch_sequences, flops, seconds),
        chosen_by,
    )


def _fitting(
    request: PlanRequest,
    devices: Devices,
    world: World,
    run: SizedRun,
    chosen_by: str,
    limits: tuple[Limit, ...],
) -> tuple[World, SizedRun, str, Layouts]:
    """The same where it fits into the devices' memory, else a smaller family for as long.

    Raises:
        PlanError: sizes that the user or a goal names do not fit, or nothing does; or it takes
            longer than devices last.
    """
    if run.hours.value > _LONGEST_HOURS:
        raise PlanError(
            f"that is {run.hours.value / _HOURS_PER_YEAR:,.0f} years of {devices.words}",
            remedy="take more devices, or give less money, or a deadline (--hours)",
        )
    fixed = world.family is not None or request.config.bpb is not None or not limits
    active = float(run.family.active)
    for _ in range(_SHRINKINGS):
        try:
            found = find_layouts(run, devices, request.change)
        except PlanError:
            if fixed:
                raise
        else:
            # Held, but by moving states to and from the host for much of the time.
            if fixed or found.speed >= _WORTH_HOLDING:
                return world, run, chosen_by, found
        active *= _SHRINK
        world = replace(world, most_active=active)
        run, chosen_by = size_for(world, limits[0].hours)
    raise PlanError(
        f"no family fits into the memory of {devices.words}", remedy="take other devices, or more"
    )


def _bare(run: SizedRun) -> dict[str, Any]:
    return recipe_of(run, name="plan", sources=None, micro_sequences=None)


def _assembled(
    request: PlanRequest,
    devices: Devices,
    world: World,
    text: Text,
    limits: tuple[Limit, ...],
    run: SizedRun,
    chosen_by: str,
    found: Layouts,
) -> RunPlan:
    config = request.config
    run = _at_speed(run, found.speed, goal=config.bpb is not None)
    recipe = _recipe(request, run, devices, text, found)
    beyond = outside(world.law, run)
    shown = beyond is None or config.beyond_the_law
    members = tuple(_member(world.law, run, name, shown=shown) for name in run.family.members)
    others, missing = _alternatives(config, world, run, devices)
    spent = spending(run.hours, devices.count, devices.rates)
    over = [one for one in limits if run.hours.value > one.hours * _ROUNDING]
    return RunPlan(
        goal=goal_words(config),
        pool=devices.words,
        limits=limits,
        run=run,
        chosen_by=chosen_by,
        members=members,
        outside=beyond,
        extrapolated=beyond is not None and config.beyond_the_law,
        law=world.law.basis,
        layouts=found.rows,
        spending=spent,
        basis=config.basis,
        no_price=devices.rates.no_price,
        alternatives=others,
        why_no_alternative=missing,
        recipe=recipe,
        ledger=found.ledger,
        notes=(
            *devices.notes,
            *found.notes,
            *one_device_note(run, devices),
            *short_step_note(run, devices),
            *notes_of(config, devices, text, run, limits, over, spent),
        ),
        explained=explained(config, devices, text, world.law, run, chosen_by, spent),
    )


def _at_speed(run: SizedRun, speed: float, *, goal: bool) -> SizedRun:
    """The run on a layout that is slower or faster than most: a goal keeps its steps."""
    steps = run.steps if goal else max(1, int(run.steps * speed))
    return replace(run, steps=steps, step_seconds=run.step_seconds.scaled(1 / speed))


def _recipe(
    request: PlanRequest, run: SizedRun, devices: Devices, text: Text, found: Layouts
) -> dict[str, Any]:
    """The recipe, checked: `farthing train` takes it as it is."""
    digest = hashlib.sha256(
        f"{goal_words(request.config)} {devices.words} {run.steps}".encode()
    ).hexdigest()
    recipe = recipe_of(
        run,
        name=f"plan-{digest[:8]}",
        sources=text.sources,
        micro_sequences=found.micro_sequences,
    )
    if request.change is not None:
        recipe = request.change(recipe)
        # What the plan found stands, unless a change names it.
        recipe["train"]["steps"] = run.steps
    _parsed(recipe)
    return recipe


def _parsed(recipe: dict[str, Any]) -> RunConfig:
    return parse_config(RunConfig, recipe, where="the planned recipe")


def _member(law: Law, run: SizedRun, name: str, *, shown: bool) -> PlannedMember:
    count = run.family.count(name)
    return PlannedMember(
        shape=name,
        active=count.active_non_embedding,
        total=count.total,
        bpb=predicted(law, run, name) if shown else None,
    )


def _alternatives(
    config: PlanConfig, world: World, run: SizedRun, devices: Devices
) -> tuple[tuple[Alternative, ...], dict[float, str]]:
    """What half and double the hours of the same devices would give."""
    found: list[Alternative] = []
    missing: dict[float, str] = {}
    for factor in _FACTORS:
        try:
            other, _ = size_for(world, run.hours.value * factor, near=run.family.active)
        except PlanError as error:
            missing[factor] = error.what
            continue
        shown = outside(world.law, other) is None or config.beyond_the_law
        bpb: Quantity | None = None
        if shown:
            bpb = predicted(world.law, other, other.family.members[0])
        spent = spending(other.hours, devices.count, devices.rates)
        found.append(Alternative(factor, other, bpb, spent))
    return tuple(found), missing
