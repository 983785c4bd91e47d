"""The runs of a claim: every registered run with every derived seed, trained and scored."""

from __future__ import annotations

from dataclasses import dataclass

from farthing import flow
from farthing.artifacts.claims.entries import RegisteredRun
from farthing.artifacts.manifest import MANIFEST_NAME, read_manifest
from farthing.artifacts.workspace import Workspace
from farthing.errors import ArtifactError
from farthing.session import Session
from farthing.studies.claim.pinned import check_software, software_here
from farthing.studies.claim.registered import run_of, title
from farthing.studies.claim.standing import Standing, find_standing
from farthing.studies.claim.unbooked import drop_unbooked_checkpoints
from farthing.studies.runner import run_tasks
from farthing.text.corpus import KIND as CORPUS
from farthing.text.corpus import Corpus


@dataclass(frozen=True)
class Ran:
    """A model of the claim, trained and scored.

    Attributes:
        title: arm, label and seed.
        bpb: by shape, mean over the domains.
    """

    title: str
    bpb: dict[str, float]


@dataclass(frozen=True)
class ClaimTask:
    """One registered run with one seed, for the runner of studies."""

    registered: RegisteredRun
    seed: int
    corpus_digest: str

    @property
    def title(self) -> str:
        """Arm, label and seed."""
        return title(self.registered, self.seed)

    @property
    def lane(self) -> str:
        """Nothing is shared with any other."""
        return self.title

    def run(self, session: Session) -> Ran:
        """Train and score what is not there yet."""
        run = run_of(self.registered, self.seed)
        corpus = corpus_with(self.corpus_digest, session.workspace)
        place = flow.run_train(run, corpus, session)
        _, supernet = flow.open_run(place)
        matrix = flow.run_evaluate(run.evaluate, run.name, supernet, corpus, session)
        return Ran(self.title, {member.shape: member.mean_bpb for member in matrix.members})


def run_claim(name: str, session: Session, *, jobs: int) -> Standing:
    """Make every run of a claim that is not there yet; stopped anywhere, the next call goes on.

    Raises:
        ConfigError: no such draft, no nonce yet, or other code or packages than the draft names.
        ArtifactError: the corpus is gone.
        DivergedError: a training broke; what it cost stays in the book.
        InterruptedRunError: stopped; the same call goes on.
    """
    standing = find_standing(session.book.records, name)
    seeds = standing.seeds
    check_software(standing.draft, software_here())
    corpus_with(standing.draft.corpus_digest, session.workspace)
    drop_unbooked_checkpoints(standing.draft, session)
    tasks = [
        ClaimTask(registered, seed, standing.draft.corpus_digest)
        for seed in seeds
        for registered in standing.draft.runs
    ]
    for done, ran in enumerate(run_tasks(tasks, session, jobs=jobs), start=1):
        best = min(ran.result.bpb.values())
        words = f"{ran.result.title}: {best:.3f} bits per byte at best"
        session.show.line(f"done      {done} of {len(tasks)}: {words}")
    session.book.refresh()
    return find_standing(session.book.records, name)


def corpus_with(digest: str, workspace: Workspace) -> Corpus:
    """The corpus of the workspace with this content digest, every file compared with its own.

    Raises:
        ArtifactError: it is gone, or damaged.
    """
    for path in sorted((workspace.root / "corpora").glob(f"[!.]*/{MANIFEST_NAME}")):
        if read_manifest(path.parent, kind=CORPUS).content_digest == digest:
            return Corpus.open(path.parent, verify=True)
    raise ArtifactError(
        f"the corpus {digest[:16]}... that the claim was drafted on is not in {workspace.root}",
        remedy="restore it from a copy, or make it again: farthing claim draft, with the settings "
        "of the draft",
    )
