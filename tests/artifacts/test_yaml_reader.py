"""YAML in recipes: numbers are numbers, nothing is taken silently, errors say where."""

import math

import pytest
import yaml

from farthing.artifacts.yaml_reader import read_yaml
from farthing.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("+2.5e+1", 25.0),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("1_000.5", 1000.5),
        (".inf", math.inf),
        ("0", 0),
        ("-12", -12),
        ("1_000_000", 1_000_000),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_a_plain_scalar_means_what_it_looks_like(written, meant):
    value = read_yaml(f"key: {written}", where="test")["key"]
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize("written", ["no", "on", "Yes", "010", "12:30", "2026-01-31", "1e", "="])
def test_what_yaml_1_1_would_turn_into_something_else_stays_a_string(written):
    assert read_yaml(f"key: {written}", where="test") == {"key": written}


def test_quoted_numbers_stay_strings():
    assert read_yaml("a: '1e-3'\nb: \"5\"", where="test") == {"a": "1e-3", "b": "5"}


def test_reading_recipes_leaves_the_yaml_of_other_libraries_alone():
    read_yaml("a: 1e-3", where="test")
    assert yaml.safe_load("a: 1e-3\nb: no") == {"a": "1e-3", "b": False}


@pytest.mark.parametrize(
    ("text", "place", "cause"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "line 3, column 2", "expected ',' or ']'"),
        ("a:\n  x: 1\n  y: 2\n  x: 3\n", "line 4, column 3", "'x' stands twice, first in line 2"),
        ("a: &v 1\nb: *v\n", "line 2, column 4", "alias"),
        ("a: &v [*v]\n", "line 1, column 8", "alias"),
        ("a: !!python/object:os.system x\n", "line 1, column 4", "could not determine"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1", "another document"),
        ("? [1, 2]\n: 3\n", "line 1, column 3", "unhashable"),
        ("a: 1\nb: x\x07y\n", "line 2, column 5", "special characters"),
        ("a: 1\n\tb: 2\n", "line 2, column 1", "cannot start any token"),
    ],
)
def test_an_error_names_file_line_column_and_cause(text, place, cause):
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, where="my.yaml")
    assert caught.value.what.startswith(f"my.yaml, {place}: ")
    assert cause in caught.value.what
    assert caught.value.remedy


def test_a_number_too_long_to_read_is_an_error_that_names_the_file():
    with pytest.raises(ConfigError, match=r"big\.yaml"):
        read_yaml(f"a: {'9' * 5000}\n", where="big.yaml")
