"""The cells of a comparison: each an arm with one seed, made of ordinary runs of the workspace."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from farthing import flow
from farthing.artifacts.canonical import digest_json
from farthing.artifacts.code_version import code_version
from farthing.errors import DivergedError
from farthing.flow import RunConfig
from farthing.model.cut import expert_counts
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.session import Session
from farthing.stages.evaluate.benchmark_config import BenchmarkConfig
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.evaluate.importance import Importance, pruned_shape
from farthing.stages.evaluate.sources import benchmark_digests
from farthing.stages.train.config import TrainConfig
from farthing.studies.compare import variants
from farthing.studies.compare.budget import run_flops, step_flops, steps_for, steps_within
from farthing.studies.compare.config import ComparisonConfig
from farthing.studies.compare.importance import booked_importance
from farthing.studies.compare.names import SAME_FLOPS
from farthing.studies.compare.results import CellResult, RunCost, Scored, beside, run_cost
from farthing.text.corpus import Corpus

_CODE = ("text", "model", "stages/train")
# Arms whose plain run is followed by something.
# Of a baseline's recipe: its text counts by its tokens, and who pays for it changes nothing.
_NOT_DECIDING = {"name", "corpus", "inherit"}
_AFTERWARDS = ("pruned", "mixed")


@dataclass(frozen=True)
class Cell:
    """One task of the runner.

    Attributes:
        config: the comparison.
        members: canonical shapes, the full one first.
        arm: what is made.
        seed: of everything random.
        name: which of several models of that arm (a member's shape, a baseline's name).
        length: how long, in the arm's own measure.
    """

    config: ComparisonConfig
    members: tuple[str, ...]
    arm: str
    seed: int
    name: str = ""
    length: float = 1.0

    @property
    def title(self) -> str:
        """As a person reads it."""
        parts = [self.arm, self.name and self._label(), f"x {self.length:.3g}", f"seed {self.seed}"]
        return ", ".join(part for part in parts if part)

    @property
    def lane(self) -> str:
        """The two arms that go on from one shorter plain run take turns."""
        return f"afterwards, seed {self.seed}" if self.arm in _AFTERWARDS else self.title

    def key(self, corpus: str) -> str:
        """Digest of everything but the code that decides what comes out.

        Args:
            corpus: `Corpus.text_digest` of the text.
        """
        compare, run = self.config.compare, self.config.run
        after = compare.model_dump(
            mode="json", include={"afterwards", "afterwards_from", "calibration_sequences"}
        )
        baseline = compare.baselines.get(self.name) if self.arm == "baseline" else None
        own = variants.baseline(run, baseline, self.seed) if baseline else None
        train = run.train.model_copy(update={"seed": self.seed})
        inputs = {
            "cell": [self.arm, self.seed, self.name, self.length],
            "members": self.members,
            "model": run.model.model_dump(mode="json"),
            "train": _deciding(train),
            "afterwards": after if self.arm in _AFTERWARDS else None,
            "baseline": own.model_dump(mode="json", exclude=_NOT_DECIDING) if own else None,
            "corpus": corpus,
        }
        if self.arm == "variant":
            other = variants.variant(self.config, self.name, self.seed, self.members).train
            inputs["variant"] = _deciding(other)
        if (questions := compare.questions) is not None:
            asked = questions.model_dump(mode="json", exclude={"folder", "batch_rows"})
            inputs["questions"] = [asked, benchmark_digests(questions)]
        return digest_json(inputs)

    def run(self, session: Session) -> CellResult:
        """Train and score; whatever is finished already is found."""
        bench = _Bench(self, session)
        scored, complaint = [], ""
        try:
            scored = _ARMS[self.arm](bench)
        except DivergedError as error:
            # Another recipe at this size and length: a result, and no reason to stop.
            if self.arm not in ("baseline", "variant"):
                raise
            complaint = error.what
        return CellResult(
            key=self.key(bench.corpus.text_digest),
            arm=self.arm,
            name=self.name and self._label(),
            seed=self.seed,
            length=self.length,
            runs=tuple(bench.runs.values()),
            scored=tuple(scored),
            beside=beside(session, {run.supernet for run in bench.runs.values()}),
            code=code_version(_CODE),
            complaint=complaint,
        )

    def _label(self) -> str:
        if self.arm != "scratch":
            return self.name
        return Shape.parse(self.name, self.config.model).label(self.config.model)


def _deciding(train: TrainConfig) -> dict[str, Any]:
    """The settings of training that change what comes out."""
    return train.model_dump(mode="json", exclude=set(TrainConfig.harmless))


class _Bench:
    """What a cell works with; it notes the cost of every training run."""

    def __init__(self, cell: Cell, session: Session) -> None:
        self.cell = cell
        self.config = cell.config
        self.recipe = cell.config.run
        self.session = session
        self.corpus: Corpus = flow.run_curate(self.recipe, session)
        self.shapes = [Shape.parse(text, self.recipe.model) for text in cell.members]
        self.runs: dict[str, RunCost] = {}

    @property
    def vocab_size(self) -> int:
        return self.corpus.vocab_size

    @property
    def stable(self) -> bool:
        """Whether what comes afterwards takes over the fall of the learning rate."""
        return self.config.compare.afterwards_from == "stable"

    @cached_property
    def budget(self) -> float:
        """FLOPs of the elastic run."""
        chosen = variants.elastic(self.recipe, self.cell.seed, self.cell.members)
        return run_flops(chosen, self.vocab_size)

    def label(self, shape: Shape) -> str:
        return shape.label(self.recipe.model)

    def train(self, run: RunConfig) -> tuple[Path, str]:
        """The run's folder and its input key."""
        place = flow.run_train(run, self.corpus, self.session)
        cost = run_cost(self.session, run, place)
        self.runs[cost.input_key] = cost
        return place, cost.input_key

    def judge(
        self, run: RunConfig, place: Path, members: Sequence[tuple[Shape, str]], *runs: str
    ) -> list[Scored]:
        """Score sub-models of a trained model.

        Args:
            run: whose settings of evaluation count.
            place: of the model.
            members: shapes in that model, each with the label of the member whose place it takes;
                two may be the same.
            runs: input keys of all training runs behind it, the oldest first.
        """
        _, supernet = flow.open_run(place)
        shapes = tuple(dict.fromkeys(str(shape) for shape, _ in members))
        settings = EvaluateConfig(
            members=shapes, split="dev", batch_sequences=run.evaluate.batch_sequences
        )
        matrix = flow.run_evaluate(settings, run.name, supernet, self.corpus, self.session)
        scores = {member.shape: member for member in matrix.members}
        accuracy = self._answers(run.name, supernet, shapes)
        return [
            Scored(
                member=label,
                runs=runs,
                score=scores[str(shape)],
                accuracy=accuracy.get(str(shape), {}),
            )
            for shape, label in members
        ]

    def _answers(
        self, name: str, supernet: Supernet, shapes: tuple[str, ...]
    ) -> dict[str, dict[str, float]]:
        """Accuracy by shape and benchmark; empty where none is asked."""
        questions = self.config.compare.questions
        if questions is None:
            return {}
        settings = BenchmarkConfig(members=shapes, **questions.model_dump())
        matrix = flow.run_benchmarks(settings, name, supernet, self.session)
        metrics = {benchmark.name: benchmark.metric for benchmark in matrix.benchmarks}
        return {
            member.shape: {
                asked: score.headline(metrics[asked])[0] for asked, score in member.scores.items()
            }
            for member in matrix.members
        }

    def family(self, run: RunConfig) -> list[Scored]:
        """Train a supernet and score every member."""
        place, key = self.train(run)
        return self.judge(run, place, [(shape, self.label(shape)) for shape in self.shapes], key)

    def whole(self, run: RunConfig, label: str) -> list[Scored]:
        """Train a model that is no family, and score all of it."""
        place, key = self.train(run)
        return self.judge(run, place, [(Shape.full(run.model), label)], key)

    def importance(self, place: Path) -> Importance:
        """Of a run's layers and experts, on training text."""
        _, supernet = flow.open_run(place)
        sequences = self.config.compare.calibration_sequences
        return booked_importance(supernet, self.corpus, self.session, sequences=sequences)

    def pruned(self, importance: Importance, shape: Shape) -> Shape:
        """The most important part of a plain model that is as large as a member."""
        return pruned_shape(
            importance,
            self.recipe.model,
            depth=len(shape.layers),
            experts=max(expert_counts(shape), default=0),
            top_k=max(shape.top_k, default=0),
        )


def _elastic(bench: _Bench) -> list[Scored]:
    run = variants.elastic(bench.recipe, bench.cell.seed, bench.cell.members)
    return bench.family(run)


def _variant(bench: _Bench) -> list[Scored]:
    """As many steps as the elastic run's FLOPs pay for: a dearer recipe has fewer of them."""
    cell = bench.cell
    run = variants.variant(bench.config, cell.name, cell.seed, cell.members)
    steps = steps_within(bench.budget, run, bench.vocab_size)
    # The name becomes a folder's.
    name = re.sub(r"[^A-Za-z0-9]+", "-", cell.name)
    run = variants.changed(run, name=name, train={"steps": steps})
    return bench.family(run)


def _plain(bench: _Bench) -> list[Scored]:
    """`length` is a share of the recipe's steps; 0 stands for the elastic run's FLOPs."""
    cell = bench.cell
    steps = round(cell.length * bench.recipe.train.steps)
    if cell.name == SAME_FLOPS:
        steps = steps_for(bench.budget, bench.recipe, bench.vocab_size)
    run = variants.plain(bench.recipe, cell.seed, steps)
    return bench.whole(run, bench.label(Shape.full(bench.recipe.model)))


def _scratch(bench: _Bench) -> list[Scored]:
    cell = bench.cell
    shape = Shape.parse(cell.name, bench.recipe.model)
    steps = max(1, round(cell.length * bench.recipe.train.steps))
    run = variants.scratch(bench.recipe, cell.seed, steps, shape)
    return bench.whole(run, bench.label(shape))


def _parent(bench: _Bench) -> tuple[Path, str]:
    """The plain run of the arms that do something afterwards, as much shorter as that costs."""
    compare = bench.config.compare
    flops = (1 - compare.afterwards) * bench.budget
    steps = steps_for(flops, bench.recipe, bench.vocab_size)
    run = variants.plain(bench.recipe, bench.cell.seed, steps, decays=not bench.stable)
    return bench.train(run)


def _pruned(bench: _Bench) -> list[Scored]:
    """Each member is cut out by importance and trained on with the same number of tokens."""
    place, parent_key = _parent(bench)
    importance = bench.importance(place)
    compare = bench.config.compare
    each = sum(
        step_flops(variants.scratch(bench.recipe, 0, 1, shape), bench.vocab_size)
        for shape in bench.shapes
    )
    steps = max(1, round(compare.afterwards * bench.budget / each))
    scored: list[Scored] = []
    for shape in bench.shapes:
        kept = bench.pruned(importance, shape)
        run = variants.afterwards(
            variants.scratch(bench.recipe, bench.cell.seed, steps, kept),
            place=str(place),
            shape=str(kept),
            steps=steps,
            stable=bench.stable,
        )
        made, key = bench.train(run)
        whole = [(Shape.full(run.model), bench.label(shape))]
        scored += bench.judge(run, made, whole, parent_key, key)
    return scored


def _mixed(bench: _Bench) -> list[Scored]:
    """The whole model is tuned with mixed top-k; members are cut by importance, not trained on."""
    place, parent_key = _parent(bench)
    compare, recipe = bench.config.compare, bench.recipe
    base = variants.mixed(recipe, bench.cell.seed, _smaller_top_ks(bench))
    steps = steps_within(compare.afterwards * bench.budget, base, bench.vocab_size)
    full = Shape.full(recipe.model)
    run = variants.afterwards(
        base,
        place=str(place),
        shape=str(full),
        steps=steps,
        stable=bench.stable,
    )
    made, key = bench.train(run)
    importance = bench.importance(made)
    kept = [(bench.pruned(importance, shape), bench.label(shape)) for shape in bench.shapes]
    return bench.judge(run, made, kept, parent_key, key)


def _baseline(bench: _Bench) -> list[Scored]:
    cell = bench.cell
    run = variants.baseline(bench.recipe, bench.config.compare.baselines[cell.name], cell.seed)
    steps = steps_for(cell.length * bench.budget, run, bench.vocab_size)
    run = variants.changed(run, name=f"{steps}", train={"steps": steps})
    return bench.whole(run, "")


def _smaller_top_ks(bench: _Bench) -> tuple[int, ...]:
    """Of the members, below the recipe's own."""
    top_ks = {top_k for shape in bench.shapes for top_k in shape.top_k}
    return tuple(sorted(top_ks - {bench.recipe.model.top_k}))


_ARMS: dict[str, Callable[[_Bench], list[Scored]]] = {
    "elastic": _elastic,
    "variant": _variant,
    "plain": _plain,
    "scratch": _scratch,
    "pruned": _pruned,
    "mixed": _mixed,
    "baseline": _baseline,
}
