"""What the side-by-side benchmarks compute around what they time: figures, turns, texts, the page.

The expectations are worked out by hand, or by another way than the code's own.
"""

from __future__ import annotations

import importlib
import json
import math
import random
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from farthing.flow import RunConfig
from farthing.model.transformer import Transformer
from farthing.recipes.loader import load_recipe
from farthing.stages.curate.run import curate

ROOT = Path(__file__).parents[2]
RIVALS, SCRIPTS = ROOT / "bench" / "rivals", ROOT / "scripts"
UNDER_TEST = ("measure", "sides", "text", "step_dense", "refresh_speed")


@pytest.fixture(scope="module")
def rivals():
    """The modules, imported by plain name as they import each other; gone again afterwards."""
    names = {path.stem for folder in (RIVALS, SCRIPTS) for path in folder.glob("*.py")}
    hidden = {name: sys.modules.pop(name) for name in sorted(names & sys.modules.keys())}
    path_before = list(sys.path)
    sys.path[:0] = [str(RIVALS), str(SCRIPTS)]
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in UNDER_TEST})
    finally:
        sys.path[:] = path_before
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


# measure.py


def test_a_figure_has_the_mean_and_the_sample_standard_deviation(rivals):
    figure = rivals.measure.Figure.of(value for value in (2.0, 4.0, 9.0))
    assert figure.values == (2.0, 4.0, 9.0)
    assert figure.mean == pytest.approx(5)
    # Squares of -3, -1 and 4, over one less than three.
    assert figure.spread == pytest.approx(math.sqrt(13))


def test_ratios_are_taken_seed_by_seed_and_only_then_averaged(rivals):
    ours, theirs = rivals.measure.Figure.of([2.0, 9.0]), rivals.measure.Figure.of([1.0, 3.0])
    ratio = ours.over(theirs)
    assert ratio.values == (2.0, 3.0)
    # The ratio of the means would be 2.75.
    assert ratio.mean == pytest.approx(2.5)
    assert ratio.spread == pytest.approx(math.sqrt(0.5))


def test_figures_of_different_numbers_of_seeds_have_no_ratio(rivals):
    with pytest.raises(ValueError, match="zip"):
        rivals.measure.Figure.of([1.0, 2.0]).over(rivals.measure.Figure.of([1.0]))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param([0.5, 0.25], "0.375 ± 0.177", id="below-ten-three-digits"),
        pytest.param([9.0, 11.0], "10.00 ± 1.41", id="from-ten-two"),
        pytest.param([99.0, 101.0], "100.0 ± 1.4", id="from-a-hundred-one"),
        pytest.param([900.0, 1100.0], "1,000 ± 141", id="from-a-thousand-none"),
        pytest.param([2e6, 2e6], "2,000,000 ± 0", id="grouped"),
        pytest.param([-12.5], "-12.50 ± 0.00", id="negative-of-one-seed"),
    ],
)
def test_a_figure_is_shown_with_its_spread_to_the_same_digit(rivals, values, text):
    assert rivals.measure.show(rivals.measure.Figure.of(values).as_json()) == text


def _outcome(rivals, bench="step_dense", title="A title"):
    return rivals.measure.Outcome(bench, title, [0, 1], ["how it was done"])


@pytest.mark.parametrize(
    ("relation", "wanted", "values", "met"),
    [
        pytest.param(">=", 1.2, [1.1, 1.5], True, id="mean-above-a-floor"),
        pytest.param(">=", 1.2, [1.3, 1.0], False, id="mean-below-a-floor"),
        pytest.param(">=", 1.25, [1.0, 1.5], True, id="on-the-floor"),
        pytest.param("<=", 0.5, [0.25, 0.5], True, id="mean-below-a-ceiling"),
        pytest.param("<=", 0.5, [0.5, 0.75], False, id="mean-above-a-ceiling"),
        pytest.param("<=", 0.5, [0.25, 0.75], True, id="on-the-ceiling"),
        pytest.param(">=", 1.2, [math.nan], False, id="no-number-above-a-floor"),
        pytest.param("<=", 0.5, [math.nan], False, id="no-number-below-a-ceiling"),
    ],
)
def test_a_target_is_met_by_the_mean_over_the_seeds(rivals, relation, wanted, values, met):
    outcome = _outcome(rivals)
    outcome.target("speed", relation, wanted, rivals.measure.Figure.of(values))
    assert [target["met"] for target in outcome.targets] == [met]


def test_a_target_is_not_met_where_its_other_condition_fails(rivals):
    outcome = _outcome(rivals)
    for holds in (True, False):
        outcome.target("speed", ">=", 1.0, rivals.measure.Figure.of([2.0]), holds=holds)
    assert [target["met"] for target in outcome.targets] == [True, False]


def test_an_outcome_is_printed_and_written_with_every_value(rivals, tmp_path, monkeypatch, capsys):
    script, report = RIVALS / "step_dense.py", tmp_path / "new" / "found.json"
    monkeypatch.setattr(sys, "argv", [str(script), "--json", str(report)])
    outcome = _outcome(rivals)
    outcome.table("One table", ["side", "ms"], [["ours", rivals.measure.Figure.of([9.0, 11.0])]])
    outcome.target("fast", ">=", 3.0, rivals.measure.Figure.of([1.0, 3.0]))
    outcome.target("small", "<=", 3.0, rivals.measure.Figure.of([1.0, 3.0]))
    outcome.close(report)
    data = json.loads(report.read_text(encoding="utf-8"))
    assert data["seeds"] == [0, 1]
    assert data["command"] == "python bench/rivals/step_dense.py --json found.json"
    [[side, figure]] = data["tables"][0]["rows"]
    assert (side, figure["values"]) == ("ours", [9.0, 11.0])
    assert [target["met"] for target in data["targets"]] == [False, True]
    printed = capsys.readouterr().out
    assert "ours  10.00 ± 1.41\n" in printed
    assert "fast: 2.000 ± 1.414 (wanted >= 3): NOT MET\n" in printed
    assert "small: 2.000 ± 1.414 (wanted <= 3): met\n" in printed


# sides.py


def _steps(rivals, *phases):
    return [rivals.sides.Step(*seconds, loss=0.0, grad_norm=1.0) for seconds in phases]


def test_a_typical_step_has_median_phases_but_the_mean_of_an_optimizer_that_takes_turns(rivals):
    steps = _steps(rivals, (1, 7, 0.5, 0), (90, 5, 0.25, 0), (2, 6, 80, 6))
    # 2 + 6 + 0.5, and 6 over three steps. No step took that long, nor does the slow one show.
    assert rivals.sides.typical_seconds(steps) == pytest.approx(10.5)


def test_phases_are_given_in_milliseconds_with_a_value_per_seed(rivals):
    first = _steps(rivals, (0.001, 0.02, 0.003, 0.01), (0.003, 0.04, 0.005, 0.03))
    second = _steps(rivals, (0.004, 0.05, 0.006, 0.07))
    forward, backward, clip, optimizer = rivals.sides.phase_milliseconds([first, second])
    assert forward.values == pytest.approx((2, 4))
    assert backward.values == pytest.approx((30, 50))
    assert clip.values == pytest.approx((4, 6))
    assert optimizer.values == pytest.approx((20, 70))


class FakeWorker:
    """Answers with how often all of them were asked before, and notes who was asked what."""

    def __init__(self, name, log):
        self._name, self._log = name, log

    def ask(self, method):
        self._log.append((self._name, method))
        return len(self._log) - 1


def test_workers_take_turns_forwards_and_backwards(rivals):
    log = []
    workers = {name: FakeWorker(name, log) for name in "abc"}
    rivals.sides.interleave(workers, rounds=3)
    assert "".join(name for name, _ in log) == "abccbaabccba"
    assert {method for _, method in log} == {"step"}


@pytest.mark.parametrize(
    ("warm_up", "expected"),
    [
        pytest.param(0, {"a": [0, 3], "b": [1, 2]}, id="none"),
        pytest.param(1, {"a": [3, 4], "b": [2, 5]}, id="one"),
        pytest.param(2, {"a": [4, 7], "b": [5, 6]}, id="two"),
    ],
)
def test_answers_of_the_warm_up_are_left_out_and_the_rest_in_order(rivals, warm_up, expected):
    log = []
    workers = {name: FakeWorker(name, log) for name in "ab"}
    answers = rivals.sides.interleave(workers, rounds=2, method="nats", warm_up=warm_up)
    assert answers == expected
    assert log.count(("a", "nats")) == 2 + warm_up


def test_tokens_are_the_same_for_a_seed_and_others_for_another(rivals):
    draw = rivals.sides.zipf_tokens
    once, again = draw(3, 50, (4, 2, 9)), draw(3, 50, (4, 2, 9))
    assert once.shape == (4, 2, 9)
    assert once.dtype == np.int64
    assert np.array_equal(once, again)
    assert not np.array_equal(once, draw(4, 50, (4, 2, 9)))


@pytest.mark.parametrize("first", [0, 1, 2, 5])
def test_every_token_from_the_first_on_is_drawn_and_none_below_it(rivals, first):
    assert set(rivals.sides.zipf_tokens(0, 12, (4000,), first=first).tolist()) == {
        *range(first, 12)
    }


def test_tokens_follow_zipfs_law_and_seeds_differ_in_which_is_frequent(rivals):
    ranked = []
    for seed in range(4):
        counts = Counter(rivals.sides.zipf_tokens(seed, 8, (30_000,)).tolist()).most_common()
        # 1 + 1/2 + ... + 1/6 is 2.45: shares of the six tokens that are left.
        shares = [count / 30_000 for _, count in counts]
        assert shares == pytest.approx([0.408, 0.204, 0.136, 0.102, 0.082, 0.068], abs=0.015)
        ranked.append(counts[0][0])
    assert len(set(ranked)) > 1


# text.py


def test_tiny_shakespeare_is_cut_where_nanogpt_says_that_it_cuts_it(rivals):
    # "train has 1,003,854 tokens, val has 111,540 tokens": prepare.py of nanoGPT, on 1,115,394.
    train, validation = rivals.text.split("t" * 1_003_854 + "v" * 111_540)
    assert (set(train), set(validation)) == ({"t"}, {"v"})


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 99, 1003])
def test_a_split_loses_and_repeats_nothing(rivals, length):
    text = "".join(chr(32 + n % 90) for n in range(length))
    train, validation = rivals.text.split(text)
    assert train + validation == text
    assert abs(len(train) - 9 * length / 10) < 1


def _made_up_text(seed, length):
    draw = random.Random(seed)
    words = ("".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 8))) for _ in range(length))
    return " ".join(words)[:length]


@pytest.mark.parametrize("split_seed", [0, 1, 2])
@pytest.mark.parametrize("length", [6000, 6007])
def test_curation_trains_on_all_of_the_training_text_and_on_nothing_else(
    rivals, tmp_path, length, split_seed
):
    train, validation = rivals.text.split(_made_up_text(length, length))
    changes = rivals.text.write_sources(tmp_path, train, validation)
    changes.append(f"corpus.split_seed={split_seed}")
    run = load_recipe(str(RIVALS / "shakespeare.yaml"), changes, RunConfig)
    corpus = curate(run.corpus, tmp_path / "corpus", "key").corpus
    assert corpus.domains == (rivals.text.DOMAIN,)
    given = {
        side: bytes(corpus.tokenizer.decode_bytes(corpus.shard(side, rivals.text.DOMAIN).tokens))
        for side in ("train", "dev", "test")
    }
    given = {side: text.replace(b"<|endoftext|>", b"") for side, text in given.items()}
    assert given["train"].decode() == train
    held_out = [given["dev"].decode(), given["test"].decode()]
    assert validation in ("".join(held_out), "".join(held_out[::-1]))
    assert abs(len(held_out[0]) - len(held_out[1])) <= 1


# step_dense.py


def _parameters(case, ffn_dim, vocab):
    with torch.device("meta"):
        model = Transformer(case.sizes(ffn_dim), vocab, end_of_text=0)
    return sum(weight.numel() for weight in model.parameters())


@pytest.fixture(params=["CPU reference", "GPU reference", "uneven"])
def case(request, rivals):
    uneven = rivals.step_dense.Case("uneven", 3, 40, 5, context=8, rows=2, rounds=4)
    return {case.name: case for case in (*rivals.step_dense.CASES, uneven)}[request.param]


@pytest.mark.parametrize("ffn_dim", [8, 64, 1000])
def test_a_model_of_ours_is_matched_by_its_own_width(rivals, case, ffn_dim):
    count = _parameters(case, ffn_dim, rivals.step_dense.VOCAB)
    assert rivals.step_dense.matching_ffn_dim(case, count) == ffn_dim


@pytest.mark.parametrize("eighths", [-3, 3])
def test_of_all_multiples_of_eight_the_closest_is_taken(rivals, case, eighths):
    sizes = {dim: _parameters(case, dim, rivals.step_dense.VOCAB) for dim in (56, 64, 72)}
    wanted = sizes[64] + eighths * (sizes[72] - sizes[64]) // 8
    closest = min(sizes, key=lambda dim: abs(sizes[dim] - wanted))
    assert rivals.step_dense.matching_ffn_dim(case, wanted) == closest == 64
    beyond = wanted + (1 if eighths > 0 else -1) * (sizes[72] - sizes[64]) // 4
    assert rivals.step_dense.matching_ffn_dim(case, beyond) == (72 if eighths > 0 else 56)


def test_too_few_parameters_still_leave_a_width(rivals, case):
    assert rivals.step_dense.matching_ffn_dim(case, 1) == 8


def test_nanogpts_cpu_reference_is_matched_within_what_the_benchmark_allows(rivals):
    case = rivals.step_dense.CASES[0]
    # Of nanoGPT: 65 and 64 rows of embeddings, twelve squares and two norms a layer, a last norm.
    theirs = (65 + 64) * 128 + 4 * (12 * 128 * 128 + 2 * 128) + 128
    assert theirs == 804_096
    ours = _parameters(case, rivals.step_dense.matching_ffn_dim(case, theirs), 65)
    assert ours == pytest.approx(theirs, rel=rivals.step_dense.MOST_PARAMETERS_APART)


# scripts/refresh_speed.py


def _measured(rivals, bench, title, code, **targets):
    """What a benchmark writes, with one target for each of `targets`: relation, wanted, values."""
    outcome = _outcome(rivals, bench, title)
    figure = rivals.measure.Figure.of([9.0, 11.0])
    outcome.table(f"Times of {bench}", ["side", "ms"], [["ours", figure], ["theirs", "1"]])
    for what, (relation, wanted, values) in targets.items():
        outcome.target(what, relation, wanted, rivals.measure.Figure.of(values))
    return {
        "bench": bench,
        "title": title,
        "setting": outcome.setting,
        "command": f"python bench/rivals/{bench}.py",
        "seeds": [0, 1],
        "machine": {"processor": "a chip", "instructions": "AVX", "hardware_threads": 8},
        "versions": {"python": "3.11.7", "farthing": f"0.1.0 (code {code})"},
        "load_average": "0.10 0.20 0.30",
        "seconds": 1.0,
        "tables": outcome.tables,
        "targets": outcome.targets,
        "notes": ["a caution"],
    }


def _section(page, title):
    return page.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_the_page_says_of_every_target_whether_the_numbers_meet_it(rivals):
    dense = _measured(
        rivals,
        "step_dense",
        "Dense",
        "aaaa1111",
        faster=(">=", 1.2, [1.0, 1.5]),
        dearer=("<=", 1 / 3, [0.25, 0.5]),
        equal=(">=", 2, [1900.0, 2100.0]),
    )
    shown = _section(rivals.refresh_speed.page({"step_dense": dense}), "Targets")
    rows = [line for line in shown.splitlines() if line]
    assert rows == [
        "| target | wanted | measured |  |",
        "| --- | ---: | ---: | ---: |",
        "| `bench/rivals/step_sparse.py` |  | not measured yet |  |",
        "| faster | >= 1.2 | 1.250 ± 0.354 | met |",
        "| dearer | <= 0.333 | 0.375 ± 0.177 | **not met** |",
        "| equal | >= 2 | 2,000 ± 141 | met |",
        "| `bench/rivals/experts.py` |  | not measured yet |  |",
        "| `bench/rivals/shakespeare.py` |  | not measured yet |  |",
    ]


def test_a_section_says_how_and_on_what_its_tables_were_measured(rivals):
    made = _measured(rivals, "experts", "Experts alone", "aaaa1111")
    section = _section(rivals.refresh_speed.page({"experts": made}), "Experts alone")
    assert "`python bench/rivals/experts.py`, seeds 0, 1\n" in section
    assert "a chip (AVX, 8 hardware threads, one used; load average before: 0.10 0.20" in section
    assert "- how it was done\n- a caution\n" in section
    table = "| side | ms |\n| --- | ---: |\n| ours | 10.00 ± 1.41 |\n| theirs | 1 |\n"
    assert f"Times of experts\n\n{table}" in section


def test_a_new_measurement_replaces_its_like_and_an_older_one_stays_with_the_code_it_was_of(
    rivals, monkeypatch, tmp_path
):
    script, page = rivals.refresh_speed, tmp_path / "docs" / "speed.md"
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "PAGE", page)
    results = tmp_path / "build"
    results.mkdir()
    monkeypatch.setattr(sys, "argv", ["refresh_speed.py", "--results", str(results)])
    for code, benches in {"01de4444": ("experts", "step_dense"), "5e1f5555": ("experts",)}.items():
        for path in results.iterdir():
            path.unlink()
        for bench in benches:
            made = _measured(rivals, bench, f"About {bench}", code)
            (results / f"{bench}.json").write_text(json.dumps(made), encoding="utf-8")
        script.main()
    text = page.read_text(encoding="utf-8")
    assert "farthing 0.1.0 (code 01de4444)" in _section(text, "About step_dense")
    assert "farthing 0.1.0 (code 5e1f5555)" in _section(text, "About experts")
    assert text.count("01de4444") == text.count("5e1f5555") == 1
