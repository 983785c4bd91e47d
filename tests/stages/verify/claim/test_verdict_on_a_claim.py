"""The verdict in its three forms, and the verb that gives it."""

from __future__ import annotations

import json

import pytest

from farthing.artifacts.claims.dsse import open_statement
from farthing.artifacts.claims.statement import VERDICT_TYPE
from farthing.artifacts.keys import load_signer
from farthing.cli.main import main
from farthing.stages.verify.finding import Finding
from farthing.stages.verify.verdict import MEANINGS, ClaimVerdict

CLAIM, KEY = "c" * 64, "k" * 64


def _verdict(levels, *, ok=True, replayed=None):
    findings = tuple(Finding("check", ok, "here", "said", level) for level in levels)
    seconds = dict.fromkeys(levels, 1.5)
    return ClaimVerdict("hand", CLAIM, KEY, findings, seconds, replayed)


@pytest.mark.parametrize(
    ("levels", "replayed", "wording"),
    [
        ([0], None, "self-reported"),
        ([0, 1], None, "self-reported"),
        ([0, 1, 2], None, "re-evaluated"),
        ([0, 1, 2, 3], (29, 1000), "partially replayed 29/1000"),
        ([0, 1, 2, 3, 4], (29, 1000), "reproduced"),
    ],
)
def test_the_wording_is_that_of_the_highest_level(levels, replayed, wording):
    assert _verdict(levels, replayed=replayed).wording == wording


def test_a_failed_check_takes_the_wording_away():
    verdict = _verdict([0, 1, 2], ok=False)
    assert not verdict.ok
    assert verdict.wording == "refuted: do not repeat it"


def test_every_level_says_what_it_took_proves_and_cannot():
    text = "\n".join(_verdict(list(MEANINGS), replayed=(1, 2)).lines())
    for level, meaning in MEANINGS.items():
        assert f"Level {level}, {meaning.title}: holds (1.5 CPU-seconds)" in text
        assert f"proves: {meaning.proves}" in text
        assert f"cannot: {meaning.cannot}" in text


def test_the_envelope_opens_with_the_verifiers_key(tmp_path):
    signer = load_signer(tmp_path / "hand.claim")
    verdict = _verdict([0, 1])
    envelope = verdict.sign(signer, time="2026-01-01T00:00:00Z", farthing_version="0.1.0")
    opened = open_statement(envelope, predicate_type=VERDICT_TYPE, public_key=signer.public)
    assert opened.statement.subject[0].digest == {"sha256": CLAIM}
    assert opened.statement.predicate["wording"] == "self-reported"
    assert opened.statement.predicate["verifier"]["key"] == signer.fingerprint


def test_the_verb_says_ok_and_draws_a_nonce(tell, capsys):
    path = tell()
    assert main(["verify", str(path)]) == 0
    out = capsys.readouterr().out
    assert "Level 0, signatures and chain: holds" in out
    assert "Level 1, recount: holds" in out
    assert "verdict: self-reported" in out
    nonce = out.partition("hand.claim ")[2].partition("\n")[0]
    assert len(bytes.fromhex(nonce)) == 32


def test_the_verb_fails_with_a_sentence_that_says_where(tell, capsys):
    path = tell(files=lambda files: files.update({"steps/5.jsonl": b""}))
    assert main(["verify", str(path)]) == 1
    out = capsys.readouterr().out
    assert "WRONG steps: run 5 booked steps 0-1" in out
    assert "(steps/5.jsonl)" in out
    assert "verdict: refuted" in out
    assert "nonce" not in out.partition("verdict: refuted")[2]


def test_the_verb_prints_json_and_writes_a_signed_verdict(tell, tmp_path, capsys):
    to = tmp_path / "verdict.json"
    assert main(["verify", str(tell()), "--json", "--to", str(to)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert [level["level"] for level in said["levels"]] == [0, 1]
    key = load_signer(tmp_path / "hand.claim").public
    opened = open_statement(to.read_bytes(), predicate_type=VERDICT_TYPE, public_key=key)
    assert opened.statement.predicate["claim"] == said["claim"]


def test_level_0_alone_can_be_asked_for(tell, capsys):
    assert main(["verify", str(tell()), "--level", "0"]) == 0
    out = capsys.readouterr().out
    assert "Level 1" not in out


def test_a_revoked_key_is_refused_by_the_verb(tell, tmp_path, capsys):
    path = tell()
    main(["verify", str(path), "--json"])
    key = json.loads(capsys.readouterr().out)["key"]
    listed = tmp_path / "revoked"
    listed.write_text(f"{key}\n")
    assert main(["verify", str(path), "--revoked", str(listed)]) == 1
    assert "is revoked" in capsys.readouterr().out


def test_a_file_that_is_no_claim_is_an_error_with_a_remedy(tmp_path, capsys):
    path = tmp_path / "x.claim"
    path.write_bytes(b"PK\x03\x04 a zip")
    assert main(["verify", str(path)]) == 1
    assert "remedy" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["CLAIM", "--level", "3"],
        ["CLAIM", "--rerun"],
        ["CLAIM", "--rerun", "--level", "1", "--answer", "a"],
        ["CLAIM", "--answer", "a"],
        ["CLAIM", "--answer", "a", "--nonce", "0" * 64, "--level", "1"],
        ["CLAIM", "--answer", "a", "--nonce", "0" * 64, "--fresh", "nothing.txt"],
        ["CLAIM", "--answer", "a", "--nonce", "no hex"],
        ["CLAIM", "--answer", "a", "--nonce", "0" * 64, "--most-gib", "nan"],
        ["CLAIM", "--answer", "a", "--nonce", "0" * 64, "--most-gib", "inf"],
        ["CLAIM", "--answer", "a", "--nonce", "0" * 64, "--most-gib", "-1"],
        ["CLAIM", "--to", "CLAIM"],
        ["CLAIM", "--to", "."],
        ["CLAIM", "--to", "no such folder/verdict.json"],
        ["CLAIM", "--answer", "a", "--nonce", "0" * 64, "--to", "a"],
        ["CLAIM", "--fresh", "a"],
        ["CLAIM", "--nonce", "0" * 64],
        ["CLAIM", "--head", "0" * 64],
        ["--level", "1"],
        ["--answer", "a"],
        ["--to", "a"],
        ["--timestamp-roots", "a"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_refused(options, capsys):
    assert main(["verify", *options]) == 2
    assert "remedy" in capsys.readouterr().err
