"""Every recipe that ships says what it is for and can be read."""

import pytest

from farthing.artifacts.yaml_reader import read_yaml
from farthing.flow import RunConfig
from farthing.model.shape import Shape
from farthing.recipes.loader import list_recipes, load_recipe, recipe_text
from farthing.studies.compare import variants
from farthing.studies.compare.config import ComparisonConfig
from farthing.studies.headstart.config import HeadstartConfig
from farthing.studies.headstart.run import cells_of

RECIPES = list_recipes()


def test_at_least_the_quick_start_ships():
    assert "quickstart" in [info.name for info in RECIPES]


@pytest.mark.parametrize("info", RECIPES, ids=lambda info: info.name)
def test_a_shipped_recipe_starts_with_what_it_is_for(info):
    assert info.summary


@pytest.mark.parametrize("info", RECIPES, ids=lambda info: info.name)
def test_a_shipped_recipe_is_valid_yaml_with_keys(info):
    assert isinstance(read_yaml(recipe_text(info.name), where=info.name), dict)


@pytest.mark.parametrize("info", RECIPES, ids=lambda info: info.name)
def test_a_shipped_recipe_is_what_its_verb_reads(info):
    """A recipe with a section `compare` is for `farthing compare`, which reads the others too.

    One with a section `headstart` is for `farthing headstart`.
    """
    if "\nheadstart:" in recipe_text(info.name):
        list(cells_of(load_recipe(info.name, [], HeadstartConfig)))
        return
    for_comparison = "\ncompare:" in recipe_text(info.name)
    if not for_comparison:
        load_recipe(info.name, [], RunConfig)
        return
    config = load_recipe(info.name, [], ComparisonConfig)
    for shape in config.compare.members or ():
        Shape.parse(shape, config.model)
    for baseline in config.compare.baselines.values():
        variants.baseline(config.run, baseline, seed=1)
