"""`farthing bench`, typed as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farthing.artifacts.measurement import load_measurement

BENCH = (
    *("bench", "--recipe", "tiny.yaml", "--threads", "1", "--seconds", "1"),
    *("--set", "train.precision=fp32"),
)
PARTS = {
    *("attention", "router", "dispatch", "experts", "feed_forward", "norms", "embedding"),
    *("output", "optimizer", "data", "elastic"),
}


@pytest.mark.slow
def test_the_json_holds_machine_step_and_parts_and_the_file_the_same(farthing, tmp_path: Path):
    made = json.loads(farthing(*BENCH, "--json").stdout)
    file = tmp_path / made["file"]
    assert file.parent == tmp_path / "measurements"
    found = load_measurement(file)
    assert found.to_json() == {key: made[key] for key in ("kind", "digest", "measurement")}
    step = found.step
    assert {part.name for part in step.parts} == PARTS
    assert (step.recipe, step.tokens, step.threads, step.basis) == (
        *("tiny", 4 * 128, 1),
        "processor time",
    )
    counted = sum(part.flops for part in step.parts)
    assert counted == pytest.approx(step.flops + step.optimizer_flops, rel=1e-12)
    assert 0 < step.utilisation <= step.utilisation_with_optimizer
    alone = sum(found.seconds(part).value for part in step.parts)
    assert step.rest_seconds == pytest.approx(found.seconds(step).value - alone)
    assert found.peak("fp32").rate.value > 0
    assert [tried.threads for tried in found.threads] == [1]
    for figure in (step.wall, step.cpu, found.peak("fp32").rate, found.copies[0].rate):
        assert figure.low <= figure.value <= figure.high
        assert "farthing bench --recipe tiny.yaml" in figure.source
        assert found.versions["torch"] in figure.source
        assert found.date in figure.source


@pytest.mark.slow
def test_the_tables_fit_a_terminal_and_name_every_part(farthing, tmp_path: Path):
    done = farthing(*BENCH, "--out", "mine.json")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    for words in ("attention", "router", "dispatch", "optimizer", "the rest", "whole step", "MFU"):
        assert words in done.stdout
    assert "the fp32 product measured here" in done.stdout
    assert "kernels:" in done.stdout
    assert "steps: about " in done.stderr
    assert lines[-1] == "mine.json"
    assert load_measurement(tmp_path / "mine.json").step.precision == "fp32"
    # A file of ours may be replaced, anything else never.
    (tmp_path / "mine.json").write_text("{}")
    refused = farthing(*BENCH, "--out", "mine.json", check=2)
    assert "stays as it is" in refused.stderr
    assert (tmp_path / "mine.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        pytest.param(("--recipe", "quikstart"), 2, "quickstart", id="unknown recipe"),
        pytest.param(("--threads", "0"), 2, "hardware threads", id="no threads"),
        pytest.param(("--threads", "two"), 2, "--threads 1,2", id="no number"),
        pytest.param(("--device", "abacus"), 2, "choose among: auto, cpu", id="no such device"),
        pytest.param(("--seconds", "0"), 2, "seconds", id="no time"),
        pytest.param(("--out", "tiny.yaml/m.json"), 3, "a folder is needed", id="under a file"),
        pytest.param(("--out", "."), 2, "is a folder", id="a folder"),
        pytest.param(("--set", "train.stepps=1"), 2, "steps", id="wrong setting"),
    ],
)
def test_what_cannot_be_measured_is_said_at_once_with_a_remedy(
    farthing, tmp_path: Path, options, code, words
):
    done = farthing(*BENCH, *options, check=code)
    assert words in done.stderr
    assert "remedy" in done.stderr
    assert not (tmp_path / "measurements").exists()
