"""Reuse, plans and refusals: what two commands in one workspace do to each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

TRAIN = ("train", "--recipe", "tiny.yaml", "--workspace", "w")


def book(tmp_path: Path) -> list[dict]:
    return [json.loads(line) for line in (tmp_path / "w/book.jsonl").read_text().splitlines()]


def kinds(tmp_path: Path) -> list[str]:
    return [entry["kind"] for entry in book(tmp_path)]


@pytest.fixture
def half_trained(trained: Path) -> Path:
    """A run folder with a checkpoint at step 8 and no supernet."""
    shutil.rmtree(trained / "supernet")
    shutil.rmtree(trained / "checkpoints/step-00000012")
    return trained


def test_shares_cannot_be_signed_again_in_mid_training(farthing, half_trained: Path):
    refused = farthing(*TRAIN, "--set", "evaluate.members=[3L-2E-1K]", check=2)
    assert "half trained" in refused.stderr
    farthing(*TRAIN)
    assert (half_trained / "supernet/manifest.json").is_file()


@pytest.mark.usefixtures("half_trained")
def test_a_changed_environment_is_noted_where_a_run_goes_on(fresh_farthing, environment):
    environment["OMP_NUM_THREADS"] = "2"
    done = fresh_farthing(*TRAIN)
    assert "threads was 1 before, is 2 now" in done.stderr


def test_the_journal_says_what_computes_on_how_many_threads_and_a_resumption_keeps_both(
    fresh_farthing, tmp_path: Path, environment, half_trained: Path
):
    environment["OMP_NUM_THREADS"] = "2"
    fresh_farthing(*TRAIN)
    assert (half_trained / "supernet/manifest.json").is_file()
    first, second = (
        {
            body["event"]: body["detail"]
            for line in (tmp_path / f"w/journals/{number}.jsonl").read_text().splitlines()
            if "event" in (body := json.loads(line)["body"])
        }
        for number in (1, 2)
    )
    assert first["threads"].startswith("1: ")
    assert second["threads"] == "1: as the run began"
    assert first["kernels"] == second["kernels"]
    assert "; matrix products in " in first["kernels"]


def test_members_named_twice_are_refused_before_anything_is_booked(farthing, tmp_path: Path):
    farthing("curate", "--recipe", "tiny.yaml", "--workspace", "w")
    before = kinds(tmp_path)
    done = farthing(*TRAIN, "--set", "evaluate.members=[4L-4E-2K, 4L]", check=2)
    assert "same shape" in done.stderr
    assert kinds(tmp_path) == before


def test_a_mixture_that_does_not_fit_is_refused_before_anything_is_booked(farthing, tmp_path: Path):
    farthing("curate", "--recipe", "tiny.yaml", "--workspace", "w")
    before = kinds(tmp_path)
    done = farthing(*TRAIN, "--set", "train.mixture={en: 1, klingon: 1}", check=2)
    assert "klingon" in done.stderr
    assert "null" in done.stderr
    assert kinds(tmp_path) == before


def test_evaluating_where_nothing_was_trained_leaves_no_trace(farthing, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    farthing("evaluate", "--workspace", "elsewhere", check=2)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.usefixtures("trained")
def test_a_shape_that_is_not_held_is_refused_before_its_evaluation_is_booked(
    farthing, tmp_path: Path
):
    before = kinds(tmp_path)
    farthing("evaluate", "--workspace", "w", "--shape", "9L-4E-2K", check=2)
    assert kinds(tmp_path) == before


@pytest.mark.usefixtures("trained")
def test_two_spellings_of_a_member_are_scored_once(farthing, tmp_path: Path):
    short = farthing("evaluate", "--workspace", "w", "--shape", "4L-4E-2K", "--json")
    entries = len(kinds(tmp_path))
    canonical = ("--shape", "layers=0-3/experts=4/top_k=2")
    again = farthing("evaluate", "--workspace", "w", *canonical, "--json")
    assert json.loads(short.stdout) == json.loads(again.stdout)
    assert len(kinds(tmp_path)) == entries


@pytest.mark.usefixtures("trained")
def test_scores_made_again_have_the_same_digest(farthing, fresh_farthing, tmp_path: Path):
    farthing("evaluate", "--workspace", "w")
    fresh_farthing("evaluate", "--workspace", "w", "--rerun")
    ends = [e["body"] for e in book(tmp_path) if e["kind"] == "run.end"]
    scores = [end["artifact"]["digest"] for end in ends if end["artifact"]["kind"] == "scores"]
    assert len(scores) == 2
    assert len(set(scores)) == 1


@pytest.mark.usefixtures("trained")
def test_training_again_keeps_the_corpus(farthing, tmp_path: Path):
    farthing(*TRAIN, "--rerun")
    assert len(list(tmp_path.glob("w/corpora/tiny-*"))) == 1
    assert len(list(tmp_path.glob("w/runs/tiny-*"))) == 2


def test_the_order_and_the_names_of_sources_count(farthing, tmp_path: Path):
    for name, letters in (("a", "abcdefgh"), ("b", "ijklmnop")):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(4):
            words = [
                letters[(n * n + number * k) % 8] * (1 + n % 5)
                for n in range(80)
                for k in range(1, 5)
            ]
            (folder / f"{name}{number}.txt").write_text(" ".join(words), encoding="utf-8")
    corpora = set()
    for sources in ("[a, b]", "[b, a]", "[a, b]"):
        done = farthing(
            "curate",
            "--recipe",
            "tiny.yaml",
            "--workspace",
            "w",
            "--json",
            "--set",
            f"corpus.sources={sources}",
            "--set",
            "corpus.near_duplicate_share=1.0",
        )
        corpora.add(json.loads(done.stdout)["corpus"])
    assert len(corpora) == 2


def test_the_step_that_diverges_is_billed(farthing, tmp_path: Path):
    farthing(*TRAIN, "--set", "train.optimizer.output_learning_rate=1e37", check=3)
    (metrics,) = tmp_path.glob("w/runs/*/metrics.jsonl")
    steps = len(metrics.read_text().splitlines())
    bill = json.loads(farthing("bill", "--workspace", "w", "--json").stdout)
    assert bill["purposes"]["training"]["tokens"]["value"] == steps * 4 * 128


def test_a_refused_second_process_does_not_disturb_a_save(farthing, trained: Path):
    """Reading which checkpoint is newest must not sweep what another process is writing."""
    writing = trained / "checkpoints/.step-00000016.partial-1"
    writing.mkdir()
    farthing(*TRAIN)
    assert writing.is_dir()
