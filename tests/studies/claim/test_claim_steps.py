"""The steps of a claim after the draft: what is refused, what is found again, what is mended."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest
from claim_example import NAME, NONCE, STOPPED_AT, VERIFIER_NONCE, quiet, write_settings

from farthing.artifacts.claims.archive import open_bundle
from farthing.artifacts.claims.dsse import open_statement, payload_digest
from farthing.artifacts.claims.entries import ClaimDraft, ClaimMade
from farthing.artifacts.claims.packages import installed
from farthing.artifacts.entries import RunEnd, RunStart, Segment
from farthing.errors import ArtifactError, ClaimError, ConfigError
from farthing.session import open_session
from farthing.studies.claim import pinned, rehearse
from farthing.studies.claim.answer import answer_claim
from farthing.studies.claim.config import read_claim_settings
from farthing.studies.claim.draft import draft_claim
from farthing.studies.claim.make import make_claim
from farthing.studies.claim.nonce import enter_nonce
from farthing.studies.claim.pinned import Software, software_here
from farthing.studies.claim.run import run_claim
from farthing.studies.claim.unbooked import drop_unbooked_checkpoints


def session_of(example):
    return open_session(example.root, quiet())


def bodies(example, kind):
    return [record.body for record in example.records() if isinstance(record.body, kind)]


def test_what_is_run_already_is_found_again(example):
    before = len(example.records())
    run_claim(NAME, session_of(example), jobs=1)
    assert len(example.records()) == before


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one hardware thread")
def test_several_jobs_find_the_same(own_example):
    """What is sent to other processes is whole: each finds corpus, trainings and scores again."""
    before = len(own_example.records())
    said = []
    session = open_session(own_example.root, replace(quiet(), line=said.append))
    standing = run_claim(NAME, session, jobs=2)
    assert standing.made is not None
    assert len(own_example.records()) == before
    assert sum(line.startswith("done      ") for line in said) == 9


def test_an_interrupted_training_went_on_from_its_checkpoint(example):
    first, second = (start for start in bodies(example, RunStart) if start.run in (1, 2))
    assert first.input_key == second.input_key
    assert second.resumed_from_step == 4
    ends = {end.run: end.status for end in bodies(example, RunEnd)}
    assert (ends.pop(1), set(ends.values())) == ("aborted", {"completed"})
    saved = [each.last_step for each in bodies(example, Segment) if each.run == 1]
    assert saved == [1, 3]
    assert max(saved) < STOPPED_AT


def test_without_its_nonce_nothing_runs(own_example, tmp_path):
    session = session_of(own_example)
    draft_claim(read_claim_settings(write_settings(tmp_path, name="unasked")), session)
    before = len(own_example.records())
    with pytest.raises(ConfigError, match="has no nonce yet"):
        run_claim("unasked", session, jobs=1)
    assert len(own_example.records()) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": "0" * 64}, "code "),
        ({"packages": {**installed(), "torch": "0.1"}}, "torch "),
    ],
    ids=["code", "packages"],
)
def test_other_software_than_the_drafts_is_refused(example, monkeypatch, change, words):
    here = software_here()
    other = Software(**{**vars(here), **change})
    monkeypatch.setattr("farthing.studies.claim.run.software_here", lambda: other)
    with pytest.raises(ConfigError) as caught:
        run_claim(NAME, session_of(example), jobs=1)
    assert f"drafted with other software: {words}" in caught.value.what
    (draft,) = bodies(example, ClaimDraft)
    pinned.check_software(draft, here)


def test_made_again_it_is_the_same_file(example, tmp_path):
    session = session_of(example)
    entries = len(example.records())
    again = make_claim(NAME, session, path=tmp_path / "again.claim")
    assert not again.new
    assert again.path.read_bytes() == example.bundle.read_bytes()
    assert len(example.records()) == entries
    (made,) = bodies(example, ClaimMade)
    assert made.claim == again.digest


def test_what_was_run_since_changes_nothing(own_example, tmp_path):
    session = session_of(own_example)
    draft_claim(read_claim_settings(write_settings(tmp_path, name="later")), session)
    made = make_claim(NAME, session, path=tmp_path / "again.claim")
    assert made.path.read_bytes() == own_example.bundle.read_bytes()


def test_a_claim_that_would_say_something_else_is_refused(own_example, monkeypatch):
    monkeypatch.setattr("farthing.studies.claim.predicate.farthing.__version__", "9.9")
    with pytest.raises(ClaimError, match="would now say something else"):
        make_claim(NAME, session_of(own_example))


def test_the_list_of_what_is_missing(own_example):
    session = session_of(own_example)
    runs = sorted(own_example.root.glob("runs/tiny-4-*"))
    shutil.rmtree(runs[0] / "supernet")
    shutil.rmtree(runs[1] / "checkpoints" / "step-00000002")
    (runs[2] / "metrics.jsonl").write_text("")
    (own_example.root / "journals" / "3.jsonl").unlink()
    with pytest.raises(ConfigError) as caught:
        make_claim(NAME, session)
    lines = [line for line in caught.value.what.splitlines() if line.startswith("  - ")]
    for words in ("journals/3.jsonl", "is gone", "checkpoints after 2 steps", "lacks steps 0 to 1"):
        assert sum(words in line for line in lines) == 1, words


def test_a_claim_whose_runs_are_not_there_lists_each_of_them(own_example, tmp_path):
    session = session_of(own_example)
    draft_claim(read_claim_settings(write_settings(tmp_path, name="unrun")), session)
    enter_nonce("unrun", NONCE, session)
    with pytest.raises(ConfigError) as caught:
        make_claim("unrun", session)
    assert caught.value.what.count("no completed training") == 9
    assert "farthing claim run unrun" in caught.value.remedy


def test_a_checkpoint_that_no_entry_names_is_dropped(own_example):
    session = session_of(own_example)
    (draft,) = bodies(own_example, ClaimDraft)
    place = sorted(own_example.root.glob("runs/tiny-method-*"))[0]
    finished = sorted(place.glob("checkpoints/*"))
    drop_unbooked_checkpoints(draft, session)
    assert sorted(place.glob("checkpoints/*")) == finished
    # Half trained again, with a checkpoint that was saved and never entered.
    shutil.rmtree(place / "supernet")
    manifest = finished[-1] / "manifest.json"
    data = json.loads(manifest.read_text())
    other = {"kind": data["kind"], "files": data["files"], "detail": {**data["detail"], "more": 1}}
    from farthing.artifacts.canonical import digest_json

    changed = {**data, "detail": other["detail"], "content_digest": digest_json(other)}
    manifest.write_text(json.dumps(changed))
    drop_unbooked_checkpoints(draft, session)
    assert sorted(place.glob("checkpoints/*")) == finished[:-1]


def opened_answer(example):
    with (
        open_bundle(example.bundle, statement_name="claim.json") as bundle,
        open_bundle(example.answer, statement_name="answer.json") as answer,
    ):
        genesis = json.loads(next(bundle.lines("book.jsonl")))
        key = bytes.fromhex(genesis["body"]["public_key"])
        statement = open_statement(
            answer.statement_bytes, predicate_type="urn:farthing:answer:v1", public_key=key
        ).statement
        names, claim = answer.names, payload_digest(bundle.statement_bytes)
        (made,) = bodies(example, ClaimMade)
        assert claim == made.claim == statement.subject[0].digest["sha256"]
        return statement.predicate, names


def test_the_answer_holds_what_a_replay_needs(example):
    answer, names = opened_answer(example)
    assert (answer["nonce"], answer["drawn"], answer["corpus"]) == (VERIFIER_NONCE, 4, "corpus")
    segments = {(each.run, each.first_step): each for each in bodies(example, Segment)}
    saved = {(each.run, each.last_step + 1): each for each in segments.values()}
    for each in answer["segments"]:
        booked = segments[each["run"], each["first_step"]]
        assert each["last_step"] == booked.last_step
        assert each["end"] == f"checkpoints/{each['run']}/step-{booked.last_step + 1:08d}"
        assert f"{each['end']}/state.safetensors" in names
        assert (each["begin"] is None) == (each["first_step"] == 0)
        if each["begin"]:
            _, run, step = each["begin"].split("/")
            assert (int(run), int(step.removeprefix("step-"))) in saved
            assert f"{each['begin']}/manifest.json" in names
        assert (each["routes"] is None) or each["routes"] in names
    reasons = {reason for each in answer["segments"] for reason in each["why"]}
    assert reasons == {"first", "last", "resumed", "bend", "steepest", "drawn"}
    assert sum(each["why"] == ["drawn"] for each in answer["segments"]) == 4
    # Experts choose in the method alone.
    runs = {run["run"] for run in answer["segments"] if run["routes"]}
    method = {s.run for s in bodies(example, RunStart) if s.name == "tiny-method"}
    assert runs <= method
    assert len(answer["models"]) == 9
    assert all(f"{folder}/manifest.json" in names for folder in answer["models"].values())
    assert set(answer["files"]) == set(names)


def test_the_first_segment_of_a_resumed_run_begins_with_its_predecessors_checkpoint(example):
    answer, _ = opened_answer(example)
    (resumed,) = (each for each in answer["segments"] if "resumed" in each["why"])
    assert (resumed["run"], resumed["first_step"]) == (2, 4)
    assert resumed["begin"] == "checkpoints/1/step-00000004"


def test_a_claim_of_another_workspace_is_not_answered(example, tmp_path):
    elsewhere = open_session(tmp_path / "elsewhere", quiet())
    with pytest.raises(ClaimError, match="does not say was made here"):
        answer_claim(example.bundle, VERIFIER_NONCE, elsewhere)


def test_a_checkpoint_that_is_gone_is_named(own_example):
    place = sorted(own_example.root.glob("runs/tiny-16-*"))[0]
    shutil.rmtree(place / "checkpoints" / "step-00000006")
    with pytest.raises(ArtifactError, match=r"checkpoints after 6 steps are gone"):
        answer_claim(own_example.bundle, VERIFIER_NONCE, session_of(own_example))


def test_what_does_not_replay_to_the_same_bits_is_not_handed_out(own_example, monkeypatch):
    monkeypatch.setattr(rehearse, "state_digest", lambda *_, **__: "0" * 64)
    target = own_example.root / "refused.answer"
    with pytest.raises(ClaimError, match="do not replay to the bits that the book has"):
        answer_claim(own_example.bundle, VERIFIER_NONCE, session_of(own_example), to=target)
    assert not target.exists()


def test_without_the_corpus_the_answer_is_smaller(example, tmp_path, monkeypatch):
    monkeypatch.setattr("farthing.studies.claim.answer.rehearse", lambda *_, **__: None)
    made = answer_claim(
        example.bundle,
        "cd" * 32,
        session_of(example),
        to=tmp_path / "small.answer",
        drawn=0,
        with_corpus=False,
    )
    assert made.answer.corpus is None
    assert not any(name.startswith("corpus/") for name in made.answer.files)
    assert all("drawn" not in each.why for each in made.answer.segments)
