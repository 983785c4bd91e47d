"""Recipes are found by name or path, copied, overridden, and checked against their settings."""

import errno
import os
from pathlib import Path

import pytest
from pydantic import Field

from farthing.artifacts.config import Config
from farthing.errors import ConfigError, WorkspaceError
from farthing.recipes import loader
from farthing.recipes.loader import copy_recipe, list_recipes, load_recipe, recipe_text


class Train(Config):
    """Settings of a made-up stage."""

    steps: int = Field(default=10, description="optimizer steps")
    rate: float = Field(default=0.01, description="learning rate")
    shapes: tuple[int, ...] = Field(default=(1, 2), description="sizes to sample")


class Run(Config):
    """A made-up run."""

    name: str = Field(description="what to call it")
    train: Train = Field(default=Train(), description="how to train")
    prices: dict[str, float] = Field(default={}, description="dollars per hour by basis")


SMALL = (
    "# Seconds on a laptop.\n# More to say.\nname: small\ntrain:\n  steps: 5  # few\n  rate: 1e-3\n"
)
LARGE = "# Days on a node.\nname: large\n"


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """Two recipes in the place of those that ship."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "small.yaml").write_text(SMALL)
    (folder / "large-node.yaml").write_text(LARGE)
    (folder / "loader.py").write_text("")
    monkeypatch.setattr(loader.resources, "files", lambda _: folder)


def test_the_list_gives_each_recipe_with_its_leading_comment_line():
    assert [(info.name, info.summary) for info in list_recipes()] == [
        ("large-node", "Days on a node."),
        ("small", "Seconds on a laptop."),
    ]


def test_the_text_of_a_recipe_keeps_its_comments():
    assert recipe_text("small") == SMALL


def test_an_unknown_recipe_is_met_by_the_nearest_and_all_names():
    with pytest.raises(ConfigError, match="no recipe 'smal'") as caught:
        load_recipe("smal", [], Run)
    assert "did you mean 'small'?" in caught.value.remedy
    assert "large-node, small" in caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_recipe_is_read_by_name_into_its_settings():
    assert load_recipe("small", [], Run) == Run(name="small", train=Train(steps=5, rate=0.001))


def test_a_recipe_is_read_from_a_file_by_its_ending(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text("name: 我的\n", encoding="utf-8")
    assert load_recipe(str(path), [], Run).name == "我的"


def test_a_file_in_the_way_does_not_hide_a_shipped_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").write_text("name: impostor\n")
    assert load_recipe("small", [], Run).name == "small"


def test_overrides_change_what_they_name_and_nothing_else():
    run = load_recipe("small", ["train.rate=5e-4", "prices.spot=0.5", "name=a=b"], Run)
    assert run == Run(name="a=b", train=Train(steps=5, rate=0.0005), prices={"spot": 0.5})


def test_of_two_overrides_of_one_key_the_later_holds():
    assert load_recipe("small", ["train.steps=1", "train.steps=2"], Run).train.steps == 2


def test_an_override_reaches_a_group_that_the_recipe_leaves_out():
    assert load_recipe("large-node", ["train.steps=7"], Run).train.steps == 7


def test_an_override_can_set_a_list_or_a_whole_group():
    assert load_recipe("small", ["train.shapes=[3, 4]"], Run).train.shapes == (3, 4)
    assert load_recipe("small", ["train={steps: 9}"], Run).train == Train(steps=9)


@pytest.mark.parametrize("override", ["train.steps", "=5", "train..steps=5", ".steps=5", ""])
def test_a_malformed_override_is_shown_with_the_right_form(override):
    with pytest.raises(ConfigError, match="expected KEY=VALUE") as caught:
        load_recipe("small", [override], Run)
    assert "--set train.steps=200" in caught.value.remedy


def test_an_override_below_a_plain_value_is_refused():
    with pytest.raises(ConfigError, match=r"'x' would stand inside 5, which has no keys"):
        load_recipe("small", ["train.steps.x=1"], Run)


def test_an_override_with_broken_yaml_says_which_one():
    with pytest.raises(ConfigError, match=r"^--set train.shapes=\[1, line 1, column 3"):
        load_recipe("small", ["train.steps=3", "train.shapes=[1"], Run)


def test_a_wrong_key_names_the_override_the_keys_and_the_nearest():
    with pytest.raises(
        ConfigError, match=r"recipe small --set train.stpes=3: .*'train.stpes'"
    ) as caught:
        load_recipe("small", ["train.stpes=3"], Run)
    assert "did you mean 'steps'? The keys here are: steps, rate, shapes" in caught.value.remedy


def test_a_wrong_value_names_the_file_and_what_the_setting_means(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: x\ntrain:\n  steps: no\n")
    with pytest.raises(ConfigError, match=r"mine.yaml: train.steps = 'no'") as caught:
        load_recipe(str(path), [], Run)
    assert "optimizer steps" in caught.value.remedy


def test_a_file_that_is_not_there_or_not_utf8_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match=os.strerror(errno.ENOENT)):
        load_recipe(str(tmp_path / "none.yaml"), [], Run)
    (tmp_path / "latin.yaml").write_bytes("# é\nname: x\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8: byte 2 is 0xe9"):
        load_recipe(str(tmp_path / "latin.yaml"), [], Run)


def test_an_empty_file_says_which_keys_to_start_from(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    with pytest.raises(ConfigError) as caught:
        load_recipe(str(tmp_path / "empty.yaml"), [], Run)
    assert "name, train, prices" in caught.value.remedy


def test_a_copy_is_the_recipe_byte_for_byte_and_can_be_loaded(tmp_path):
    file = copy_recipe("small", tmp_path / "new" / "mine.yaml")
    assert file == tmp_path / "new" / "mine.yaml"
    assert file.read_bytes() == SMALL.encode()
    assert load_recipe(str(file), [], Run).name == "small"


def test_a_copy_into_a_folder_keeps_the_name(tmp_path):
    assert copy_recipe("small", tmp_path) == tmp_path / "small.yaml"


def test_a_copy_never_replaces_a_file(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: precious\n")
    with pytest.raises(ConfigError, match=r"mine.yaml exists already"):
        copy_recipe("small", mine)
    assert mine.read_text() == "name: precious\n"


def test_a_copy_below_a_file_is_refused_by_the_disk(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError):
        copy_recipe("small", Path(tmp_path, "file", "mine.yaml"))
