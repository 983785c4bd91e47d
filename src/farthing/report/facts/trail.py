"""What curation did to the text of one corpus, what it cost, and how often runs went through it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.artifacts.curation import MixedStream, Mixture
from farthing.artifacts.manifest import MANIFEST_NAME, Manifest, read_manifest, verify_files
from farthing.artifacts.settings import load_settings
from farthing.artifacts.trail import TRAIL_NAMES, Trail, read_trail
from farthing.artifacts.workspace import Workspace
from farthing.documents.refusals import Refusal
from farthing.documents.refused import REFUSED_NAME, count_files, files_not_whole
from farthing.errors import ArtifactError, UsageError
from farthing.flow.opening import RECIPE_NAME
from farthing.ledger.bill import read_accounts
from farthing.ledger.figures import Figures, add_figures
from farthing.ledger.step_lines import StepLine, split_by_step
from farthing.report.facts.data import DataFacts, read_data
from farthing.stages.train.run import KIND as SUPERNET
from farthing.stages.train.run import SUPERNET_ROOM
from farthing.text.corpus import KIND as CORPUS
from farthing.text.corpus import Corpus

_SHORTEST_DIGEST = 8


@dataclass(frozen=True)
class RunOnCorpus:
    """A finished training run: its folder, its tokens, and how often it read each stream."""

    folder: str
    tokens: int
    epochs: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class TrailFacts:
    """One corpus.

    Attributes:
        folder: its own, under `corpora/`.
        data: its text by domain, source and licence.
        trail: what curation wrote about itself.
        bytes_per_token: of its tokenised text; None without any.
        steps: what each step cost in every run that worked on this corpus; empty where the book
            tells no steps apart.
        cost: of those runs, failed ones included; None where the book names none.
        mixture: as the corpus states it, or each domain by its share of the text.
        runs: trained on it, by name.
        not_whole: the first files that were empty, cut short or followed by something else.
        not_whole_files: how many they are.
    """

    folder: str
    data: DataFacts
    trail: Trail
    bytes_per_token: float | None
    steps: tuple[StepLine, ...]
    cost: Figures | None
    mixture: Mixture
    runs: tuple[RunOnCorpus, ...]
    not_whole: tuple[Refusal, ...] = ()
    not_whole_files: int = 0


def has_trail(directory: Path) -> bool:
    """Whether the corpus in a folder says how it was made."""
    return (directory / TRAIL_NAMES[0]).is_file()


def read_trail_facts(workspace: Workspace, name: str | None) -> TrailFacts:
    """Read and check a corpus with its trail.

    Args:
        workspace: where the corpus is, or the runs and the book that speak of it.
        name: the corpus: its folder, the start of that folder's name or of its digest; None for the
            only one.

    Raises:
        UsageError: no corpus or several fit, or the corpus has no trail.
        ArtifactError, BookError: something is missing, changed or damaged.
    """
    directory = find_corpus_folder(workspace, name)
    corpus = Corpus.open(directory, verify=False)
    listed = [each for each in (*TRAIL_NAMES, REFUSED_NAME) if each in corpus.manifest.files]
    verify_files(directory, corpus.manifest, required=listed)
    trail = read_trail(directory)
    if trail is None:
        raise UsageError(
            f"{directory} does not say how it was made",
            remedy="make it again with this version: farthing curate --rerun",
        )
    data = read_data(corpus, None)
    mixture = trail.funnel.mixture or _by_size(data)
    steps, cost = _cost(workspace, corpus.manifest)
    totals = [data.total(split) for split in ("train", "dev", "test")]
    tokens = sum(each.tokens for each in totals)
    return TrailFacts(
        folder=directory.name,
        data=data,
        trail=trail,
        bytes_per_token=sum(each.bytes for each in totals) / tokens if tokens else None,
        steps=steps,
        cost=cost,
        mixture=mixture,
        runs=_runs(workspace, corpus, mixture),
        not_whole=files_not_whole(directory),
        not_whole_files=count_files(corpus.manifest.detail.get("refused", {})),
    )


def find_corpus_folder(workspace: Workspace, name: str | None) -> Path:
    """The folder of the corpus that the user means.

    Raises:
        UsageError: no corpus or several fit.
    """
    if name is not None and (Path(name) / MANIFEST_NAME).is_file():
        return Path(name).resolve()
    there = sorted(
        path.parent for path in (workspace.root / "corpora").glob(f"[!.]*/{MANIFEST_NAME}")
    )
    wanted = name or ""
    fitting = [place for place in there if place.name == wanted]
    fitting = fitting or [place for place in there if place.name.startswith(wanted)]
    if not fitting and len(wanted) >= _SHORTEST_DIGEST:
        fitting = [place for place in there if _digest(place).startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(place.name for place in there)
    raise UsageError(
        f"{len(fitting)} corpora of {workspace.root} fit {name!r}"
        if name
        else f"{workspace.root} holds {len(there)} corpora",
        remedy=f"name one: farthing report --data {names}"
        if names
        else "make one: farthing curate",
    )


def _digest(place: Path) -> str:
    return read_manifest(place, kind=CORPUS).content_digest


def _cost(workspace: Workspace, manifest: Manifest) -> tuple[tuple[StepLine, ...], Figures | None]:
    """Of all runs with the corpus' own input key: what they repeated was paid for twice."""
    if not workspace.book_file.exists():
        return (), None
    accounts = read_accounts(workspace, load_settings(workspace), hours_may_lack=True)
    runs = [run for run in accounts.tree.runs if run.start.input_key == manifest.input_key]
    pricing = accounts.pricing
    lines = split_by_step(accounts.steps, runs, pricing).lines
    costs = [run.figures(pricing.of(run.start.run)) for run in runs]
    return lines, add_figures(costs) if costs else None


def _by_size(data: DataFacts) -> Mixture:
    """Each domain by its share of the training tokens, as training without a mixture draws."""
    divided = {stream.domain for stream in data.streams.values()}
    return Mixture(
        streams=tuple(
            MixedStream(
                stream=domain.name,
                domain=data.streams[domain.name].domain
                if domain.name in data.streams
                else domain.name,
                tokens=domain.splits["train"].tokens,
                weights=(domain.share,),
            )
            for domain in data.domains
            if domain.name not in divided
        )
    )


def _runs(workspace: Workspace, corpus: Corpus, mixture: Mixture) -> tuple[RunOnCorpus, ...]:
    found = []
    for path in sorted(workspace.runs.glob(f"[!.]*/{SUPERNET_ROOM}/{MANIFEST_NAME}")):
        origin = read_manifest(path.parent, kind=SUPERNET).detail
        if origin.get("corpus") != corpus.digest:
            continue
        place, tokens = path.parent.parent, int(origin["tokens"])
        drawn = _own_mixture(place / RECIPE_NAME, corpus, mixture)
        found.append(RunOnCorpus(place.name, tokens, drawn.epochs(tokens)))
    return tuple(found)


def _own_mixture(path: Path, corpus: Corpus, mixture: Mixture) -> Mixture:
    """That of the run's recipe where it sets one, else the corpus' own."""
    try:
        recipe: dict[str, Any] = json.loads(path.read_bytes())
        weights = recipe["train"]["mixture"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}", remedy="restore it from a copy, or train again"
        ) from error
    if weights is None:
        return mixture
    weights = corpus.spread(weights)
    whole = sum(weights.values()) or 1.0
    streams = tuple(
        each.model_copy(update={"weights": (weights.get(each.stream, 0.0) / whole,)})
        for each in mixture.streams
    )
    return Mixture(streams=streams)
