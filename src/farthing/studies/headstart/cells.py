"""The cells of the study: one model or family with one seed, made of ordinary booked runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from farthing import flow
from farthing.artifacts.canonical import digest_json
from farthing.artifacts.code_version import code_version
from farthing.errors import DivergedError
from farthing.flow import RunConfig
from farthing.model.shape import Shape, distinct_shapes
from farthing.session import Session
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.train.config import TrainConfig
from farthing.studies.compare.budget import run_flops
from farthing.studies.compare.results import CellResult, RunCost, Scored, beside, run_cost
from farthing.studies.headstart import runs
from farthing.studies.headstart.config import HeadstartConfig

_CODE = ("text", "model", "stages/train")


@dataclass(frozen=True)
class Cell:
    """One task of the runner.

    Attributes:
        config: the study.
        arm: `elastic`, `continued`, `scratch` or `grown`.
        seed: of everything random.
        member: canonical shape of the one that is trained on or from scratch; empty for families.
        name: of the way to train on, or of the growth.
        length: share of the elastic run's FLOPs.
    """

    config: HeadstartConfig
    arm: str
    seed: int
    member: str = ""
    name: str = ""
    length: float = 1.0

    @property
    def title(self) -> str:
        """As a person reads it."""
        parts = [self.arm, self.label, f"x {self.length:.3g}", f"seed {self.seed}"]
        return ", ".join(part for part in parts if part)

    @property
    def label(self) -> str:
        """The member as a person types it, and the way behind a slash."""
        sizes = self.config.model
        member = self.member and Shape.parse(self.member, sizes).label(sizes)
        return "/".join(part for part in (member, self.name) if part)

    @property
    def lane(self) -> str:
        """What is cut out of one elastic run takes turns, and may have to make it."""
        family = self.arm in ("elastic", "continued")
        return f"family, seed {self.seed}" if family else self.title

    def key(self, corpus: str) -> str:
        """Digest of everything but the code that decides what comes out.

        Args:
            corpus: `Corpus.text_digest` of the text.
        """
        study, run = self.config.headstart, self.config.run
        train = run.train.model_copy(update={"seed": self.seed})
        # Of a way what it changes and not what it is called.
        way = study.ways[self.name] if self.arm == "continued" else None
        growth = study.grow[self.name] if self.arm == "grown" else None
        inputs = {
            "cell": ["headstart", self.arm, self.seed, self.member, self.length],
            "model": run.model.model_dump(mode="json"),
            "train": train.model_dump(mode="json", exclude=set(TrainConfig.harmless)),
            "members": [str(shape) for shape in family_shapes(self.config)],
            "way": way,
            "growth": {**growth.model_dump(mode="json"), "flops": "own seed"} if growth else None,
            "corpus": corpus,
        }
        return digest_json(inputs)

    def run(self, session: Session) -> CellResult:
        """Train and score; whatever is finished already is found."""
        bench = _Bench(self, session)
        scored, complaint = [], ""
        try:
            scored = _ARMS[self.arm](bench)
        except DivergedError as error:
            # Too high a rate for what it begins with, say: a result, and no reason to stop.
            if self.arm not in ("continued", "grown"):
                raise
            complaint = error.what
        return CellResult(
            key=self.key(bench.corpus.text_digest),
            arm=self.arm,
            name=self.label,
            seed=self.seed,
            length=self.length,
            runs=tuple(bench.costs.values()),
            scored=tuple(scored),
            beside=beside(session, {cost.supernet for cost in bench.costs.values()}),
            code=code_version(_CODE),
            complaint=complaint,
        )


def family_shapes(config: HeadstartConfig) -> list[Shape]:
    """Of the elastic run and of grown ones: what the recipe scores, and what is trained on."""
    named = (*config.evaluate.members, *config.headstart.members)
    shapes = [Shape.parse(text, config.model) for text in named]
    return distinct_shapes(tuple(dict.fromkeys(str(shape) for shape in shapes)), config.model)


def named_again(cell: CellResult, task: Cell) -> CellResult:
    """A cell that was run elsewhere, perhaps when its way had another name."""
    return cell.model_copy(update={"name": task.label})


class _Bench:
    """What a cell works with; it notes the cost of every training run."""

    def __init__(self, cell: Cell, session: Session) -> None:
        self.cell = cell
        self.study = cell.config.headstart
        self.recipe = cell.config.run
        self.session = session
        self.corpus = flow.run_curate(self.recipe, session)
        self.costs: dict[str, RunCost] = {}

    @property
    def vocab_size(self) -> int:
        return self.corpus.vocab_size

    @property
    def shape(self) -> Shape:
        """Of the cell's member."""
        return Shape.parse(self.cell.member, self.recipe.model)

    @cached_property
    def flops(self) -> float:
        """That the cell's own length pays for."""
        return self.cell.length * runs.budget(self.recipe, self.vocab_size)

    def train(self, run: RunConfig) -> tuple[Path, str]:
        """The run's folder and its input key."""
        place = flow.run_train(run, self.corpus, self.session)
        cost = run_cost(self.session, run, place)
        self.costs[cost.input_key] = cost
        return place, cost.input_key

    def judge(self, run: RunConfig, place: Path, shapes: Sequence[Shape]) -> list[Scored]:
        """Sub-models of a trained model on dev text, each resting on all runs of the cell."""
        _, supernet = flow.open_run(place)
        settings = EvaluateConfig(
            members=tuple(str(shape) for shape in shapes),
            split="dev",
            batch_sequences=run.evaluate.batch_sequences,
        )
        matrix = flow.run_evaluate(settings, run.name, supernet, self.corpus, self.session)
        behind = tuple(self.costs)
        return [Scored(member=each.label, runs=behind, score=each) for each in matrix.members]

    def whole(self, run: RunConfig) -> list[Scored]:
        """Train a model that stands for the cell's member, and score all of it."""
        place, _ = self.train(run)
        scored = self.judge(run, place, [Shape.full(run.model)])
        label = self.shape.label(self.recipe.model)
        return [each.model_copy(update={"member": label}) for each in scored]


def _elastic(bench: _Bench) -> list[Scored]:
    run = runs.elastic(bench.recipe, bench.cell.seed)
    place, _ = bench.train(run)
    return bench.judge(run, place, family_shapes(bench.cell.config))


def _continued(bench: _Bench) -> list[Scored]:
    cell = bench.cell
    place, _ = bench.train(runs.elastic(bench.recipe, cell.seed))
    return bench.whole(
        runs.continued(
            bench.recipe,
            bench.study.ways[cell.name],
            seed=cell.seed,
            flops=bench.flops,
            shape=bench.shape,
            vocab_size=bench.vocab_size,
            place=str(place),
        )
    )


def _scratch(bench: _Bench) -> list[Scored]:
    cell = bench.cell
    return bench.whole(
        runs.scratch(bench.recipe, cell.seed, bench.flops, bench.shape, bench.vocab_size)
    )


def _grown(bench: _Bench) -> list[Scored]:
    """The smaller model and what it grows to together cost what this seed's elastic run does."""
    cell, vocab_size = bench.cell, bench.vocab_size
    whole = run_flops(runs.elastic(bench.recipe, cell.seed), vocab_size)
    growth = bench.study.grow[cell.name]
    small = runs.parent(
        bench.recipe,
        growth,
        seed=cell.seed,
        flops=growth.share * whole,
        vocab_size=vocab_size,
    )
    place, _ = bench.train(small)
    run = runs.grown(
        bench.recipe,
        growth,
        seed=cell.seed,
        flops=(1 - growth.share) * whole,
        vocab_size=vocab_size,
        place=str(place),
    )
    made, _ = bench.train(run)
    return bench.judge(run, made, family_shapes(cell.config))


_ARMS: dict[str, Callable[[_Bench], list[Scored]]] = {
    "elastic": _elastic,
    "continued": _continued,
    "scratch": _scratch,
    "grown": _grown,
}
