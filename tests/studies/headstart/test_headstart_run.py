"""A whole study on a model of a few thousand weights, stopped and gone on with."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext

import pytest
from tiny_models import TINY

from farthing.artifacts.config import parse_config
from farthing.artifacts.entries import RunStart
from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError
from farthing.ledger.book import Book
from farthing.model.shape import Shape
from farthing.session import Show, open_session
from farthing.studies.headstart import runs
from farthing.studies.headstart.config import GrowthConfig, HeadstartConfig
from farthing.studies.headstart.run import PAGE, cells_of, headstart, read_headstart

SIZES = TINY.model_dump(mode="json") | {"num_dense_layers": 1}
VOCAB = 300
STUDY = {
    "seeds": [0],
    "members": ["3L-2E-1K"],
    "lengths": [0.5],
    "longer": [2.0],
    "ways": {"plain": [], "taught": ["start.optimizer=carried", "start.distill.weight=0.5"]},
    "grow": {"stacked": {"member": "3L-4E-2K", "share": 0.5}},
}


class StoppedError(Exception):
    pass


def _config(text=None, **changes):
    settings = {
        "name": "tiny",
        "corpus": {
            "sources": [str(text)],
            "until": "raw",
            "tokenizer": "bytes",
            "held_out_share": 0.2,
        },
        "model": SIZES,
        "train": {
            "steps": 12,
            "batch_sequences": 4,
            "precision": "fp32",
            "elastic": {"sizes": ["3L-2E-1K"], "full_probability": 0.5},
        },
        "evaluate": {"members": ["4L-4E-2K"], "batch_sequences": 64},
        "headstart": STUDY | changes,
    }
    return parse_config(HeadstartConfig, settings, where="a test")


def _study(config, root, stop_at=None, **others):
    def line(words):
        if stop_at is not None and words.startswith(f"done      {stop_at} of"):
            raise StoppedError

    show = Show(line=line, training=lambda *_: nullcontext(lambda *_: None))
    session = open_session(root, show)
    return headstart(config, session, jobs=1, command="farthing headstart", **others)


@pytest.mark.slow
def test_a_study_goes_on_where_it_was_stopped_and_elsewhere_from_its_cells(tmp_path):
    text = tmp_path / "letters"
    text.mkdir()
    for number in range(12):
        words = " ".join(str(number * place % 97) for place in range(900))
        (text / f"{number}.txt").write_text(words)
    config = _config(text)
    with pytest.raises(StoppedError):
        _study(config, tmp_path / "ws", stop_at=2)
    made = _study(config, tmp_path / "ws")
    bodies = [record.body for record in Book.open(Workspace(tmp_path / "ws")).records]
    starts = Counter(body.input_key for body in bodies if isinstance(body, RunStart))
    assert set(starts.values()) == {1}, "nothing is done twice"
    arms = Counter(cell.arm for cell in made.cells)
    assert arms == {"elastic": 1, "grown": 1, "continued": 2, "scratch": 2}
    (curves,) = made.study.members
    plain, taught = (curves.ways[name][0] for name in ("plain", "taught"))
    # The teacher's passes are paid for with steps.
    assert taught.steps < plain.steps
    assert taught.spent["flops"] == pytest.approx(plain.spent["flops"], rel=0.15)
    (grown,) = made.study.grown
    assert grown.cost["flops"].mean == pytest.approx(1, rel=0.15)
    assert list(grown.members) == ["4L-4E-2K", "3L-2E-1K"]
    assert "At equal" not in (made.directory / PAGE).read_text(encoding="utf-8")
    assert len(list(made.directory.glob("*.svg"))) == 2
    again = read_headstart(made.directory)
    assert again.config == config
    assert {cell.key for cell in again.cells} == {cell.key for cell in made.cells}
    # A way's name is no part of what it is.
    renamed = _config(text, ways={"simple": [], "other": STUDY["ways"]["taught"]})
    elsewhere = _study(renamed, tmp_path / "elsewhere", known=again.cells)
    assert list(elsewhere.study.members[0].ways) == ["simple", "other"]
    assert not (tmp_path / "elsewhere" / "runs").exists(), "nothing is trained again"


def test_a_run_from_scratch_and_one_that_trains_on_take_the_same_steps():
    run, shape = _config().run, Shape.parse("3L-2E-1K", _config().model)
    scratch = runs.scratch(run, 3, 1e9, shape, VOCAB)
    continued = runs.continued(run, (), seed=3, flops=1e9, shape=shape, vocab_size=VOCAB)
    assert scratch.train == continued.train
    assert scratch.model == continued.model
    assert scratch.start is None


def test_a_smaller_model_may_stop_before_its_rate_falls():
    run = _config().run
    for decays, share in ((False, 0.0), (True, run.train.schedule.decay_share)):
        growth = GrowthConfig(member="3L-4E-2K", parent_decays=decays)
        small = runs.parent(run, growth, seed=0, flops=1e8, vocab_size=VOCAB)
        assert small.train.schedule.decay_share == share
        assert small.model.num_layers == 3
        grown = runs.grown(run, growth, seed=0, flops=1e8, vocab_size=VOCAB)
        assert grown.model == run.model
        assert grown.start.grow.layers == "stack"
        assert grown.start.grow.experts == "none"


def test_a_way_changes_only_how_a_member_is_trained_and_begun():
    run, shape = _config().run, Shape.parse("3L-2E-1K", _config().model)
    for change in ("train.steps=7", "start.shape=4L", "evaluate.split=test"):
        with pytest.raises(ConfigError, match="more than how"):
            runs.continued(run, (change,), seed=0, flops=1e8, shape=shape, vocab_size=VOCAB)


def test_growing_needs_something_to_grow():
    growth = GrowthConfig(member="4L-4E-1K")
    with pytest.raises(ConfigError, match="all layers and experts"):
        runs.grown(_config().run, growth, seed=0, flops=1e8, vocab_size=VOCAB)


def test_the_grid_runs_seed_by_seed_and_every_cell_has_its_own_key():
    cells = list(cells_of(_config(seeds=[0, 1])))
    assert [cell.seed for cell in cells] == [0] * 6 + [1] * 6
    assert len({cell.key("a corpus") for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    "changes", [{"seeds": [1, 1]}, {"lengths": [2.0]}, {"members": ["3L", "3L"]}]
)
def test_nothing_is_asked_for_twice(changes):
    with pytest.raises(ConfigError, match="twice"):
        _config(**changes)
