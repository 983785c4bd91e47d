"""How near an honest replay ends, and how far the smallest forgeries: what the gates rest on.

    python bench/claims/tolerance.py --work build/tolerance --results docs/results

One segment in the middle of the recipe `quickstart`, in fp32. Honest replays compute on another
number of threads or with torch's own operators, with the expert choices of the first computation
forced and without. A forged segment is one that was computed otherwise than it claims, with its own
choices noted; its distance is that of an honest replay which has those choices forced.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from farthing.artifacts.manifest import write_manifest
from farthing.flow.config import RunConfig
from farthing.model.config import ModelConfig
from farthing.model.kernels.native import plain_kernels
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.recipes.loader import load_recipe
from farthing.stages.curate.run import curate
from farthing.stages.evaluate.bits_per_byte import bits_per_byte
from farthing.stages.train import replay as replaying
from farthing.stages.train.checkpoint import KIND, newest_checkpoint, write_checkpoint
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.replay import Replayed, distance, replay
from farthing.stages.train.routes import RouteLog, Routes
from farthing.stages.train.step import TrainingStep
from farthing.text.batches import Batch, Batches
from farthing.text.corpus import Corpus

NAME = "tolerance.json"
KEY = "tolerance"
RECIPE = "quickstart"
RATES = ("muon_learning_rate", "embedding_learning_rate", "output_learning_rate")
SAME = "the same"
OTHER_RATE, NOISE = 1.001, 1e-5


@dataclass(frozen=True)
class Subject:
    """One segment of one run.

    Attributes:
        run: the recipe.
        corpus: its text.
        begin: folder of the checkpoint before the segment.
        steps: of the segment.
    """

    run: RunConfig
    corpus: Corpus
    begin: Path
    steps: range

    def take(
        self,
        config: TrainConfig | None = None,
        *,
        begin: Path | None = None,
        threads: int = 1,
        routes: Routes | None = None,
        note: RouteLog | None = None,
    ) -> Replayed:
        """The segment, computed with these settings; arguments as `replay` takes them."""
        return replay(
            config or self.run.train,
            self.run.model,
            self.corpus,
            begin=begin or self.begin,
            input_key=KEY,
            steps=self.steps,
            threads=threads,
            routes=routes,
            note=note,
        )


def main() -> None:
    """Measure everything and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--begin", type=int, default=300)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, default=2, help="of the honest replay")
    options = parser.parse_args()
    torch.set_num_threads(1)
    subject = prepare(options)
    scored = scores(subject, options.threads)
    rows = [*honest(subject, options.threads), *forged(subject)]
    found = {
        "recipe": RECIPE,
        "precision": options.precision,
        "steps": [subject.steps.start, subject.steps.stop - 1],
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "scores": scored,
        "rows": rows,
    }
    options.results.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1) + "\n"
    (options.results / NAME).write_text(text, encoding="utf-8")


def prepare(options: argparse.Namespace) -> Subject:
    """Curate the text and train up to the segment, unless that was done before."""
    run = load_recipe(RECIPE, (), RunConfig)
    run = run.model_copy(
        update={"train": run.train.model_copy(update={"precision": options.precision})}
    )
    options.work.mkdir(parents=True, exist_ok=True)
    corpus = curate(run.corpus, options.work / "corpus", KEY).corpus
    place = options.work / "checkpoints"
    begin = place / f"step-{options.begin:08d}"
    if not begin.is_dir():
        older = newest_checkpoint(place)
        first = int(older.name.removeprefix("step-")) if older else 0
        reached = replay(
            run.train,
            run.model,
            corpus,
            begin=older,
            input_key=KEY,
            steps=range(first, options.begin),
            threads=1,
        )
        write_checkpoint(place, reached.tensors, reached.progress, input_key=KEY)
    return Subject(run, corpus, begin, range(options.begin, options.begin + options.steps))


def scores(subject: Subject, threads: int) -> dict[str, float]:
    """Shape -> largest share by which scores in another way of computing differ, by domain."""
    model = subject.take().model.eval()
    found = {}
    for text in (subject.run.evaluate.members[0], subject.run.evaluate.members[-1]):
        shape = Shape.parse(text, model.config)
        worst = 0.0
        for domain in subject.corpus.held_out_domains:
            expected = _score(subject, model, shape, domain)
            with plain_kernels():
                worst = max(worst, abs(_score(subject, model, shape, domain) / expected - 1))
            torch.set_num_threads(threads)
            worst = max(worst, abs(_score(subject, model, shape, domain) / expected - 1))
            torch.set_num_threads(1)
        found[text] = worst
    print(json.dumps(found), flush=True)
    return found


def _score(subject: Subject, model: Transformer, shape: Shape, domain: str) -> float:
    shard = subject.corpus.shard("dev", domain)
    return bits_per_byte(
        model,
        shape,
        shard,
        text_bytes=subject.corpus.bytes("dev", domain),
        batch_sequences=subject.run.evaluate.batch_sequences,
    )


def honest(subject: Subject, threads: int) -> Iterator[dict[str, Any]]:
    """Rows of replays that differ from the claimed computation by rounding alone."""
    log = RouteLog()
    claimed = subject.take(note=log)
    others: dict[str, tuple[int, Callable[[], AbstractContextManager[None]]]] = {
        SAME: (1, nullcontext),
        f"{threads} threads": (threads, nullcontext),
        "torch's own operators": (1, plain_kernels),
        f"both, {threads} threads": (threads, plain_kernels),
    }
    for name, (count, kernels) in others.items():
        for forced in (False, True) if name != SAME else (True,):
            routes = Routes(log.picks()) if forced else None
            with kernels():
                again = subject.take(threads=count, routes=routes)
            yield row("honest", name, subject, again, claimed, routes)


def forged(subject: Subject) -> Iterator[dict[str, Any]]:
    """Rows of honest replays of segments that were computed otherwise."""
    for name, (config, forging) in forgeries(subject).items():
        log = RouteLog()
        with forging() as begin:
            claimed = subject.take(config, begin=begin, note=log)
        routes = Routes(log.picks())
        yield row("forged", name, subject, subject.take(routes=routes), claimed, routes)


def row(
    kind: str,
    name: str,
    subject: Subject,
    again: Replayed,
    claimed: Replayed,
    routes: Routes | None,
) -> dict[str, Any]:
    """One comparison."""
    began = time.process_time()
    begin = load_file(subject.begin / "state.safetensors")
    found = distance(again, begin, claimed.tensors, claimed.losses)
    norms = [
        abs(ours.grad_norm - theirs.grad_norm) / theirs.grad_norm
        for ours, theirs in zip(again.results, claimed.results, strict=True)
    ]
    result = {
        "kind": kind,
        "name": name,
        "forced": routes is not None,
        **asdict(found),
        "gradient_norm": max(norms),
        "moved": routes.moved if routes else None,
        "of_tokens": routes.tokens if routes else None,
        "worst_gap": routes.worst_gap if routes else None,
        "compare_seconds": time.process_time() - began,
    }
    print(json.dumps(result), flush=True)
    return result


Forging = Callable[[], AbstractContextManager[Path | None]]


def forgeries(subject: Subject) -> dict[str, tuple[TrainConfig, Forging]]:
    """Name -> settings and what else is changed: each as small as it can be in its kind."""
    config, middle = subject.run.train, subject.steps[len(subject.steps) // 2]
    rates = {name: getattr(config.optimizer, name) * OTHER_RATE for name in RATES}
    faster = config.model_copy(update={"optimizer": config.optimizer.model_copy(update=rates)})
    last = subject.steps[-1]
    return {
        f"all rates x{OTHER_RATE}": (faster, lambda: nullcontext()),
        "one batch swapped for another": (config, lambda: other_batch(config, middle, _swapped)),
        "one row twice in one batch": (config, lambda: other_batch(config, middle, _row_twice)),
        "one token changed in one batch": (config, lambda: other_batch(config, middle, _token)),
        "one token changed in the last batch": (config, lambda: other_batch(config, last, _token)),
        f"noise of {NOISE:g} on the weights": (config, lambda: noisy(subject)),
        "one step left out": (config, lambda: skipped(middle)),
        "the last step left out": (config, lambda: skipped(last)),
    }


def _swapped(batches: Batches, first: int, count: int) -> Batch:
    return batches.batch(first + 1000, count)


def _row_twice(batches: Batches, first: int, count: int) -> Batch:
    batch = batches.batch(first, count)
    batch.tokens[0] = batch.tokens[1]
    return batch


def _token(batches: Batches, first: int, count: int) -> Batch:
    batch = batches.batch(first, count)
    middle = batch.tokens.shape[1] // 2
    batch.tokens[0, middle] = (batch.tokens[0, middle] + 1) % 256
    return batch


@contextmanager
def other_batch(
    config: TrainConfig, step: int, change: Callable[[Batches, int, int], Batch]
) -> Iterator[None]:
    """Give another batch in one step."""

    class Forged:
        def __init__(self, inner: Batches) -> None:
            self._inner = inner

        def batch(self, first: int, count: int) -> Batch:
            if first // config.batch_sequences == step:
                return change(self._inner, first, count)
            return self._inner.batch(first, count)

    check_fit = replaying.check_fit

    def check(
        config: TrainConfig, sizes: ModelConfig, corpus: Corpus, *, first_sequence: int = 0
    ) -> tuple[torch.device, Forged]:
        device, batches = check_fit(config, sizes, corpus, first_sequence=first_sequence)
        return device, Forged(batches)

    with patch.object(replaying, "check_fit", check):
        yield


@contextmanager
def skipped(step: int) -> Iterator[None]:
    """Leave the update of one step out."""
    update = TrainingStep.update

    def some(self: TrainingStep, number: int) -> None:
        if number != step:
            update(self, number)
        else:
            self._model.zero_grad(set_to_none=True)

    with patch.object(TrainingStep, "update", some):
        yield


@contextmanager
def noisy(subject: Subject) -> Iterator[Path]:
    """Begin with weights that are a little off, each by a share of its tensor's spread."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / subject.begin.name
        shutil.copytree(subject.begin, folder)
        tensors = load_file(folder / "state.safetensors")
        source = np.random.default_rng(0)
        for name, tensor in tensors.items():
            if name.startswith("model.") and tensor.is_floating_point() and tensor.numel() > 1:
                noise = torch.from_numpy(source.standard_normal(tuple(tensor.shape))).float()
                tensor += NOISE * float(tensor.std()) * noise
        save_file(tensors, folder / "state.safetensors")
        write_manifest(folder, kind=KIND, input_key=KEY, detail={"step": subject.steps.start})
        yield folder


if __name__ == "__main__":
    main()
