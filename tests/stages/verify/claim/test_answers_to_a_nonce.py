"""Whether an answer is one to this claim and this nonce, before anything in it is looked at."""

from __future__ import annotations

import pytest

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.claims.archive import file_facts, write_bundle
from farthing.artifacts.claims.dsse import sign_statement
from farthing.artifacts.claims.selection import choose
from farthing.errors import ClaimError
from farthing.stages.verify.claim.answering import check_answer, open_answer, read_steps
from farthing.stages.verify.claim.check import check_claim
from farthing.stages.verify.claim.checkpoints import segment_facts
from farthing.stages.verify.claim.opening import open_claim

NONCE = "a5" * 32


@pytest.fixture
def claimed(synthetic, tmp_path):
    story = synthetic.Story(tmp_path, segments=12)
    with open_claim(story.write()) as opened:
        yield story, check_claim(opened)


def _predicate(checked, drawn=2):
    facts = segment_facts(checked.book, checked.trainings)
    chosen = choose(facts, claim=checked.opened.digest, nonce=NONCE, drawn=drawn)
    return {
        "version": 1,
        "claim": checked.opened.digest,
        "nonce": NONCE,
        "drawn": drawn,
        "segments": [
            {
                "run": each.segment.run,
                "first_step": each.segment.first_step,
                "last_step": each.segment.last_step,
                "why": list(each.why),
                "begin": None,
                "end": "checkpoints/x",
                "routes": None,
            }
            for each in chosen
        ],
        "models": {},
        "corpus": None,
        "files": {name: each.model_dump() for name, each in file_facts(FILES).items()},
    }


FILES = {"checkpoints/x/progress.json": b"{}"}


def _written(story, predicate, tmp_path, files=FILES):
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "hand", "digest": {"sha256": predicate["claim"]}}],
        "predicateType": "urn:farthing:answer:v1",
        "predicate": predicate,
    }
    path = tmp_path / "hand.answer"
    write_bundle(path, sign_statement(story.signer, statement), "answer.json", files)
    return path


def _problems(story, checked, predicate, tmp_path, *, drawn=2):
    path = _written(story, predicate, tmp_path)
    with open_answer(path, public_key=checked.opened.public_key, most_gib=1) as opened:
        _, findings = check_answer(opened, checked, nonce=NONCE, drawn=drawn)
    return [finding.detail for finding in findings if not finding.ok]


def test_what_the_nonce_chose_is_accepted(claimed, tmp_path):
    story, checked = claimed
    assert _problems(story, checked, _predicate(checked), tmp_path) == []


def test_the_segments_to_choose_from_are_those_of_the_book(claimed):
    story, checked = claimed
    facts = segment_facts(checked.book, checked.trainings)
    assert len(facts) == len(story.leaves)
    resumed = [(fact.run, fact.first_step) for fact in facts if fact.resumed]
    assert resumed == [(3, 2)]
    # Of 24 steps the rise ends with the third (s + 1 >= 2.4), and the fall begins with the 13th.
    method = {(fact.first_step, fact.bends) for fact in facts if fact.run == 5}
    assert {first for first, bends in method if bends} == {2, 12}
    first = next(fact for fact in facts if (fact.run, fact.first_step) == (5, 0))
    assert first.mean_loss == pytest.approx((3.5 + 3.5 - 2 / 24) / 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"claim": "e" * 64}, "it answers for eeee"),
        ({"nonce": "b" * 64}, "it answers bbbb"),
        ({"drawn": 1}, "1 segments were drawn, 2 were asked for"),
        ({"segments": []}, "0 are released"),
    ],
    ids=["claim", "nonce", "drawn", "segments"],
)
def test_an_answer_to_something_else_is_refused(claimed, tmp_path, change, words):
    story, checked = claimed
    found = _problems(story, checked, {**_predicate(checked), **change}, tmp_path)
    assert any(words in each for each in found)


def test_a_segment_in_the_place_of_a_chosen_one_is_named(claimed, tmp_path):
    story, checked = claimed
    predicate = _predicate(checked)
    predicate["segments"][0]["last_step"] += 1
    (found,) = _problems(story, checked, predicate, tmp_path)
    assert "they differ in run" in found


def test_a_file_that_belongs_to_nothing_is_named(claimed, tmp_path):
    story, checked = claimed
    files = {**FILES, "models/x.pkl": b"\x80\x04."}
    listed = {name: each.model_dump() for name, each in file_facts(files).items()}
    path = _written(story, {**_predicate(checked), "files": listed}, tmp_path, files)
    with open_answer(path, public_key=checked.opened.public_key, most_gib=1) as opened:
        _, (found,) = check_answer(opened, checked, nonce=NONCE, drawn=2)
    assert not found.ok
    assert found.detail.startswith("models/x.pkl belongs to nothing")


def test_an_answer_of_a_newer_version_says_what_to_do(claimed, tmp_path):
    story, checked = claimed
    path = _written(story, {**_predicate(checked), "version": 2}, tmp_path)
    key = checked.opened.public_key
    with (
        pytest.raises(ClaimError, match="version 2"),
        open_answer(path, public_key=key, most_gib=1),
    ):
        pass


def test_an_answer_larger_than_was_allowed_is_not_read(claimed, tmp_path):
    story, checked = claimed
    path = _written(story, _predicate(checked), tmp_path)
    key = checked.opened.public_key
    with pytest.raises(ClaimError), open_answer(path, public_key=key, most_gib=1e-9):
        pass


def test_an_exchanged_checkpoint_is_refused(claimed, tmp_path):
    story, checked = claimed
    path = _written(story, _predicate(checked), tmp_path, {next(iter(FILES)): b"[]"})
    key = checked.opened.public_key
    with pytest.raises(ClaimError), open_answer(path, public_key=key, most_gib=1):
        pass


def test_steps_are_found_by_run_and_step(claimed):
    _, checked = claimed
    steps = read_steps(checked)
    assert steps[3][2]["step"] == 2
    assert set(steps[2]) == {0, 1, 2}
    assert sha256_hex(str(steps[5][0]["shapes"]).encode())
