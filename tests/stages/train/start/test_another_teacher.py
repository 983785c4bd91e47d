"""Another model teaches every pass: the gradient is the textbook's, the teacher never changes."""

import pytest
import torch
import torch.nn.functional as F
from tiny_models import TINY
from torch.utils.flop_counter import FlopCounterMode

from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.kernels.native import plain_kernels
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_schedule import StepPlan
from farthing.stages.train.passes import Passes

VOCAB, CONTEXT = 29, 16
TEACHER = TINY.model_copy(update={"top_k": 1, "context": CONTEXT})
STUDENT = TEACHER.model_copy(update={"num_layers": 3, "num_experts": 2})
FULL = Shape.full(STUDENT)
SMALL = Shape.parse("2L-2E-1K", STUDENT)
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")


def _model(sizes: ModelConfig, seed: int) -> Transformer:
    model = Transformer(sizes, VOCAB, end_of_text=0).train()
    initialize(model, seed)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=source), alpha=0.2)
    return model


@pytest.fixture
def taught():
    """A student, its teacher, its passes, and a batch."""
    student, teacher = _model(STUDENT, 1), _model(TEACHER, 2).eval().requires_grad_(False)
    config = TrainConfig(steps=4, batch_sequences=4)
    passes = Passes(config, student, lambda: torch.autocast("cpu", enabled=False))
    passes.learn_from(teacher, 0.75, 2.0)
    source = torch.Generator().manual_seed(5)
    return student, teacher, passes, torch.randint(0, VOCAB, (4, CONTEXT + 1), generator=source)


def test_every_pass_learns_what_the_textbook_says(taught):
    student, teacher, passes, tokens_BW = taught
    inputs, targets = tokens_BW[:, :-1], tokens_BW[:, 1:].flatten()
    with torch.no_grad():
        wanted = F.softmax(teacher(inputs).flatten(0, 1) / 2, -1)
    nats = []
    for shape in (FULL, SMALL):
        logits = student(inputs, shape).flatten(0, 1)
        text = F.cross_entropy(logits, targets)
        nats.append(text.item())
        distance = F.kl_div(F.log_softmax(logits / 2, -1), wanted, reduction="batchmean")
        ((0.25 * text + 0.75 * 4 * distance) / 2).backward()
    expected = {
        name: weight.grad.clone()
        for name, weight in student.named_parameters()
        if weight.grad is not None
    }
    student.zero_grad()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    pieces = passes.run(tokens_BW, StepPlan((FULL, SMALL), (0, 1)), 1)
    assert expected
    for name, weight in student.named_parameters():
        if name in expected:
            torch.testing.assert_close(weight.grad, expected[name], rtol=1e-4, atol=1e-6, msg=name)
    # What is told is the text's loss alone.
    assert [piece.item() * 2 for piece in pieces] == pytest.approx(nats, abs=1e-5)
    assert all(weight.grad is None for weight in teacher.parameters())
    assert all(torch.equal(before[name], t) for name, t in teacher.state_dict().items())


def test_the_teachers_forward_pass_is_billed_once_for_all_passes(taught):
    _, _, passes, tokens_BW = taught
    tokens, pairs = 4 * CONTEXT, 1000

    def attention(layers: int) -> int:
        # In a fused kernel, whose products torch does not count.
        return layers * STUDENT.num_heads * pairs * 2 * (2 * STUDENT.head_dim)

    plan = StepPlan((FULL, SMALL), (0,))
    with plain_kernels(), FlopCounterMode(display=False) as counter:
        passes.run(tokens_BW, plan, 1)
    counts = counter.get_flop_counts()["Global"]
    counted = sum(n for op, n in counts.items() if op.__name__.split(".")[0] in PRODUCTS)
    counted += 3 * (attention(3) + attention(2)) + attention(4)
    # The gradient of the output matrix is added in place: torch's table has no `addmm_`.
    counted += 2 * 2 * tokens * STUDENT.hidden_dim * VOCAB
    assert passes.flops(plan, tokens=tokens, attended_pairs=pairs) == counted


def test_a_teacher_of_another_width_is_refused(taught):
    student, _, passes, tokens_BW = taught
    wider = _model(TEACHER.model_copy(update={"hidden_dim": 32}), 3).eval()
    passes.learn_from(wider, 0.5, 1.0)
    with pytest.raises(ValueError, match="width"):
        passes.run(tokens_BW, StepPlan((student.full_shape,), (0,)), 1)
