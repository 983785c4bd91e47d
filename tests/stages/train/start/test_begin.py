"""A run that starts from a trained model: its weights, its optimizer's state, its data."""

import json
from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import TINY

from farthing.artifacts.manifest import read_manifest
from farthing.errors import ConfigError, ShapeError
from farthing.ledger.meter import NO_WORK
from farthing.model.cut import cut_config
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet, open_supernet
from farthing.model.transformer import Transformer
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.stages.train.assemble import assemble
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.run import KIND, check_fit, train
from farthing.stages.train.start.begin import Source, prepare_start, without_silent_experts
from farthing.stages.train.start.config import GrowConfig, StartConfig

CPU = torch.device("cpu")

ELASTIC = {"depths": [3], "expert_counts": [2], "top_ks": [1], "balance": "by_size"}
# Layers that are no neighbours, experts that are no prefix and others in each layer.
MEMBER = "layers=0,2-3/experts=e1+3,e0+2/top_k=1"


class Recorder:
    """A journal in memory."""

    number = 1

    def __init__(self):
        self.events = {}

    def event(self, event, detail):
        self.events[event] = detail

    def enter(self, *_):
        pass

    def beat(self, *_, **__):
        return NO_WORK

    def segment(self, *_):
        pass


def settings(**changes) -> TrainConfig:
    given = {"steps": 6, "batch_sequences": 4, "threads": 1, "precision": "fp32"}
    return TrainConfig.model_validate_json(json.dumps({**given, **changes}))


def run(directory, corpus, config, sizes=TINY, start=None) -> Recorder:
    recorder = Recorder()
    train(
        config,
        sizes,
        corpus,
        directory=directory,
        input_key="key",
        recorder=recorder,
        say=lambda _: None,
        make_watch=lambda _: nullcontext(lambda *_: None),
        start=start,
    )
    return recorder


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory) -> Source:
    """An elastic run whose routers have a balancing bias for each size."""
    place = tmp_path_factory.mktemp("source")
    run(place, corpus, settings(steps=16, elastic=ELASTIC, balance_rate=0.1))
    supernet = open_supernet(place / "supernet", kind=KIND, device=CPU)
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for block, ranking_E in zip(
            supernet.model.sparse_blocks(), supernet.model.expert_ranking, strict=True
        ):
            ranking_E.copy_(torch.tensor([2, 0, 3, 1]))
            assert len(block.router.pair_bias) == 3
            for bias in (block.router.pair_bias, block.router.balance_bias):
                bias.copy_(0.2 * torch.randn(bias.shape, generator=noise))
    return Source(supernet, "d" * 64, supernet.digest, place / "checkpoints")


def prepared(source, corpus, sizes, config=None, /, **start):
    start = StartConfig(**{"from": "somewhere", **start})
    _, batches = check_fit(config or settings(), sizes, corpus)
    return prepare_start(start, source, sizes, corpus, batches)


def begun(start, corpus, config):
    """Model and optimizer as at the beginning of a run."""
    _, batches = check_fit(config, start.sizes, corpus)
    rows, end = corpus.vocab_size, corpus.tokenizer.end_of_text
    made = assemble(config, start.sizes, batches, CPU, rows=rows, end_of_text=end)
    start.begin(made.model, made.optimizer, config.seed)
    return made


def logits(model: Transformer, shape: Shape | None = None) -> torch.Tensor:
    tokens_BT = torch.arange(64).view(2, 32) + 97
    with torch.no_grad():
        return model.eval()(tokens_BT, shape)


@pytest.mark.parametrize("text", ["4L-4E-2K", "3L-4E-2K", "4L-2E-1K", "3L-2E-2K", MEMBER])
def test_a_run_begins_as_the_member_that_it_starts_from(trained, corpus, text):
    model = trained.supernet.model
    shape = Shape.parse(text, model.config)
    sizes = cut_config(model.config, shape)
    made = begun(prepared(trained, corpus, sizes, shape=text), corpus, settings())
    torch.testing.assert_close(logits(made.model), logits(model, shape), rtol=0, atol=2e-5)


def test_each_size_goes_on_with_the_balancing_bias_that_it_had(trained, corpus):
    elastic = settings(elastic={**ELASTIC, "expert_counts": [3, 2]})
    model = trained.supernet.model
    made = begun(prepared(trained, corpus, TINY), corpus, elastic)
    for mine, theirs in zip(made.model.sparse_blocks(), model.sparse_blocks(), strict=True):
        for pair in ((4, 2), (4, 1), (2, 2), (2, 1)):
            assert torch.equal(mine.router.bias_of(*pair), theirs.router.bias_of(*pair))
        # The source never trained three experts: it chose among them by the shared bias.
        assert torch.equal(mine.router.bias_of(3, 2), theirs.router.balance_bias)
    for text in ("4L-2E-1K", "3L-4E-1K", "3L-2E-2K"):
        shape = Shape.parse(text, TINY)
        close = {"rtol": 0, "atol": 2e-5}
        torch.testing.assert_close(logits(made.model, shape), logits(model, shape), **close)


def test_carried_state_is_cut_like_the_weights(trained, corpus):
    """Compared with slices written out by hand, from the file of the last checkpoint."""
    model = trained.supernet.model
    shape = Shape.parse(MEMBER, model.config)
    start = prepared(
        trained, corpus, cut_config(model.config, shape), shape=MEMBER, optimizer="carried"
    )
    state = begun(start, corpus, settings()).optimizer.state_tensors()
    saved = load_file(trained.checkpoints / "step-00000016/state.safetensors")
    # Importance runs 2, 0, 3, 1: of experts 1 and 3, 3 comes first; of 0 and 2, 2 does.
    for mine, theirs, experts in ((0, 0, None), (1, 2, [3, 1]), (2, 3, [2, 0])):
        for rest in ("self_attn.q_proj.weight/momentum", "input_layernorm.weight/exp_avg"):
            kept = saved[f"optimizer.layers.{theirs}.{rest}"]
            assert torch.equal(state[f"layers.{mine}.{rest}"], kept)
        if experts is None:
            continue
        for rest in (
            "mlp.experts.gate_proj/momentum",
            "mlp.experts.down_proj/momentum",
            "mlp.router.weight/exp_avg",
            "mlp.router.weight/exp_avg_sq",
        ):
            kept = saved[f"optimizer.layers.{theirs}.{rest}"][experts]
            assert kept.any()
            assert torch.equal(state[f"layers.{mine}.{rest}"], kept)
    # A layer counts the steps that it took part in.
    steps = saved["optimizer.layers.2.mlp.router.weight/step"]
    assert 0 < steps.item() == state["layers.1.mlp.router.weight/step"].item()
    assert state["embed_tokens.weight/exp_avg"].any()
    fresh = prepared(trained, corpus, cut_config(model.config, shape), shape=MEMBER)
    assert begun(fresh, corpus, settings()).optimizer.state_tensors() == {}


def test_two_halves_with_carried_state_are_the_whole(corpus, tmp_path):
    """At a constant rate, with Muon in every step, stopping in the middle changes no bit."""
    flat = {
        "schedule": {"warmup_share": 0.0, "decay_share": 0.0},
        "optimizer": {"newton_schulz_share": 100.0},
    }
    run(tmp_path / "whole", corpus, settings(steps=8, **flat))
    run(tmp_path / "half", corpus, settings(steps=4, **flat))
    half = open_supernet(tmp_path / "half/supernet", kind=KIND, device=CPU)
    source = Source(half, "d" * 64, half.digest, tmp_path / "half/checkpoints")
    start = prepared(source, corpus, TINY, settings(), optimizer="carried")
    assert start.first_sequence == 4 * 4
    run(tmp_path / "rest", corpus, settings(steps=4, **flat), start=start)
    weights = [
        (tmp_path / name / "supernet/model.safetensors").read_bytes() for name in ("whole", "rest")
    ]
    assert weights[0] == weights[1]
    origin = read_manifest(tmp_path / "rest/supernet", kind=KIND).detail
    assert origin["data_order"]["next_sequence"] == 8 * 4
    assert origin["start"]["parent"] == half.digest
    assert origin["start"]["tokens"] == 4 * 4 * 32


def test_what_a_run_starts_from_is_noted_and_goes_on_to_its_members(trained, corpus, tmp_path):
    start = prepared(trained, corpus, TINY)
    recorder = run(tmp_path, corpus, settings(steps=1), start=start)
    assert trained.parent[:16] in recorder.events["start"]
    origin = read_manifest(tmp_path / "supernet", kind=KIND).detail
    assert origin["start"]["from"] == trained.digest
    # Trained prefixes stay prefixes, though this run trained none.
    assert origin["prefixes_trained"]
    ranking_LE = open_supernet(tmp_path / "supernet", kind=KIND, device=CPU).model.expert_ranking
    assert torch.equal(ranking_LE, torch.tensor([2, 0, 3, 1]).repeat(3, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed was 0, is 1"),
        ({"mixture": None}, None),
    ],
)
def test_the_data_goes_on_where_that_is_possible(trained, corpus, changes, message):
    config = settings(**changes)
    start = prepared(trained, corpus, TINY, config)
    assert start.first_sequence == (0 if message else 16 * 4)
    assert (message or "has read") in start.reason
    assert prepared(trained, corpus, TINY, config, first_sequence="fresh").first_sequence == 0
    if message:
        with pytest.raises(ConfigError, match=message):
            prepared(trained, corpus, TINY, config, first_sequence="follow")


def test_a_later_sequence_is_the_same_text_under_another_number(corpus):
    _, whole = check_fit(settings(), TINY, corpus)
    _, later = check_fit(settings(), TINY, corpus, first_sequence=10)
    assert later.batch(2, 3).digest == whole.batch(12, 3).digest
    assert later.describe(2, 1)[0].partition(":")[2] == whole.describe(12, 1)[0].partition(":")[2]


def test_other_sizes_are_refused_by_name(trained, corpus):
    wider = TINY.model_copy(update={"hidden_dim": 32})
    with pytest.raises(ConfigError, match=r"model\.hidden_dim is 32 in the recipe, and 16"):
        prepared(trained, corpus, wider)
    with pytest.raises(ConfigError, match="can grow"):
        prepared(trained, corpus, wider, grow=GrowConfig(layers="stack"))


def test_another_tokenizer_is_refused(trained, corpus, tmp_path):
    (tmp_path / "text").mkdir()
    for number in range(8):
        text = "".join(chr(97 + (number * i * i) % 26) for i in range(2000))
        (tmp_path / f"text/{number}.txt").write_text(text)
    config = CurateConfig(
        sources=(str(tmp_path / "text"),),
        until="raw",
        workers=1,
        vocab_size=320,
        held_out_share=0.1,
    )
    other = curate(config, tmp_path / "corpus", "key").corpus
    with pytest.raises(ConfigError, match=corpus.tokenizer.fingerprint[:16]):
        prepared(trained, other, TINY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layers=0-3/experts=4,2,4/top_k=1", "keeps 2 to 4 experts"),
        ("layers=0-3/experts=4/top_k=1,2,1", "one top-k for all its layers"),
    ],
)
def test_a_shape_that_no_single_size_describes_is_refused(trained, corpus, text, message):
    with pytest.raises(ShapeError, match=message):
        prepared(trained, corpus, TINY, shape=text)


def test_state_that_is_not_there_or_does_not_fit_is_never_replaced_in_silence(trained, corpus):
    alone = Source(trained.supernet, trained.digest, trained.parent, checkpoints=None)
    with pytest.raises(ConfigError, match="an extracted member has none"):
        prepared(alone, corpus, TINY, optimizer="carried")
    empty = Source(trained.supernet, trained.digest, trained.parent, trained.checkpoints / "none")
    with pytest.raises(ConfigError, match="there is none"):
        prepared(empty, corpus, TINY, optimizer="carried")
    adamw = {"matrix_optimizer": "adamw", "matrix_learning_rate": 0.01}
    other = settings(optimizer=adamw)
    start = prepared(trained, corpus, TINY, other, optimizer="carried")
    with pytest.raises(ConfigError, match="kept momentum"):
        begun(start, corpus, other)
    with pytest.raises(ValueError, match="does not fit a grown model"):
        StartConfig(**{"from": "x", "optimizer": "carried", "grow": {"layers": "stack"}})


def test_the_digest_decides_and_never_the_path(trained, corpus):
    one = prepared(trained, corpus, TINY)
    moved = Supernet(
        trained.checkpoints,
        trained.supernet.manifest,
        trained.supernet.model,
        trained.supernet.origin,
    )
    other = prepared(
        Source(moved, trained.digest, trained.parent, None), corpus, TINY, **{"from": "elsewhere"}
    )
    assert one.identity == other.identity
    assert "somewhere" not in json.dumps(one.identity)
    changed = prepared(Source(moved, "e" * 64, trained.parent, None), corpus, TINY)
    assert changed.identity != one.identity


def test_shared_experts_that_only_readers_of_files_need_are_left_behind():
    sizes = TINY.model_copy(update={"num_shared_experts": 0})
    model = Transformer(sizes, 300, 0)
    full = Transformer(TINY, 300, 0)
    initialize(full, 0)
    assert without_silent_experts(full) is full
    state = dict(full.state_dict())
    for name in state:
        if ".shared_experts." in name:
            state[name] = torch.zeros_like(state[name])
    full.load_state_dict(state)
    lean = without_silent_experts(full)
    assert lean.config == sizes
    assert lean.state_dict().keys() == model.state_dict().keys()
    torch.testing.assert_close(logits(lean), logits(full))


def test_a_member_learns_from_the_whole_model_that_it_was_cut_out_of(trained, corpus, tmp_path):
    """Taught by it alone, it ends closer to that model's predictions than from the text alone."""
    whole = trained.supernet.model
    sizes = cut_config(whole.config, Shape.parse("3L-2E-1K", whole.config))
    tokens_BT = torch.from_numpy(check_fit(settings(), TINY, corpus)[1].batch(900, 8).tokens)
    distances = {}
    for weight in (None, 1.0):
        distill = {"weight": weight} if weight else None
        given = {"shape": "3L-2E-1K", "distill": distill}
        start = prepared(trained, corpus, sizes, **given)
        recorder = run(tmp_path / str(weight), corpus, settings(steps=12), sizes, start)
        assert ("taught by all of it" in recorder.events["start"]) == bool(weight)
        place = tmp_path / str(weight) / "supernet"
        member = open_supernet(place, kind=KIND, device=CPU).model
        with torch.no_grad():
            wanted, found = (model.eval()(tokens_BT).log_softmax(-1) for model in (whole, member))
        distance = torch.nn.functional.kl_div(found, wanted, log_target=True, reduction="sum")
        distances[weight] = distance.item()
    assert distances[1.0] < distances[None]
