"""Cheats in what is released: models, text, segments and states that are not those of the claim."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import with_models
from claim_example import NONCE, VERIFIER_NONCE, home_at
from forger import answer_anew, claim_anew, rewrite
from tiny import held, learn_the_test, say_more_bytes

from farthing.artifacts.canonical import digest_json, sha256_hex
from farthing.flow.verification.overlap import overlap
from farthing.flow.verification.pinned import reevaluate
from farthing.flow.verification.segments import replay_segments

ATTACKS = with_models.RELEASED


@pytest.fixture
def owner(honest, monkeypatch):
    """The honest claim, with its key in place."""
    monkeypatch.setenv("FARTHING_HOME", str(honest.home))
    return honest


@pytest.fixture(scope="module")
def opened(honest, tmp_path_factory):
    with held(honest, honest.answer, tmp_path_factory.mktemp("held")) as found:
        yield found


def other_claim(predicate, _files):
    predicate["claim"] = "e" * 64


def other_segments(predicate, _files):
    predicate["segments"].pop()


def better_model(_predicate, files):
    """The baseline's model of sixteen steps is released for that of four."""
    for name in [name for name in files if name.startswith("models/6/")]:
        files[name.replace("/6/", "/10/")] = files[name]


def easier_text(_predicate, files):
    """A text of one word in the place of the one that is scored."""
    name = "dev/und/tokens.bin"
    tokens = files[f"corpus/{name}"]
    files[f"corpus/{name}"] = tokens[:2] * (len(tokens) // 2)
    manifest = json.loads(files["corpus/manifest.json"])
    manifest["files"][name] = sha256_hex(files[f"corpus/{name}"])
    parts = {name: manifest[name] for name in ("kind", "files", "detail")}
    files["corpus/manifest.json"] = json.dumps(
        {**manifest, "content_digest": digest_json(parts)}
    ).encode()


def other_state(_predicate, files):
    """The last state of another training."""
    for name in [name for name in files if name.startswith("checkpoints/12/step-00000016/")]:
        files[name] = files[name.replace("/12/", "/18/")]


CHANGES = {
    "answer-for-another-claim": other_claim,
    "other-segments-released": other_segments,
    "better-model-released": better_model,
    "easier-text-released": easier_text,
}


def test_an_honest_claim_is_caught_at_nothing(owner, caught):
    verdict = caught(owner.bundle, answer=owner.answer, nonce=VERIFIER_NONCE, level=2)
    assert verdict == (None, [])


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_an_answer_of_something_else_is_caught(name, owner, caught, tmp_path):
    answer = answer_anew(owner, tmp_path / "forged.answer", CHANGES[name])
    level, sentences = caught(owner.bundle, answer=answer, nonce=VERIFIER_NONCE, level=2)
    assert level == ATTACKS[name].level
    assert any(ATTACKS[name].words in each for each in sentences), sentences


def test_an_answer_to_another_nonce_is_caught(owner, caught):
    attack = ATTACKS["answer-to-another-nonce"]
    level, sentences = caught(owner.bundle, answer=owner.answer, nonce=NONCE, level=2)
    assert level == attack.level
    assert any(attack.words in each for each in sentences), sentences


def test_another_state_in_the_answer_is_caught(owner, tmp_path):
    attack = ATTACKS["other-checkpoint-released"]
    answer = answer_anew(owner, tmp_path / "forged.answer", other_state)
    with held(owner, answer, tmp_path / "held") as found:
        asked = [each for each in found.chosen if each.segment.run == 12]
        ends = [each for each in asked if each.segment.last_step == 15]
        problems = replay_segments(found.released, ends)
    assert [(each.level, each.where) for each in problems] == [
        (attack.level, "run 12, steps 14-15")
    ]
    assert attack.words in problems[0].detail


def test_scores_that_were_never_reached_are_caught(honest, caught, tmp_path):
    attack = ATTACKS["bits-per-byte-invented"]
    shutil.copytree(honest.root, tmp_path / "ws")
    shutil.copytree(honest.home, tmp_path / "key")
    example = replace(honest, root=tmp_path / "ws", home=tmp_path / "key")

    def better(kind, body):
        if kind == "evaluation" and "experts" in body["shape"]:
            body["scores"] = {domain: 0.9 * bpb for domain, bpb in body["scores"].items()}
        return body

    with home_at(example.home):
        rewrite(example.root, better)
        forged = claim_anew(example, with_routes=False)
        level, sentences = caught(forged.claim, answer=forged.answer, nonce=VERIFIER_NONCE, level=2)
    assert level == attack.level
    # Two members of three seeds.
    assert len(sentences) == 6
    assert all(attack.words in each and "models/" in each for each in sentences), sentences


@pytest.mark.parametrize(
    ("name", "change", "check"),
    [
        ("test-text-in-training", learn_the_test, overlap),
        ("bytes-inflated", say_more_bytes, reevaluate),
    ],
    ids=["test-text-in-training", "bytes-inflated"],
)
def test_a_corpus_that_flatters_is_caught(name, change, check, opened, tmp_path):
    attack = ATTACKS[name]
    assert all(finding.ok for finding in check(opened.released))
    shutil.copytree(opened.released.corpus_folder, tmp_path / "corpus")
    problems = [
        finding
        for finding in check(opened.on_other_text(tmp_path / "corpus", change))
        if not finding.ok
    ]
    assert {finding.level for finding in problems} == {attack.level}
    assert any(
        attack.words in finding.detail and "corpus/dev/und" in finding.where for finding in problems
    )


def test_a_paraphrase_of_the_test_text_is_not_seen(opened, tmp_path):
    """Listed among the undetectable: a text of the verifier's own is what helps."""
    assert set(with_models.UNSEEN) == {"test-text-paraphrased"}
    shutil.copytree(opened.released.corpus_folder, tmp_path / "corpus")
    other = opened.on_other_text(
        tmp_path / "corpus", lambda folder: learn_the_test(folder, every=90)
    )
    assert all(finding.ok for finding in overlap(other))
