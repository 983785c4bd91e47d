"""The passes of a step over one micro-batch: each shape forward and backward, and what they cost.

With distillation the full shape goes first and leaves its hidden rows for the others; where no pass
is full, one more forward pass makes them. Where another model teaches, it always is one more, and
every pass learns from it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager

from torch import Tensor

from farthing.cost.flops import forward_flops, forward_flops_by_part, training_flops
from farthing.model.config import ModelConfig
from farthing.model.kernels.replay import begin_micro_batch
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_schedule import StepPlan
from farthing.stages.train.recompute import recomputed_flops


def own_students(plan: StepPlan, sizes: ModelConfig, share: float) -> list[int]:
    """Places of the passes of a step that learn from the model's own full shape.

    Args:
        plan: of the step.
        sizes: of the model.
        share: of the loss that distillation has.
    """
    full = Shape.full(sizes)
    return [place for place, shape in enumerate(plan.shapes) if share and shape != full]


def plan_flops(
    sizes: ModelConfig,
    vocab_size: int,
    plan: StepPlan,
    *,
    students: int,
    teacher: ModelConfig,
    tokens: int,
    attended_pairs: int,
) -> int:
    """FLOPs of all passes of a step, forward and backward, and of what teaches them.

    Args:
        sizes: of the model.
        vocab_size: rows of the output matrices.
        plan: of the step.
        students: passes that learn from a teacher; where all do, it has a forward pass of its own.
        teacher: its sizes.
        tokens: positions of the batch.
        attended_pairs: (query, key) pairs inside its documents.
    """
    full = Shape.full(teacher)
    total = sum(
        training_flops(sizes, vocab_size, shape, tokens=tokens, attended_pairs=attended_pairs)
        for shape in plan.shapes
    )
    if students == len(plan.shapes):
        # Up to the hidden rows; the logits are made where students are compared with them.
        total += forward_flops(teacher, 0, full, tokens=tokens, attended_pairs=attended_pairs)
    output = forward_flops_by_part(teacher, vocab_size, full, tokens=tokens, attended_pairs=0)
    return total + students * output["output"]


class Passes:
    """Runs the passes of steps on one model.

    Attributes:
        teacher: whose full shape the others learn from, if they do: the model itself, or another.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: Transformer,
        autocast: Callable[[], AbstractContextManager[object]],
    ) -> None:
        """Run passes as a run's settings say.

        Args:
            config: of the run.
            model: whose gradients grow.
            autocast: makes the precision of a forward pass.
        """
        self._model = model
        self._autocast = autocast
        self._replayed = config.compile == "graphs"
        elastic = config.elastic
        self._share = elastic.distill_weight if elastic else 0.0
        self._temperature = elastic.distill_temperature if elastic else 1.0
        self.teacher = model

    def learn_from(self, teacher: Transformer, share: float, temperature: float) -> None:
        """Let another, frozen model teach every pass, its full shape predicting.

        Args:
            teacher: of the same vocabulary and width, on the same device.
            share: of the loss that is the divergence from it, 0 to 1.
            temperature: as `linear_distillation` takes it.
        """
        self.teacher, self._share, self._temperature = teacher, share, temperature

    def run(self, tokens_BW: Tensor, plan: StepPlan, parts: int) -> list[Tensor]:
        """Add the gradient of one micro-batch; its share of the step's loss, in pieces to add up.

        The loss is in nats per token of the text alone, without what distillation adds.

        Args:
            tokens_BW: the micro-batch.
            plan: of the step.
            parts: micro-batches of the step.
        """
        teacher_BTD: Tensor | None = None
        if self.has_own_teacher_pass(plan):
            self._begin()
            with self._autocast():
                teacher_BTD = self.teacher.teacher_rows(tokens_BW[:, :-1])
        losses: dict[int, Tensor] = {}
        for place in self._order(plan):
            self._begin()
            with self._autocast():
                loss, nats, teacher_BTD = self._losses(tokens_BW, plan.shapes[place], teacher_BTD)
            (loss / (parts * len(plan.shapes))).backward()  # type: ignore[no-untyped-call]
            losses[place] = nats.detach() / (parts * len(plan.judged))
        return [losses[place] for place in plan.judged]

    def flops(self, plan: StepPlan, *, tokens: int, attended_pairs: int) -> int:
        """Of all passes of a step, forward and backward, and of what teaches them.

        Args:
            plan: of the step.
            tokens: positions of the batch.
            attended_pairs: (query, key) pairs inside its documents.
        """
        return plan_flops(
            self._model.config,
            self._model.vocab_size,
            plan,
            students=len(self._students(plan)),
            teacher=self.teacher.config,
            tokens=tokens,
            attended_pairs=attended_pairs,
        )

    def recomputed_flops(
        self, plan: StepPlan, recomputed: Collection[int], *, tokens: int, attended_pairs: int
    ) -> int:
        """Of the layers `recomputed` in all passes; arguments as `flops`."""
        config: ModelConfig = self._model.config
        return sum(
            recomputed_flops(
                config, shape, recomputed, tokens=tokens, attended_pairs=attended_pairs
            )
            for shape in plan.shapes
        )

    def has_own_teacher_pass(self, plan: StepPlan) -> bool:
        """Whether a forward pass more makes what the smaller shapes learn from."""
        return len(self._students(plan)) == len(plan.shapes)

    def _students(self, plan: StepPlan) -> list[int]:
        """Places of the passes that learn from the full shape, or from another model."""
        if self.teacher is not self._model and self._share:
            return list(range(len(plan.shapes)))
        return own_students(plan, self._model.config, self._share)

    def _order(self, plan: StepPlan) -> list[int]:
        """Places of the passes, teachers first."""
        students = self._students(plan)
        teachers = [place for place in range(len(plan.shapes)) if place not in students]
        return [*teachers, *students]

    def _losses(
        self, tokens_BW: Tensor, shape: Shape, teacher_BTD: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """What is differentiated, the nats in it, and the teacher's rows once there are some."""
        model, tokens_BT, targets_BT = self._model, tokens_BW[:, :-1], tokens_BW[:, 1:]
        if not self._share:
            nats = model.mean_nats(tokens_BT, targets_BT, shape)
            return nats, nats, None
        own = self.teacher is model
        if own and shape == model.full_shape:
            nats, rows_BTD = model.teaching_nats(tokens_BT, targets_BT)
            return nats, nats, rows_BTD
        assert teacher_BTD is not None
        loss, nats = model.distilled_nats(
            tokens_BT,
            targets_BT,
            shape,
            teacher_BTD,
            share=self._share,
            temperature=self._temperature,
            teacher_weight_VD=None if own else self.teacher.lm_head.weight,
        )
        return loss, nats, teacher_BTD

    def _begin(self) -> None:
        if self._replayed:
            begin_micro_batch()
