"""One command's hold on a workspace, and the one way in which stages become runs.

An artifact's folder carries its input key, so the same settings, inputs and code find it again.
Whatever has to be made is made in a run of its own: numbered, metered, locked, in the book.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.code_version import code_version
from farthing.artifacts.entries import Purpose, RunEnd, RunStart
from farthing.artifacts.manifest import MANIFEST_NAME, Manifest, read_manifest
from farthing.artifacts.references import InputRef
from farthing.artifacts.settings import WorkspaceSettings, load_settings
from farthing.artifacts.work import Work
from farthing.artifacts.workspace import Workspace
from farthing.hardware.machine import detect_machine
from farthing.hardware.sensors.boards import visible_boards
from farthing.hardware.sensors.find import find_loads
from farthing.ledger.book import Book
from farthing.ledger.journal import RunRecorder
from farthing.ledger.meter import Meter
from farthing.ledger.phases import first_after_start
from farthing.ledger.rates import book_rates
from farthing.stages.train.progress import Watch


@dataclass(frozen=True)
class Show:
    """How work in progress is shown.

    Attributes:
        line: prints one line of text.
        training: given words for the cost so far, all steps and the first one, a watch.
    """

    line: Callable[[str], None]
    training: Callable[[Callable[[Work], str], int, int], AbstractContextManager[Watch]]


@dataclass(frozen=True)
class Session:
    """One command's hold on a workspace: settings, book, meter, and what the user sees."""

    workspace: Workspace
    settings: WorkspaceSettings
    book: Book
    meter: Meter
    show: Show


def open_session(root: Path, show: Show) -> Session:
    """Open or create the workspace at `root`; its book is verified and takes today's rates.

    Raises:
        ConfigError: `farthing.yaml` is wrong, or the readings that it names are.
        UnknownHardwareError: it names a grid, a site or a water that the catalogue lacks.
        BookError: the book does not verify.
        WorkspaceError: the folder is not writable.
    """
    workspace = Workspace(root).create()
    settings = load_settings(workspace)
    meter, book = _meter(workspace, settings), Book.open(workspace)
    book_rates(settings, book, accelerator=meter.machine.accelerator)
    return Session(workspace, settings, book, meter, show)


def _meter(workspace: Workspace, settings: WorkspaceSettings) -> Meter:
    """Of all that this process holds: accelerators that it sees, and processors."""
    boards = visible_boards()
    machine = detect_machine(settings.hardware, boards=boards, root=workspace.root)
    loads = find_loads(machine, boards=boards, readings=settings.readings, root=workspace.root)
    return Meter(machine, loads)


@dataclass(frozen=True)
class Job:
    """A run to be.

    Attributes:
        purpose: what it is for.
        name: of the artifact, or of the recipe.
        room: the folder of the workspace in which the artifact's own folder goes.
        kind: of the artifact.
        key: its input key.
        inner: a folder inside its own that holds the artifact; empty for the folder itself.
        inputs: the artifacts that it reads, as the book names them. They decide nothing about
            reuse: whatever of them decides the result is in `key`.
    """

    purpose: Purpose
    name: str
    room: str
    kind: str
    key: str
    inner: str = ""
    inputs: tuple[InputRef, ...] = ()


def made(
    job: Job,
    session: Session,
    make: Callable[[Path, RunRecorder], Manifest],
    *,
    rerun: bool,
    before: Callable[[Path], dict[str, Any]] | None = None,
) -> Path:
    """The folder of the job's artifact: found finished, or made in a run of its own.

    `before` gives further facts for the start of the run, once it is known that there will be one.
    """
    place = _place(job, session, rerun=rerun)
    done = _is_finished(place, job, session)
    session.show.line(f"{'reuse' if done else 'make':<10}{place}")
    if done:
        return place
    with session.book.start_run(
        job.purpose,
        job.name,
        input_key=job.key,
        inputs=job.inputs,
        meter=session.meter,
        **_torch_facts(),
        directory=place,
        **(before(place) if before else {}),
    ) as recorder:
        # The lock is ours only now: somebody else may have finished meanwhile.
        if _is_finished(place, job, session):
            recorder.end("aborted", reason="another process had just finished it")
        else:
            _note_changed_environment(recorder, session)
            recorder.enter(first_after_start(job.purpose))
            digest = make(place, recorder).content_digest
            recorder.end(artifact_kind=job.kind, artifact_digest=digest)
    return place


def _torch_facts() -> dict[str, Any]:
    """What of torch a run's numbers hang on; nothing for runs, such as curations, without it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "torch_version": torch.__version__,
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def _place(job: Job, session: Session, *, rerun: bool) -> Path:
    """The artifact's folder; with `rerun`, a new one beside those that are finished."""
    first = session.workspace.place(job.room, job.name, job.key)
    copies, newest = 1, first
    while (again := first.with_name(f"{first.name}-again{copies}")).exists():
        copies, newest = copies + 1, again
    if rerun and (newest / job.inner / MANIFEST_NAME).exists():
        return again
    return newest


def _is_finished(place: Path, job: Job, session: Session) -> bool:
    """Whole on the disk and named by the book.

    What a kill left between the two is made again: nothing unbilled is ever reused.
    """
    if not (place / job.inner / MANIFEST_NAME).exists():
        return False
    digest = read_manifest(place / job.inner, kind=job.kind).content_digest
    ends = (record.body for record in session.book.records if isinstance(record.body, RunEnd))
    return any(end.artifact is not None and end.artifact.digest == digest for end in ends)


def _note_changed_environment(recorder: RunRecorder, session: Session) -> None:
    """Resumption is exact in the same environment only: say so where it changed."""
    starts = starts_of(recorder.start.input_key, session)
    if recorder.start.resumed_from_step is None or len(starts) < 2:
        return
    earlier = starts[-2]
    for name, then in earlier.environment.model_dump().items():
        now = getattr(recorder.start.environment, name)
        # Books of rules 3 and earlier do not hold all of it.
        if then is not None and now != then:
            recorder.event("environment changed", f"{name}: {then} before, {now} now")
            session.show.line(
                f"note      {name} was {then} before, is {now} now: the last bits may differ"
            )


def starts_of(key: str, session: Session) -> list[RunStart]:
    """The starts of all runs with this input key, oldest first."""
    bodies = (record.body for record in session.book.records)
    return [body for body in bodies if isinstance(body, RunStart) and body.input_key == key]


def input_key(stage: str, settings: Any, inputs: Any, rooms: tuple[str, ...]) -> str:  # noqa: ANN401
    """Digest of everything that decides what comes out: settings, inputs (JSON values), code."""
    code = code_version(rooms)
    return digest_json({"stage": stage, "settings": settings, "inputs": inputs, "code": code})
