"""What a training of the tiny claim says that it did not do: one lie a training, or two.

Runs of the tiny claim, by seed: the method (1, then 2; 8; 14), the baseline of four steps (4, 10,
16) and of sixteen (6, 12, 18). A checkpoint is saved after every second step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from claim_example import EVERY, Example
from safetensors.torch import load_file, save_file

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.config import parse_config
from farthing.artifacts.manifest import read_manifest, write_manifest
from farthing.artifacts.workspace import Workspace
from farthing.flow.config import RunConfig
from farthing.flow.verification.pinned import score
from farthing.model.shape import Shape
from farthing.model.supernet import open_supernet
from farthing.stages.train.checkpoint import TrainingProgress, load_checkpoint, write_checkpoint
from farthing.stages.train.replay import Replayed, replay
from farthing.studies.claim.run import corpus_with
from farthing.text.corpus import Corpus

Json = dict[str, Any]


@dataclass
class Liar:
    """Forges states and logs in a workspace, and notes what the book has to say then.

    Attributes:
        example: whose workspace it is.
        digests: of artifacts that were exchanged: old -> new.
        segments: run and first step -> what the book's segment says otherwise.
        scores: model -> shape -> scores by domain.
    """

    example: Example
    digests: dict[str, str] = field(default_factory=dict)
    segments: dict[tuple[int, int], Json] = field(default_factory=dict)
    scores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.starts: dict[int, Json] = {}
        self.recipes: dict[str, Json] = {}
        corpus = ""
        for record in self.example.records():
            body = record.body.model_dump(mode="json")
            if record.entry.kind == "plan":
                self.recipes[record.entry.digest] = body["recipe"]
                corpus = body["corpus_digest"]
            if record.entry.kind == "run.start":
                self.starts[body["run"]] = body
        self.corpus: Corpus = corpus_with(corpus, Workspace(self.example.root))

    def edit(self, kind: str, body: Json) -> Json:
        """What book and journals say of all this."""
        text = json.dumps(body)
        for old, new in self.digests.items():
            text = text.replace(old, new)
        body = json.loads(text)
        if kind == "segment":
            body |= self.segments.get((body["run"], body["first_step"]), {})
        if kind == "evaluation" and body["supernet"] in self.scores:
            body["scores"] = self.scores[body["supernet"]][body["shape"]]
        return body

    def place(self, run: int) -> Path:
        """The folder of a training."""
        start = self.starts[run]
        return Workspace(self.example.root).place("runs", start["name"], start["input_key"])

    def state(self, run: int, step: int) -> Path:
        """The folder of the checkpoint with `step` steps done."""
        return self.place(run) / "checkpoints" / f"step-{step:08d}"

    def tensors(self, run: int, step: int) -> dict[str, torch.Tensor]:
        """Of a checkpoint."""
        return load_checkpoint(self.state(run, step), input_key=self._key(run)).tensors

    def forge(
        self,
        run: int,
        step: int,
        tensors: dict[str, torch.Tensor],
        progress: TrainingProgress | None = None,
    ) -> None:
        """Another state in the place of a checkpoint, and its digest in the book."""
        folder = self.state(run, step)
        old = read_manifest(folder, kind="checkpoint").content_digest
        progress = progress or load_checkpoint(folder, input_key=self._key(run)).progress
        shutil.rmtree(folder)
        new = write_checkpoint(folder.parent, tensors, progress, input_key=self._key(run))
        assert new.content_digest != old
        # By its place: trainings of two lengths may be in one state after their first steps.
        told = self.segments.setdefault((run, step - EVERY), {})
        told["checkpoint_digest"] = new.content_digest

    def taken_otherwise(self, run: int, first: int, **train: object) -> Replayed:
        """Two steps of a run from their checkpoint, with other settings than its recipe's."""
        recipe = parse_config(RunConfig, self.recipes[self.starts[run]["plan"]], where="a plan")
        return replay(
            recipe.train.model_copy(update=train),
            recipe.model,
            self.corpus,
            begin=self.state(run, first) if first else None,
            input_key=self._key(run),
            steps=range(first, first + 2),
            threads=1,
        )

    def log_losses(self, run: int, first: int, change: Callable[[int, float], float]) -> None:
        """Other losses of two steps, in log and book."""
        path = self.place(run) / "metrics.jsonl"
        losses, lines = [], []
        for text in path.read_text().splitlines():
            line = json.loads(text)
            if line["step"] in (first, first + 1):
                line["loss_nats"] = change(line["step"], line["loss_nats"])
                losses.append(line["loss_nats"])
            lines.append(json.dumps(line))
        path.write_text("\n".join(lines) + "\n")
        told = {"loss_digest": digest_json(losses), "loss_sum": sum(losses)}
        self.segments.setdefault((run, first), {}).update(told)

    def _key(self, run: int) -> str:
        return str(self.starts[run]["input_key"])


def hidden_parent(liar: Liar) -> None:
    """Weights that another training had made stand where the seed's first steps end."""
    own, other = liar.tensors(8, 2), liar.tensors(14, 2)
    # Which optimizer states there are by then hangs on the shapes that each training drew.
    weights = {name: tensor for name, tensor in other.items() if name.startswith("model.")}
    liar.forge(8, 2, own | weights)


def invented_losses(liar: Liar) -> None:
    """Losses a tenth lower than they were, in log and book."""
    liar.log_losses(14, 4, lambda _step, loss: 0.9 * loss)


def lowered_precision(liar: Liar) -> None:
    """Products in bf16, in log, book and state, of a recipe that has them in fp32."""
    taken = liar.taken_otherwise(16, 0, precision="bf16")
    liar.forge(16, 2, taken.tensors, taken.progress)
    liar.log_losses(16, 0, lambda step, _loss: taken.losses[step])


def swapped_batches(liar: Liar) -> None:
    """Other batches than the seed's, and the book says that they were the right ones."""
    seed = liar.recipes[liar.starts[12]["plan"]]["train"]["seed"]
    liar.forge(12, 6, liar.taken_otherwise(12, 4, seed=seed + 1).tensors)


def batches_by_the_book(liar: Liar) -> None:
    """Other batches, and their digest in the book."""
    liar.segments[12, 10] = {"batch_digest": "b" * 64}


def slower_rates(liar: Liar) -> None:
    """A baseline whose rates are lower than its recipe says."""
    recipe = parse_config(RunConfig, liar.recipes[liar.starts[6]["plan"]], where="a plan")
    rates = recipe.train.optimizer
    slower = rates.model_copy(update={"muon_learning_rate": rates.muon_learning_rate / 2})
    liar.forge(6, 6, liar.taken_otherwise(6, 4, optimizer=slower).tensors)


def skipped_steps(liar: Liar) -> None:
    """Two steps that were never taken: the state after them is the one before."""
    liar.forge(6, 12, liar.tensors(6, 10))


def nudged_state(liar: Liar) -> None:
    """A thousandth is added to the weights of one matrix."""
    tensors = liar.tensors(18, 8)
    tensors["model.lm_head.weight"] = tensors["model.lm_head.weight"] + 1e-3
    liar.forge(18, 8, tensors)


def better_model(liar: Liar) -> None:
    """The model of four steps is exchanged for one of sixteen, which is then scored honestly."""
    folder, better = liar.place(10) / "supernet", liar.place(6) / "supernet"
    old = read_manifest(folder, kind="supernet")
    weights = load_file(better / "model.safetensors")
    weights["norm.weight"] = weights["norm.weight"] * 1.0001
    save_file(weights, folder / "model.safetensors")
    new = write_manifest(folder, kind="supernet", input_key=old.input_key, detail=old.detail)
    liar.digests[old.content_digest] = new.content_digest
    supernet = open_supernet(folder, kind="supernet", device=torch.device("cpu"))
    shape = Shape.full(supernet.model.config)
    scores = score(supernet, shape, liar.corpus, "dev", 64)
    liar.scores[new.content_digest] = {str(shape): scores}


LIES: tuple[Callable[[Liar], None], ...] = (
    hidden_parent,
    invented_losses,
    lowered_precision,
    swapped_batches,
    batches_by_the_book,
    slower_rates,
    skipped_steps,
    nudged_state,
    better_model,
)
