"""docs/plan.md: every plan on it has its recipe, and `farthing train` would take each as it is."""

import re
from pathlib import Path

import pytest

from farthing.flow.config import RunConfig
from farthing.recipes.loader import load_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "plan.md"
FOLDER = ROOT / "docs" / "results" / "plan"
BLOCK = re.compile(
    r"<!-- plan ([a-z0-9-]+): .*?\n```text\n\$ (farthing plan [^\n]*)\n(.*?)```", re.S
)
RECIPES = sorted(FOLDER.glob("*.yaml"))


def _blocks():
    return {name: (command, body) for name, command, body in BLOCK.findall(PAGE.read_text())}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_is_one_that_train_takes(recipe):
    run = load_recipe(str(recipe), [], RunConfig)
    assert run.train.steps > 100
    assert recipe.read_text(encoding="utf-8").startswith("# planned: ")


def test_every_plan_that_writes_a_recipe_has_it_linked_and_none_is_left_over():
    writing = {name for name, (command, _) in _blocks().items() if "--write" in command}
    linked = set(re.findall(r"\(results/plan/([a-z0-9-]+)\.yaml\)", PAGE.read_text()))
    assert writing == linked == {path.stem for path in RECIPES}


def test_the_recipe_has_the_steps_that_its_plan_prints():
    for name, (command, body) in _blocks().items():
        if "--write" in command:
            steps = re.search(r"in ([\d,]+)\s+steps\s+of\s+([\d,]+)", body)
            run = load_recipe(str(FOLDER / f"{name}.yaml"), [], RunConfig)
            printed = [int(each.replace(",", "")) for each in steps.groups()]
            assert printed == [run.train.steps, run.train.batch_sequences * run.model.context]


def test_the_page_shows_the_sums_and_machines_that_it_promises():
    commands = " ".join(command for command, _ in _blocks().values())
    for each in ("--budget 50 ", "--budget 500 ", "--budget 5k", "--budget 500k"):
        assert each in commands
    for each in ("h100 ", "h100:8", "h100-sxm:32@1.25+h100-sxm:32@1.60", "ascend-910c:512@"):
        assert each in commands


def test_no_plan_on_the_page_failed_but_the_one_that_shows_a_refusal():
    failed = {name for name, (_, body) in _blocks().items() if "remedy:" in body}
    assert failed == {"beyond"}
