"""The draft: everything that could be chosen afterwards, signed before anything has run."""

from __future__ import annotations

from dataclasses import dataclass

from farthing import flow
from farthing.artifacts.canonical import digest_json
from farthing.artifacts.claims.entries import ClaimDraft, Split, Tuning
from farthing.artifacts.work import SENSORS
from farthing.errors import ConfigError
from farthing.session import Session
from farthing.studies.claim.config import ClaimConfig
from farthing.studies.claim.pinned import software_here
from farthing.studies.claim.registered import (
    baseline_recipes,
    method_recipe,
    registered_runs,
    segments_of,
    targets_of,
)
from farthing.studies.claim.standing import Standing, find_standing, known_standing
from farthing.studies.claim.storage import training_bytes
from farthing.studies.compare.budget import run_flops
from farthing.text.corpus import Corpus

STOP_RULE = (
    "Every registered run is made with every derived seed and ends after its registered steps. "
    "Of each, the first training that completes counts, and its scores; nothing is left out. "
    "What is interrupted or fails goes on or begins again, and what that cost stands under "
    "`repeated`. A run that never completes leaves no claim."
)


@dataclass(frozen=True)
class Drafted:
    """A draft in the book.

    Attributes:
        standing: the entry.
        new: whether it was signed just now.
        trainings: how many will be run.
        segments: checkpoints that they leave, if nothing interrupts them.
        flops: of all trainings, planned.
    """

    standing: Standing
    new: bool
    trainings: int
    segments: int
    flops: float


def draft_claim(config: ClaimConfig, session: Session) -> Drafted:
    """Make or find the corpus, and sign the draft unless the book holds this very one.

    Raises:
        ConfigError: settings that contradict each other or fit no recipe; or other settings, code
            or packages under a name whose nonce is known.
        CorpusError: text that is missing, empty or malformed.
    """
    method = method_recipe(config)
    baseline = baseline_recipes(config, method)
    targets = targets_of(config, method)
    _check_basis(config, session)
    corpus = flow.run_curate(method, session)
    software = software_here()
    recipes = (method, *baseline)
    draft = ClaimDraft(
        name=config.name,
        statement=config.statement,
        runs=registered_runs(method, baseline),
        baseline=config.baseline.name,
        targets=targets,
        seeds=config.seeds,
        split=config.split,
        corpus_digest=corpus.digest,
        held_out_digest=held_out_digest(corpus, config.split),
        code=software.code,
        commit=software.commit,
        packages=software.packages,
        basis=config.basis,
        stop_rule=STOP_RULE,
        tuning=Tuning(**config.tuning.model_dump()),
        storage_bytes=config.seeds * sum(training_bytes(run, corpus.vocab_size) for run in recipes),
    )
    new = _enter(draft, session)
    return Drafted(
        standing=find_standing(session.book.records, config.name),
        new=new,
        trainings=config.seeds * len(recipes),
        segments=config.seeds * sum(map(segments_of, recipes)),
        flops=config.seeds * sum(run_flops(run, corpus.vocab_size) for run in recipes),
    )


def held_out_digest(corpus: Corpus, split: Split) -> str:
    """Of the scored tokens alone: the manifest's lines (file and digest) under the split."""
    files = corpus.manifest.files.items()
    return digest_json({name: digest for name, digest in files if name.startswith(f"{split}/")})


def _enter(draft: ClaimDraft, session: Session) -> bool:
    """Whether the draft had to be signed."""
    session.book.refresh()
    known = known_standing(session.book.records, draft.name)
    if known is not None and known.draft == draft:
        return False
    if known is not None and known.nonce is not None:
        differing = [
            name
            for name in ClaimDraft.model_fields
            if getattr(known.draft, name) != getattr(draft, name)
        ]
        raise ConfigError(
            f"the claim {draft.name} was drafted with other settings and has its nonce already; "
            f"what differs: {', '.join(differing)}",
            remedy="go on with it as it was drafted, or draft this under another name: the book "
            "keeps both",
        )
    session.book.append(draft)
    return True


def _check_basis(config: ClaimConfig, session: Session) -> None:
    method = session.meter.peek().energy_method
    if config.basis == "kwh" and method not in SENSORS:
        raise ConfigError(
            f"basis: kwh, but no sensor reads the energy of this machine (method {method}): a "
            "ratio of estimates would only repeat the hours",
            remedy="claim in flops or device_hours, or run where RAPL or the boards can be read",
        )
