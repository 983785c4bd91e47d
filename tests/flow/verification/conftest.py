"""Four small trainings of a claim, and an answer that releases all of them."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from tiny_models import TINY

from farthing.artifacts.claims.answer import Answer, ReleasedSegment
from farthing.artifacts.claims.entries import ClaimDraft, RegisteredRun
from farthing.artifacts.claims.selection import Chosen, SegmentFacts
from farthing.artifacts.claims.statement import Claim, ClaimedRun, Reached
from farthing.artifacts.entries import Plan
from farthing.flow.config import RunConfig
from farthing.flow.run import run_evaluate, run_train
from farthing.flow.verification.released import Released
from farthing.model.supernet import open_supernet
from farthing.session import Session, Show, open_session
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.replay import replay
from farthing.stages.train.routes import RouteLog
from farthing.stages.verify.claim.book import ClaimBook
from farthing.stages.verify.claim.trainings import Rest, Training
from farthing.text.corpus import Corpus

NONCE = "00" * 16
WORDS = ("river", "mill", "barge", "rain", "stone", "lamp", "door", "field", "crow", "night")


def words(seed: int, count: int) -> str:
    drawn = torch.randint(len(WORDS), (count,), generator=torch.Generator().manual_seed(seed))
    return " ".join(WORDS[i] for i in drawn.tolist())


@pytest.fixture(scope="session")
def works(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("works")
    (folder / "text").mkdir()
    for number in range(12):
        (folder / f"text/{number}.txt").write_text(words(number, 500))
    config = CurateConfig(
        sources=(str(folder / "text"),),
        until="raw",
        workers=1,
        tokenizer="bytes",
        held_out_share=0.2,
    )
    return curate(config, folder / "corpus", "key").corpus


def recipe(arm: str, seed: int) -> RunConfig:
    elastic = ElasticConfig(depths=(3,), expert_counts=(2,), top_ks=(1,), full_probability=0.5)
    method = arm == "method"
    members = ("4L-4E-2K", "3L-2E-1K") if method else ("4L",)
    sizes = TINY if method else TINY.model_copy(update={"num_experts": 0, "top_k": 0})
    return RunConfig(
        name=f"{arm}-{seed}",
        model=sizes,
        train=TrainConfig(
            steps=6,
            batch_sequences=4,
            seed=seed,
            threads=1,
            precision="fp32",
            elastic=elastic if method else None,
            checkpoint_every=3,
            keep_checkpoints=9,
        ),
        evaluate=EvaluateConfig(members=members, split="dev", batch_sequences=16),
    )


@dataclass
class World:
    """The claimant's folder and what he made; `released` copies what he hands out."""

    session: Session
    places: dict[int, Path]
    released: Released

    def handed_out(self, folder: Path) -> Released:
        """An answer of its own, to be tampered with."""
        shutil.copytree(self.released.folder, folder)
        return replace(self.released, folder=folder, corpus_folder=folder / "corpus")


@pytest.fixture(scope="session")
def world(works: Corpus, tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("claimed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARTHING_HOME", str(root / "home"))
        torch.set_num_threads(1)
        show = Show(lambda _line: None, lambda *_: nullcontext(lambda *_: None))
        session = open_session(root / "ws", show)
        places = {}
        for arm in ("method", "baseline"):
            for seed in (5, 9):
                run = recipe(arm, seed)
                place = run_train(run, works, session)
                number = session.book.records[-1].body.run
                places[number] = place
                supernet = open_supernet(
                    place / "supernet", kind="supernet", device=torch.device("cpu")
                )
                run_evaluate(run.evaluate, run.name, supernet, works, session)
        records = session.book.records
    return World(session, places, _released(root, records, places, works))


def _released(root, records, places, works) -> Released:
    book = ClaimBook(records, {})
    trainings, claimed = [], []
    for number, place in places.items():
        run = book.runs[number]
        plan = book.plans[run.start.plan][1]
        training = _training(run, plan)
        trainings.append(training)
        scores = {
            entry.shape: sum(entry.scores.values()) / len(entry.scores)
            for _, entry in book.evaluations
            if entry.supernet == training.model
        }
        claimed.append(
            ClaimedRun.model_construct(
                arm=training.registered.arm,
                label=training.registered.label,
                seed=training.seed,
                runs=(number,),
                model=training.model,
                bpb=scores,
            )
        )
        shutil.copytree(place / "supernet", root / f"answer/models/{number}")
        for each in (place / "checkpoints").iterdir():
            shutil.copytree(each, root / f"answer/checkpoints/{number}/{each.name}")
    folder = root / "answer"
    shutil.copytree(works.directory, folder / "corpus")
    (folder / "routes").mkdir()
    segments = [
        _release(folder, training, segment, works)
        for training in trainings
        for segment in training.segments
    ]
    answer = Answer(
        version=1,
        claim="0" * 64,
        nonce=NONCE,
        drawn=29,
        segments=tuple(segments),
        models={str(number): f"models/{number}" for number in places},
        corpus="corpus",
        files={},
    )
    members = claimed[0].bpb
    reached = tuple(
        Reached.model_construct(shape=shape, target=9.0, counted=True) for shape in members
    )
    steps = {
        number: {
            line["step"]: line
            for line in map(json.loads, (place / "metrics.jsonl").read_text().splitlines())
        }
        for number, place in places.items()
    }
    draft = ClaimDraft.model_construct(corpus_digest=works.digest, split="dev")
    claim = Claim.model_construct(runs=tuple(claimed), reached=reached)
    return Released(folder, answer, claim, draft, book, tuple(trainings), steps, folder / "corpus")


def _training(run, plan: Plan) -> Training:
    arm, seed = plan.name.split("-")
    registered = RegisteredRun(arm=arm, label="" if arm == "method" else "6", recipe={})
    rest = Rest(run.number, 0, 6, run.billed)
    return Training(registered, int(seed), plan, (run,), (rest,), ())


def _release(folder: Path, training: Training, segment, works: Corpus) -> ReleasedSegment:
    run, number = recipe(training.registered.arm, training.seed), segment.run
    first, stop = segment.first_step, segment.last_step + 1
    begin = f"checkpoints/{number}/step-{first:08d}" if first else None
    routes = None
    if training.registered.arm == "method":
        log = RouteLog()
        replay(
            run.train,
            run.model,
            works,
            begin=folder / begin if begin else None,
            input_key=training.attempts[-1].start.input_key,
            steps=range(first, stop),
            note=log,
        )
        routes = f"routes/{number}-{first}.safetensors"
        log.save(folder / routes)
    return ReleasedSegment(
        run=number,
        first_step=first,
        last_step=segment.last_step,
        why=("drawn",),
        begin=begin,
        end=f"checkpoints/{number}/step-{stop:08d}",
        routes=routes,
    )


@pytest.fixture
def chosen(world: World) -> tuple[Chosen, ...]:
    """Every segment."""
    return tuple(
        Chosen(
            SegmentFacts("", each.run, each.first_step, each.last_step, False, False, 0.0), each.why
        )
        for each in world.released.answer.segments
    )
