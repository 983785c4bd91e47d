"""`farthing plan` as a user types it."""

import json
import subprocess
import sys

import pytest

from farthing.artifacts.config import parse_config
from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.yaml_reader import read_yaml
from farthing.cli.main import main
from farthing.flow.config import RunConfig
from farthing.flow.planning.recipe import step_flops
from farthing.recipes.loader import load_recipe
from farthing.stages.train.elastic_expectation import expected_step_flops

LIGHT = """
import sys
from farthing.cli.main import main
code = main(["plan", "--budget", "500", "--hardware", "h100:8"])
heavy = sorted({"torch", "numba", "pyarrow", "scipy", "tokenizers"} & set(sys.modules))
assert not heavy, f"a plan loads {heavy}"
raise SystemExit(code)
"""


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    """Run the verb in an empty folder; exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main(["plan", *words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def planned(plan):
    """The same as values."""

    def run(*words):
        code, out, err = plan(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    return run


def test_a_plan_for_accelerators_loads_neither_torch_nor_anything_else_heavy(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert "supernet" in done.stdout
    assert list(folder.iterdir()) == []


def test_the_plan_is_all_on_eighty_columns(plan):
    _, out, _ = plan("--budget", "500", "--hardware", "h100:8", "--dry-run")
    assert max(map(len, out.splitlines())) <= 80
    for word in ("supernet", "tokens", "rates", "best", "second", "hours", "owned", "kWh", "x 0.5"):
        assert word in out


def test_the_budget_is_spent_and_its_price_is_that_of_the_list(planned):
    made = planned("--budget", "500", "--hardware", "h100:8")
    spent = made["spending"]
    assert 0.97 * 500 < spent["usd"]["on_demand"]["value"] <= 500
    assert spent["usd"]["on_demand"]["value"] == pytest.approx(
        spent["hours"]["value"] * 88.49, rel=1e-6
    )
    assert spent["device_hours"]["value"] == pytest.approx(8 * spent["hours"]["value"])
    assert set(spent["usd"]) == {"on_demand", "spot", "reserved", "owned"}


def test_half_and_double_the_money_are_half_and_double_the_hours(planned):
    made = planned("--budget", "500", "--hardware", "h100:8")
    half, double = made["at_other_money"]
    hours = made["spending"]["hours"]["value"]
    assert half["hours"]["value"] == pytest.approx(hours / 2, rel=0.03)
    assert double["hours"]["value"] == pytest.approx(2 * hours, rel=0.03)
    assert half["tokens"] < made["tokens"] < double["tokens"]


def test_the_recipe_is_read_by_train_and_computes_what_the_plan_counts(plan, planned, tmp_path):
    code, _, err = plan("--hours", "0.2", "--write", "made.yaml")
    assert code == 0, err
    run = load_recipe(str(tmp_path / "made.yaml"), [], RunConfig)
    made = planned("--hours", "0.2")
    passes = expected_step_flops(run.train, run.model, run.corpus.vocab_size)
    total = step_flops(run.train, run.model, run.corpus.vocab_size).total
    assert passes < total < 1.3 * passes
    assert made["flops"] == pytest.approx(run.train.steps * total, rel=1e-9)
    assert made["tokens"] == run.train.steps * run.train.batch_sequences * run.model.context


def test_quality_is_predicted_within_the_law_and_not_beyond(planned):
    inside = planned("--hours", "0.2")
    assert inside["outside_the_law"] is None
    for member in inside["members"]:
        bpb = member["bpb"]
        assert 1.0 < bpb["low"] < bpb["value"] < bpb["high"] < 4.0
    beyond = planned("--budget", "500", "--hardware", "h100:8")
    assert "times" in beyond["outside_the_law"]
    assert {member["bpb"] for member in beyond["members"]} == {None}


def test_an_extrapolation_is_asked_for_and_marked(plan):
    _, out, _ = plan("--budget", "500", "--hardware", "h100:8", "--beyond-the-law")
    assert "! ~" in out
    assert "outside the law" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--budget", "-5"), "--budget"),
        (("--budget", "a lot"), "--budget"),
        (("--budget", "1e30"), "--budget"),
        ((), "neither a limit nor a goal"),
        (("--budget", "50", "--hardware", "ascend-910c:8"), "no price"),
        (("--bpb", "0.9", "--hardware", "h100"), "law"),
        (("--kg-co2e", "5", "--hardware", "h100"), "grid"),
        (("--budget", "5", "--tier", "free"), "--tier"),
        (("--budget", "5", "--hardware", "v100"), "variant"),
        (("--budget", "5", "--corpus", "nowhere"), "nowhere"),
        (("--hours", "1e5", "--hardware", "h100"), "years"),
        (("--hours", "1", "--write", "plan.txt"), ".yaml"),
        (("--from-model", "ernie-4.5", "--hardware", "h100:1024"), "tokens"),
        (("--from-model", "unheard-of"), "unheard-of"),
        (("--from-model", "llama-3.1", "--hardware", "h100:8"), "GiB"),
        (("--cluster", "eur=5"), "--cluster"),
        (("--cluster", "usd=10"), "reaches for no"),
        (("--budget", "500", "--hardware", "h100", "--set", "model.hidden_dim=32768"), "GiB"),
        (("--hours", "1", "--set", "model.top_k=900"), "top_k"),
    ],
)
def test_bad_input_is_an_error_that_says_what_and_how_to_mend_it(plan, words, said):
    code, out, err = plan(*words)
    assert code == 2
    assert out == ""
    assert said in err
    assert "remedy:" in err


def test_settings_of_the_users_own_stand_and_the_steps_fill_the_hours(planned):
    made = planned("--hours", "2", "--hardware", "h100:8", "--set", "model.num_layers=12")
    assert made["model"]["num_layers"] == 12
    assert made["spending"]["hours"]["value"] == pytest.approx(2, rel=0.03)
    assert made["recipe"]["evaluate"]["members"][0].startswith("12L-")
    fixed = planned("--hours", "2", "--hardware", "h100:8", "--set", "train.steps=1000")
    assert fixed["steps"] == fixed["recipe"]["train"]["steps"] == 1000
    assert fixed["spending"]["hours"]["value"] < 2


def test_a_grid_makes_carbon_a_figure_and_a_limit(planned):
    made = planned("--kg-co2e", "20", "--hardware", "h100:8", "--grid", "FRA")
    spent = made["spending"]
    assert spent["kg_co2e"]["value"] == pytest.approx(20, rel=0.03)
    assert spent["kg_co2e"]["value"] == pytest.approx(spent["kwh"]["value"] * 0.056, rel=0.02)
    assert made["bound_by"][0]["limit"] == "carbon"


def test_the_tightest_limit_is_named_first(planned):
    made = planned("--budget", "500", "--hours", "1", "--hardware", "h100:8")
    assert [limit["limit"] for limit in made["bound_by"]] == ["deadline", "budget"]


def test_text_that_there_is_bounds_the_tokens(planned, tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("word " * 200_000)
    made = planned("--hours", "1", "--hardware", "h100", "--corpus", str(folder))
    assert made["tokens"] <= 4.01 * 1_000_000 / 2.95
    assert made["recipe"]["corpus"]["sources"] == [str(folder)]


def test_the_tokens_of_a_finished_corpus_are_those_of_its_manifest(planned, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    detail = {"splits": {"train": {"en": {"tokens": 300_000}, "zh": {"tokens": 200_000}}}}
    write_manifest(folder, kind="corpus", input_key="0" * 64, detail=detail)
    made = planned("--hours", "1", "--hardware", "h100", "--corpus", str(folder))
    assert 1_500_000 < made["tokens"] <= 2_000_000


def test_a_published_model_takes_the_flops_that_its_makers_published(planned):
    made = planned("--from-model", "gpt-3", "--hardware", "v100-sxm2-32gb:1024")
    assert made["flops"] == pytest.approx(3.14e23, rel=0.05)
    assert made["published_device_hours"] == pytest.approx(3.552e6, rel=0.01)
    assert made["spending"]["usd"]["on_demand"] is None


def test_each_figure_says_where_it_comes_from(plan):
    _, out, _ = plan("--hours", "1", "--hardware", "h100", "--explain")
    for name in ("speed", "bits per byte", "tokens", "learning rates", "USD spot", "kWh"):
        assert f"\n{name}" in out


def test_a_processor_of_the_catalogue_is_planned_by_its_name(planned):
    made = planned("--hours", "0.5", "--hardware", "intel-xeon-platinum-8592+:16")
    assert "16 threads" in made["hardware"]
    assert any("not measured" in note for note in made["notes"])


def test_the_written_recipe_is_never_written_over(plan):
    assert plan("--hours", "0.2", "--write", "made.yaml")[0] == 0
    code, _, err = plan("--hours", "0.3", "--write", "made.yaml")
    assert code == 2
    assert "exists" in err


def test_prices_of_the_workspace_count(planned, tmp_path):
    (tmp_path / "farthing.yaml").write_text(
        "prices:\n  on_demand: {usd_per_device_hour: 1.0, date: 2026-01-31, source: mine}\n"
    )
    made = planned("--budget", "1")
    devices = made["spending"]["device_hours"]["value"]
    assert made["spending"]["usd"]["on_demand"]["value"] == pytest.approx(devices)


def test_the_plan_holds_its_whole_recipe_as_values(planned):
    made = planned("--hours", "0.2")
    text = json.dumps(made["recipe"])
    parse_config(RunConfig, read_yaml(text, where="the plan"), where="the plan")


def test_a_booked_run_of_the_workspace_says_how_fast_this_processor_is(farthing, trained):
    del trained
    before = farthing("plan", "--hours", "10", "--explain", "--workspace", "elsewhere").stdout
    after = farthing("plan", "--hours", "10", "--explain", "--workspace", "w").stdout
    assert "was not measured" in before
    assert "was not measured" not in after
    assert "booked run" in " ".join(after.split())
