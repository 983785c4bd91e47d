"""Level 3: chosen segments of the trainings, taken again from the checkpoints before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.claims.answer import ReleasedSegment
from farthing.artifacts.claims.selection import Chosen
from farthing.artifacts.entries import Segment
from farthing.errors import ClaimError
from farthing.flow.config import RunConfig
from farthing.flow.verification.gates import gates
from farthing.flow.verification.here import on_its_device, other_here
from farthing.flow.verification.released import Released, guarded
from farthing.model.transformer import Transformer
from farthing.stages.train.checkpoint import MODEL, Checkpoint
from farthing.stages.train.replay import (
    Replayed,
    check_alike,
    distance,
    replay,
    state_digest,
)
from farthing.stages.train.routes import Routes
from farthing.stages.train.run import rank_experts
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding

LEVEL = 3
_CHECK = "replay"


def replay_segments(
    released: Released,
    chosen: Sequence[Chosen],
    *,
    say: Callable[[str], None] = lambda _line: None,
) -> list[Finding]:
    """Take every chosen segment again, and compare with what the book says it came to.

    In the environment of the run every bit must come out. Elsewhere the text, the shapes, the
    counts of tokens and FLOPs must, and the state and every loss to the bounds in `gates`.

    Args:
        released: the answer's files.
        chosen: the segments that the verifier's nonce chose (`selection.choose`).
        say: is told of each segment before it is taken.
    """
    owners = {
        (segment.run, segment.first_step): (training, segment)
        for training in released.trainings
        for segment in training.segments
    }
    held = {(each.run, each.first_step): each for each in released.answer.segments}
    found = []
    for number, each in enumerate(chosen, start=1):
        key = each.segment.run, each.segment.first_step
        where = f"run {key[0]}, steps {key[1]}-{each.segment.last_step}"
        say(f"replay    {number} of {len(chosen)}: {where} ({', '.join(each.why)})")
        if key not in held or key not in owners:
            detail = f"chosen ({', '.join(each.why)}), and not in the answer"
            found.append(Finding(_CHECK, False, where, detail, LEVEL))
            continue
        training, segment = owners[key]
        look = _Look(released, training, segment, held[key], where)
        found += guarded(_CHECK, where, LEVEL, look.findings)
    return found


@dataclass(frozen=True)
class _Look:
    """One segment, and what was released of it."""

    released: Released
    training: Training
    segment: Segment
    files: ReleasedSegment
    where: str

    def findings(self) -> Iterator[Finding]:
        run = self.released.recipe(self.training)
        end = self._end()
        last = self.segment.last_step + 1 == self.training.steps
        if last:
            yield from self._model(end, run)
        routes = None
        if self.files.routes is not None and run.model.num_experts:
            routes = Routes.load(self.released.routes(self.files.routes))
        replayed = self._replayed(run, end, routes)
        yield from self._counts(replayed)
        yield self._state(replayed, end, routes, run)

    def _end(self) -> Checkpoint:
        folder = self.released.checkpoint(
            self.files.end, self.segment.checkpoint_digest, self.training
        )
        return self.released.loaded(folder, self.training)

    def _replayed(self, run: RunConfig, end: Checkpoint, routes: Routes | None) -> Replayed:
        begin = None
        if self.segment.first_step:
            before = _before(self.training, self.segment)
            begin = self.released.checkpoint(
                self.files.begin, before.checkpoint_digest, self.training
            )
            self.released.loaded(begin, self.training)
        return replay(
            on_its_device(run, self.training),
            run.model,
            self.released.corpus,
            begin=begin,
            input_key=self.training.attempts[-1].start.input_key,
            steps=range(self.segment.first_step, self.segment.last_step + 1),
            routes=routes,
            threads=end.progress.threads,
            precision=end.progress.precision,
        )

    def _counts(self, replayed: Replayed) -> Iterator[Finding]:
        """What no rounding can change: the text, the shapes and everything that is counted."""
        if replayed.batch_digest != self.segment.batch_digest:
            detail = "the book's digest of its batches is not that of the corpus in its order"
            yield Finding(_CHECK, False, self.where, detail, LEVEL)
        lines = self.released.steps[self.segment.run]
        for result in replayed.results:
            line = lines[result.step]
            ours = {
                "shapes": [str(shape) for shape in result.shapes],
                "tokens": result.tokens,
                "attended_pairs": result.attended_pairs,
                "flops": result.flops,
                "recomputed_flops": result.recomputed_flops,
                "rate_share": result.rate_share,
            }
            for name, value in ours.items():
                if line[name] != value:
                    detail = f"step {result.step}: {name} is {value} here, {line[name]} in the log"
                    yield Finding(_CHECK, False, self.where, detail, LEVEL)

    def _state(
        self, replayed: Replayed, end: Checkpoint, routes: Routes | None, run: RunConfig
    ) -> Finding:
        key = self.training.attempts[-1].start.input_key
        same = state_digest(replayed, input_key=key) == self.segment.checkpoint_digest
        if same and digest_json(replayed.losses) == self.segment.loss_digest:
            detail = f"{self.training.name}: state and losses come out to the last bit"
            return Finding(_CHECK, True, self.where, detail, LEVEL)
        check_alike(replayed.tensors, end.tensors)
        lines = self.released.steps[self.segment.run]
        losses = [float(lines[result.step]["loss_nats"]) for result in replayed.results]
        found = distance(replayed, self._begin_tensors(run), end.tensors, losses)
        measured = gates(found, routes, from_seed=self.segment.first_step == 0)
        figures = "; ".join(map(str, measured))
        elsewhere = other_here(self.training, run, self.released.corpus)
        if replayed.progress.kernels != end.progress.kernels:
            elsewhere.append(f"{replayed.progress.kernels}, not {end.progress.kernels}")
        if not elsewhere:
            detail = (
                f"{self.training.name}: other bits in the same environment (worst weight "
                f"{found.worst_name}, {found.worst:.2g} of its change; {figures})"
            )
            return Finding(_CHECK, False, self.where, detail, LEVEL)
        why = f"computed elsewhere ({'; '.join(elsewhere)})"
        if replayed.progress.precision != "fp32" or (routes is None and run.model.num_experts):
            detail = (
                f"{self.training.name}: other bits, {why}. Without fp32 and noted expert choices "
                f"only the environment of the run can tell ({figures})"
            )
            return Finding(_CHECK, False, self.where, detail, LEVEL)
        problems = [] if all(gate.holds for gate in measured) else ["farther off than rounding"]
        if found.counts_differ or replayed.progress.tokens != end.progress.tokens:
            problems.append("something that is counted differs")
        detail = "; ".join([f"{self.training.name}: {why}", figures, *problems])
        return Finding(_CHECK, not problems, self.where, detail, LEVEL)

    def _begin_tensors(self, run: RunConfig) -> dict[str, Tensor]:
        if self.segment.first_step:
            before = _before(self.training, self.segment)
            folder = self.released.checkpoint(
                self.files.begin, before.checkpoint_digest, self.training
            )
            return self.released.loaded(folder, self.training).tensors
        return replay(
            on_its_device(run, self.training),
            run.model,
            self.released.corpus,
            begin=None,
            input_key="",
            steps=range(0),
            precision="fp32",
            threads=1,
        ).tensors

    def _model(self, end: Checkpoint, run: RunConfig) -> Iterator[Finding]:
        """The released model must be what this training ended with."""
        model = self.released.model(self.training).model
        yield ends_as(model, end.tensors, run, self.where, LEVEL)


def ends_as(
    model: Transformer, tensors: dict[str, Tensor], run: RunConfig, where: str, level: int
) -> Finding:
    """Whether a model is what a training made that ended with these tensors.

    Args:
        model: as released.
        tensors: of the last checkpoint.
        run: the recipe.
        where: for the finding.
        level: of the finding.
    """
    finished = Transformer(model.config, model.vocab_size, model.end_of_text)
    state = {n.removeprefix(MODEL): t for n, t in tensors.items() if n.startswith(MODEL)}
    check_alike(finished.state_dict(), state)
    finished.load_state_dict(state, strict=True)
    rank_experts(finished, run.train, None)
    expected = finished.state_dict()
    others = [name for name, t in model.state_dict().items() if not torch.equal(t, expected[name])]
    detail = (
        "the released model is the one that this training ended with"
        if not others
        else f"the released model is another than this training ended with: {others[0]} and "
        f"{len(others) - 1} more tensors differ"
    )
    return Finding("model", not others, where, detail, level)


def _before(training: Training, segment: Segment) -> Segment:
    for each in training.segments:
        if each.last_step + 1 == segment.first_step:
            return each
    raise ClaimError(
        f"{training.name} has no segment that ends before step {segment.first_step}",
        remedy="the book's segments do not follow each other",
    )
