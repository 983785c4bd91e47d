"""Every recipe that ships says what it is for and can be read."""

import pytest

from farthing.artifacts.yaml_reader import read_yaml
from farthing.recipes.loader import list_recipes, recipe_text

RECIPES = list_recipes()


def test_at_least_the_quick_start_ships():
    assert "quickstart" in [info.name for info in RECIPES]


@pytest.mark.parametrize("info", RECIPES, ids=lambda info: info.name)
def test_a_shipped_recipe_starts_with_what_it_is_for(info):
    assert info.summary


@pytest.mark.parametrize("info", RECIPES, ids=lambda info: info.name)
def test_a_shipped_recipe_is_valid_yaml_with_keys(info):
    assert isinstance(read_yaml(recipe_text(info.name), where=info.name), dict)
