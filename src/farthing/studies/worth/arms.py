"""The arms of the study: one corpus each, all on equal ground, and one recipe to train on them.

Equal ground: the tokenizer and the held-out text are those of the finished corpus (the arm
`mixed`), which every other arm is handed and clears its training text of. All models are scored on
that one corpus. So arms differ in their training text and in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing import flow
from farthing.errors import ConfigError
from farthing.flow import RunConfig
from farthing.ledger.attempts import attempts
from farthing.model.shape import Shape
from farthing.session import Session
from farthing.studies.compare.variants import changed
from farthing.studies.worth.config import ARMS, Arm, WorthConfig
from farthing.text.corpus import Corpus

FINAL: Arm = ARMS[-1]


@dataclass(frozen=True)
class ArmText:
    """The text of one arm, as its cells need it; it can be sent to another process.

    Attributes:
        arm: whose.
        directory, digest: of its corpus.
        documents, bytes, tokens: of its training text.
        curation_cpu_seconds: what the book says that making it took, failed runs included. Work
            that a text took over from another one stands with that one.
    """

    arm: Arm
    directory: Path
    digest: str
    documents: int
    bytes: int
    tokens: int
    curation_cpu_seconds: float


def make_texts(config: WorthConfig, session: Session) -> tuple[ArmText, dict[Arm, ArmText]]:
    """The finished corpus, and the corpus of every arm, each made where it is not there yet.

    Raises:
        ConfigError: the recipe reads text that no step of curation has left raw.
        CorpusError: text that is missing, or too little of it.
    """
    run = config.run
    if run.corpus.sources is None:
        raise ConfigError(
            "corpus.sources is null: the embedded sample was curated before it was embedded, so "
            "no step could show what it is worth",
            remedy='name a raw pile: --set corpus.sources=["pile/*.jsonl.zst"]',
        )
    final = flow.run_curate(run, session)
    texts: dict[Arm, ArmText] = {}
    for arm in config.worth.ordered:
        corpus = final
        if arm != FINAL:
            handed = changed(run, name=arm, corpus=corpus_settings(arm, final.directory))
            corpus = flow.run_curate(handed, session)
        _check_equal_ground(arm, corpus, final)
        texts[arm] = _text_of(arm, corpus, session)
    return _text_of(FINAL, final, session), texts


def corpus_settings(arm: Arm, final: Path) -> dict[str, Any]:
    """What an arm changes in the corpus of the recipe.

    Args:
        arm: how far curation goes.
        final: folder of the corpus that gives tokenizer and held-out text.
    """
    return {"until": arm, "held_out_from": str(final)}


def proxy(run: RunConfig, arm: Arm, final: Path, *, seed: int, steps: int) -> RunConfig:
    """The recipe as one whole model, with the text and the mixture of the arm.

    Before the step that mixes, each domain counts for as much text as it has.

    Args:
        run: the recipe.
        arm: whose text is read.
        final: folder of the finished corpus.
        seed: of weights and data order.
        steps: of the run.
    """
    train: dict[str, Any] = {"seed": seed, "steps": steps, "elastic": None}
    sections = {"evaluate": {"members": (str(Shape.full(run.model)),)}}
    if arm != FINAL:
        train["mixture"] = None
        sections["corpus"] = corpus_settings(arm, final)
    return changed(run, name=f"worth-{arm}", train=train, **sections)


def _text_of(arm: Arm, corpus: Corpus, session: Session) -> ArmText:
    splits = corpus.manifest.detail["splits"]["train"].values()
    made = attempts(session.book, {corpus.manifest.input_key}).work
    return ArmText(
        arm=arm,
        directory=corpus.directory,
        digest=corpus.digest,
        documents=sum(int(each["documents"]) for each in splits),
        bytes=sum(int(each["bytes"]) for each in splits),
        tokens=sum(int(each["tokens"]) for each in splits),
        curation_cpu_seconds=made.cpu_seconds,
    )


def _check_equal_ground(arm: Arm, corpus: Corpus, final: Corpus) -> None:
    if corpus.tokenizer.fingerprint != final.tokenizer.fingerprint:
        raise ConfigError(
            f"the arm {arm} has another tokenizer than the finished corpus: their losses could not "
            "be compared",
            remedy="this is a fault of corpus.held_out_from; report it",
        )
