"""Segments of a run, taken again: to the last bit where nothing differs."""

import json
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import TINY

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.manifest import write_manifest
from farthing.errors import CheckpointError, ClaimError, ConfigError
from farthing.ledger.meter import NO_WORK
from farthing.model.initialize import initialize
from farthing.model.kernels.native import plain_kernels
from farthing.model.transformer import Transformer
from farthing.stages.train import assemble
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.replay import distance, replay, state_digest
from farthing.stages.train.routes import RouteLog, Routes
from farthing.stages.train.run import train
from farthing.text.batches import Batches

KEY = "key"
ELASTIC = ElasticConfig(
    depths=(3,), expert_counts=(2,), top_ks=(1,), passes=("full", "draw"), distill_weight=0.5
)
CONFIG = TrainConfig(
    steps=9,
    batch_sequences=4,
    micro_sequences=2,
    elastic=ELASTIC,
    threads=1,
    precision="fp32",
    checkpoint_every=3,
    keep_checkpoints=9,
)


class StoppedError(Exception):
    pass


class Recorder:
    """A journal in memory; segments of steps that were done again stand there twice."""

    number = 1

    def __init__(self):
        self.segments = {}

    def enter(self, _phase):
        pass

    def event(self, _event, _detail):
        pass

    def beat(self, *_, **__):
        return NO_WORK

    def segment(self, first, last, tokens, digests):
        self.segments[first, last] = (tokens, digests)


def run(corpus, place, config=CONFIG, *, stop_after=None, recorder=None):
    recorder = recorder or Recorder()

    def watch(result, _work):
        if result.step == stop_after:
            raise StoppedError

    with pytest.raises(StoppedError) if stop_after is not None else nullcontext():
        train(
            config,
            TINY,
            corpus,
            directory=place,
            input_key=KEY,
            recorder=recorder,
            say=lambda _line: None,
            make_watch=lambda _first: nullcontext(watch),
        )
    return recorder


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """A folder with a checkpoint after every third step, and its segments."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("replayed")
    return place, run(corpus, place).segments


def checkpoint(place, step):
    return place / f"checkpoints/step-{step:08d}" if step else None


def again(corpus, place, first, last, config=CONFIG, **changes):
    begin = checkpoint(place, first)
    steps = range(first, last + 1)
    return replay(config, TINY, corpus, begin=begin, input_key=KEY, steps=steps, **changes)


def same_as_booked(replayed, segment):
    tokens, digests = segment
    assert state_digest(replayed, input_key=KEY) == digests.checkpoint_digest
    assert digest_json(replayed.losses) == digests.loss_digest
    assert replayed.batch_digest == digests.batch_digest
    assert replayed.tokens == tokens


@pytest.mark.parametrize("first", [0, 3, 6])
def test_every_segment_comes_out_as_it_was_booked(corpus, trained, first):
    place, segments = trained
    same_as_booked(again(corpus, place, first, first + 2), segments[first, first + 2])


def test_other_numbers_of_threads_before_do_not_matter(corpus, trained):
    place, segments = trained
    torch.set_num_threads(2)
    same_as_booked(again(corpus, place, 3, 5), segments[3, 5])
    assert torch.get_num_threads() == 2


def test_a_whole_run_from_its_seed_ends_where_it_ended(corpus, trained):
    place, segments = trained
    replayed = again(corpus, place, 0, 8)
    _, digests = segments[6, 8]
    assert state_digest(replayed, input_key=KEY) == digests.checkpoint_digest


def test_segments_around_a_resumption_too(corpus, tmp_path):
    recorder = run(corpus, tmp_path, stop_after=4)
    run(corpus, tmp_path, recorder=recorder)
    for first in (0, 3, 6):
        replayed = again(corpus, tmp_path, first, first + 2)
        same_as_booked(replayed, recorder.segments[first, first + 2])


def test_another_seed_rate_or_step_gives_other_bits(corpus, trained):
    place, segments = trained
    booked = segments[3, 5][1].checkpoint_digest
    rates = CONFIG.optimizer.model_copy(update={"muon_learning_rate": 0.02 * 1.001})
    for change in ({"seed": 1}, {"optimizer": rates}, {"steps": 6}):
        replayed = again(corpus, place, 3, 5, CONFIG.model_copy(update=change))
        assert state_digest(replayed, input_key=KEY) != booked, change


def test_a_step_says_how_many_pairs_attention_saw(corpus, trained):
    place, _ = trained
    lines = [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
    replayed = again(corpus, place, 0, 8)
    end = corpus.tokenizer.end_of_text
    for line, result in zip(lines, replayed.results, strict=True):
        pairs = 0
        for row in _batch(corpus, result.step).tolist():
            start = 0
            for place_in_row, token in enumerate(row[:-1]):
                start = place_in_row if token == end else start
                pairs += place_in_row - start + 1
        assert line["attended_pairs"] == result.attended_pairs == pairs
        assert line["optimizer_flops"] == result.optimizer_flops
    assert any(line["optimizer_flops"] for line in lines)


def _batch(corpus, step):
    batches = Batches(corpus, context=TINY.context, weights=None, seed=0, sequences=36)
    return batches.batch(step * 4, 4).tokens


def test_a_checkpoint_of_another_step_is_refused(corpus, trained):
    place, _ = trained
    with pytest.raises(CheckpointError, match="before step 3, not 6"):
        replay(CONFIG, TINY, corpus, begin=checkpoint(place, 3), input_key=KEY, steps=range(6, 9))


def _forged(place, folder, change):
    """A copy of a checkpoint with other tensors, whole by its own manifest."""
    source, copy = checkpoint(place, 3), folder / "step-00000003"
    copy.mkdir()
    tensors = load_file(source / "state.safetensors")
    change(tensors)
    save_file(tensors, copy / "state.safetensors")
    (copy / "progress.json").write_bytes((source / "progress.json").read_bytes())
    write_manifest(copy, kind="checkpoint", input_key=KEY, detail={"step": 3})
    return copy


def _wider(tensors):
    tensors["model.norm.weight"] = tensors["model.norm.weight"].double()


def _other_shape(tensors):
    name = next(name for name in tensors if name.endswith("exp_avg"))
    tensors[name] = tensors[name].flatten()[:1]


def _foreign(tensors):
    tensors["optimizer.nobody/exp_avg"] = torch.zeros(1)


def _less(tensors):
    del tensors["model.norm.weight"]


@pytest.mark.parametrize("change", [_wider, _other_shape, _foreign, _less])
def test_a_state_that_no_such_run_has_is_refused(corpus, trained, tmp_path, change):
    begin = _forged(trained[0], tmp_path, change)
    with pytest.raises(ClaimError):
        replay(CONFIG, TINY, corpus, begin=begin, input_key=KEY, steps=range(3, 6))


@pytest.fixture(scope="module")
def noted(corpus, trained, tmp_path_factory):
    """The expert choices of steps 3 to 5, on disk."""
    log = RouteLog()
    again(corpus, trained[0], 3, 5, note=log)
    path = tmp_path_factory.mktemp("routes") / "routes.safetensors"
    log.save(path)
    return path


def test_noting_choices_changes_nothing_and_forcing_them_neither(corpus, trained, noted):
    place, segments = trained
    same_as_booked(again(corpus, place, 3, 5, note=RouteLog()), segments[3, 5])
    routes = Routes.load(noted)
    same_as_booked(again(corpus, place, 3, 5, routes=routes), segments[3, 5])
    assert (routes.moved, routes.worst_gap) == (0, 0.0)


def test_choices_are_those_of_the_formula(corpus, trained):
    """Of the first pass over the first micro-batch, in the first sparse layer."""
    log = RouteLog()
    replayed = again(corpus, trained[0], 0, 0, note=log)
    assert replayed.results[0].shapes[0].experts[0] == TINY.num_experts
    count = TINY.top_k
    picks = torch.from_numpy(log.picks()["layers.1"].astype(int)).view(-1, count)
    seen = []
    model = Transformer(TINY, corpus.vocab_size, corpus.tokenizer.end_of_text)
    initialize(model, 0)
    router = model.layers[1].mlp.router
    router.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with plain_kernels(), torch.no_grad():
        model(torch.from_numpy(_batch(corpus, 0)[:2, :-1]))
    scores = (seen[0].double() @ router.weight.double().T).sigmoid()
    expected = scores.topk(count, dim=-1).indices.sort(-1).values
    first = picks[: 2 * TINY.context].sort(-1).values
    assert (first == expected).float().mean() > 0.99


def test_forced_choices_are_taken_and_told_apart_from_ties(corpus, trained, noted):
    place, _ = trained
    picks = Routes.load(noted)._picks
    moved = {layer: row.copy() for layer, row in picks.items()}
    # The first token of the first pass is sent to two other experts of four.
    first, second = moved["layers.2"][:2].tolist()
    moved["layers.2"][:2] = [expert for expert in range(4) if expert not in (first, second)]
    routes = Routes(moved)
    replayed = again(corpus, place, 3, 5, routes=routes)
    assert routes.moved >= 1
    assert routes.worst_gap > 1e-4
    loads = replayed.tensors["model.layers.2.mlp.router.mass"]
    assert not torch.equal(
        loads, again(corpus, place, 3, 5).tensors["model.layers.2.mlp.router.mass"]
    )


def _too_few(picks):
    picks["layers.1"] = picks["layers.1"][:-1]


def _too_many(picks):
    picks["layers.1"] = picks["layers.1"].repeat(2)


def _no_such_expert(picks):
    picks["layers.1"][0] = 200


def _twice(picks):
    picks["layers.1"][0] = picks["layers.1"][1]


def _no_layer(picks):
    del picks["layers.1"]


@pytest.mark.parametrize("change", [_too_few, _too_many, _no_such_expert, _twice, _no_layer])
def test_choices_that_fit_no_such_steps_are_refused(corpus, trained, noted, change):
    picks = {layer: row.copy() for layer, row in Routes.load(noted)._picks.items()}
    change(picks)
    with pytest.raises(ClaimError):
        again(corpus, trained[0], 3, 5, routes=Routes(picks))


def test_a_file_that_holds_no_choices_is_refused(tmp_path):
    path = tmp_path / "routes"
    path.write_bytes(b"\x80\x04}")
    with pytest.raises(ClaimError):
        Routes.load(path)
    save_file({"layers.1": torch.zeros(3)}, path)
    with pytest.raises(ClaimError, match="not a vector"):
        Routes.load(path)


def test_recomputed_layers_are_noted_once(corpus, trained, noted, monkeypatch):
    place, segments = trained
    monkeypatch.setattr(assemble, "choose_layers", lambda *_: frozenset({0, 2}))
    tight = CONFIG.model_copy(update={"activation_gib": 1.0})
    log = RouteLog()
    again(corpus, place, 3, 5, tight, note=log)
    for layer, row in Routes.load(noted)._picks.items():
        assert log.picks()[layer].tolist() == row.tolist()
    routes = Routes.load(noted)
    same_as_booked(again(corpus, place, 3, 5, tight, routes=routes), segments[3, 5])


def test_choices_inside_compiled_layers_are_out_of_reach(corpus, trained, noted):
    compiled = CONFIG.model_copy(update={"compile": "blocks"})
    for changes in ({"note": RouteLog()}, {"routes": Routes.load(noted)}):
        with pytest.raises(ConfigError, match="compiled"):
            again(corpus, trained[0], 3, 5, compiled, **changes)


def _state(place, step):
    return load_file(checkpoint(place, step) / "state.safetensors")


def test_plain_kernels_end_nearby_and_a_tenth_more_rate_does_not(corpus, trained, noted):
    place, _ = trained
    begin, end = _state(place, 3), _state(place, 6)
    with plain_kernels():
        other = again(corpus, place, 3, 5, routes=Routes.load(noted))
    lines = (place / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss_nats"] for line in lines][3:6]
    near = distance(other, begin, end, losses)
    assert 0 < near.overall < 1e-3
    assert near.loss < 1e-4
    rates = CONFIG.optimizer.model_copy(update={"muon_learning_rate": 0.022})
    faster = again(corpus, place, 3, 5, CONFIG.model_copy(update={"optimizer": rates}))
    far = distance(faster, begin, end)
    assert far.overall > 30 * near.overall
    assert far.worst >= far.overall
    assert far.loss is None


def test_distance_is_that_of_the_formula(corpus, trained):
    place, _ = trained
    begin, end = _state(place, 3), _state(place, 6)
    replayed = again(corpus, place, 3, 5)
    tensors = dict(replayed.tensors)
    for name in ("model.norm.weight", "model.lm_head.weight"):
        tensors[name] = tensors[name] + 0.01
    found = distance(replace(replayed, tensors=tensors), begin, end)
    weights = [name for name in end if name.startswith("model.") and end[name].is_floating_point()]
    size = sum(float((end[n].double() - begin[n].double()).norm()) ** 2 for n in weights)
    count = tensors["model.norm.weight"].numel() + tensors["model.lm_head.weight"].numel()
    assert found.overall == pytest.approx(((count * 0.01**2) / size) ** 0.5, rel=1e-4)
    whole = sum(float(end[n].double().norm()) ** 2 for n in weights)
    assert found.of_weights == pytest.approx(((count * 0.01**2) / whole) ** 0.5, rel=1e-4)
    assert found.worst_name in ("norm.weight", "lm_head.weight")
    assert found.optimizer == 0
    assert not found.counts_differ


def test_what_is_counted_and_what_the_optimizer_holds_are_told_apart(corpus, trained):
    place, _ = trained
    begin, end = _state(place, 3), _state(place, 6)
    replayed = again(corpus, place, 3, 5)
    counted = next(name for name in end if name.endswith("/step"))
    other = dict(replayed.tensors) | {counted: replayed.tensors[counted] + 1}
    found = distance(replace(replayed, tensors=other), begin, end)
    assert (found.counts_differ, found.optimizer, found.overall) == (True, 0, 0)
    moment = next(name for name in end if name.endswith("/momentum"))
    other = dict(replayed.tensors) | {moment: replayed.tensors[moment] * 1.5}
    found = distance(replace(replayed, tensors=other), begin, end)
    kept = [n for n in end if n.startswith("optimizer.") and not n.endswith("/step")]
    size = sum(float(end[n].double().norm()) ** 2 for n in kept) ** 0.5
    assert found.optimizer == pytest.approx(float(end[moment].double().norm()) / 2 / size)
    assert (found.counts_differ, found.overall) == (False, 0)


def test_a_deterministic_run_has_the_same_bits_and_leaves_torch_as_it_was(corpus, trained):
    place, segments = trained
    mode = CONFIG.model_copy(update={"deterministic": True})
    same_as_booked(again(corpus, place, 3, 5, mode), segments[3, 5])
    assert not torch.are_deterministic_algorithms_enabled()
