"""What goes wrong is said with value, place, remedy and exit code, and nothing is lost."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import pytest

TRAIN = ("train", "--recipe", "tiny.yaml", "--workspace", "w")


def damage(path: Path) -> None:
    """Change one byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def test_a_wrong_recipe_key_names_the_nearest_and_all_keys(farthing):
    done = farthing(*TRAIN, "--set", "train.stepps=5", check=2)
    assert "train.stepps" in done.stderr
    assert "did you mean 'steps'" in done.stderr
    assert "batch_sequences" in done.stderr


def test_a_wrong_recipe_value_says_what_the_setting_is(farthing):
    done = farthing(*TRAIN, "--set", "train.steps=-3", check=2)
    assert "train.steps = -3" in done.stderr
    assert "optimizer steps" in done.stderr


def test_an_error_is_one_json_object_too(farthing):
    done = farthing(*TRAIN, "--set", "train.stepps=5", "--json", check=2)
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "ConfigError"
    assert "steps" in error["remedy"]


def test_a_missing_corpus_is_named(farthing):
    done = farthing(*TRAIN, "--set", "corpus.sources=[nowhere.jsonl]", check=2)
    assert "nowhere.jsonl" in done.stderr


def test_an_empty_corpus_is_named(farthing, tmp_path: Path):
    (tmp_path / "empty.jsonl").write_bytes(b"")
    done = farthing(*TRAIN, "--set", "corpus.sources=[empty.jsonl]", check=2)
    assert "empty.jsonl" in done.stderr


def test_text_that_is_not_utf8_is_placed_by_line(farthing, tmp_path: Path, text_file: Path):
    good = text_file.read_bytes().splitlines(keepends=True)
    bad = good[2].replace(b"river", b"ri\xffer", 1)
    (tmp_path / "bad.jsonl").write_bytes(b"".join((*good[:2], bad, *good[3:])))
    sources = ("--set", "corpus.sources=[bad.jsonl]", "--set", "corpus.reading.strict=true")
    done = farthing(*TRAIN, *sources, check=2)
    assert "bad.jsonl, record 3: not_utf8" in done.stderr
    assert f"byte {bad.index(0xFF)} of the line is 0xff" in done.stderr


def test_an_unwritable_workspace_is_named(farthing):
    # Not even root may create files there.
    done = farthing("train", "--recipe", "tiny.yaml", "--workspace", "/sys/farthing", check=3)
    assert "/sys/farthing" in done.stderr
    assert "--workspace" in done.stderr


def test_a_file_in_the_place_of_the_workspace_is_named(farthing, tmp_path: Path):
    (tmp_path / "w").write_text("a file")
    assert "w" in farthing(*TRAIN, check=3).stderr
    assert (tmp_path / "w").read_text() == "a file"


def test_a_full_disk_in_mid_run_loses_nothing(farthing, fresh_farthing, tmp_path: Path):
    farthing("curate", "--recipe", "tiny.yaml", "--workspace", "w")
    farthing("train", "--recipe", "tiny.yaml", "--workspace", "whole")

    # The checkpoint does not fit, the small files do.
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))

    full = fresh_farthing(*TRAIN, check=3, preexec_fn=limit)
    assert "no room left" in full.stderr
    assert not list(tmp_path.glob("w/runs/*/checkpoints/step-*"))
    assert not list(tmp_path.glob("w/runs/*/checkpoints/.*")), "half a checkpoint was left"

    fresh_farthing(*TRAIN)
    (resumed,) = tmp_path.glob("w/runs/*/supernet/model.safetensors")
    (whole,) = tmp_path.glob("whole/runs/*/supernet/model.safetensors")
    assert resumed.read_bytes() == whole.read_bytes()
    bill = json.loads(farthing("bill", "--workspace", "w", "--json").stdout)
    statuses = [line["status"] for line in bill["runs"] if line["purpose"] == "training"]
    assert statuses == ["failed", "completed"]
    assert "no room left" in next(r["reason"] for r in bill["runs"] if r["status"] == "failed")


@pytest.fixture
def stopped_run(farthing, tmp_path: Path) -> Path:
    """A run whose supernet is gone, so that it must go on from its checkpoints; its folder."""
    farthing(*TRAIN, "--set", "train.steps=13", "--set", "train.keep_checkpoints=9")
    (place,) = tmp_path.glob("w/runs/*/")
    shutil.rmtree(place / "supernet")
    shutil.rmtree(place / "checkpoints/step-00000013")
    return place


RESUME = (*TRAIN, "--set", "train.steps=13", "--set", "train.keep_checkpoints=9")


def test_a_corrupted_checkpoint_is_named_with_the_older_one_to_go_on_from(
    farthing, stopped_run: Path
):
    damage(stopped_run / "checkpoints/step-00000012/state.safetensors")
    done = farthing(*RESUME, check=1)
    assert "step-00000012" in done.stderr
    assert "corrupted" in done.stderr
    assert "goes on from step-00000008" in done.stderr
    assert (stopped_run / "checkpoints/step-00000012").is_dir(), "the evidence was removed"

    shutil.rmtree(stopped_run / "checkpoints/step-00000012")
    farthing(*RESUME)
    assert (stopped_run / "supernet/model.safetensors").is_file()


def test_a_checkpoint_without_its_manifest_is_no_checkpoint_to_go_on_from(
    farthing, stopped_run: Path
):
    (stopped_run / "checkpoints/step-00000012/manifest.json").unlink()
    assert "step-00000012" in farthing(*RESUME, check=1).stderr


def test_a_half_written_checkpoint_is_swept_away_and_the_last_whole_one_used(
    farthing, stopped_run: Path
):
    half = stopped_run / "checkpoints/.step-00000013.partial-1"
    half.mkdir()
    (half / "state.safetensors").write_bytes(b"half")
    farthing(*RESUME)
    assert not half.exists()
    lines = (stopped_run / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 12, "did not go on from step 12"


@pytest.mark.usefixtures("trained")
def test_a_shape_that_the_supernet_does_not_hold_is_refused_before_anything_runs(
    farthing, tmp_path: Path
):
    before = (tmp_path / "w/book.jsonl").read_bytes()
    for shape, said in (("9L-4E-2K", "4 layers"), ("4L-8E-2K", "experts"), ("4L-2E-3K", "top_k=3")):
        done = farthing("generate", "--workspace", "w", "--shape", shape, check=2)
        assert said in done.stderr
        assert "remedy" in done.stderr
    farthing("extract", "--workspace", "w", "--shape", "4L-8E-2K", check=2)
    assert (tmp_path / "w/book.jsonl").read_bytes() == before


def test_a_shape_in_the_recipe_that_does_not_fit_stops_before_training(farthing, tmp_path: Path):
    farthing(*TRAIN, "--set", "evaluate.members=[4L-8E-2K]", check=2)
    assert not list(tmp_path.glob("w/runs/*/metrics.jsonl"))


@pytest.mark.usefixtures("trained")
def test_a_changed_book_is_refused_by_every_verb_that_needs_it(farthing, tmp_path: Path):
    book = tmp_path / "w/book.jsonl"
    lines = book.read_bytes().splitlines(keepends=True)
    changed = next(n for n, line in enumerate(lines) if b'"attempt":1' in line)
    lines[changed] = lines[changed].replace(b'"attempt":1', b'"attempt":2')
    book.write_bytes(b"".join(lines))
    for verb in (("bill",), ("train", "--recipe", "tiny.yaml"), ("verify",)):
        done = farthing(*verb, "--workspace", "w", check=1)
        assert f"line {changed + 1}" in done.stdout + done.stderr, verb


@pytest.mark.usefixtures("trained")
def test_a_cut_tail_is_located_where_the_head_is_known(farthing, tmp_path: Path):
    bill = json.loads(farthing("bill", "--workspace", "w", "--json").stdout)
    count, head = bill["book"]["count"], bill["book"]["head"]
    book = tmp_path / "w/book.jsonl"
    book.write_bytes(b"".join(book.read_bytes().splitlines(keepends=True)[:-1]))
    known = farthing("verify", "--workspace", "w", "--head", head, "--count", str(count), check=1)
    assert str(count) in known.stdout
    # On the machine that wrote the book, the head is remembered outside the workspace.
    farthing("verify", "--workspace", "w", check=1)
    farthing(*TRAIN, check=1)


def test_an_unknown_verb_and_a_missing_option_are_usage_errors(farthing):
    assert "No such command" in farthing("fly", check=2).stderr
    assert "--shape" in farthing("extract", check=2).stderr


def test_a_run_that_diverges_names_step_batch_and_last_good_checkpoint(farthing, tmp_path: Path):
    diverging = (
        *TRAIN,
        "--set",
        "train.optimizer.output_learning_rate=1e37",
        "--set",
        "train.checkpoint_every=1",
        "--set",
        "train.max_loss_jump_nats=0.5",
    )
    done = farthing(*diverging, check=3)
    assert "step " in done.stderr
    assert "batch " in done.stderr
    assert "sequence " in done.stderr
    (newest,) = sorted(tmp_path.glob("w/runs/*/checkpoints/step-*"))[-1:]
    assert f"the last good checkpoint is {newest.relative_to(tmp_path)}" in done.stderr
    bill = json.loads(farthing("bill", "--workspace", "w", "--json").stdout)
    (line,) = [line for line in bill["runs"] if line["purpose"] == "training"]
    assert line["status"] == "failed"


def test_a_usage_error_is_one_json_object_too(farthing):
    error = json.loads(farthing("extract", "--json", check=2).stdout)["error"]
    assert "--shape" in error["what"]


@pytest.mark.usefixtures("trained")
def test_a_file_that_may_not_be_read_is_named_without_a_traceback(farthing, tmp_path: Path):
    # A folder in the place of a file cannot be read by anybody, root included.
    book = tmp_path / "w/book.jsonl"
    book.rename(tmp_path / "book.jsonl")
    book.mkdir()
    done = farthing("bill", "--workspace", "w", "--json", check=3)
    assert "book.jsonl" in json.loads(done.stdout)["error"]["what"]
    assert "Traceback" not in done.stderr


def test_members_and_elastic_sizes_that_do_not_fit_stop_before_any_text_is_read(
    farthing, tmp_path: Path
):
    farthing(*TRAIN, "--set", "evaluate.members=[foo]", check=2)
    farthing(*TRAIN, "--set", "train.elastic.depths=[9]", check=2)
    assert not (tmp_path / "w").exists()
