"""Text to corpus, in a run of the book: what the stage does not know is handed in here."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from farthing.artifacts.curation_step import CurationStep
from farthing.artifacts.manifest import MANIFEST_NAME, Manifest
from farthing.artifacts.storage import make_directory
from farthing.artifacts.workspace import Workspace
from farthing.documents.readers.files import find_files, identities
from farthing.flow.config import RunConfig
from farthing.flow.evaluation_texts import evaluation_items, searched_files
from farthing.ledger.journal import RunRecorder
from farthing.session import Job, Session, input_key, made
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.contamination.items import EvalItem, items_digest
from farthing.stages.curate.export.megatron import export_megatron
from farthing.stages.curate.export.numpy import export_numpy
from farthing.stages.curate.mixture import make_mixture, read_too_often, searched_digest
from farthing.stages.curate.phases.maps import CODE
from farthing.stages.curate.profiles import build_rules, profile_codes
from farthing.stages.curate.quality.by_model import Scorer
from farthing.stages.curate.run import Curated, curate, measure_shard, work_folder
from farthing.stages.curate.settings.mixture import MixtureConfig
from farthing.stages.curate.sources import source_identity
from farthing.text.corpus import KIND, Corpus

if TYPE_CHECKING:
    from farthing.stages.train.start.begin import Source


def run_curate(run: RunConfig, session: Session, *, rerun: bool = False) -> Corpus:
    """Text to corpus.

    Raises:
        CorpusError: text that is missing, empty, malformed or too little to split.
    """
    # Unknown names are said before a run begins.
    profile_codes(
        build_rules(run.corpus.rules),
        run.corpus.duplicates.lines_stay_in,
        "corpus.duplicates.lines_stay_in",
    )
    items = _items(run.corpus)
    for line in searched_files(run.corpus.contamination) if items else ():
        session.show.line(f"search    {line}")
    key = _key(run.corpus, items, session.workspace)
    job = Job("curation", _corpus_name(key, session) or run.name, "corpora", KIND, key)

    def make(place: Path, recorder: RunRecorder) -> Manifest:
        made_now = curate(
            run.corpus,
            place,
            key,
            lambda phase, share: _report(phase, share, recorder, session),
            items=items,
            scorer=_scorer(run.corpus, session.workspace),
        )
        _enter_steps(made_now, recorder, session)
        return made_now.corpus.manifest

    return Corpus.open(made(job, session, make, rerun=rerun), verify=True)


def run_curate_shard(run: RunConfig, session: Session, shard: tuple[int, int]) -> int:
    """Only the measuring of shard (i, N), on one of several machines that share the workspace.

    Returns:
        How many pieces were measured; `run_curate` takes them over.
    """
    items = _items(run.corpus)
    key = _key(run.corpus, items, session.workspace)
    place = session.workspace.place("corpora", run.name, key)
    own = make_directory(work_folder(place) / f"shard-{shard[0]}-of-{shard[1]}")
    with session.book.start_run(
        "curation", run.name, input_key=key, meter=session.meter, directory=own
    ) as recorder:
        count = measure_shard(
            run.corpus,
            place,
            shard,
            lambda phase, share: _report(phase, share, recorder, session),
            items=items,
        )
        recorder.end()
    return count


def export_corpus(corpus: Corpus, form: str, directory: Path) -> list[Path]:
    """The tokens in the layout of another trainer: "megatron" or "numpy"; returns the files."""
    return {"megatron": export_megatron, "numpy": export_numpy}[form](corpus, directory)


def repetition(run: RunConfig, corpus: Corpus) -> list[str]:
    """A sentence for each domain that the training run reads more often than is sensible."""
    tokens = {domain: corpus.tokens("train", domain) for domain in corpus.domains}
    mixture = corpus.mixture if run.train.mixture is None else None
    if mixture is None:
        by_size = {domain: float(count) for domain, count in tokens.items() if count}
        weights = run.train.mixture or by_size
        mixture = make_mixture(MixtureConfig(by="hand", weights=weights), tokens, corpus.streams)
    assert mixture is not None
    read = run.train.steps * run.train.batch_sequences * run.model.context
    return read_too_often(mixture, read, run.corpus.mixture.most_epochs)


def _items(config: CurateConfig) -> tuple[EvalItem, ...]:
    return evaluation_items(config.contamination) if config.reaches("scored") else ()


def _key(config: CurateConfig, items: tuple[EvalItem, ...], workspace: Workspace) -> str:
    """Identity of all that decides the corpus; what settings name by a path counts by content."""
    named = {
        "sources": source_identity(config),
        # What a letter is, and which forms are one, the interpreter says.
        "unicode": unicodedata.unidata_version,
        "items": items_digest(items),
        "good": _identities(config.quality.good),
        "ordinary": _identities(config.quality.ordinary),
        "model": None
        if config.quality.model is None
        else _judge(config.quality.model, workspace).digest,
        "searched": searched_digest(config.mixture),
        "held_out_from": None
        if config.held_out_from is None
        else Corpus.open(Path(config.held_out_from), verify=False).text_digest,
    }
    settings = config.model_dump(
        mode="json",
        exclude={
            "sources": True,
            "quality": {"good", "ordinary", "model"},
            "contamination": {"benchmarks", "items"},
            "mixture": {"searched"},
            "held_out_from": True,
            **{name: True for name in config.harmless},
        },
    )
    return input_key("curate", settings, named, CODE)


def _identities(paths: tuple[str, ...]) -> list[list[str]]:
    return identities(find_files(paths)) if paths else []


def _scorer(config: CurateConfig, workspace: Workspace) -> Scorer | None:
    if config.quality.model is None or not config.reaches("scored"):
        return None
    from farthing.flow.quality_scorer import quality_scorer

    return quality_scorer(_judge(config.quality.model, workspace).supernet)


def _judge(place: str, workspace: Workspace) -> Source:
    # Torch takes seconds to load, and of all that curates only a judging model needs it.
    from farthing.flow.start import open_source

    return open_source(place, workspace)


def _report(phase: str, share: float, recorder: RunRecorder, session: Session) -> None:
    recorder.beat(phase, None)
    if share == 1.0:
        session.show.line(f"curate    {phase}: done")


def _enter_steps(made_now: Curated, recorder: RunRecorder, session: Session) -> None:
    """What each step did and took, as a part of the run."""
    steps = {step.name: step for step in made_now.trail.funnel.steps}
    last = made_now.trail.funnel.steps[-1]
    # What follows the funnel, such as the tokenizer, changes no document.
    after = last.model_copy(update={"entered": last.left, "dropped": (), "changed_bytes": 0})
    for name in {**steps, **made_now.cpu_seconds}:
        step = steps.get(name, after)
        session.book.append(
            CurationStep(
                run=recorder.number,
                step=name,
                documents_in=step.entered.documents,
                documents_out=step.left.documents,
                bytes_in=step.entered.bytes,
                bytes_out=step.left.bytes,
                tokens=step.tokens,
                cpu_seconds=made_now.cpu_seconds.get(name, 0.0),
            )
        )


def _corpus_name(key: str, session: Session) -> str | None:
    """The name under which another recipe has made this very corpus; None if none has."""
    for path in sorted((session.workspace.root / "corpora").glob(f"[!.]*/{MANIFEST_NAME}")):
        name = path.parent.name.rpartition("-")[0]
        if path.parent == session.workspace.place("corpora", name, key):
            return name
    return None
