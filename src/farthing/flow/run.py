"""The stages in order: the whole system on one screen.

    curate -> train -> evaluate -> extract, with a numbered, signed run in the book for each.

Each function says what decides its artifact (the input key) and how it is made; `session.made`
finds it finished, or makes it in a run. What was interrupted goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from farthing.artifacts.benchmarks import KIND as BENCHMARKS
from farthing.artifacts.benchmarks import BenchmarkMatrix, open_benchmarks
from farthing.artifacts.entries import Evaluation, Extraction
from farthing.artifacts.manifest import Manifest, read_manifest, verify_files
from farthing.artifacts.references import InputRef
from farthing.artifacts.scores import KIND as SCORES
from farthing.artifacts.scores import ScoreMatrix, open_scores
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.flow.config import RunConfig
from farthing.flow.curation import repetition
from farthing.flow.foresee import sign_forecast
from farthing.flow.inputs import model_inputs, training_inputs
from farthing.flow.known import card_facts, card_inputs
from farthing.flow.opening import RECIPE_NAME
from farthing.flow.plan import check_resumption, check_stated_share, registered_plan, sign_plan
from farthing.flow.start import open_source
from farthing.ledger.given_rates import make_rates
from farthing.ledger.journal import RunRecorder
from farthing.ledger.spending import spending_text
from farthing.model.member import KIND as MEMBER
from farthing.model.shape import Shape, distinct_shapes
from farthing.model.supernet import CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME, Supernet
from farthing.session import Job, Session, input_key, made
from farthing.stages.evaluate.benchmark import benchmark
from farthing.stages.evaluate.benchmark_config import BenchmarkConfig
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.evaluate.run import evaluate
from farthing.stages.evaluate.sources import read_benchmarks
from farthing.stages.extract.cut import member_config
from farthing.stages.extract.gguf import KIND as GGUF
from farthing.stages.extract.gguf import export_gguf
from farthing.stages.extract.gguf_file import Encoding
from farthing.stages.extract.run import extract
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.run import KIND as SUPERNET
from farthing.stages.train.run import SUPERNET_ROOM, check_fit, resumable_step, train
from farthing.stages.train.start.begin import Start, prepare_start
from farthing.text.corpus import Corpus
from farthing.text.tokenizer import Tokenizer

# Rooms whose code can change what a stage makes.
_TRAIN_CODE = ("artifacts", "text", "model", "cost", "stages/train")
_EVALUATE_CODE = ("artifacts", "text", "model", "cost", "stages/evaluate")
_EXTRACT_CODE = (
    *("artifacts", "text", "model", "cost", "ledger", "hardware", "stages/extract"),
    *("flow/known.py", "quantity.py"),
)
_GGUF_CODE = ("artifacts", "stages/extract")


def training_key(run: RunConfig, corpus: Corpus, start: Start | None) -> str:
    """Digest of everything that decides what a training makes: settings, inputs and code."""
    settings = {
        "model": run.model.model_dump(mode="json"),
        "train": run.train.model_dump(mode="json", exclude=set(TrainConfig.harmless)),
    }
    inputs = {"corpus": corpus.digest, "start": start.identity if start else None}
    return input_key("train", settings, inputs, _TRAIN_CODE)


def run_train(run: RunConfig, corpus: Corpus, session: Session, *, rerun: bool = False) -> Path:
    """Corpus (and a trained model, if `run.start` names one) to supernet; returns the run's folder.

    The plan is signed first.
    """
    _, batches = check_fit(run.train, run.model, corpus)
    for sentence in repetition(run, corpus):
        session.show.line(f"note      {sentence}")
    start = None
    if run.start is not None:
        source = open_source(run.start.from_, session.workspace)
        start = prepare_start(run.start, source, run.model, corpus, batches)
        session.show.line(f"start     {start}")
    plan = registered_plan(run, corpus, start)
    key = training_key(run, corpus, start)
    read = training_inputs(corpus, start)
    job = Job("training", run.name, "runs", SUPERNET, key, inner=SUPERNET_ROOM, inputs=read)
    if not rerun:
        check_stated_share(key, plan, session)
    rates = make_rates(session.settings, session.workspace.root)

    def sign(place: Path) -> dict[str, Any]:
        step = resumable_step(place)
        if step is not None:
            check_resumption(key, plan, session)
            session.show.line(f"resume    from step {step}")
        make_directory(place)
        signed = sign_plan(plan, session)
        if step is None:
            sign_forecast(run, corpus, plan, session)
        return {
            "plan": signed,
            "resumed_from_step": step,
            "deterministic": run.train.deterministic,
        }

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
            say=session.show.line,
            make_watch=lambda first: session.show.training(
                lambda work: spending_text(work, recorder.start.machine, rates),
                run.train.steps,
                first,
            ),
            start=start,
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
    read = model_inputs(supernet, corpus)
    job = Job("evaluation", name, "scores", SCORES, key, inputs=read)

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


def run_benchmarks(
    config: BenchmarkConfig,
    name: str,
    supernet: Supernet,
    session: Session,
    *,
    rerun: bool = False,
) -> BenchmarkMatrix:
    """Supernet and questions to benchmark scores; each member's enter the book."""
    shapes = distinct_shapes(config.members, supernet.model.config)
    config = config.model_copy(update={"members": tuple(str(shape) for shape in shapes)})
    # Read before there is a run: a wrong file never becomes a failed one on the bill.
    tokenizer = Tokenizer.load(supernet.directory)
    asked = read_benchmarks(config, tokenizer, supernet.model.config.context)
    # Not where the questions are or how they were named: what they are, which their digests say.
    settings = config.model_dump(mode="json", exclude={"folder", "benchmarks"})
    questions = {one.definition.name: one.inputs for one in asked}
    inputs = {"supernet": supernet.digest, "benchmarks": questions}
    key = input_key("benchmark", settings, inputs, _EVALUATE_CODE)
    title, read = f"{name}-benchmarks", model_inputs(supernet)
    job = Job("evaluation", title, "benchmarks", BENCHMARKS, key, inputs=read)

    def make(place: Path, recorder: RunRecorder) -> Manifest:
        before = recorder.work()

        def on_answered(shape: Shape, asked: str, tokens: int, flops: int) -> None:
            label = shape.label(supernet.model.config)
            recorder.beat(f"{label} {asked}", None, tokens=tokens, flops=float(flops))

        def on_scored(shape: Shape, scores: dict[str, float]) -> None:
            nonlocal before
            work = recorder.beat("benchmarks", None, flush=True)
            session.book.append(
                Evaluation(
                    run=recorder.number,
                    supernet=supernet.digest,
                    shape=str(shape),
                    split="benchmarks",
                    scores=scores,
                    work=work - before,
                )
            )
            before = work
            mean = sum(scores.values()) / len(scores)
            label = shape.label(supernet.model.config)
            session.show.line(f"benchmark {label}: {mean:.3f} right on average")

        return benchmark(
            config,
            supernet,
            asked,
            directory=place,
            input_key=key,
            on_answered=on_answered,
            on_scored=on_scored,
        )[1]

    return open_benchmarks(made(job, session, make, rerun=rerun))[0]


def run_extract(
    shape: Shape, name: str, supernet: Supernet, session: Session, *, rerun: bool = False
) -> Path:
    """Supernet and shape to a member that stands alone, with its card; returns its folder."""
    member_config(supernet.model.config, shape)
    # Gathered before there is a run: a wrong setting never becomes a failed one on the bill.
    facts = card_facts(supernet, shape, session)
    # The card carries scores and prices: a member that has been scored since is written anew.
    settings = [str(shape), name, card_inputs(facts, supernet, session)]
    key = input_key("extract", settings, supernet.digest, _EXTRACT_CODE)
    title = f"{name}-{shape.label(supernet.model.config)}"
    job = Job("extraction", title, "models", MEMBER, key, inputs=model_inputs(supernet))

    def make(place: Path) -> Manifest:
        return extract(supernet, shape, directory=place, input_key=key, name=title, facts=facts)

    place = made(job, session, _entered(make, supernet, shape, session), rerun=rerun)
    # It is about to be given away: a damaged one is never handed out as finished.
    verify_files(place, read_manifest(place, kind=MEMBER))
    return place


def run_gguf(
    member: Path,
    encoding: Encoding,
    name: str,
    supernet: Supernet,
    session: Session,
    *,
    rerun: bool = False,
) -> Path:
    """An extracted member to a GGUF file for llama.cpp; returns the file."""
    manifest = read_manifest(member, kind=MEMBER)
    shape = Shape.parse(manifest.detail["shape"], supernet.model.config)
    title = f"{name}-{shape.label(supernet.model.config)}-{encoding}"
    # Not the card: it changes with every price, the model does not.
    model = {file: manifest.files[file] for file in (CONFIG_NAME, WEIGHTS_NAME, TOKENIZER_NAME)}
    key = input_key("gguf", [title, encoding], model, _GGUF_CODE)
    read = (InputRef(role="weights", digest=manifest.content_digest),)
    job = Job("extraction", title, "models", GGUF, key, inputs=read)

    def make(place: Path) -> Manifest:
        return export_gguf(member, encoding, title, directory=place, input_key=key)

    place = made(job, session, _entered(make, supernet, shape, session), rerun=rerun)
    made_file = read_manifest(place, kind=GGUF)
    verify_files(place, made_file)
    left = made_file.detail["gguf"]["left_unquantized"]
    if left:
        session.show.line(
            f"note      {len(left)} tensors stay F16: their rows do not fit {encoding} blocks"
        )
    return place / f"{title}.gguf"


def _entered(
    make: Callable[[Path], Manifest],
    supernet: Supernet,
    shape: Shape,
    session: Session,
) -> Callable[[Path, RunRecorder], Manifest]:
    """`make`, whose work is entered into the book as what this member alone caused."""

    def make_and_enter(place: Path, recorder: RunRecorder) -> Manifest:
        before = recorder.work()
        manifest = make(place)
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

    return make_and_enter
