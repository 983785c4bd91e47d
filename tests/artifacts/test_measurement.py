"""A measurement comes back as it was written, or not at all."""

import json

import pytest
from pydantic import ValidationError
from rich.console import Console

from farthing.artifacts.measurement import (
    CopySpeed,
    Figure,
    MachineFacts,
    Measurement,
    PartOfStep,
    ProductPeak,
    StepFacts,
    ThreadCount,
    load_measurement,
    save_measurement,
)
from farthing.bench.table import measurement_tables
from farthing.errors import ArtifactError
from farthing.quantity import Provenance

SOURCE = "farthing bench; 2026-01-31; torch 2; 1 threads"


def _figure(unit, *repeats):
    return Figure.of(repeats, unit, SOURCE)


@pytest.fixture
def measurement() -> Measurement:
    seconds = _figure("s", 0.25, 0.5, 0.125)
    speed = _figure("token/s", 16.0)
    part = PartOfStep(
        name="attention",
        wall=seconds,
        cpu=seconds,
        share=1.0,
        flops=1e16,
        bytes=12.0,
        dtype="fp32",
        floor_seconds=0.1,
        limit="FLOPs",
    )
    step = StepFacts(
        recipe="tiny",
        recipe_digest="0" * 64,
        shapes=("4L-8E-2K",),
        text="nothing",
        tokens=4,
        precision="fp32",
        kernels="plain",
        compiled=False,
        threads=1,
        basis="processor time",
        wall=seconds,
        cpu=seconds,
        tokens_per_second=speed,
        tokens_per_cpu_second=speed,
        flops=1e16,
        optimizer_flops=0.0,
        peak_dtype="fp32",
        utilisation=0.5,
        utilisation_with_optimizer=0.5,
        parts=(part,),
        rest_seconds=-0.01,
        floor_seconds=0.1,
        elastic_share=0.0,
    )
    return Measurement(
        command="farthing bench",
        date="2026-01-31T00:00:00+00:00",
        versions={"torch": "2"},
        machine=MachineFacts(
            id="m", name="test cpu", hardware_threads=2, device="cpu", device_name="test cpu"
        ),
        neighbours_threads=0.0,
        products=(
            ProductPeak(dtype="fp32", size=256, threads=1, rate=_figure("FLOP/s", 3.0, 1.0, 2.0)),
        ),
        not_measured={"fp8": "no"},
        copies=(CopySpeed(touched_bytes=1 << 20, threads=1, rate=_figure("B/s", 5.0)),),
        threads=(ThreadCount(threads=1, shape="4L-8E-2K", wall=seconds, cpu=seconds),),
        step=step,
        taken_seconds=1.5,
    )


def test_a_file_from_before_steps_said_what_no_part_holds_is_still_read(measurement, tmp_path):
    assert "left_out" not in measurement.to_json()["measurement"]["step"]
    said = measurement.step.model_copy(update={"left_out": "distillation"})
    newer = measurement.model_copy(update={"step": said})
    for place, made in enumerate((measurement, newer)):
        save_measurement(made, tmp_path / f"{place}.json")
        assert load_measurement(tmp_path / f"{place}.json") == made


def test_what_no_part_holds_is_said_below_the_table(measurement):
    said = {"left_out": "distillation: teaching", "shapes": ("4L-8E-2K + 3L-4E-1K",)}
    steps = measurement.step, measurement.step.model_copy(update=said)
    texts = []
    for step in steps:
        console = Console(width=100)
        with console.capture() as captured:
            console.print(measurement_tables(measurement.model_copy(update={"step": step})))
        texts.append(captured.get())
    assert "the rest holds" not in texts[0]
    assert "the rest holds distillation: teaching" in texts[1]
    assert "sub-models drawn: 4L-8E-2K + 3L-4E-1K" in texts[1]


def test_a_figure_is_the_median_with_its_spread():
    figure = _figure("FLOP/s", 3.0, 1.0, 2.0)
    assert (figure.value, figure.low, figure.high, figure.repeats) == (2.0, 1.0, 3.0, 3)


def test_a_figure_is_a_measured_quantity_with_its_source():
    quantity = _figure("FLOP/s", 3.0, 1.0, 2.0).quantity()
    assert quantity.provenance is Provenance.MEASURED
    assert (quantity.source, quantity.unit) == (SOURCE, "FLOP/s")
    assert (quantity.low, quantity.value, quantity.high) == (1.0, 2.0, 3.0)


def test_a_figure_outside_its_own_spread_is_none():
    with pytest.raises(ValidationError, match="outside"):
        Figure(value=4.0, unit="s", source=SOURCE, low=1.0, high=3.0, repeats=2)


def test_what_is_written_is_read_back_equal(measurement, tmp_path):
    path = tmp_path / "m.json"
    save_measurement(measurement, path)
    assert load_measurement(path) == measurement
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", ['"value": 2.0', '"fp8": "no"', '"name": "test cpu"'])
def test_a_changed_figure_shows(measurement, tmp_path, old):
    path = tmp_path / "m.json"
    save_measurement(measurement, path)
    changed = path.read_text().replace(old, old.replace("2.0", "2.5").replace('o"', 'O"'))
    changed = changed.replace('"test cpu"', '"best cpu"') if "cpu" in old else changed
    assert changed != path.read_text()
    path.write_text(changed)
    with pytest.raises(ArtifactError, match="changed"):
        load_measurement(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no measurement", id="not there"),
        pytest.param("{", "no JSON", id="half a file"),
        pytest.param("[]", "is no measurement", id="another form"),
        pytest.param(json.dumps({"kind": "scores"}), "is no measurement", id="another kind"),
        pytest.param(
            json.dumps({"kind": "measurement", "digest": "", "measurement": {"command": "x"}}),
            "date",
            id="fields missing",
        ),
    ],
)
def test_anything_else_is_refused(tmp_path, content, message):
    path = tmp_path / "m.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ArtifactError, match=message) as refused:
        load_measurement(path)
    assert "farthing bench" in refused.value.remedy


def test_the_clock_of_the_step_decides_which_seconds_count(measurement):
    assert measurement.seconds(measurement.step) == measurement.step.cpu
    assert measurement.seconds(measurement.step.parts[0]) == measurement.step.parts[0].cpu
