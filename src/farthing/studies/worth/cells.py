"""The cells of the study: an arm, a seed and a length, made of ordinary runs of the workspace."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from farthing import flow
from farthing.artifacts.code_version import code_version
from farthing.model.shape import Shape
from farthing.session import Session
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.studies.compare.results import RunCost, run_cost
from farthing.studies.worth.arms import ArmText, proxy
from farthing.studies.worth.config import Arm, WorthConfig
from farthing.text.corpus import Corpus

_CODE = ("text", "model", "stages/train")


class CellResult(BaseModel):
    """What one model reached on the held-out text of the finished corpus.

    Attributes:
        arm: whose text it was trained on.
        seed: of weights and data order.
        length: in shares of the recipe's steps.
        corpus: digest of that text.
        run: what training used.
        curation_cpu_seconds: what making that text used.
        bpb: bits per byte by domain.
        mean_bpb: mean over the domains, each counted once.
        code: version of the code that trains.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: Arm
    seed: int
    length: float
    corpus: str
    run: RunCost
    curation_cpu_seconds: float
    bpb: dict[str, float]
    mean_bpb: float
    code: str


@dataclass(frozen=True)
class Cell:
    """One task of the runner.

    Attributes:
        config: the study.
        text: of the arm.
        final: the finished corpus, on whose held-out text all are scored.
        seed: of everything random.
        length: in shares of the recipe's steps.
    """

    config: WorthConfig
    text: ArmText
    final: ArmText
    seed: int
    length: float = 1.0

    @property
    def title(self) -> str:
        """As a person reads it."""
        return f"{self.text.arm}, x {self.length:.3g}, seed {self.seed}"

    @property
    def lane(self) -> str:
        """No two cells share a run: every text is there before the first one begins."""
        return self.title

    def run(self, session: Session) -> CellResult:
        """Train and score; whatever is finished already is found."""
        recipe = self.config.run
        steps = max(1, round(self.length * recipe.train.steps))
        final = self.final.directory
        own = proxy(recipe, self.text.arm, final, seed=self.seed, steps=steps)
        text = Corpus.open(self.text.directory, verify=False)
        place = flow.run_train(own, text, session)
        whole = str(Shape.full(own.model))
        settings = EvaluateConfig(
            members=(whole,), split="dev", batch_sequences=recipe.evaluate.batch_sequences
        )
        _, supernet = flow.open_run(place)
        held_out = Corpus.open(final, verify=False)
        (score,) = flow.run_evaluate(settings, own.name, supernet, held_out, session).members
        return CellResult(
            arm=self.text.arm,
            seed=self.seed,
            length=self.length,
            corpus=self.text.digest,
            run=run_cost(session, own, place),
            curation_cpu_seconds=self.text.curation_cpu_seconds,
            bpb=score.bpb,
            mean_bpb=score.mean_bpb,
            code=code_version(_CODE),
        )
