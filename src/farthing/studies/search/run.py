"""A search from beginning to end: three runs in the book, each found again if it is there.

search      importance, candidates, finalists, on training text      purpose search
evaluate    the finalists on dev text, as any member is scored       purpose evaluation
verdict     the best against the best uniform one, window by window  purpose search
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from farthing import flow
from farthing.artifacts.manifest import Manifest, write_manifest
from farthing.artifacts.matrix import open_matrix
from farthing.artifacts.scores import MemberScore
from farthing.artifacts.storage import staged_directory
from farthing.cost.flops import forward_flops
from farthing.flow.config import RunConfig
from farthing.flow.inputs import model_inputs
from farthing.flow.under_plan import made_under_plan
from farthing.ledger.journal import RunRecorder
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.session import Job, Session, input_key
from farthing.stages.evaluate.calibration import unread_texts
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.evaluate.run import amount_of_text
from farthing.studies.search.config import SearchConfig
from farthing.studies.search.genes import smallest_shape
from farthing.studies.search.limit import Limit, exact_amount
from farthing.studies.search.make import SearchJob, SearchTexts
from farthing.studies.search.result import (
    KIND,
    SEARCH_NAME,
    VERDICT_KIND,
    VERDICT_NAME,
    SearchResult,
    Verdict,
)
from farthing.studies.search.score import paired_difference
from farthing.studies.search.spent import SearchCost, search_cost
from farthing.text.corpus import Corpus

ROOM = "searches"
_SPLIT: Literal["dev"] = "dev"
_SEARCH_CODE = (
    *("artifacts", "text", "model", "cost", "stages/evaluate", "stages/extract"),
    "studies/search",
)
_BUDGET_SHARE = 0.04
_FEWEST_EVALUATIONS, _MOST_EVALUATIONS = 48, 400
# A training step's forward and backward pass cost as much as so many forward passes.
_TRAINING_PASSES = 3


@dataclass(frozen=True)
class SearchOutcome:
    """What a search found, how it was judged, what it cost.

    Attributes:
        result: every measured member, and the finalists.
        scores: the finalists on dev text, found and uniform ones, the best first.
        verdict: the best found against the best uniform one.
        cost: beside that of the training.
    """

    result: SearchResult
    scores: tuple[MemberScore, ...]
    verdict: Verdict
    cost: SearchCost

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "search": self.result.model_dump(mode="json"),
            "scores": [member.model_dump(mode="json") for member in self.scores],
            "verdict": self.verdict.model_dump(mode="json"),
            "cost": self.cost.to_json(),
        }


def run_search(
    settings: SearchConfig,
    run: RunConfig,
    supernet: Supernet,
    corpus: Corpus,
    session: Session,
    *,
    rerun: bool = False,
) -> SearchOutcome:
    """Find the best member within a limit, judge it on dev text, enter all of it in the book.

    Raises:
        ArtifactError: the supernet does not say which text it was trained on.
        ConfigError: not even the smallest member keeps within the limit.
        CorpusError: there is too little training text, or no dev text.
    """
    lengths = (
        settings.calibration_sequences,
        settings.search_sequences,
        settings.playoff * settings.search_sequences,
    )
    texts = SearchTexts(*unread_texts(supernet, corpus, lengths))
    settings = with_budget(settings, supernet.origin["tokens"], texts.search.tokens)
    check_smallest(settings, supernet)
    search = _Search(settings, run, supernet, corpus, session)
    result = search.find(texts, rerun=rerun)
    shapes = list(dict.fromkeys((*result.finalists, *result.uniform)))
    judged = EvaluateConfig(
        members=tuple(shapes), split=_SPLIT, batch_sequences=run.evaluate.batch_sequences
    )
    matrix = flow.run_evaluate(judged, run.name, supernet, corpus, session, rerun=rerun)
    scores = {member.shape: member for member in matrix.members}
    best = min(result.finalists, key=lambda shape: scores[shape].mean_bpb)
    uniform = min(result.uniform, key=lambda shape: scores[shape].mean_bpb)
    verdict = search.judge(judged, scores[best], scores[uniform], rerun=rerun)
    cost = search_cost(
        session.book,
        training_key=supernet.origin["input_key"],
        search_keys=search.keys,
        supernet=supernet.digest,
        shapes=shapes,
        split=_SPLIT,
    )
    ranked = sorted(scores.values(), key=lambda member: member.mean_bpb)
    return SearchOutcome(result, tuple(ranked), verdict, cost)


def check_smallest(settings: SearchConfig, supernet: Supernet) -> None:
    """Make sure that a member fits, before there is a run that could only fail.

    How long a member takes is not known before it has been timed: that is checked in the run.

    Raises:
        ConfigError: not even the smallest member keeps within a limit on its size.
    """
    if settings.limit != "latency":
        config = supernet.model.config
        amount = exact_amount(settings.limit, config, supernet.model.vocab_size)
        smallest = smallest_shape(config, settings.space)
        Limit(settings.limit, settings.bound, amount).check_smallest(smallest, config)


def with_budget(settings: SearchConfig, trained_tokens: int, search_tokens: int) -> SearchConfig:
    """The settings with a number of evaluations where neither that nor a time is given.

    Args:
        settings: as asked for.
        trained_tokens: tokens of the training.
        search_tokens: tokens of one evaluation.
    """
    if settings.evaluations is not None or settings.seconds is not None:
        return settings
    share = int(_BUDGET_SHARE * _TRAINING_PASSES * trained_tokens / search_tokens)
    number = min(max(share, _FEWEST_EVALUATIONS), _MOST_EVALUATIONS)
    return settings.model_copy(update={"evaluations": number})


@dataclass
class _Search:
    """The two runs that are the search's own, and their input keys."""

    settings: SearchConfig
    run: RunConfig
    supernet: Supernet
    corpus: Corpus
    session: Session

    def __post_init__(self) -> None:
        self.keys: list[str] = []
        self._inputs = {"supernet": self.supernet.digest, "corpus": self.corpus.digest}

    def find(self, texts: SearchTexts, *, rerun: bool) -> SearchResult:
        """The search itself."""
        asked: dict[str, Any] = self.settings.model_dump(mode="json")
        # Times are the machine's.
        asked["machine"] = (
            self.session.meter.machine.name if self.settings.limit == "latency" else None
        )
        key = input_key("search", asked, self._inputs, _SEARCH_CODE)

        def make(place: Path, recorder: RunRecorder) -> Manifest:
            def spent(tokens: int, flops: float) -> None:
                recorder.beat("search", None, tokens=tokens, flops=flops)

            return SearchJob(
                self.settings,
                self.supernet,
                self.corpus,
                texts,
                on_spent=spent,
                say=lambda text: self.session.show.line(f"search    {text}"),
            ).make(place, key)

        read = model_inputs(self.supernet, self.corpus)
        job = Job("search", self.run.name, ROOM, KIND, key, inputs=read)
        place = self._made(job, make, rerun=rerun)
        return open_matrix(place, kind=KIND, name=SEARCH_NAME, form=SearchResult)[0]

    def judge(
        self, judged: EvaluateConfig, best: MemberScore, uniform: MemberScore, *, rerun: bool
    ) -> Verdict:
        """The best found and the best uniform member on the same windows of dev text."""
        asked = [best.shape, uniform.shape, _SPLIT, judged.batch_sequences]
        key = input_key("search verdict", asked, self._inputs, _SEARCH_CODE)

        def make(place: Path, recorder: RunRecorder) -> Manifest:
            verdict = self._compare(judged, best, uniform, recorder)
            with staged_directory(place) as staged:
                text = verdict.model_dump_json(indent=1) + "\n"
                (staged / VERDICT_NAME).write_text(text, encoding="utf-8")
                return write_manifest(
                    staged, kind=VERDICT_KIND, input_key=key, detail=dict(self._inputs)
                )

        title, read = f"{self.run.name}-verdict", model_inputs(self.supernet, self.corpus)
        job = Job("search", title, ROOM, VERDICT_KIND, key, inputs=read)
        place = self._made(job, make, rerun=rerun)
        return open_matrix(place, kind=VERDICT_KIND, name=VERDICT_NAME, form=Verdict)[0]

    def _compare(
        self,
        judged: EvaluateConfig,
        best: MemberScore,
        uniform: MemberScore,
        recorder: RunRecorder,
    ) -> Verdict:
        model = self.supernet.model
        first, second = (Shape.parse(m.shape, model.config) for m in (best, uniform))
        difference = paired_difference(
            model,
            first,
            second,
            self.corpus,
            split=_SPLIT,
            batch_sequences=judged.batch_sequences,
        )
        tokens, pairs = amount_of_text(judged, self.supernet, self.corpus)
        flops = sum(
            forward_flops(
                model.config, model.vocab_size, shape, tokens=tokens, attended_pairs=pairs
            )
            for shape in (first, second)
        )
        recorder.beat("search verdict", None, tokens=2 * tokens, flops=float(flops), flush=True)
        error = difference.standard_error
        return Verdict(
            supernet=self.supernet.digest,
            corpus=self.corpus.digest,
            split=_SPLIT,
            shape=best.shape,
            uniform=uniform.shape,
            bpb=best.mean_bpb,
            uniform_bpb=uniform.mean_bpb,
            difference_percent=100 * difference.mean / uniform.mean_bpb,
            standard_error_percent=None if error is None else 100 * error / uniform.mean_bpb,
            freedom=difference.freedom,
            windows=difference.windows,
            blocks=difference.blocks,
        )

    def _made(self, job: Job, make: Any, *, rerun: bool) -> Path:  # noqa: ANN401
        self.keys.append(job.key)
        return made_under_plan(self.supernet.digest, job, self.session, make, rerun=rerun)
