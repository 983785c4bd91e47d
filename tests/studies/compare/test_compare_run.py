"""A whole comparison on a model of a few thousand weights, stopped and gone on with."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import nullcontext

import pytest
from tiny_models import TINY

from farthing import flow
from farthing.artifacts.config import parse_config
from farthing.artifacts.entries import RunEnd, RunStart
from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError
from farthing.ledger.book import Book
from farthing.model.shape import Shape
from farthing.session import Show, open_session
from farthing.studies.compare import variants
from farthing.studies.compare.budget import run_flops
from farthing.studies.compare.config import ComparisonConfig
from farthing.studies.compare.names import SAME_FLOPS
from farthing.studies.compare.run import PAGE, PICTURE, cells_of, compare, read_comparison

pytestmark = pytest.mark.slow
COMMAND = "farthing compare --recipe tiny.yaml"
MEMBERS = ["4L-4E-2K", "3L-2E-1K"]
TRAIN = {
    "steps": 12,
    "batch_sequences": 4,
    "precision": "fp32",
    "elastic": {"depths": [3], "expert_counts": [2], "top_ks": [1]},
}
SIZES = TINY.model_dump(mode="json") | {"num_dense_layers": 1}


class StoppedError(Exception):
    pass


def _config(text, **changes):
    settings = {
        "name": "tiny",
        "corpus": {
            "sources": [str(text)],
            "until": "raw",
            "workers": 1,
            "tokenizer": "bytes",
            "held_out_share": 0.2,
        },
        "model": SIZES,
        "train": TRAIN,
        "evaluate": {"members": MEMBERS[:1], "batch_sequences": 64},
        "compare": {
            "seeds": [0],
            "members": MEMBERS,
            "afterwards": 0.4,
            "scratch_lengths": [1.0],
            **changes,
        },
    }
    return parse_config(ComparisonConfig, settings, where="a test")


def _show(stop_at=None):
    def line(words):
        if stop_at is not None and words.startswith(f"done      {stop_at} of"):
            raise StoppedError

    return Show(line=line, training=lambda *_: nullcontext(lambda *_: None))


def _compare(config, root, stop_at=None, **others):
    session = open_session(root, _show(stop_at))
    return compare(config, session, jobs=1, command=COMMAND, **others)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("letters")
    for number in range(12):
        words = " ".join(str(number * place % 97) for place in range(900))
        (folder / f"{number}.txt").write_text(words)
    return folder


def test_a_comparison_goes_on_where_it_was_stopped(text, tmp_path):
    config = _config(text)
    with pytest.raises(StoppedError):
        _compare(config, tmp_path / "ws", stop_at=3)
    made = _compare(config, tmp_path / "ws")
    bodies = [record.body for record in Book.open(Workspace(tmp_path / "ws")).records]
    starts = Counter(body.input_key for body in bodies if isinstance(body, RunStart))
    assert set(starts.values()) == {1}, "nothing is done twice"
    ends = [body.status for body in bodies if isinstance(body, RunEnd)]
    assert ends == ["completed"] * len(starts)
    arms = Counter(cell.arm for cell in made.cells.every)
    assert arms == {"elastic": 1, "plain": 3, "pruned": 1, "mixed": 1, "scratch": 1}
    for arm, members in (("elastic", MEMBERS), ("pruned", MEMBERS), ("mixed", MEMBERS)):
        assert all(made.cells.scores(arm, member) for member in members)
    again = read_comparison(made.directory)
    assert again.config == config
    # On the disk the cells are sorted.
    assert {cell.model_dump_json() for cell in again.cells.every} == {
        cell.model_dump_json() for cell in made.cells.every
    }
    # On a bare machine: only the new seed is run.
    more = _config(text, seeds=[0, 1], arms=["elastic", "plain"])
    elsewhere = open_session(tmp_path / "elsewhere", _show())
    grown = compare(more, elsewhere, jobs=1, command=COMMAND, known=again.cells.every)
    assert {cell.seed for cell in grown.cells.every if cell not in made.cells.every} == {1}
    assert "Elastic tax" in (made.directory / PAGE).read_text(encoding="utf-8")
    assert (made.directory / PICTURE).read_text(encoding="utf-8").startswith("<svg ")


def test_every_arm_answers_the_questions(text, tmp_path):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    definition = {
        "name": "sums",
        "title": "Sums",
        "language": "en",
        "form": "multiple_choice",
        "context": "{question}=",
        "choices_field": "choices",
        "answer": {"field": "label"},
        "source": "made up",
        "licence": "CC0-1.0",
    }
    (folder / "sums.yaml").write_text(json.dumps(definition), encoding="utf-8")
    rows = [
        {"question": f"{n}+1", "choices": [str(n + 1), str(n + 2)], "label": 0} for n in range(6)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "sums.jsonl").write_text(lines, encoding="utf-8")
    arms = ["elastic", "plain", "mixed"]
    config = _config(text, arms=arms, questions={"folder": str(folder)})
    made = _compare(config, tmp_path / "ws")
    answers = [each.accuracy for cell in made.cells.every for each in cell.scored]
    assert len(answers) == 2 + 3 + 2
    assert all(list(each) == ["sums"] and each["sums"] * 6 % 1 == 0 for each in answers)
    assert "| sums | right, % |" in (made.directory / PAGE).read_text(encoding="utf-8")
    # Other questions make other cells, the same ones elsewhere do not.
    keys = {cell.key for cell in made.cells.every}
    members = tuple(str(shape) for shape in _shapes(config))
    corpus = _corpus(config, tmp_path / "ws")
    assert {cell.key(corpus) for cell in cells_of(config, members)} == keys
    moved = folder.rename(tmp_path / "moved")
    again = _config(text, arms=arms, questions={"folder": str(moved)})
    assert {cell.key(corpus) for cell in cells_of(again, members)} == keys
    (moved / "sums.jsonl").write_text(lines + lines, encoding="utf-8")
    assert not {cell.key(corpus) for cell in cells_of(again, members)} & keys


def _shapes(config):
    return [Shape.parse(text, config.model) for text in MEMBERS]


def _corpus(config, root):
    return flow.run_curate(config.run, open_session(root, _show())).text_digest


def test_arms_spend_what_the_elastic_run_spends(text, tmp_path):
    others = {
        "twice": ["train.elastic.passes=[full, draw]"],
        "from the half on": ["train.elastic.onset=0.5"],
    }
    config = _config(text, arms=["elastic", "plain", "pruned", "mixed"], variants=others)
    # With twelve steps rounding would be a tenth.
    longer = config.train.model_copy(update={"steps": 60})
    config = config.model_copy(update={"train": longer})
    made = _compare(config, tmp_path / "ws")
    costs = {
        (cell.arm, cell.name): sum(run.flops + run.optimizer_flops for run in cell.runs)
        for cell in made.cells.every
        if cell.arm != "plain" or cell.name == SAME_FLOPS
    }
    elastic = costs.pop(("elastic", ""))
    planned = run_flops(variants.elastic(config.run, 0, tuple(MEMBERS)), 257)
    assert planned == pytest.approx(elastic, rel=0.02)
    # Steps are whole, one in sixty, and so few draws lie beside what is expected of them.
    assert costs == {name: pytest.approx(elastic, rel=0.03) for name in costs}
    assert len(costs) == 5
    steps = {cell.name: cell.runs[0].steps for cell in made.cells.of("variant")}
    assert steps["twice"] < steps["from the half on"] < 60


def test_seeds_come_one_after_the_other(text):
    config = _config(text, seeds=[3, 5])
    cells = list(cells_of(config, tuple(MEMBERS)))
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    assert len({(c.arm, c.name, c.length, c.seed) for c in cells}) == len(cells)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"members": ["3L-2E-1K"]}, "lacks the full shape"),
        ({"members": ["4L-4E-2K", "layers=0-3/experts=2,2,4/top_k=1"]}, "not the same experts"),
        ({"members": ["4L-4E-2K", "4L-2E-2K"]}, "none has a smaller top-k"),
        ({"arms": ["elastic"]}, "without plain there is no control"),
        ({"seeds": [1, 1]}, "one stands there twice"),
        ({"variants": {"off": ["train.elastic=null"]}}, "switches elasticity off"),
        ({"variants": {"wide": ["model.hidden_dim=32"]}}, "changes more than how"),
        ({"variants": {"long": ["train.steps=5"]}}, "changes more than how"),
        ({"variants": {"typo": ["train.elastic.onsett=1"]}}, "compare.variants.typo"),
    ],
    ids=["full", "uniform", "top-k", "control", "seeds", "off", "wide", "long", "typo"],
)
def test_what_cannot_be_compared_is_refused(text, tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        compare(
            _config(text, **changes),
            open_session(tmp_path / "ws", _show()),
            jobs=1,
            command=COMMAND,
        )
