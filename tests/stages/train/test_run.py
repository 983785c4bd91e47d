"""A run from its first event to its last byte, stopped and gone on with."""

import json
from contextlib import nullcontext

import pytest
import torch
from tiny_models import TINY

from farthing.artifacts.manifest import read_manifest, write_manifest
from farthing.ledger.meter import NO_WORK
from farthing.model import device
from farthing.stages.train import assemble, threads
from farthing.stages.train import run as training
from farthing.stages.train.checkpoint import KIND as CHECKPOINT
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.run import train

KEY = "key"
SIZES = TINY.model_copy(update={"num_layers": 3})


class Recorder:
    """A journal in memory."""

    number = 1

    def __init__(self):
        self.events, self.flops, self.said = {}, [], []
        self.phases = ["start"]

    def enter(self, phase):
        if phase != self.phases[-1]:
            self.phases.append(phase)

    def event(self, event, detail):
        self.events[event] = detail

    def beat(self, phase, _step, *, flops, **_counts):
        self.flops.append(flops)
        self.enter(phase)
        return NO_WORK

    def segment(self, *_details):
        assert self.phases[-1] == "checkpoint"


class StoppedError(Exception):
    pass


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(threads, "available_threads", lambda: 2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def run(corpus):
    """Train in a folder, up to the step after which the watch stops it."""

    def start(directory, *, stop_after=None, **changes):
        settings = {"steps": 8, "batch_sequences": 4, "checkpoint_every": 4} | changes
        recorder = Recorder()

        def watch(result, _work):
            recorder.threads = torch.get_num_threads()
            if result.step == stop_after:
                raise StoppedError

        def go():
            train(
                TrainConfig(**settings),
                SIZES,
                corpus,
                directory=directory,
                input_key=KEY,
                recorder=recorder,
                say=recorder.said.append,
                make_watch=lambda _first: nullcontext(watch),
            )

        if stop_after is None:
            go()
        else:
            with pytest.raises(StoppedError):
                go()
        return recorder

    return start


def _weights(directory):
    return (directory / "supernet" / "model.safetensors").read_bytes()


def _race_won_by(winner):
    return lambda counts, *_, **__: {count: [2.0 - (count == winner)] for count in counts}


def _no_race(*_, **__):
    raise AssertionError("there is nothing to try")


def test_the_journal_and_the_user_are_told_what_computes(run, tmp_path):
    recorder = run(tmp_path, threads=1, precision="fp32", steps=2)
    assert recorder.said == [f"{event:<10}{detail}" for event, detail in recorder.events.items()]
    assert recorder.events["kernels"].endswith("; matrix products in fp32")
    assert recorder.events["threads"] == "1: train.threads"
    assert recorder.threads == 1
    assert torch.get_num_threads() == 2, "given back"


def test_a_run_says_what_it_is_doing(run, tmp_path):
    recorder = run(tmp_path / "run")
    prepared = ["start", "compile", "start", "compile"]
    assert recorder.phases == [*prepared, *["train", "checkpoint"] * 2, "wind-down"]


def test_a_step_in_which_a_layer_was_compiled_is_compile(run, tmp_path, monkeypatch):
    """Graphs so far: before the first step, and after each of four."""
    graphs = iter([3, 7, 7, 8, 8])
    monkeypatch.setattr(training, "graphs_compiled", lambda: next(graphs))
    recorder = run(tmp_path / "run", steps=4)
    doing = ["compile", "train", "compile", "train", "checkpoint", "wind-down"]
    # Nothing was to be compiled by its settings: training had begun before the first step.
    assert recorder.phases == ["start", "compile", "start", "compile", "train", *doing]


@pytest.mark.parametrize("winner", [1, 2])
def test_a_run_goes_on_with_the_threads_that_it_began_with(run, tmp_path, monkeypatch, winner):
    monkeypatch.setattr(threads, "race", _race_won_by(winner))
    begun = run(tmp_path / "a", stop_after=5)
    assert begun.events["threads"].startswith(f"{winner}: a micro-batch takes ")
    run(tmp_path / "b")
    monkeypatch.setattr(threads, "race", _no_race)
    # Whatever torch would use by now.
    torch.set_num_threads(3 - winner)
    resumed = run(tmp_path / "a")
    assert resumed.events["resume"].startswith("from step-00000004")
    assert resumed.events["threads"] == f"{winner}: as the run began"
    assert begun.threads == resumed.threads == winner
    assert _weights(tmp_path / "a") == _weights(tmp_path / "b")


def test_a_real_race_changes_no_weight(run, tmp_path):
    raced = run(tmp_path / "a")
    given = run(tmp_path / "b", threads=raced.threads)
    assert given.threads == raced.threads
    assert _weights(tmp_path / "a") == _weights(tmp_path / "b")


def test_a_checkpoint_from_before_the_choice_goes_on_with_torchs_own_number(
    run, tmp_path, monkeypatch
):
    run(tmp_path / "a", stop_after=5, threads=2)
    place = tmp_path / "a/checkpoints/step-00000004"
    progress = json.loads((place / "progress.json").read_text())
    assert progress.pop("threads") == 2
    (place / "progress.json").write_text(json.dumps(progress))
    detail = read_manifest(place, kind=CHECKPOINT).detail
    write_manifest(place, kind=CHECKPOINT, input_key=KEY, detail=detail)
    monkeypatch.setattr(threads, "race", _no_race)
    resumed = run(tmp_path / "a")
    assert resumed.events["threads"] == "2: as the run began"


def test_recomputed_layers_are_billed_and_change_no_weight(run, tmp_path, monkeypatch):
    plain = run(tmp_path / "a", threads=1, steps=3)
    monkeypatch.setattr(assemble, "choose_layers", lambda *_: frozenset({0, 2}))
    tight = run(tmp_path / "b", threads=1, steps=3, activation_gib=1.0)
    assert "layers recomputed: 0, 2" in tight.events["kernels"]
    assert all(more > less for more, less in zip(tight.flops, plain.flops, strict=True))
    assert _weights(tmp_path / "a") == _weights(tmp_path / "b")
    lines = (tmp_path / "b/metrics.jsonl").read_text().splitlines()
    for line, billed in zip(map(json.loads, lines), tight.flops, strict=True):
        assert line["flops"] + line["recomputed_flops"] == billed


def test_a_run_goes_on_in_the_precision_that_it_began_with(run, tmp_path, monkeypatch):
    """As where it is moved to a machine on which `auto` would choose otherwise."""
    settings = {"threads": 1, "precision": "auto"}
    for unit in (True, False):
        began, stopped = tmp_path / f"{unit}-whole", tmp_path / f"{unit}-stopped"
        monkeypatch.setattr(device, "has_bf16_matrix_unit", lambda _, unit=unit: unit)
        run(began, **settings)
        run(stopped, stop_after=5, **settings)
        monkeypatch.setattr(device, "has_bf16_matrix_unit", lambda _, unit=unit: not unit)
        recorder = run(stopped, **settings)
        name = "bf16" if unit else "fp32"
        assert recorder.events["kernels"].endswith(f"; matrix products in {name}")
        assert _weights(stopped) == _weights(began)
        detail = read_manifest(stopped / "supernet", kind="supernet").detail
        assert detail["precision"] == name


def test_a_run_that_goes_on_with_other_kernels_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setattr(assemble, "kernels_in_use", lambda: "torch's own operators: no compiler")
    begun = run(tmp_path / "a", stop_after=5)
    alike = run(tmp_path / "a", stop_after=6)
    monkeypatch.setattr(assemble, "kernels_in_use", lambda: "compiled for this processor")
    other = run(tmp_path / "a")
    assert [("note" in each.events) for each in (begun, alike, other)] == [False, False, True]
    assert "began with torch's own operators" in other.events["note"]
