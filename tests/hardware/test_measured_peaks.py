"""Peaks of what no data sheet speaks of: from a file of `farthing bench`."""

from __future__ import annotations

import json

import pytest

from farthing.artifacts.measurement import (
    CopySpeed,
    Figure,
    MachineFacts,
    Measurement,
    PartOfStep,
    ProductPeak,
    StepFacts,
    ThreadCount,
    save_measurement,
)
from farthing.cli.main import main
from farthing.errors import ArtifactError, UnknownHardwareError
from farthing.hardware.catalogue import shipped
from farthing.hardware.measured import measured_peak, read_measurements


def _measurement(name, date, flops):
    seconds = Figure.of([0.25, 0.5], "s", "test")
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
        basis="wall clock",
        wall=seconds,
        cpu=seconds,
        tokens_per_second=Figure.of([16.0], "token/s", "test"),
        tokens_per_cpu_second=Figure.of([16.0], "token/s", "test"),
        flops=1.0,
        optimizer_flops=0.0,
        peak_dtype="fp32",
        utilisation=0.5,
        utilisation_with_optimizer=0.5,
        parts=(
            PartOfStep(
                name="attention",
                wall=seconds,
                cpu=seconds,
                share=1.0,
                flops=1.0,
                bytes=1.0,
                dtype="fp32",
                floor_seconds=None,
                limit=None,
            ),
        ),
        rest_seconds=0.0,
        floor_seconds=0.1,
        elastic_share=0.0,
    )
    rate = Figure.of([flops, 0.9 * flops, 1.1 * flops], "FLOP/s", "test")
    return Measurement(
        command="farthing bench",
        date=date,
        versions={},
        machine=MachineFacts(id="m", name=name, hardware_threads=2, device="cpu", device_name=name),
        neighbours_threads=0.0,
        products=(ProductPeak(dtype="fp32", size=256, threads=2, rate=rate),),
        not_measured={"fp8": "this build has none"},
        copies=(CopySpeed(touched_bytes=2, threads=1, rate=Figure.of([1.0], "B/s", "test")),),
        threads=(ThreadCount(threads=1, shape="4L-8E-2K", wall=seconds, cpu=seconds),),
        step=step,
        taken_seconds=1.0,
    )


@pytest.fixture
def folder(tmp_path):
    for number, (name, date, flops) in enumerate(
        [
            ("Abacus 3000", "2026-01-31T00:00:00+00:00", 1e9),
            ("Abacus 3000", "2026-02-01T00:00:00+00:00", 2e9),
            ("Apple M4 Max", "2026-02-02T00:00:00+00:00", 3e12),
        ]
    ):
        save_measurement(_measurement(name, date, flops), tmp_path / f"{number}.json")
    return tmp_path


def test_the_latest_measurement_of_a_processor_is_its_peak(folder):
    peak = measured_peak("Abacus 3000", "fp32", read_measurements(folder))
    assert (peak.value, *peak.range()) == (2e9, 1.8e9, 2.2e9)
    assert peak.provenance == "measured"
    assert "2026-02-01" in peak.source


def test_a_processor_that_nobody_measured_is_an_error_that_names_the_bench(folder):
    with pytest.raises(UnknownHardwareError, match="'Abacus 4000'") as caught:
        shipped().peak("Abacus 4000", "fp32", read_measurements(folder))
    assert "farthing bench" in caught.value.remedy


def test_a_type_that_was_not_measured_says_why(folder):
    with pytest.raises(UnknownHardwareError, match="this build has none"):
        measured_peak("Abacus 3000", "fp8", read_measurements(folder))


def test_a_measurement_fills_a_blank_and_never_a_data_sheet_figure(folder):
    measurements = read_measurements(folder)
    assert shipped().peak("Apple M4 Max", "fp32", measurements).value == 3e12
    assert shipped().peak("Apple M2 Ultra", "fp32", measurements).value == 27.2e12
    with pytest.raises(UnknownHardwareError, match="publishes no"):
        shipped().peak("Apple M2 Ultra", "bf16", measurements)


def test_what_was_measured_is_shown_even_where_the_catalogue_has_no_entry(folder, capsys, tmp_path):
    workspace = tmp_path / "ws"
    (workspace / "measurements").mkdir(parents=True)
    for file in folder.glob("*.json"):
        file.rename(workspace / "measurements" / file.name)
    assert main(["hardware", "show", "Abacus 3000", "-w", str(workspace)]) == 0
    assert "measured fp32                2e9 FLOP/s (1.8e9 to 2.2e9)" in capsys.readouterr().out
    assert main(["hardware", "show", "apple-m4-max", "--json", "-w", str(workspace)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["rate"]["value"] for one in shown["measured"]] == [3e12]
    assert main(["hardware", "show", "Abacus 4000", "-w", str(workspace)]) == 2


def test_a_damaged_measurement_is_an_error(folder):
    file = folder / "0.json"
    file.write_text(file.read_text().replace("1000000000.0", "9000000000.0"))
    with pytest.raises(ArtifactError):
        read_measurements(folder)
