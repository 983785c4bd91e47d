"""Levels 2 to 4 on an honest answer, and on one that was tampered with."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from farthing.artifacts.manifest import read_manifest, write_manifest
from farthing.flow.run import run_train
from farthing.flow.verification import here
from farthing.flow.verification.fresh import fresh, read_fresh
from farthing.flow.verification.pinned import reevaluate
from farthing.flow.verification.rerun import chosen_trainings, predicted, rerun
from farthing.flow.verification.segments import replay_segments
from farthing.model.kernels.native import plain_kernels


def failed(findings):
    return [finding for finding in findings if not finding.ok]


def written(folder, kind, tensors_name, change):
    """Change tensors in an artifact's folder, and make it whole again by its own manifest."""
    old = read_manifest(folder, kind=kind)
    tensors = load_file(folder / tensors_name)
    change(tensors)
    save_file(tensors, folder / tensors_name)
    write_manifest(folder, kind=kind, input_key=old.input_key, detail=old.detail)
    return read_manifest(folder, kind=kind).content_digest


def test_an_honest_answer_holds_at_every_level(world, chosen, tmp_path):
    text = tmp_path / "fresh.txt"
    text.write_text("a barge on the river, a lamp at the mill. " * 200)
    released = world.released
    for findings in (
        reevaluate(released),
        fresh(released, read_fresh([text])),
        replay_segments(released, chosen),
        rerun(released),
    ):
        assert findings
        assert failed(findings) == []
    assert {finding.level for finding in rerun(released)} == {4}


def test_replays_and_scores_here_are_exact(world, chosen):
    assert all(
        "last bit" in each.detail for each in reevaluate(world.released) if "models" in each.where
    )
    replays = [each for each in replay_segments(world.released, chosen) if each.check == "replay"]
    assert len(replays) == 8
    assert all("last bit" in each.detail for each in replays)


def test_elsewhere_a_replay_is_held_to_bounds(world, chosen, monkeypatch):
    """As on another processor: other rounding, and no claim that the bits must be the same."""
    monkeypatch.setattr(
        "farthing.flow.verification.segments.other_here", lambda *_: ["another processor"]
    )
    with plain_kernels():
        findings = replay_segments(world.released, chosen)
    assert any("another processor" in finding.detail for finding in findings)
    assert failed(findings) == []


def test_other_bits_in_the_same_environment_are_no_rounding(world, chosen, monkeypatch):
    monkeypatch.setattr("farthing.flow.verification.segments.other_here", lambda *_: [])
    with plain_kernels():
        findings = replay_segments(world.released, chosen)
    assert "same environment" in failed(findings)[0].detail


def test_the_environment_is_told_apart(world):
    released = world.released
    training = released.trainings[0]
    run = released.recipe(training)
    assert here.other_here(training, run, released.corpus) == []
    other = run.model_copy(update={"train": run.train.model_copy(update={"seed": 1})})
    assert here.other_here(training, other, released.corpus) == ["other code of farthing"]


def test_the_key_of_a_training_is_the_one_it_ran_under(world, works):
    """Asked again, the finished run is found by it."""
    released = world.released
    training = released.trainings[0]
    before = len(world.session.book.records)
    run_train(released.recipe(training), works, world.session)
    assert len(world.session.book.records) == before


def test_a_model_that_its_training_did_not_make(world, chosen, tmp_path):
    """Swapped after an honest training, with a book that says so: only the last state tells."""
    released = world.handed_out(tmp_path / "answer")
    training = released.trainings[0]
    folder = released.folder / released.answer.models[str(training.attempts[-1].number)]

    def nudge(tensors):
        tensors["lm_head.weight"] *= 1.01

    digest = written(folder, "supernet", "model.safetensors", nudge)
    end = training.attempts[-1].end
    artifact = end.artifact.model_copy(update={"digest": digest})
    run = replace(training.attempts[-1], end=end.model_copy(update={"artifact": artifact}))
    swapped = replace(training, attempts=(run,))
    released = replace(released, trainings=(swapped, *released.trainings[1:]))
    problems = failed(replay_segments(released, chosen))
    assert [problem.check for problem in problems] == ["model"]
    assert "lm_head.weight" in problems[0].detail
    assert "no scores" in failed(reevaluate(released))[0].detail


def test_a_model_other_than_the_books(world, tmp_path):
    released = world.handed_out(tmp_path / "answer")
    folder = released.folder / "models"
    first, second = sorted(folder.iterdir())[:2]
    shutil.rmtree(first)
    shutil.copytree(second, first)
    (problem,) = failed(reevaluate(released))
    assert "digest" in problem.detail


def test_a_checkpoint_other_than_the_books(world, chosen, tmp_path):
    released = world.handed_out(tmp_path / "answer")
    folder = released.folder / released.answer.segments[0].end

    def nudge(tensors):
        tensors["model.norm.weight"] += 1e-6

    written(folder, "checkpoint", "state.safetensors", nudge)
    problems = failed(replay_segments(released, chosen))
    # It ends the first segment and begins the second.
    assert len(problems) == 2
    assert all("digest" in problem.detail for problem in problems)


def test_a_segment_that_was_not_trained_so(world, chosen, tmp_path):
    """A forged state in a book that vouches for it."""
    released = world.handed_out(tmp_path / "answer")
    training = released.trainings[0]
    folder = released.folder / released.answer.segments[0].end

    def nudge(tensors):
        tensors["model.lm_head.weight"] += 1e-3

    digest = written(folder, "checkpoint", "state.safetensors", nudge)
    run = training.attempts[-1]
    first, *others = run.segments
    forged = replace(
        run, segments=(first.model_copy(update={"checkpoint_digest": digest}), *others)
    )
    released = replace(
        released, trainings=(replace(training, attempts=(forged,)), *released.trainings[1:])
    )
    problems = failed(replay_segments(released, chosen[:1]))
    assert "other bits in the same environment" in problems[0].detail
    assert "lm_head.weight" in problems[0].detail


@pytest.mark.parametrize("name", ["shapes", "attended_pairs", "flops", "rate_share"])
def test_a_log_that_says_otherwise(world, chosen, name):
    released = world.released
    number = released.answer.segments[0].run
    line = dict(released.steps[number][1])
    line[name] = ["x"] if name == "shapes" else line[name] + 1
    steps = {**released.steps, number: {**released.steps[number], 1: line}}
    (problem,) = failed(replay_segments(replace(released, steps=steps), chosen[:1]))
    assert f"step 1: {name} is" in problem.detail


def test_a_chosen_segment_that_is_not_there(world, chosen):
    answer = world.released.answer
    kept = answer.model_copy(update={"segments": answer.segments[1:]})
    (problem,) = failed(replay_segments(replace(world.released, answer=kept), chosen))
    assert "not in the answer" in problem.detail


def test_batches_that_the_corpus_does_not_give(world, chosen):
    released = world.released
    training = released.trainings[0]
    run = training.attempts[-1]
    first, *others = run.segments
    other = first.model_copy(update={"batch_digest": "0" * 64})
    changed = replace(training, attempts=(replace(run, segments=(other, *others)),))
    released = replace(released, trainings=(changed, *released.trainings[1:]))
    (problem,) = failed(replay_segments(released, chosen[:1]))
    assert "batches" in problem.detail


def _huge(folder):
    with (folder / "checkpoints/0/step-00000003/state.safetensors").open("ab") as file:
        file.truncate(1 << 33)


def _missing(folder):
    shutil.rmtree(folder / "checkpoints")


def _pickled(folder):
    for path in folder.glob("routes/*"):
        path.write_bytes(b"\x80\x04\x95\x00.")


def _other_tokens(folder):
    path = next(folder.glob("corpus/dev/*/tokens.bin"))
    tokens = np.fromfile(path, dtype="<u2")
    tokens[5] = 60_000
    tokens.tofile(path)


@pytest.mark.parametrize("harm", [_huge, _missing, _pickled, _other_tokens])
def test_hostile_files_are_findings(world, chosen, tmp_path, harm):
    released = world.handed_out(tmp_path / "answer")
    assert released.answer.segments[0].run == 0
    harm(released.folder)
    assert failed(replay_segments(released, chosen[:2]))


def test_tokens_that_are_none_are_refused_in_a_corpus_that_is_whole(world, tmp_path):
    released = world.handed_out(tmp_path / "answer")
    _other_tokens(released.folder)
    folder = released.folder / "corpus"
    old = read_manifest(folder, kind="corpus")
    write_manifest(folder, kind="corpus", input_key=old.input_key, detail=old.detail)
    digest = read_manifest(folder, kind="corpus").content_digest
    draft = released.draft.model_copy(update={"corpus_digest": digest})
    problems = failed(reevaluate(replace(released, draft=draft)))
    assert "60000" in problems[0].detail


def test_names_that_lead_out_of_the_answer(world, chosen):
    answer = world.released.answer
    first = answer.segments[0].model_copy(update={"end": "../ws"})
    tampered = answer.model_copy(update={"segments": (first, *answer.segments[1:])})
    (problem,) = failed(replay_segments(replace(world.released, answer=tampered), chosen[:1]))
    assert "holds no '../ws'" in problem.detail


def test_what_is_trained_again_follows_from_the_nonce(world):
    seen = {
        tuple(each.name for each in chosen_trainings(world.released.trainings, f"{n:032x}"))
        for n in range(40)
    }
    assert len(seen) == 4
    assert {name.split(",")[0] for pair in seen for name in pair} == {"method", "baseline 6"}


def test_a_rerun_elsewhere_must_lie_where_one_more_seed_would(world, monkeypatch):
    monkeypatch.setattr(
        "farthing.flow.verification.rerun.other_here", lambda *_: ["another processor"]
    )
    with plain_kernels():
        findings = rerun(world.released)
    assert failed(findings) == []
    assert all("one more seed" in finding.detail for finding in findings)
    low, high = predicted([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.30265; the spread of one more is that of one, times the root of 4/3.
    far = 4.30265 * (4 / 3) ** 0.5
    assert (low, high) == pytest.approx((2 - far, 2 + far), rel=1e-4)


def test_a_rerun_finds_what_another_seed_made(world, tmp_path):
    """Everything of one seed's run in the place of the other's, in a book that says so."""
    released = world.handed_out(tmp_path / "answer")
    told, other = released.trainings[:2]
    key = told.attempts[0].start.input_key
    run = other.attempts[0]
    for path in released.folder.glob(f"checkpoints/{run.number}/*/manifest.json"):
        path.write_text(path.read_text().replace(run.start.input_key, key))
    start = run.start.model_copy(update={"input_key": key})
    swapped = replace(told, attempts=(replace(run, start=start),), rests=other.rests)
    problems = failed(rerun(replace(released, trainings=(swapped, *released.trainings[2:]))))
    assert [problem.detail for problem in problems] == [
        "another state than the book's, in the environment of the run"
    ]
    assert torch.get_num_threads() == 1
