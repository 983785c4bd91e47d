"""The stages in order: the whole system on one screen.

    curate -> train -> evaluate -> extract, with a numbered, signed run in the book for each.

Nothing is made twice: an artifact's folder carries its input key, so the same settings, inputs and
code find it again. What was interrupted goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.code_version import code_version
from farthing.artifacts.config import Config, parse_config
from farthing.artifacts.entries import Evaluation, Extraction, Member, Plan, RunEnd
from farthing.artifacts.manifest import MANIFEST_NAME, Manifest, read_manifest
from farthing.artifacts.scores import KIND as SCORES
from farthing.artifacts.scores import ScoreMatrix, open_scores
from farthing.artifacts.settings import WorkspaceSettings, load_settings
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.artifacts.work import Work
from farthing.artifacts.workspace import Workspace
from farthing.cost.flops import flops_per_token
from farthing.errors import ArtifactError, ConfigError
from farthing.hardware.machine import detect_machine
from farthing.ledger.book import Book
from farthing.ledger.figures import make_rates
from farthing.ledger.meter import Meter
from farthing.ledger.spending import spending_text
from farthing.model.config import ModelConfig
from farthing.model.device import choose_device
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet, open_supernet
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.stages.curate.sources import source_digests
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.evaluate.run import evaluate
from farthing.stages.extract.run import KIND as MEMBER
from farthing.stages.extract.run import extract
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.progress import Watch
from farthing.stages.train.run import KIND as SUPERNET
from farthing.stages.train.run import SUPERNET_ROOM, resumable_step, train
from farthing.text.corpus import KIND as CORPUS
from farthing.text.corpus import Corpus

RECIPE_NAME = "recipe.json"

# Rooms whose code can change what a stage makes.
_CURATE_CODE = ("artifacts", "text", "stages/curate")
_TRAIN_CODE = ("artifacts", "text", "model", "cost", "stages/train")
_EVALUATE_CODE = ("artifacts", "text", "model", "cost", "stages/evaluate")
_EXTRACT_CODE = ("artifacts", "model", "stages/extract")


class RunConfig(Config):
    """A recipe: everything that one elastic run and the judgement of its family need."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folders of this run"
    )
    corpus: CurateConfig = Field(default=CurateConfig(), description="which text")
    model: ModelConfig = Field(description="the sizes of the supernet")
    train: TrainConfig = Field(description="the training run")
    evaluate: EvaluateConfig = Field(
        description="the members of the family: registered before training, scored after"
    )


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
    rerun: bool


def open_session(root: Path, show: Show, *, rerun: bool = False) -> Session:
    """Open or create the workspace at `root`; its book is verified first.

    Args:
        root: the workspace.
        show: how work in progress is shown.
        rerun: make new artifacts even where finished ones could be reused.

    Raises:
        ConfigError: `farthing.yaml` is wrong.
        BookError: the book does not verify.
        WorkspaceError: the folder is not writable.
    """
    workspace = Workspace(root).create()
    settings = load_settings(workspace)
    meter = Meter(detect_machine(settings.hardware))
    return Session(workspace, settings, Book.open(workspace), meter, show, rerun)


def run_curate(run: RunConfig, session: Session) -> Corpus:
    """Text to corpus."""
    settings = run.corpus.model_dump(mode="json", exclude={"sources"})
    key = _input_key("curate", settings, source_digests(run.corpus), _CURATE_CODE)
    place = _place(session, "corpora", run.name, key)
    if _is_finished(place, CORPUS, session):
        return Corpus.open(place, verify=True)
    with session.book.start_run(
        "curation", run.name, input_key=key, meter=session.meter, directory=place
    ) as recorder:

        def report(phase: str, share: float) -> None:
            recorder.beat(phase, None)
            if share == 1.0:
                session.show.line(f"curate    {phase}: done")

        corpus = curate(run.corpus, place, key, report)
        recorder.end(artifact_kind=CORPUS, artifact_digest=corpus.digest)
    return corpus


def run_train(run: RunConfig, corpus: Corpus, session: Session) -> Path:
    """Corpus to supernet, after the plan is signed; returns the run's folder."""
    members = _registered_members(run, corpus)
    settings = {
        "model": run.model.model_dump(mode="json"),
        "train": run.train.model_dump(mode="json", exclude=set(TrainConfig.harmless)),
    }
    key = _input_key("train", settings, {"corpus": corpus.digest}, _TRAIN_CODE)
    place = _place(session, "runs", run.name, key, finished=SUPERNET_ROOM)
    if _is_finished(place / SUPERNET_ROOM, SUPERNET, session):
        return place
    make_directory(place)
    rates = make_rates(session.settings)
    with session.book.start_run(
        "training",
        run.name,
        input_key=key,
        meter=session.meter,
        torch_version=torch.__version__,
        threads=torch.get_num_threads(),
        plan=_sign_plan(run, corpus, members, session),
        resumed_from_step=resumable_step(place),
        directory=place,
    ) as recorder:
        recipe = json.dumps(run.model_dump(mode="json"), indent=1) + "\n"
        write_atomic(place / RECIPE_NAME, recipe.encode())
        manifest = train(
            run.train,
            run.model,
            corpus,
            directory=place,
            input_key=key,
            recorder=recorder,
            make_watch=lambda first: session.show.training(
                lambda work: spending_text(work, recorder.start.machine, rates),
                run.train.steps,
                first,
            ),
        )
        recorder.end(artifact_kind=SUPERNET, artifact_digest=manifest.content_digest)
    return place


def run_evaluate(
    config: EvaluateConfig, name: str, supernet: Supernet, corpus: Corpus, session: Session
) -> ScoreMatrix:
    """Supernet to score matrix; each member's scores and cost enter the book."""
    inputs = {"supernet": supernet.digest, "corpus": corpus.digest}
    key = _input_key("evaluate", config.model_dump(mode="json"), inputs, _EVALUATE_CODE)
    place = _place(session, "scores", name, key)
    if _is_finished(place, SCORES, session):
        return open_scores(place)[0]
    with session.book.start_run(
        "evaluation",
        name,
        input_key=key,
        meter=session.meter,
        torch_version=torch.__version__,
        threads=torch.get_num_threads(),
        directory=place,
    ) as recorder:
        before = recorder.work()

        def on_scored(shape: Shape, scores: dict[str, float], tokens: int, flops: int) -> None:
            nonlocal before
            work = recorder.beat("evaluate", None, tokens=tokens, flops=float(flops))
            session.book.append(
                Evaluation(
                    run=recorder.number,
                    supernet=supernet.digest,
                    shape=str(shape),
                    split=config.split,
                    scores=scores,
                    work=work - before,
                )
            )
            before = work
            label = shape.label(supernet.model.config)
            mean = sum(scores.values()) / len(scores)
            session.show.line(f"evaluate  {label}: {mean:.3f} bits per byte")

        matrix, manifest = evaluate(
            config, supernet, corpus, directory=place, input_key=key, on_scored=on_scored
        )
        recorder.end(artifact_kind=SCORES, artifact_digest=manifest.content_digest)
    return matrix


def run_extract(shape: Shape, name: str, supernet: Supernet, session: Session) -> Path:
    """Supernet and shape to a member that stands alone; returns its folder."""
    inputs = {"supernet": supernet.digest}
    key = _input_key("extract", {"shape": str(shape)}, inputs, _EXTRACT_CODE)
    place = _place(session, "models", f"{name}-{shape.label(supernet.model.config)}", key)
    if _is_finished(place, MEMBER, session):
        return place
    with session.book.start_run(
        "extraction",
        name,
        input_key=key,
        meter=session.meter,
        torch_version=torch.__version__,
        threads=torch.get_num_threads(),
        directory=place,
    ) as recorder:
        before = recorder.work()
        manifest = extract(supernet, shape, directory=place, input_key=key)
        session.book.append(
            Extraction(
                run=recorder.number,
                supernet=supernet.digest,
                shape=str(shape),
                artifact_digest=manifest.content_digest,
                work=recorder.work() - before,
            )
        )
        recorder.end(artifact_kind=MEMBER, artifact_digest=manifest.content_digest)
    return place


def open_run(place: Path) -> tuple[RunConfig, Supernet]:
    """The recipe and the finished supernet of a run's folder.

    Raises:
        ArtifactError: the run is not finished, or its supernet is damaged.
    """
    supernet = open_supernet(place / SUPERNET_ROOM, kind=SUPERNET, device=choose_device("auto"))
    path = place / RECIPE_NAME
    return parse_config(RunConfig, json.loads(path.read_bytes()), where=str(path)), supernet


def open_model(place: Path) -> Supernet:
    """A run's supernet or an extracted member, whichever `place` holds."""
    if (place / SUPERNET_ROOM).is_dir():
        return open_run(place)[1]
    return open_supernet(place, kind=MEMBER, device=choose_device("auto"))


def find_run(workspace: Workspace, name: str | None) -> Path:
    """The finished run called `name` (a folder under runs/, its start is enough), or the only one.

    Raises:
        ConfigError: no run or several runs fit; the remedy lists them.
    """
    finished = sorted(
        path.parent.parent for path in workspace.runs.glob(f"*/{SUPERNET_ROOM}/{MANIFEST_NAME}")
    )
    fitting = [place for place in finished if place.name.startswith(name or "")]
    exact = [place for place in fitting if place.name == name]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    there = ", ".join(place.name for place in finished)
    raise ConfigError(
        f"{len(fitting)} finished runs in {workspace.root} fit {name!r}"
        if name
        else f"{workspace.root} holds {len(finished)} finished runs",
        remedy=f"name one with --run: {there}" if there else "train one: farthing train",
    )


def corpus_of(supernet: Supernet, workspace: Workspace) -> Corpus:
    """The corpus of the workspace that a supernet was trained on.

    Raises:
        ArtifactError: it is not there any more.
    """
    wanted = supernet.origin["corpus"]
    for path in sorted((workspace.root / "corpora").glob(f"*/{MANIFEST_NAME}")):
        if Manifest.model_validate_json(path.read_bytes()).content_digest == wanted:
            return Corpus.open(path.parent, verify=True)
    raise ArtifactError(
        f"the corpus {wanted[:16]}... of {supernet.directory} is not in {workspace.root}",
        remedy="make it again: farthing curate, with the recipe of that run",
    )


def _registered_members(run: RunConfig, corpus: Corpus) -> tuple[Member, ...]:
    """The members with their shares of the parent: in proportion to active FLOPs per token."""
    shapes = [Shape.parse(text, run.model) for text in run.evaluate.members]
    flops = [flops_per_token(run.model, corpus.vocab_size, shape) for shape in shapes]
    return tuple(
        Member(shape=str(shape), share=cost / sum(flops))
        for shape, cost in zip(shapes, flops, strict=True)
    )


def _sign_plan(
    run: RunConfig, corpus: Corpus, members: tuple[Member, ...], session: Session
) -> str:
    """Register recipe and members before the run, once; returns the entry's digest."""
    recipe = run.model_dump(mode="json")
    plan = Plan(
        name=run.name,
        recipe=recipe,
        recipe_digest=digest_json(recipe),
        corpus_digest=corpus.digest,
        members=members,
    )
    for record in session.book.records:
        if record.body == plan:
            return record.entry.digest
    return session.book.append(plan).entry.digest


def _input_key(
    stage: str, settings: dict[str, Any], inputs: dict[str, str], rooms: tuple[str, ...]
) -> str:
    code = code_version(rooms)
    return digest_json({"stage": stage, "settings": settings, "inputs": inputs, "code": code})


def _place(session: Session, room: str, name: str, key: str, finished: str = "") -> Path:
    """The artifact's folder; with `rerun`, a new one beside those that are finished."""
    first = session.workspace.place(room, name, key)
    copies, newest = 1, first
    while (again := first.with_name(f"{first.name}-again{copies}")).exists():
        copies, newest = copies + 1, again
    if session.rerun and (newest / finished / MANIFEST_NAME).exists():
        return again
    return newest


def _is_finished(place: Path, kind: str, session: Session) -> bool:
    """Whole on the disk and named by the book.

    What a kill left between the two is made again: nothing unbilled is ever reused.
    """
    done = False
    if (place / MANIFEST_NAME).exists():
        digest = read_manifest(place, kind=kind).content_digest
        ends = (record.body for record in session.book.records if isinstance(record.body, RunEnd))
        done = any(end.artifact is not None and end.artifact.digest == digest for end in ends)
    session.show.line(f"{'reuse' if done else 'make':<10}{place}")
    return done
