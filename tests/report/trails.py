"""A trail as a curation might leave it, made up, and a corpus of a workspace that holds it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from farthing.artifacts.curation import (
    Amount,
    BenchmarkHits,
    Cluster,
    ClusterMember,
    Contamination,
    Dropped,
    Funnel,
    FunnelStep,
    Hit,
    MaskCount,
    MixedStream,
    Mixture,
    Sample,
    Share,
)
from farthing.artifacts.curation_step import CurationStep
from farthing.artifacts.manifest import MANIFEST_NAME, read_manifest, write_manifest
from farthing.artifacts.trail import Trail, write_trail
from farthing.artifacts.work import Work
from farthing.artifacts.workspace import Workspace
from farthing.session import Show, open_session
from farthing.text.corpus import KIND

ATTACK = '<script>alert("text")</script>'
# An override of the direction, and a byte that is no letter.
HIDDEN = "\u202eon\x1b"
# Of the run that made the corpus; half a CPU-second is in no step.
WORK = Work(
    wall_seconds=10.0,
    device_seconds=20.0,
    cpu_seconds=5.0,
    tokens=0,
    flops=0.0,
    optimizer_flops=0.0,
    joules=100.0,
    energy_method="tdp_model",
)
# The last one is no step of the funnel.
CPU_SECONDS = {"read": 0.5, "rules": 2.0, "near": 1.0, "tokens": 0.5, "encode": 0.5}


def amount(documents: int, size: int) -> Amount:
    """Some documents and bytes."""
    return Amount(documents=documents, bytes=size)


def _dropped(domain: str, reason: str, documents: int, size: int) -> Dropped:
    return Dropped(domain=domain, reason=reason, amount=amount(documents, size))


def made_up_funnel() -> Funnel:
    """Five steps from 1,000 documents to 620; MB in tenths, so that a row is easy to check."""
    rules = (
        _dropped("en", "rule:en.alphabetic_share", 60, 300_000),
        _dropped("zh", "rule:zh.cjk_share", 40, 500_000),
        _dropped("zh", f"rule:{ATTACK}", 1, 100_000),
    )
    near = (_dropped("en", "near_duplicate", 199, 900_000),)
    read, ruled = amount(1000, 10_000_000), amount(870, 7_000_000)
    refused = (_dropped("", "not_json", 29, 100_000),)
    steps = (
        FunnelStep(
            name="read",
            entered=read,
            left=amount(971, 7_900_000),
            dropped=refused,
            changed_bytes=2_000_000,
        ),
        FunnelStep(
            name="rules",
            entered=amount(971, 7_900_000),
            left=ruled,
            dropped=rules,
        ),
        FunnelStep(
            name="near",
            entered=ruled,
            left=amount(671, 6_100_000),
            dropped=near,
        ),
        FunnelStep(
            name="tokens",
            entered=amount(671, 6_100_000),
            left=amount(671, 6_100_000),
            tokens=1_500_000,
        ),
    )
    return Funnel(
        steps=steps,
        languages=(
            Share(name="en", read=amount(600, 6_000_000), kept=amount(400, 4_000_000)),
            Share(name="zh", read=amount(371, 4_000_000), kept=amount(271, 2_100_000)),
        ),
        domains=(
            Share(name="en_web", read=amount(600, 6_000_000), kept=amount(400, 4_000_000)),
            Share(name="zh_law", read=amount(371, 4_000_000), kept=amount(271, 2_100_000)),
        ),
        licences=(Share(name=ATTACK, read=amount(971, 10_000_000), kept=amount(671, 6_100_000)),),
        masks=(MaskCount(kind="EMAIL", domain="en_web", masks=12, documents=7),),
        mixture=Mixture(
            until=(0.8, 1.0),
            streams=(
                MixedStream(stream="en.high", domain="en", tokens=1_000, weights=(0.6, 0.9)),
                MixedStream(stream="zh", domain="zh", tokens=2_000, weights=(0.4, 0.1)),
            ),
        ),
    )


def _sample(place: int, reason: str = "", domain: str = "en", text: str = "words") -> Sample:
    return Sample(
        id=f"doc-{domain}-{place}",
        source="a pile",
        domain=domain,
        language=domain,
        licence="CC0-1.0",
        step="rules" if reason else "",
        reason=reason,
        letters=len(text),
        text=text,
        signals={"alphabetic_share": 0.25, "mean_word_length": None},
    )


def made_up_trail() -> Trail:
    """The funnel with two reasons' samples, a cluster, and a hit."""
    chinese = "这是一个样本。" * 40
    members = (
        ClusterMember(
            id="first", source="a", domain="en", bytes=40, kept=True, excerpt=f"one {ATTACK}"
        ),
        ClusterMember(
            id="second", source="b", domain="en", bytes=41, kept=False, jaccard=0.91, excerpt="two"
        ),
    )
    hit = Hit(
        benchmark="gsm8k",
        item="17",
        document="doc-9",
        source="a pile",
        domain="maths",
        score=0.97,
        answer=True,
        verdict="contaminated",
        question="How many apples",
        snippet=f"How many apples {HIDDEN}",
    )
    return Trail(
        funnel=made_up_funnel(),
        samples=(
            _sample(1, text="kept English words " * 20),
            _sample(2, domain="zh", text=chinese),
            _sample(3, "rule:en.alphabetic_share", text=f"12 34 {ATTACK}{HIDDEN} " * 12),
            _sample(4, "rule:zh.cjk_share", domain="zh", text="menu | home | " * 20),
            _sample(5, "rule:zh.cjk_share", domain="fr", text="aucun"),
        ),
        clusters=(Cluster(documents=7, bytes=290, members=members),),
        contamination=Contamination(
            benchmarks=(
                BenchmarkHits(
                    benchmark="gsm8k",
                    items=1319,
                    not_looked_for=12,
                    items_hit=1,
                    documents=1,
                    question_only=3,
                ),
                BenchmarkHits(
                    benchmark="arc", items=2376, items_hit=0, documents=0, question_only=0
                ),
            ),
            hits=(hit,),
            unlisted=4,
        ),
    )


def add_trail(
    workspace: Workspace, name: str, trail: Trail, more: dict[str, Any] | None = None
) -> Path:
    """A corpus `corpora/NAME` like the one that is there, with a trail and a run in the book.

    Its manifest says `more`.
    """
    (first, *_) = sorted((workspace.root / "corpora").glob(f"[!.]*/{MANIFEST_NAME}"))
    place = workspace.root / "corpora" / name
    shutil.copytree(first.parent, place)
    (place / MANIFEST_NAME).unlink()
    write_trail(place, trail)
    detail = {**read_manifest(first.parent, kind=KIND).detail, **(more or {})}
    key = "5" * 64
    made = write_manifest(place, kind=KIND, input_key=key, detail=detail)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARTHING_HOME", str(workspace.root.parent / "home"))
        show = Show(line=lambda _: None, training=lambda *_: None)
        session = open_session(workspace.root, show)
        with session.book.start_run("curation", name, input_key=key, meter=session.meter) as run:
            known = {step.name: step for step in trail.funnel.steps}
            for step, seconds in CPU_SECONDS.items():
                text = known.get(step, trail.funnel.steps[-1])
                session.book.append(
                    CurationStep(
                        run=run.number,
                        step=step,
                        documents_in=text.entered.documents,
                        documents_out=text.left.documents,
                        bytes_in=text.entered.bytes,
                        bytes_out=text.left.bytes,
                        tokens=text.tokens,
                        cpu_seconds=seconds,
                    )
                )
            finish = run._finish
            run._finish = lambda end: finish(end.model_copy(update={"work": WORK}))
            run.end(artifact_kind=KIND, artifact_digest=made.content_digest)
    return place
