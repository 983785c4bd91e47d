"""Several passes on one batch: their mean gradient, their loss, and what they really cost."""

import json

import pytest
import torch
import torch.nn.functional as F
from tiny_models import TINY
from torch.utils.flop_counter import FlopCounterMode

from farthing.ledger.meter import NO_WORK
from farthing.model.initialize import initialize
from farthing.model.kernels.native import plain_kernels
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.assemble import assemble
from farthing.stages.train.checkpoint import TrainingProgress, load_checkpoint, save_checkpoint
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig, LayerDropoutConfig
from farthing.stages.train.elastic_schedule import StepPlan
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.metrics import MetricsFile
from farthing.stages.train.passes import Passes
from farthing.text.batches import Batches

VOCAB, CONTEXT = 29, 16
SIZES = TINY.model_copy(update={"num_layers": 5, "top_k": 3, "context": CONTEXT})
FULL = Shape.full(SIZES)
SMALL = Shape.parse("3L-2E-1K", SIZES)
MIXED = Shape.parse("layers=0,2-4/experts=4,e1+3,2/top_k=1,2,1", SIZES)
SIZE_LISTS = {"depths": (3, 4), "expert_counts": (2,), "top_ks": (1, 2)}
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")


@pytest.fixture
def make():
    """A model whose logits say something, its passes, and a batch."""

    def build(**elastic):
        model = Transformer(SIZES, VOCAB, end_of_text=0).train()
        initialize(model, seed=1)
        source = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape, generator=source), alpha=0.2)
        tokens_BW = torch.randint(0, VOCAB, (4, CONTEXT + 1), generator=source)
        config = TrainConfig(
            steps=4, batch_sequences=4, elastic=ElasticConfig(**(SIZE_LISTS | elastic))
        )
        return model, Passes(config, model, lambda: torch.autocast("cpu", enabled=False)), tokens_BW

    return build


def _gradients(model):
    return {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for name, weight in model.named_parameters()
    }


def _assert_same_gradients(model, expected):
    for name, gradient in _gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_gradient_is_the_mean_over_passes_and_micro_batches(make):
    model, passes, tokens_BW = make()
    losses = []
    for shape in (FULL, SMALL, MIXED):
        loss = model.mean_nats(tokens_BW[:, :-1], tokens_BW[:, 1:], shape)
        (loss / 3).backward()
        losses.append(loss.item())
    expected = _gradients(model)
    model.zero_grad()
    plan = StepPlan((FULL, SMALL, MIXED), (0, 1, 2))
    pieces = [passes.run(half, plan, 2) for half in tokens_BW.split(2)]
    _assert_same_gradients(model, expected)
    told = sum(piece.item() for half in pieces for piece in half)
    assert told == pytest.approx(sum(losses) / 3, abs=1e-5)


def test_the_loss_of_a_step_is_that_of_the_passes_that_are_judged(make):
    model, passes, tokens_BW = make()
    full = model.mean_nats(tokens_BW[:, :-1], tokens_BW[:, 1:]).item()
    pieces = passes.run(tokens_BW, StepPlan((SMALL, FULL), (1,)), 1)
    assert [piece.item() for piece in pieces] == [pytest.approx(full, abs=1e-6)]


@pytest.mark.parametrize("shapes", [(FULL, SMALL), (SMALL, FULL), (SMALL,)], ids=str)
def test_distillation_is_the_textbooks_whoever_teaches(make, shapes):
    """All logits at once, the full shape's first; alike from its own pass or from one more."""
    model, passes, tokens_BW = make(distill_weight=0.75, distill_temperature=2.0)
    inputs, targets = tokens_BW[:, :-1], tokens_BW[:, 1:].flatten()
    with torch.no_grad():
        taught = F.softmax(model(inputs).flatten(0, 1) / 2, -1)
    nats = []
    for shape in shapes:
        logits = model(inputs, shape).flatten(0, 1)
        text = F.cross_entropy(logits, targets)
        nats.append(text.item())
        if shape == SMALL:
            distance = F.kl_div(F.log_softmax(logits / 2, -1), taught, reduction="batchmean")
            text = 0.25 * text + 0.75 * 4 * distance
        (text / len(shapes)).backward()
    expected = _gradients(model)
    model.zero_grad()
    plan = StepPlan(shapes, tuple(range(len(shapes))))
    pieces = passes.run(tokens_BW, plan, 1)
    _assert_same_gradients(model, expected)
    # What is told is the text's loss alone.
    assert [piece.item() * len(shapes) for piece in pieces] == pytest.approx(nats, abs=1e-5)


def test_a_teacher_that_only_teaches_counts_no_load_and_leaves_the_model_training(make):
    loads = {}
    for weight in (0.0, 0.5):
        model, passes, tokens_BW = make(distill_weight=weight)
        passes.run(tokens_BW, StepPlan((SMALL,), (0,)), 1)
        loads[weight] = [float(block.router.load.sum()) for block in model.sparse_blocks()]
        assert all(module.training for module in model.modules())
    assert loads[0.0] == loads[0.5]
    assert loads[0.0] == [4 * CONTEXT, 0, 0, 4 * CONTEXT]


def test_routers_count_every_pass(make):
    model, passes, tokens_BW = make()
    passes.run(tokens_BW, StepPlan((FULL, SMALL, SMALL), (0,)), 1)
    loads = [float(block.router.load.sum()) for block in model.sparse_blocks()]
    # Top-3 once, and top-1 twice in the first and the last of the sparse layers.
    assert loads == [tokens * 4 * CONTEXT for tokens in (5, 3, 3, 5)]


def _counted(run):
    """FLOPs of the matrix products that torch sees while `run` runs; attention has its own."""
    with plain_kernels(), FlopCounterMode(display=False) as counter:
        run()
    counts = counter.get_flop_counts()["Global"]
    return sum(flops for op, flops in counts.items() if op.__name__.split(".")[0] in PRODUCTS)


def _uncounted(shape, tokens, pairs):
    """Attention's core, in fused kernels, less the experts' weighted sum, no product of weights."""
    core = len(shape.layers) * SIZES.num_heads * pairs * 2 * (2 * SIZES.head_dim)
    mixed = sum(2 * tokens * top_k * SIZES.hidden_dim for top_k in shape.top_k if top_k > 1)
    return core - mixed


@pytest.mark.parametrize("distill_weight", [0.0, 0.5])
@pytest.mark.parametrize(
    "shapes", [(SMALL,), (MIXED,), (FULL, SMALL, MIXED), (FULL,), (SMALL, SMALL)], ids=str
)
def test_flops_are_those_of_the_products_that_run(make, shapes, distill_weight):
    """So a smaller pass is cheaper, skipped layers and absent experts cost nothing at all."""
    _, passes, tokens_BW = make(distill_weight=distill_weight)
    tokens, pairs = 4 * CONTEXT, 1000
    plan = StepPlan(shapes, (0,))
    counted = _counted(lambda: passes.run(tokens_BW, plan, 1))
    counted += sum(3 * _uncounted(shape, tokens, pairs) for shape in shapes)
    if distill_weight:
        # The gradient of the output matrix is added in place: torch's table has no `addmm_`.
        students = sum(shape != FULL for shape in shapes)
        counted += students * 2 * tokens * SIZES.hidden_dim * VOCAB
    if distill_weight and FULL not in shapes:
        counted += _uncounted(FULL, tokens, pairs)
    assert passes.flops(plan, tokens=tokens, attended_pairs=pairs) == counted


def test_layers_and_experts_that_sit_out_are_not_computed(make):
    model, passes, tokens_BW = make()
    called = []
    for layer, module in enumerate(model.layers):
        module.register_forward_hook(lambda *_, layer=layer: called.append(layer))
    passes.run(tokens_BW, StepPlan((MIXED,), (0,)), 1)
    assert called == [0, 2, 3, 4]
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    assert all(g is None for name, g in gradients.items() if name.startswith("layers.1."))
    stacked = gradients["layers.3.mlp.experts.up_proj"]
    assert stacked[[0, 2]].count_nonzero() == 0
    assert (stacked[[1, 3]].abs().amax((1, 2)) > 0).all()


@pytest.fixture
def run_steps(corpus):
    def run(steps, *, of=None, first=None, **elastic):
        config = TrainConfig(
            steps=of or steps,
            batch_sequences=4,
            micro_sequences=2,
            seed=3,
            precision="fp32",
            elastic=ElasticConfig(**(SIZE_LISTS | elastic)),
        )
        batches = Batches(corpus, context=CONTEXT, weights=None, seed=3)
        made = assemble(
            config,
            SIZES,
            batches,
            torch.device("cpu"),
            rows=corpus.vocab_size,
            end_of_text=corpus.tokenizer.end_of_text,
        )
        begin = 0
        if first:
            saved = load_checkpoint(first, input_key="k")
            saved.restore(made.model, made.optimizer)
            begin = saved.progress.step
        guard = LossGuard(100.0)
        return made, [made.step.run(number, guard) for number in range(begin, steps)]

    return run


EVERYTHING = {
    "full_probability": 0.0,
    "depth_weights": (1.0, 3.0),
    "layer_subset": "random",
    "expert_subset": "random",
    "restricted_layers": 2,
    "top_k_scope": "layer",
    "layer_dropout": LayerDropoutConfig(rate=0.1),
    "onset": 0.25,
    "passes": ("draw", "full", "smallest"),
    "distill_weight": 0.5,
    "balance": "by_size",
}


def test_a_run_with_every_choice_learns_and_says_what_it_passed_through(run_steps, tmp_path):
    made, results = run_steps(24, **EVERYTHING)
    assert all(result.complaint is None for result in results)
    assert results[-1].loss < results[0].loss - 0.1
    assert all(result.load_ratio is not None for result in results)
    assert [len(result.shapes) for result in results] == [1] * 6 + [3] * 18
    assert results[0].flops < results[6].flops
    with MetricsFile(tmp_path, run=1) as metrics:
        for result in results:
            metrics.write(result, NO_WORK)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    for line, result in zip(lines, results, strict=True):
        assert [Shape.parse(text, SIZES) for text in line["shapes"]] == list(result.shapes)
    biases = [block.router.pair_bias for block in made.model.sparse_blocks()]
    assert all(bias.count_nonzero() for bias in biases)


def test_a_run_with_every_choice_is_repeated_bit_for_bit(run_steps):
    (one, results), (other, again) = run_steps(10, **EVERYTHING), run_steps(10, **EVERYTHING)
    assert results == again
    state = other.model.state_dict()
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_a_run_with_every_choice_goes_on_from_a_checkpoint_bit_for_bit(run_steps, tmp_path):
    straight, results = run_steps(10, **EVERYTHING)
    made, _ = run_steps(6, of=10, **EVERYTHING)
    progress = TrainingProgress(step=6, tokens=0, recent_losses=())
    save_checkpoint(tmp_path, made.model, made.optimizer, progress, input_key="k", keep=1)
    resumed, rest = run_steps(10, first=tmp_path / "step-00000006", **EVERYTHING)
    assert rest == results[6:]
    state = resumed.model.state_dict()
    for name, tensor in straight.model.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_without_a_weight_the_temperature_of_distillation_changes_nothing(run_steps):
    (one, results), (other, again) = (run_steps(4, distill_temperature=t) for t in (1.0, 3.0))
    assert results == again
    state = other.model.state_dict()
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, state[name]), name
