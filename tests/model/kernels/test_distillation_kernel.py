"""In-place distillation, chunk by chunk, against torch's own operators in float64."""

import pytest
import torch
import torch.nn.functional as F

from farthing.model.kernels import distillation
from farthing.model.kernels.cross_entropy import linear_cross_entropy
from farthing.model.kernels.distillation import linear_distillation

pytestmark = pytest.mark.usefixtures("poison")

SHAPES = [(1, 1, 2), (1, 7, 2), (5, 16, 17), (70, 17, 16), (150, 48, 257), (3, 100, 1000)]
FLOAT32 = 5e-6
BFLOAT16 = 3e-2


@pytest.fixture(autouse=True, params=[False, True], ids=["one chunk", "many chunks"])
def _chunks(request, monkeypatch):
    if request.param:
        monkeypatch.setitem(distillation._CHUNK_BYTES, "cpu", 1)


@pytest.fixture
def make(draw):
    def inputs(tokens, width, vocab):
        source = torch.Generator().manual_seed(tokens)
        targets = torch.randint(0, vocab, (tokens,), generator=source)
        targets[0], targets[-1] = 0, vocab - 1
        student, weight = draw(tokens, width), draw(vocab, width, seed=1)
        return [student, weight], targets, draw(tokens, width, seed=2)

    return inputs


def _ours(targets, teacher, **settings):
    return lambda hidden, weight: linear_distillation(
        hidden, weight, targets, teacher.to(hidden.dtype), **settings
    )[0]


def _reference(targets, teacher, *, share, temperature):
    """As a textbook has it: all logits at once, torch's own divergence, its own gradients."""

    def loss(hidden, weight):
        logits = hidden @ weight.T
        with torch.no_grad():
            taught = F.softmax(teacher.to(hidden.dtype) @ weight.T / temperature, -1)
        divergence = F.kl_div(
            F.log_softmax(logits / temperature, -1), taught, reduction="batchmean"
        )
        text = F.cross_entropy(logits, targets)
        return (1 - share) * text + share * temperature**2 * divergence

    return loss


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("share", [0.25, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 2.5, 0.5])
def test_loss_and_gradients_match_float64(
    make, results, exact_results, assert_near, shape, share, temperature
):
    inputs, targets, teacher = make(*shape)
    settings = {"share": share, "temperature": temperature}
    ours = results(_ours(targets, teacher, **settings), inputs)
    assert [x.dtype for x in ours] == [torch.float32] * 3
    assert_near(ours, exact_results(_reference(targets, teacher, **settings), inputs), FLOAT32)


@pytest.mark.parametrize("shape", SHAPES[2:], ids=str)
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_in_bfloat16_only_roundings_differ(
    make, results, exact_results, assert_near, shape, temperature
):
    inputs, targets, teacher = make(*shape)
    settings = {"share": 0.5, "temperature": temperature}
    with torch.autocast("cpu", torch.bfloat16):
        ours = results(_ours(targets, teacher, **settings), inputs)
    assert [x.dtype for x in ours] == [torch.float32] * 3
    assert_near(ours, exact_results(_reference(targets, teacher, **settings), inputs), BFLOAT16)


def test_without_a_share_it_is_the_cross_entropy(make, results, assert_near):
    inputs, targets, teacher = make(70, 17, 33)
    ours = results(_ours(targets, teacher, share=0.0, temperature=2.0), inputs)
    plain = results(lambda *x: linear_cross_entropy(*x, targets), inputs)
    assert_near(ours, [x.double() for x in plain], FLOAT32)


def test_a_student_that_is_its_teacher_learns_the_text_alone(make, results, assert_near):
    inputs, targets, _ = make(70, 17, 33)
    ours = results(_ours(targets, inputs[0], share=0.75, temperature=2.0), inputs)
    plain = results(lambda *x: linear_cross_entropy(*x, targets) / 4, inputs)
    assert_near(ours, [x.double() for x in plain], FLOAT32)


def test_the_second_result_is_the_cross_entropy_and_passes_no_gradient(make):
    inputs, targets, teacher = make(70, 17, 33)
    hidden, weight = (x.requires_grad_() for x in inputs)
    loss, nats = linear_distillation(hidden, weight, targets, teacher, share=0.5, temperature=1.0)
    assert not nats.requires_grad
    torch.testing.assert_close(nats, F.cross_entropy(hidden @ weight.T, targets).detach())
    assert loss.requires_grad


def test_the_teacher_gets_no_gradient(make):
    inputs, targets, teacher = make(5, 16, 17)
    teacher.requires_grad_()
    hidden = inputs[0].requires_grad_()
    loss, _ = linear_distillation(hidden, inputs[1], targets, teacher, share=0.5, temperature=1.0)
    loss.backward()
    assert teacher.grad is None
    assert inputs[1].grad is None
    assert hidden.grad.count_nonzero()


@pytest.mark.parametrize("divide", [3, -0.5])
def test_a_scaled_loss_scales_its_gradients(make, results, exact_results, assert_near, divide):
    inputs, targets, teacher = make(70, 17, 33)
    settings = {"share": 0.5, "temperature": 2.0}
    ours, reference = (f(targets, teacher, **settings) for f in (_ours, _reference))
    exact = exact_results(lambda *x: reference(*x) / divide, inputs)
    assert_near(results(lambda *x: ours(*x) / divide, inputs), exact, FLOAT32)


def test_never_more_logits_than_a_chunk_exist(make, monkeypatch):
    monkeypatch.setitem(distillation._CHUNK_BYTES, "cpu", 1)
    inputs, targets, teacher = make(300, 8, 33)
    sizes = []
    one_chunk = distillation._chunk

    def watched(logits, *others):
        sizes.append(len(logits))
        return one_chunk(logits, *others)

    monkeypatch.setattr(distillation, "_chunk", watched)
    linear_distillation(*inputs, targets, teacher, share=0.5, temperature=1.0)
    assert sizes == [64, 64, 64, 64, 44]


def test_a_teacher_of_another_size_and_ids_out_of_bounds_are_refused(make):
    inputs, targets, teacher = make(5, 16, 17)
    settings = {"share": 0.5, "temperature": 1.0}
    with pytest.raises(ValueError, match=r"teacher rows \(4, 16\) beside hidden rows \(5, 16\)"):
        linear_distillation(*inputs, targets, teacher[:4], **settings)
    with pytest.raises(IndexError, match="target 17 is out of bounds"):
        linear_distillation(*inputs, targets + 1, teacher, **settings)
