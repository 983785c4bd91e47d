"""The settings of a claim: what is refused, and which recipes are registered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from claim_example import MEMBERS, write_settings

from farthing.errors import ConfigError, ShapeError
from farthing.studies.claim.config import read_claim_settings
from farthing.studies.claim.registered import (
    baseline_recipes,
    method_recipe,
    registered_runs,
    run_of,
    targets_of,
)

CLAIMS = Path(__file__).parents[3] / "claims"


def registered(path):
    config = read_claim_settings(path)
    method = method_recipe(config)
    baseline = baseline_recipes(config, method)
    return config, method, registered_runs(method, baseline)


def changed(folder, name, **sections):
    """Another recipe in the place of one of the example's."""
    path = folder / f"{name}.yaml"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **sections}))


def test_what_is_registered_is_the_recipe_but_for_the_seed(tmp_path):
    config, method, runs = registered(write_settings(tmp_path))
    assert [(run.arm, run.label) for run in runs] == [
        ("method", ""),
        ("baseline", "4"),
        ("baseline", "16"),
    ]
    for run in runs:
        assert run.recipe["train"]["seed"] is None
        assert run.recipe["train"]["steps"] == int(run.label or 12)
        # A verifier may ask for any checkpoint.
        assert run.recipe["train"]["keep_checkpoints"] >= run.recipe["train"]["steps"]
        assert run.recipe["evaluate"]["split"] == "dev"
    assert runs[1].recipe["evaluate"]["members"] == ["layers=0-3"]
    seeded = run_of(runs[0], 7)
    assert seeded.train.seed == 7
    assert seeded.model_copy(update={"train": method.train}) == method
    shapes = [target.shape for target in targets_of(config, method)]
    assert shapes == list(method.evaluate.members)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": 2}, "seeds = 2"),
        ({"name": "No Spaces"}, "name = "),
        ({"targets": {}}, "targets"),
        ({"basis": "usd"}, "basis = 'usd'"),
        ({"tuning": {"before": "x", "method_runs": 3}}, "baseline_runs"),
        ({"tuning": {}}, "tuning.before"),
        ({"seed": 1}, "did you mean 'seeds'"),
    ],
    ids=["two seeds", "name", "no target", "basis", "starved", "nothing said", "misspelt"],
)
def test_wrong_settings_are_named(tmp_path, changes, words):
    path = write_settings(tmp_path, **changes)
    with pytest.raises(ConfigError) as caught:
        read_claim_settings(path)
    assert words in str(caught.value)


@pytest.mark.parametrize("steps", [[16, 4], [4, 4, 16], [4], [0, 4]], ids=str)
def test_lengths_of_the_baseline_rise(tmp_path, steps):
    path = write_settings(tmp_path, baseline={"name": "b", "recipe": "smoke", "steps": steps})
    with pytest.raises(ConfigError):
        read_claim_settings(path)


@pytest.mark.parametrize(
    ("targets", "error", "words"),
    [
        ({"4L-2E-1K": 2.0}, ConfigError, "no member of the method"),
        ({"full": 2.0, MEMBERS[0]: 2.1}, ConfigError, "has a target already"),
        ({"full": -1.0}, ConfigError, "no number of bits per byte"),
        ({"9L-9E-9K": 2.0}, ShapeError, ""),
    ],
    ids=["not registered", "twice", "negative", "no shape"],
)
def test_targets_are_of_members(tmp_path, targets, error, words):
    config, method, _ = registered(write_settings(tmp_path, targets=targets))
    with pytest.raises(error) as caught:
        targets_of(config, method)
    assert words in str(caught.value)


def test_a_baseline_on_another_text_is_refused(tmp_path):
    path = write_settings(tmp_path)
    changed(tmp_path, "dense", corpus={"tokenizer": "bytes"})
    with pytest.raises(ConfigError, match="another corpus than the method"):
        registered(path)


@pytest.mark.parametrize("arm", ["method", "dense"])
def test_a_recipe_that_starts_from_a_model_is_refused(tmp_path, arm):
    path = write_settings(tmp_path)
    changed(tmp_path, arm, start={"from": "somewhere"})
    with pytest.raises(ConfigError, match="starts from a trained model"):
        registered(path)


@pytest.mark.parametrize("name", ["absent.yaml", "quickstart"])
def test_settings_that_are_no_file_are_refused(tmp_path, name):
    with pytest.raises(ConfigError):
        read_claim_settings(tmp_path / name)


@pytest.mark.parametrize("path", sorted(CLAIMS.glob("*/claim.yaml")), ids=lambda p: p.parent.name)
def test_the_claims_of_the_project_can_be_drafted(path):
    config, method, runs = registered(path)
    assert config.name == path.parent.name
    assert len(runs) == 1 + len(config.baseline.steps)
    assert len(targets_of(config, method)) == len(config.targets)
