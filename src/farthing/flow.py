"""The stages in order: the whole system on one screen.

    curate -> train -> evaluate -> extract, with a numbered, signed run in the book for each.

Each function says what decides its artifact (the input key) and how it is made; `session.made`
finds it finished, or makes it in a run. What was interrupted goes on where it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.config import Config, parse_config
from farthing.artifacts.entries import (
    Evaluation,
    Extraction,
    Member,
    Plan,
)
from farthing.artifacts.manifest import MANIFEST_NAME, Manifest, read_manifest
from farthing.artifacts.scores import KIND as SCORES
from farthing.artifacts.scores import ScoreMatrix, open_scores
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.artifacts.workspace import Workspace
from farthing.cost.flops import flops_per_token
from farthing.errors import ArtifactError, ConfigError
from farthing.ledger.figures import make_rates
from farthing.ledger.journal import RunRecorder
from farthing.ledger.spending import spending_text
from farthing.model.config import ModelConfig
from farthing.model.device import choose_device
from farthing.model.shape import Shape, distinct_shapes
from farthing.model.supernet import Supernet, open_supernet
from farthing.session import Job, Session, input_key, made, starts_of
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.stages.curate.sources import source_identity
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.evaluate.run import evaluate
from farthing.stages.extract.run import KIND as MEMBER
from farthing.stages.extract.run import extract, member_config
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_schedule import ElasticSchedule
from farthing.stages.train.run import KIND as SUPERNET
from farthing.stages.train.run import SUPERNET_ROOM, check_fit, resumable_step, train
from farthing.text.corpus import KIND as CORPUS
from farthing.text.corpus import Corpus

RECIPE_NAME = "recipe.json"

# Rooms whose code can change what a stage makes.
_CURATE_CODE = ("artifacts", "text", "stages/curate")
_TRAIN_CODE = ("artifacts", "text", "model", "cost", "stages/train")
_EVALUATE_CODE = ("artifacts", "text", "model", "cost", "stages/evaluate")
_EXTRACT_CODE = ("artifacts", "text", "model", "stages/extract")


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

    @model_validator(mode="after")
    def _members_and_elastic_sizes_fit(self) -> Self:
        # Said before any text is read: these errors need the sizes only.
        distinct_shapes(self.evaluate.members, self.model)
        ElasticSchedule(self.train.elastic, self.model, self.train.seed)
        return self


def run_curate(run: RunConfig, session: Session, *, rerun: bool = False) -> Corpus:
    """Text to corpus."""
    settings = run.corpus.model_dump(mode="json", exclude={"sources"})
    key = input_key("curate", settings, source_identity(run.corpus), _CURATE_CODE)
    job = Job("curation", run.name, "corpora", CORPUS, key)

    def make(place: Path, recorder: RunRecorder) -> Manifest:
        def report(phase: str, share: float) -> None:
            recorder.beat(phase, None)
            if share == 1.0:
                session.show.line(f"curate    {phase}: done")

        return curate(run.corpus, place, key, report).manifest

    return Corpus.open(made(job, session, make, rerun=rerun), verify=True)


def run_train(run: RunConfig, corpus: Corpus, session: Session, *, rerun: bool = False) -> Path:
    """Corpus to supernet, after the plan is signed; returns the run's folder."""
    members = _registered_members(run, corpus)
    check_fit(run.train, run.model, corpus)
    settings = {
        "model": run.model.model_dump(mode="json"),
        "train": run.train.model_dump(mode="json", exclude=set(TrainConfig.harmless)),
    }
    key = input_key("train", settings, corpus.digest, _TRAIN_CODE)
    job = Job("training", run.name, "runs", SUPERNET, key, inner=SUPERNET_ROOM)
    rates = make_rates(session.settings)

    def sign(place: Path) -> dict[str, Any]:
        step = resumable_step(place)
        plan = _sign_plan(run, corpus, members, session)
        if step is not None:
            _check_resumption(key, plan, session)
            session.show.line(f"resume    from step {step}")
        make_directory(place)
        return {"plan": plan, "resumed_from_step": step}

    def make(place: Path, recorder: RunRecorder) -> Manifest:
        recipe = json.dumps(run.model_dump(mode="json"), indent=1) + "\n"
        write_atomic(place / RECIPE_NAME, recipe.encode())
        return train(
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

    return made(job, session, make, rerun=rerun, before=sign)


def run_evaluate(
    config: EvaluateConfig,
    name: str,
    supernet: Supernet,
    corpus: Corpus,
    session: Session,
    *,
    rerun: bool = False,
) -> ScoreMatrix:
    """Supernet to score matrix; each member's scores and cost enter the book."""
    shapes = distinct_shapes(config.members, supernet.model.config)
    config = config.model_copy(update={"members": tuple(str(shape) for shape in shapes)})
    inputs = {"supernet": supernet.digest, "corpus": corpus.digest}
    key = input_key("evaluate", config.model_dump(mode="json"), inputs, _EVALUATE_CODE)
    job = Job("evaluation", name, "scores", SCORES, key)

    def make(place: Path, recorder: RunRecorder) -> Manifest:
        before = recorder.work()

        def on_scored(shape: Shape, scores: dict[str, float], tokens: int, flops: int) -> None:
            nonlocal before
            work = recorder.beat("evaluate", None, tokens=tokens, flops=float(flops), flush=True)
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

        return evaluate(
            config, supernet, corpus, directory=place, input_key=key, on_scored=on_scored
        )[1]

    return open_scores(made(job, session, make, rerun=rerun))[0]


def run_extract(
    shape: Shape, name: str, supernet: Supernet, session: Session, *, rerun: bool = False
) -> Path:
    """Supernet and shape to a member that stands alone; returns its folder."""
    member_config(supernet.model.config, shape)
    key = input_key("extract", str(shape), supernet.digest, _EXTRACT_CODE)
    folder = f"{name}-{shape.label(supernet.model.config)}"
    job = Job("extraction", folder, "models", MEMBER, key)

    def make(place: Path, recorder: RunRecorder) -> Manifest:
        before = recorder.work()
        manifest = extract(supernet, shape, directory=place, input_key=key)
        session.book.append(
            Extraction(
                run=recorder.number,
                supernet=supernet.digest,
                shape=str(shape),
                artifact_digest=manifest.content_digest,
                work=recorder.beat("extract", None, flush=True) - before,
            )
        )
        return manifest

    return made(job, session, make, rerun=rerun)


def open_run(place: Path) -> tuple[RunConfig, Supernet]:
    """The recipe and the finished supernet of a run's folder.

    Raises:
        ArtifactError: the run is not finished, or its supernet is damaged.
    """
    supernet = open_supernet(place / SUPERNET_ROOM, kind=SUPERNET, device=choose_device("auto"))
    path = place / RECIPE_NAME
    try:
        recipe = json.loads(path.read_bytes())
    except (OSError, json.JSONDecodeError) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}",
            remedy="restore it from a copy, or train again with --rerun",
        ) from error
    return parse_config(RunConfig, recipe, where=str(path)), supernet


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
        ArtifactError: it is not there any more, or a corpus of the workspace is damaged.
    """
    wanted = supernet.origin["corpus"]
    for path in sorted((workspace.root / "corpora").glob(f"*/{MANIFEST_NAME}")):
        if read_manifest(path.parent, kind=CORPUS).content_digest == wanted:
            return Corpus.open(path.parent, verify=True)
    raise ArtifactError(
        f"the corpus {wanted[:16]}... of {supernet.directory} is not in {workspace.root}",
        remedy="make it again: farthing curate, with the recipe of that run",
    )


def _check_resumption(key: str, plan: str, session: Session) -> None:
    """Shares are signed before training: a run goes on under the plan it began with."""
    begun = starts_of(key, session)
    if begun and begun[-1].plan != plan:
        raise ConfigError(
            "this run is half trained, under a plan that registered other members or settings",
            remedy="go on with the recipe it began with (evaluate.members too), "
            "or start another run, for example with another train.seed",
        )


def _registered_members(run: RunConfig, corpus: Corpus) -> tuple[Member, ...]:
    """The members with their shares of the parent: in proportion to active FLOPs per token."""
    shapes = distinct_shapes(run.evaluate.members, run.model)
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
