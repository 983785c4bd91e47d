"""The segments of a booked run that a nonce chooses, released as an answer releases them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from booked_run import BookedRun

from farthing.artifacts.claims.answer import Answer, ReleasedSegment
from farthing.artifacts.claims.archive import file_facts, open_bundle, write_bundle
from farthing.artifacts.claims.entries import ClaimDraft, RegisteredRun
from farthing.artifacts.claims.selection import Chosen, choose
from farthing.artifacts.claims.statement import CLAIM_VERSION, Claim, FileFacts
from farthing.artifacts.claims.strict_json import parse_strict
from farthing.artifacts.entries import Plan
from farthing.flow.verification.released import Released
from farthing.stages.train.metrics import METRICS_NAME
from farthing.stages.train.replay import replay, state_digest
from farthing.stages.train.routes import RouteLog
from farthing.stages.verify.claim.book import ClaimBook
from farthing.stages.verify.claim.checkpoints import segment_facts
from farthing.stages.verify.claim.trainings import Rest, Training

_STATEMENT = "answer.json"


def choose_segments(run: BookedRun, *, claim: str, nonce: str) -> tuple[Chosen, ...]:
    """As a verifier chooses them; arguments as `release` takes them."""
    book = ClaimBook(run.book.records, {})
    return choose(segment_facts(book, [_training(run, book)]), claim=claim, nonce=nonce)


def release(run: BookedRun, chosen: tuple[Chosen, ...], *, claim: str, nonce: str) -> Released:
    """Replay segments as the claimant does, noting expert choices, and name their files.

    Args:
        run: trained.
        chosen: the segments.
        claim: digest that stands for the claim's.
        nonce: of the verifier, hexadecimal.
    """
    book = ClaimBook(run.book.records, {})
    training = _training(run, book)
    number = training.attempts[-1].number
    answer = Answer(
        version=CLAIM_VERSION,
        claim=claim,
        nonce=nonce,
        drawn=sum(each.why == ("drawn",) for each in chosen),
        segments=tuple(_released(run, each) for each in chosen),
        models={str(number): "supernet"},
        corpus=None,
        files={},
    )
    lines = (run.place / METRICS_NAME).read_bytes().splitlines()
    parsed = [line for line in map(parse_strict, lines) if isinstance(line, dict)]
    return Released(
        folder=run.place,
        answer=answer,
        # Level 3 asks neither claim nor draft but for the corpus.
        claim=Claim.model_construct(),
        draft=ClaimDraft.model_construct(corpus_digest=run.corpus.digest),
        book=book,
        trainings=(training,),
        steps={number: {line["step"]: line for line in parsed}},
        corpus_folder=run.corpus.directory,
    )


def pack(released: Released, folder: Path) -> tuple[Path, dict[str, FileFacts]]:
    """A bundle of the released files, and what would be signed of them."""
    names = {"supernet"}
    for each in released.answer.segments:
        names |= {each.end, *(name for name in (each.begin, each.routes) if name)}
    places = [path for name in sorted(names) for path in _files(released.folder / name)]
    files: dict[str, Path | bytes] = {
        path.relative_to(released.folder).as_posix(): path for path in places
    }
    bundle = folder / "segments.answer"
    write_bundle(bundle, b"{}\n", _STATEMENT, files)
    return bundle, file_facts(files)


def unpack(released: Released, bundle: Path, facts: dict[str, FileFacts], folder: Path) -> Released:
    """The released files out of a bundle: each compared with its digest, then extracted."""
    place = folder / "extracted"
    place.mkdir()
    with open_bundle(bundle, statement_name=_STATEMENT) as opened:
        opened.check(facts)
        opened.extract(opened.names, place)
    return replace(released, folder=place)


def _files(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _training(run: BookedRun, book: ClaimBook) -> Training:
    recipe = run.run.model_dump(mode="json", exclude={"inherit"})
    (attempt,) = book.runs.values()
    assert attempt.completed
    return Training(
        registered=RegisteredRun(arm="method", label="", recipe=recipe),
        seed=run.run.train.seed,
        plan=Plan.model_construct(recipe=recipe),
        attempts=(attempt,),
        rests=(Rest(attempt.number, 0, run.run.train.steps, attempt.billed),),
        others=(),
    )


def _released(run: BookedRun, chosen: Chosen) -> ReleasedSegment:
    segment = chosen.segment
    steps = range(segment.first_step, segment.last_step + 1)
    begin = f"checkpoints/step-{steps.start:08d}" if steps.start else None
    log = RouteLog()
    replayed = replay(
        run.run.train,
        run.run.model,
        run.corpus,
        begin=run.place / begin if begin else None,
        input_key=run.key,
        steps=steps,
        note=log,
    )
    booked = {each.first_step: each.checkpoint_digest for each in run.segments}
    assert state_digest(replayed, input_key=run.key) == booked[steps.start]
    routes = f"routes-{steps.start}.safetensors"
    log.save(run.place / routes)
    return ReleasedSegment(
        run=segment.run,
        first_step=segment.first_step,
        last_step=segment.last_step,
        why=chosen.why,
        begin=begin,
        end=f"checkpoints/step-{steps.stop:08d}",
        routes=routes,
    )
