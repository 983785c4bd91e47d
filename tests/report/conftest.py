"""A tiny family, made once in this process: its run was stopped, resumed, and finished."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from farthing import flow
from farthing.artifacts.benchmarks import (
    BENCHMARKS_NAME,
    Benchmark,
    BenchmarkMatrix,
    BenchmarkScore,
    MemberBenchmarks,
    Published,
)
from farthing.artifacts.benchmarks import KIND as BENCHMARKS
from farthing.artifacts.canonical import digest_json
from farthing.artifacts.config import parse_config
from farthing.artifacts.entries import Extraction, Purpose
from farthing.artifacts.manifest import Manifest, write_manifest
from farthing.artifacts.scores import ExpertLoad
from farthing.artifacts.workspace import Workspace
from farthing.ledger.book import Book
from farthing.ledger.journal import RunRecorder
from farthing.ledger.meter import NO_WORK
from farthing.report.facts.gather import ReportFacts, gather
from farthing.report.facts.samples import Prompt
from farthing.report.page import render
from farthing.session import Show, open_session


@dataclass(frozen=True)
class Tiny:
    """What the family is made from."""

    steps: int = 12
    checkpoint_every: int = 4
    stopped_after: int = 6
    attack: str = '<script>alert("source")</script>'
    prompts: tuple[Prompt, ...] = (Prompt("en", "the river <b>&"), Prompt("zh", "日月山水"))


TINY = Tiny()
DENSE = {"num_experts": 0, "top_k": 0, "expert_dim": 0, "num_shared_experts": 0}

_WORDS = ("river", "mill", "barge", "rain", "stone", "lamp", "door", "field", "crow", "night")
_SIGNS = "日月山水风云花草人心天地春秋江河老少来去高低远近东西南北上下左右"


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "works.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for language, pieces, joint in (("en", _WORDS, " "), ("zh", _SIGNS, "")):
            for work in range(12):
                source = random.Random(f"{language} {work}")
                line = {
                    "id": f"{language}/{work}",
                    "text": joint.join(source.choice(pieces) for _ in range(400)),
                    "source": TINY.attack if work % 3 == 0 else "written for this test",
                    "licence": "CC0-1.0" if work % 2 else "MIT",
                    "language": language,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return path


def _recipe(text: Path, members: list[str], **sizes: int) -> flow.RunConfig:
    model = {
        "num_layers": 4,
        "num_dense_layers": 1,
        "hidden_dim": 16,
        "num_heads": 2,
        "num_kv_heads": 1,
        "head_dim": 8,
        "dense_ffn_dim": 32,
        "num_experts": 4,
        "expert_dim": 8,
        "top_k": 2,
        "context": 32,
    } | sizes
    train = {
        "steps": TINY.steps,
        "batch_sequences": 4,
        "micro_sequences": 2,
        "checkpoint_every": TINY.checkpoint_every,
        "elastic": {"depths": [3], "expert_counts": [2], "top_ks": [1]}
        if model["num_experts"]
        else {"depths": [3], "experts_probability": 0.0, "top_k_probability": 0.0},
    }
    settings = {
        "name": "tiny",
        "corpus": {
            "sources": [str(text)],
            "until": "raw",
            "tokenizer": "bytes",
            "held_out_share": 0.1,
        },
        "model": model,
        "train": train,
        "evaluate": {"members": members},
    }
    return parse_config(flow.RunConfig, settings, where="a test")


def _show(stop_after: int | None) -> Show:
    @contextmanager
    def training(*_: Any) -> Iterator[Callable[..., None]]:
        def watch(result: Any, _: Any) -> None:
            if stop_after is not None and result.step + 1 == stop_after:
                raise KeyboardInterrupt("the test stops it here")

        yield watch

    return Show(line=lambda _: None, training=training)


def _make_family(
    root: Path, text: Path, members: list[str], *, stop: bool = False, score: bool = True, **sizes
) -> Workspace:
    """The whole flow under `root`/w, signed by a key in `root`/home."""
    run = _recipe(text, members, **sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARTHING_HOME", str(root / "home"))
        if stop:
            session = open_session(root / "w", _show(TINY.stopped_after))
            corpus = flow.run_curate(run, session)
            with pytest.raises(KeyboardInterrupt):
                flow.run_train(run, corpus, session)
        session = open_session(root / "w", _show(None))
        corpus = flow.run_curate(run, session)
        place = flow.run_train(run, corpus, session)
        if score:
            supernet = flow.open_run(place)[1]
            flow.run_evaluate(run.evaluate, run.name, supernet, corpus, session)
    return Workspace(root / "w")


def _enter(
    workspace: Workspace,
    purpose: Purpose,
    kind: str,
    make: Callable[[Path, Book, RunRecorder], Manifest],
) -> Manifest:
    """A run of the workspace's own book that makes one artifact under `ROOM/tiny-...`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARTHING_HOME", str(workspace.root.parent / "home"))
        session = open_session(workspace.root, _show(None))
        key = digest_json([kind, len(session.book.records)])
        place = workspace.place("benchmarks" if kind == BENCHMARKS else "models", "tiny", key)
        with session.book.start_run(purpose, "tiny", input_key=key, meter=session.meter) as run:
            place.mkdir(parents=True)
            manifest = make(place, session.book, run)
            run.end(artifact_kind=kind, artifact_digest=manifest.content_digest)
    return manifest


def _add_extraction(
    workspace: Workspace, facts: ReportFacts, shape: str, kind: str, *, finished: bool = True
) -> str:
    """What a book says after `extract`, of a file that is none; returns its content digest."""

    def make(place: Path, book: Book, run: RunRecorder) -> Manifest:
        (place / "file").write_text(f"{kind} {run.number}")
        made = write_manifest(place, kind=kind, input_key="0" * 64, detail={})
        book.append(
            Extraction(
                run=run.number,
                supernet=facts.supernet,
                shape=shape,
                artifact_digest=made.content_digest,
                work=NO_WORK,
            )
        )
        if not finished:
            raise KeyboardInterrupt("the test stops it here")
        return made

    return _enter(workspace, "extraction", kind, make).content_digest


def _add_benchmarks(workspace: Workspace, facts: ReportFacts, **changes: Any) -> None:
    """Scores of one benchmark, with a run in the book; the figures are made up."""
    asked = Benchmark(
        name="pairs",
        title='Pairs <img src="x">',
        language="zh",
        form="minimal_pairs",
        metric="acc",
        items=400,
        shortened=0,
        chance=0.5,
        file="pairs.jsonl",
        file_digest="0" * 64,
        definition_digest="1" * 64,
        complete=True,
        source="made up for this test",
        licence="CC0-1.0",
        hub_dataset=None,
        published=(
            Published(model="big one", accuracy=0.9, source="https://example.org/a", note="all"),
        ),
    ).model_copy(update=changes)
    score = BenchmarkScore(
        acc=0.6,
        acc_stderr=0.0245,
        acc_norm=0.65 if asked.metric == "acc_norm" else None,
        acc_norm_stderr=0.0238 if asked.metric == "acc_norm" else None,
        ties=3,
        groups={"subject": 0.7, "object": 0.5},
    )
    members = tuple(
        MemberBenchmarks(shape=member.shape, label=member.label, scores={"pairs": score})
        for member in facts.scores.members
    )
    matrix = BenchmarkMatrix(supernet=facts.supernet, benchmarks=(asked,), members=members)

    def make(place: Path, *_: Any) -> Manifest:
        (place / BENCHMARKS_NAME).write_text(matrix.model_dump_json(), encoding="utf-8")
        detail = {"supernet": facts.supernet}
        return write_manifest(place, kind=BENCHMARKS, input_key="0" * 64, detail=detail)

    _enter(workspace, "evaluation", BENCHMARKS, make)


@pytest.fixture(scope="session")
def expert_load(made_facts: ReportFacts) -> ExpertLoad:
    """Layer 1 even but for a dead expert, layers 2 and 3 all on one; domain zh even everywhere."""
    even, one = (0.25,) * 4, (0.0, 1.0, 0.0, 0.0)
    return ExpertLoad(
        label=made_facts.scores.members[0].label,
        layers=(1, 2, 3),
        shares={"en": ((0.0, 0.5, 0.25, 0.25), one, one), "zh": (even, even, even)},
    )


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    return TINY


@pytest.fixture(scope="session")
def make_family() -> Callable[..., Workspace]:
    return _make_family


@pytest.fixture(scope="session")
def add_benchmarks() -> Callable[..., None]:
    return _add_benchmarks


@pytest.fixture(scope="session")
def add_extraction() -> Callable[..., str]:
    return _add_extraction


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> Workspace:
    """Not to be changed: see `workspace`."""
    return _make_family(
        tmp_path_factory.mktemp("family"),
        text_file,
        ["4L-4E-2K", "4L-2E-1K", "3L-4E-1K"],
        stop=True,
    )


@pytest.fixture(scope="session")
def made_facts(made: Workspace) -> ReportFacts:
    return gather(made, None, TINY.prompts)


@pytest.fixture(scope="session")
def dense_facts(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> ReportFacts:
    root = tmp_path_factory.mktemp("dense")
    return gather(_make_family(root, text_file, ["4L", "3L"], **DENSE), None, TINY.prompts)


@pytest.fixture
def facts(made_facts: ReportFacts) -> ReportFacts:
    return made_facts


@pytest.fixture
def workspace(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the family of its own, with the key that signs its book."""
    shutil.copytree(made.root, tmp_path / "w")
    shutil.copytree(made.root.parent / "home", tmp_path / "home")
    return Workspace(tmp_path / "w")


@pytest.fixture(scope="session")
def page(made_facts: ReportFacts) -> str:
    return render(made_facts).decode()
