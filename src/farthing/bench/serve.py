"""`farthing bench --serve MEMBER`: its speed on this machine, in a booked run, and the price."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import torch

from farthing import __version__
from farthing.artifacts.entries import RunStart
from farthing.artifacts.manifest import Manifest, write_manifest
from farthing.artifacts.measurement import MachineFacts
from farthing.artifacts.serving import (
    KIND,
    SERVING_NAME,
    SERVING_ROOM,
    ServingMeasurement,
    open_serving,
)
from farthing.artifacts.storage import staged_directory
from farthing.bench.clock import Neighbours
from farthing.bench.serving import BATCHES, REPEATS, Load, lengths_within, measure_serving
from farthing.cost.parameters import count_parameters
from farthing.documents.readers.read import read_documents
from farthing.errors import UsageError
from farthing.flow.inputs import model_inputs
from farthing.flow.under_plan import made_under_plan
from farthing.hardware.measure import device_name
from farthing.ledger.journal import RunRecorder
from farthing.ledger.serving_price import check_held
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.session import Job, Session, input_key
from farthing.stages.train.threads import thread_count_restored
from farthing.text.sample import sample_file
from farthing.text.tokenizer import Tokenizer

TEXT = "the embedded sample"

_CODE = ("artifacts", "documents", "text", "model", "cost", "bench")
_DOCUMENTS = 64


def read_batches(text: str | None) -> tuple[int, ...]:
    """The batch sizes to measure, the smallest first, from `1,8`; the usual ones for None.

    Raises:
        UsageError: no such numbers.
    """
    if text is None:
        return BATCHES
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) for word in words):
        raise UsageError(
            f"--batches {text}: these are no numbers of sequences",
            remedy="write it as --batches 1,8",
        )
    return tuple(sorted({int(word) for word in words}))


def run_serving(
    model: Supernet,
    shape: Shape,
    session: Session,
    *,
    name: str,
    command: str,
    batches: Sequence[int],
    threads: int | None,
    repeats: int = REPEATS,
) -> tuple[ServingMeasurement, RunStart, Path]:
    """Measure a member in a run of its own; never reused, since machines differ from day to day.

    Args:
        model: what holds it: a run's supernet or an extracted member.
        shape: which member.
        session: where the run is booked.
        name: of the run.
        command: what the user typed, for the record.
        batches: sequences at once, the smallest first.
        threads: that torch uses; its own number for None.
        repeats: of each batch size.

    Returns:
        What was measured, the run as the book names it, and the artifact's folder.

    Raises:
        ConfigError: the model runs on a device that the run is not billed for.
        BookError, WorkspaceError: the run cannot be booked.
    """
    # Before anything is measured: speeds without a price of their own would be of no use.
    check_held(model.model.embed_tokens.weight.device.type, session.meter.machine.device)
    config = model.model.config
    prompt, answer = lengths_within(config.longest)
    loads = [Load(batch, prompt, answer) for batch in batches]
    asked = {"shape": str(shape), "batches": list(batches), "lengths": [prompt, answer]}
    key = input_key("serving", asked, {"supernet": model.digest}, _CODE)
    label = shape.label(config)

    def make(place: Path, recorder: RunRecorder) -> Manifest:
        session.show.line(f"serve     {label}: prompts of {prompt} tokens, {answer} written")
        found = _measure(model, shape, loads, recorder, session, command, repeats)
        with staged_directory(place) as staged:
            text = found.model_dump_json(indent=1) + "\n"
            (staged / SERVING_NAME).write_text(text, encoding="utf-8")
            detail = {"supernet": model.digest, "shape": str(shape)}
            return write_manifest(staged, kind=KIND, input_key=key, detail=detail)

    job = Job("serving", name, SERVING_ROOM, KIND, key, inputs=model_inputs(model))
    with thread_count_restored():
        if threads is not None:
            torch.set_num_threads(threads)
        place = made_under_plan(model.digest, job, session, make, rerun=True)
    return open_serving(place)[0], _run_of(key, session), place


def _measure(
    model: Supernet,
    shape: Shape,
    loads: Sequence[Load],
    recorder: RunRecorder,
    session: Session,
    command: str,
    repeats: int,
) -> ServingMeasurement:
    date, neighbours = datetime.now(UTC).isoformat(timespec="seconds"), Neighbours()
    device = model.model.embed_tokens.weight.device
    machine = session.meter.machine
    count = count_parameters(model.model.config, model.model.vocab_size, shape)
    points = measure_serving(
        model.model,
        shape,
        _text(model, loads),
        loads,
        source=f"{command}; {date}; farthing {__version__}, torch {torch.__version__}; "
        f"{torch.get_num_threads()} threads",
        repeats=repeats,
        used=recorder.work,
        count=lambda tokens, flops: _beat(recorder, tokens, flops),
    )
    return ServingMeasurement(
        command=command,
        date=date,
        versions={
            "farthing": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        machine=MachineFacts(
            id=machine.id,
            name=machine.processor.name,
            hardware_threads=machine.processor.threads,
            device=device.type,
            device_name=device_name(device, machine.processor.name),
        ),
        held_device=machine.device,
        held_devices=machine.devices,
        supernet=model.digest,
        shape=str(shape),
        label=shape.label(model.model.config),
        active=count.active,
        total=count.total,
        dtype=str(model.model.embed_tokens.weight.dtype).removeprefix("torch."),
        text=TEXT,
        prompt_tokens=loads[0].prompt_tokens,
        new_tokens=loads[0].new_tokens,
        threads=torch.get_num_threads(),
        neighbours_threads=neighbours.busy_threads(),
        points=points,
    )


def _beat(recorder: RunRecorder, tokens: int, flops: float) -> None:
    recorder.beat("serve", None, tokens=tokens, flops=flops)


def _text(model: Supernet, loads: Sequence[Load]) -> list[int]:
    """Enough tokens of the sample for different prompts, by the model's own tokenizer."""
    documents = islice(read_documents([sample_file("dev")]), _DOCUMENTS)
    encoded = Tokenizer.load(model.directory).encode_batch([each.text for each in documents])
    tokens = [token for document in encoded for token in document]
    wanted = max(load.read for load in loads) * (1 + REPEATS)
    return tokens[: max(wanted, loads[0].prompt_tokens)]


def _run_of(key: str, session: Session) -> RunStart:
    """The last run with this key: the one that has just measured."""
    starts = [
        record.body
        for record in session.book.records
        if isinstance(record.body, RunStart) and record.body.input_key == key
    ]
    return starts[-1]
