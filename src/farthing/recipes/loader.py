"""Finding, reading, copying and overriding recipes.

A recipe is one YAML file that says everything about a run. Its first line is a comment that says
what it is for. The settings class is handed in, so this module knows no stage.

    run = load_recipe("quickstart", ["train.steps=200"], RunConfig)
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from farthing.artifacts.config import ConfigT, parse_config
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.artifacts.yaml_reader import read_yaml
from farthing.errors import ConfigError

_SUFFIXES = (".yaml", ".yml")
_REMEDY = "correct the YAML there; `farthing recipes show NAME` prints one that works"


@dataclass(frozen=True)
class RecipeInfo:
    """A recipe that ships with farthing, as `farthing recipes list` shows it."""

    name: str
    summary: str


def list_recipes() -> list[RecipeInfo]:
    """Every recipe that ships with farthing, by name, with its leading comment line."""
    return [RecipeInfo(name, _summary(recipe_text(name))) for name in sorted(_shipped())]


def recipe_text(name: str) -> str:
    """The YAML of the recipe `name`, comments included.

    Raises:
        ConfigError: there is no such recipe; the remedy names the nearest and all of them.
    """
    shipped = _shipped()
    if name in shipped:
        return shipped[name].read_text(encoding="utf-8")
    near = difflib.get_close_matches(name, shipped, n=1, cutoff=0.0)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"there is no recipe {name!r}",
        remedy=f"{guess}The recipes are: {', '.join(sorted(shipped))}; "
        "a file of your own is named with its ending, as in my-run.yaml",
    )


def copy_recipe(name: str, target: Path) -> Path:
    """Write the recipe `name` to `target`, a new file or a folder that exists; return the file.

    Raises:
        ConfigError: there is no such recipe, or the file exists.
        WorkspaceError: the disk refused.
    """
    text = recipe_text(name)
    file = target / f"{name}.yaml" if target.is_dir() else target
    if file.exists():
        raise ConfigError(
            f"{file} exists already and stays as it is",
            remedy="name another file, or move that one away",
        )
    make_directory(file.parent)
    write_atomic(file, text.encode())
    return file


def load_recipe(name_or_path: str, overrides: Sequence[str], cls: type[ConfigT]) -> ConfigT:
    """The settings of a recipe, with overrides applied from left to right.

    Args:
        name_or_path: a recipe's name, or the path of a file that ends in .yaml or .yml.
        overrides: `a.b.c=value` strings, as `--set` takes them; the value is YAML.
        cls: the settings class that the result must satisfy.

    Raises:
        ConfigError: an unknown recipe, a file that cannot be read, wrong YAML, a malformed
            override, or a key or value that `cls` refuses.
    """
    data, where = read_recipe(name_or_path, overrides)
    return parse_config(cls, data, where=where)


def read_recipe(name_or_path: str, overrides: Sequence[str]) -> tuple[Any, str]:
    """A recipe with overrides applied, as plain YAML data, and what it is called in messages.

    Raises:
        ConfigError: an unknown recipe, a file that cannot be read, wrong YAML, or a malformed
            override.
    """
    if name_or_path.endswith(_SUFFIXES):
        text, where = _read_file(Path(name_or_path)), name_or_path
    else:
        text, where = recipe_text(name_or_path), f"recipe {name_or_path}"
    data = read_yaml(text, where=where, remedy=_REMEDY)
    for override in overrides:
        data = overridden(data, override)
        where += f" --set {override}"
    return data, where


def overridden(data: Any, override: str) -> Any:  # noqa: ANN401 - any YAML value
    """`data` with one value set; `data` itself stays as it is.

    Args:
        data: a recipe as plain YAML data.
        override: `a.b.c=value`; the value is YAML.

    Raises:
        ConfigError: a malformed override.
    """
    dotted, equals, value_text = override.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(
            f"--set {override}: expected KEY=VALUE",
            remedy="write it as in --set train.steps=200, without spaces round the =",
        )
    value = read_yaml(value_text, where=f"--set {override}")
    return _with_value(data, keys, value, override)


def _shipped() -> dict[str, Traversable]:
    folder = resources.files(__package__)
    return {
        file.name.removesuffix(".yaml"): file
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    }


def _summary(text: str) -> str:
    first = text.partition("\n")[0]
    return first.lstrip("# ").rstrip() if first.startswith("#") else ""


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}",
            remedy="save the file as UTF-8",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            remedy="name a file that exists, or a recipe from `farthing recipes list`",
        ) from error


def _with_value(data: Any, keys: list[str], value: Any, override: str) -> Any:  # noqa: ANN401
    # A group that the recipe leaves out or switches off (null) starts empty; `cls` fills it.
    group = {} if data is None else data
    if not isinstance(group, dict):
        raise ConfigError(
            f"--set {override}: {keys[0]!r} would stand inside {group!r}, which has no keys",
            remedy="set the whole value; a list is written as [1, 2, 3]",
        )
    if len(keys) == 1:
        return {**group, keys[0]: value}
    return {**group, keys[0]: _with_value(group.get(keys[0]), keys[1:], value, override)}
