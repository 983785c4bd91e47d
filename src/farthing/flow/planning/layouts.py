"""How a planned run is spread over its devices: the best layout, the runner-up, what limits it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from farthing.cost.architecture import Architecture
from farthing.cost.communication import Layout
from farthing.cost.memory import training_memory
from farthing.errors import PlanError, UnknownHardwareError
from farthing.flow.planning.devices import Devices, supernet_of
from farthing.hardware.accelerators import Accelerator
from farthing.predict.layouts import GIB, Placement, ledger_of, search_layouts
from farthing.predict.links import links_of
from farthing.predict.memory import Optimizer
from farthing.stages.plan.result import LayoutRow
from farthing.stages.plan.sizing import SizedRun
from farthing.stages.plan.text import amount

# PCIe 4.0 with sixteen lanes, both directions together, as the catalogue's cards have.
_SLOT_BYTES_PER_SECOND = 32e9
# Some twenty kernels a layer, forward and backward, at five microseconds: below, they decide.
_SHORT_STEP_SECONDS = 0.03
_DEGREES = ("data", "expert", "tensor", "pipeline", "context")
_SHORT = {"data": "DP", "expert": "EP", "tensor": "TP", "pipeline": "PP", "context": "CP"}
_WORDS = {"none": "", "states": "states sharded", "weights": "weights sharded"}


@dataclass(frozen=True)
class Layouts:
    """What was found.

    Attributes:
        rows: best and runner-up.
        ledger: memory and time of a rank, line by line.
        micro_sequences: of the best; None for the whole batch, and where none was searched.
        speed: of the best, over that of runs in bfloat16 with all states on the device.
        notes: what a reader must know.
    """

    rows: tuple[LayoutRow, ...] = ()
    ledger: tuple[str, ...] = ()
    micro_sequences: int | None = None
    speed: float = 1.0
    notes: tuple[str, ...] = ()


def find_layouts(
    run: SizedRun, devices: Devices, change: Callable[[dict[str, Any]], dict[str, Any]] | None
) -> Layouts:
    """The layouts of a run: of a processor, what it holds in memory.

    Raises:
        PlanError: nothing fits.
    """
    if not devices.groups:
        return _in_one_memory(run, devices)
    kinds = {group.device.id: group.device for group in devices.groups}
    counts = {
        name: sum(group.count for group in devices.groups if group.device.id == name)
        for name in kinds
    }
    rows: list[LayoutRow] = []
    ledger: list[str] = []
    notes: list[str] = []
    micro: int | None = None
    speed = 1.0
    for name, device in kinds.items():
        share = counts[name] / devices.count
        try:
            found, assumed = placements(
                run, device, counts[name], share=share, fp8=_wants_fp8(change)
            )
        except UnknownHardwareError as error:
            notes.append(no_layout(error.what, name))
            continue
        notes += assumed
        for place, one in enumerate(found if len(kinds) == 1 else found[:1]):
            where = name if len(kinds) > 1 else ("best", "second")[min(place, 1)]
            rows.append(layout_row(where, one, run.step_seconds.value / one.relative_speed))
        speed = found[0].relative_speed
        step = run.step_seconds.value / found[0].relative_speed
        ledger += ledger_lines(name, found[0], step)
        micro = min(found[0].micro_sequences, micro or found[0].micro_sequences)
    if len(kinds) > 1:
        notes.append(
            "Devices of several kinds share the data, each kind as fast as it is, and are laid out "
            "one by one."
        )
        speed = 1.0
    return Layouts(tuple(rows), tuple(ledger), micro, speed, tuple(dict.fromkeys(notes)))


def placements(
    run: SizedRun, device: Accelerator, count: int, *, share: float = 1.0, fp8: bool = False
) -> tuple[list[Placement], list[str]]:
    """The best placements of a run on so many devices, and what was assumed of their links.

    Args:
        run: what is trained.
        device: on which.
        count: how many.
        share: of the batch that they take.
        fp8: whether products may be in FP8.

    Raises:
        PlanError: nothing fits.
        UnknownHardwareError: the catalogue lacks a figure that it takes.
    """
    length = run.family.model.context
    sequences = max(1, round(run.batch_sequences * share))
    architecture = supernet_of(run.family)
    return placed(
        architecture, device, count, batch_tokens=sequences * length, fp8=fp8, optimizer="muon"
    )


def placed(
    architecture: Architecture,
    device: Accelerator,
    count: int,
    *,
    batch_tokens: int,
    fp8: bool,
    optimizer: Optimizer,
) -> tuple[list[Placement], list[str]]:
    """The best placements of any architecture, and what was assumed of the links.

    Where the catalogue has no link inside a machine, a card's slot is taken for it.

    Raises:
        PlanError: nothing fits.
        UnknownHardwareError: the catalogue lacks the peak or the memory.
    """
    notes: list[str] = []
    slot = None
    if count > 1 and device.intra_node_bytes_per_second is None:
        slot = _SLOT_BYTES_PER_SECOND
        why = device.blanks.get("intra_node_bytes_per_second", "not given")
        notes.append(
            f"The catalogue has no link between the devices of a machine of {device.name} ({why}): "
            f"{slot / 1e9:g} GB/s, a card's slot, were taken for it. Yours goes where `farthing "
            f"hardware show {device.id} --yaml` has it."
        )
    links = links_of(device, devices=count, intra_node_bytes_per_second=slot)
    found = search_layouts(
        architecture,
        device,
        count,
        batch_tokens=batch_tokens,
        length=architecture.context,
        fp8=fp8,
        optimizer=optimizer,
        links=links,
    )
    # The first is the slot's, which is told above.
    assumed = links.assumptions[1 if slot is not None else 0 :]
    return found, [*notes, *(f"Links between machines: {words}." for words in assumed)]


def layout_words(layout: Layout) -> str:
    """`DP 8, TP 2, states sharded`: what is not 1."""
    degrees = [(_SHORT[name], getattr(layout, name)) for name in _DEGREES]
    parts = [f"{name} {degree}" for name, degree in degrees if degree > 1]
    if _WORDS[layout.sharding]:
        parts.append(_WORDS[layout.sharding])
    return ", ".join(parts) or "one device"


def no_layout(what: str, device: str) -> str:
    """Why no layout was searched, and where the figure would go."""
    return (
        f"No layout was searched: {what}. Give the figure with its source: `farthing hardware show "
        f"{device} --yaml` prints the entry to fill in."
    )


def one_device_note(run: SizedRun, devices: Devices) -> tuple[str, ...]:
    """What the run takes on one of the devices: no more train together so far."""
    if devices.alone is None:
        return ()
    seconds = devices.alone(run.family, run.batch_sequences, run.mean_step)
    hours = seconds.scaled(run.steps / 3600, "h")
    device = devices.groups[0].device
    try:
        placements(run, device, 1)
        fits = ""
    except (PlanError, UnknownHardwareError) as error:
        fits = f", did it fit there: it {error.what.rpartition(', ')[2]}"
    return (
        "Training runs in one process on one device so far: on one of these devices this recipe "
        f"takes {amount(hours.value)} h{fits}. The plan is for all of them.",
    )


def short_step_note(run: SizedRun, devices: Devices) -> tuple[str, ...]:
    """Steps that are over before their kernels are launched."""
    seconds = run.step_seconds.value
    if not devices.groups or seconds >= _SHORT_STEP_SECONDS:
        return ()
    return (
        f"A step of {1000 * seconds:.2g} ms: launching its kernels takes longer, and nothing here "
        "counts that. Expect several times the hours; so small a family needs no accelerator.",
    )


def _wants_fp8(change: Callable[[dict[str, Any]], dict[str, Any]] | None) -> bool:
    changed = change({"train": {}}) if change is not None else {}
    return bool(changed.get("train", {}).get("precision") == "fp8")


def layout_row(where: str, one: Placement, seconds: float) -> LayoutRow:
    """A placement in words, whose step takes so many seconds."""
    extra = [f"recompute {one.recompute}"] if one.recompute != "none" else []
    extra += ["FP8"] if one.fp8 else []
    extra += ["states on the host"] if one.offload else []
    extra += [f"{one.virtual_stages} virtual stages"] if one.virtual_stages > 1 else []
    words = ", ".join([layout_words(one.layout), *extra])
    total = one.memory.total / GIB
    return LayoutRow(
        where=where,
        layout=words,
        micro=f"{one.micro_sequences} x {one.micro_batches}",
        memory=f"{total:.1f} of {one.memory_bytes / GIB:.0f} GiB",
        seconds=seconds,
        limit=one.limit,
    )


def ledger_lines(name: str, one: Placement, step_seconds: float) -> list[str]:
    """Memory and time of a rank, line by line.

    Args:
        name: of the device.
        one: how it is laid out.
        step_seconds: what a step is predicted to take, which the layout's reckoning shares out.
    """
    lines = [f"a rank of {name}: {layout_words(one.layout)}"]
    for row in ledger_of(one):
        value = row.value * (step_seconds / one.seconds.total if row.unit == "s" else 1.0)
        lines.append(f"  {row.part:<12} {value:>10.3g} {row.unit:<4} {row.share:>6.1%}")
    return lines


def _in_one_memory(run: SizedRun, devices: Devices) -> Layouts:
    """A processor: the largest power of two of sequences whose tensors fit."""
    memory = devices.memory_bytes
    if memory is None:
        return Layouts()
    family = run.family
    micro = run.batch_sequences
    while True:
        need = training_memory(family.model, family.vocabulary, micro_sequences=micro)
        if need.resident <= memory or micro == 1:
            break
        micro = max(1, micro // 2)
    if need.resident > memory:
        raise PlanError(
            f"the model does not fit into this machine's memory: it misses by "
            f"{(need.resident - memory) / GIB:.1f} GiB with one sequence at a time",
            remedy="give less money or time, a shorter --set model.context, or a larger machine",
        )
    ledger = [
        f"  {part:<12} {value / GIB:>10.3g} GiB"
        for part, value in (
            ("weights", need.weights),
            ("gradients", need.gradients),
            ("states", need.states),
            ("activations", need.activations),
            ("resident", need.resident),
        )
    ]
    ledger.append(f"  {'step':<12} {run.step_seconds.value:>10.3g} s")
    return Layouts((), tuple(ledger), None if micro >= run.batch_sequences else micro)
