"""A signed verdict in somebody else's hands: read again, or refused."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from farthing.artifacts.chain import Signer
from farthing.artifacts.claims.dsse import sign_statement
from farthing.cli.main import main
from farthing.errors import ClaimError
from farthing.stages.verify.finding import Finding
from farthing.stages.verify.verdict import ClaimVerdict
from farthing.stages.verify.verdict_file import read_verdict

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(b"\x05" * 32))
OTHER = Signer(Ed25519PrivateKey.from_private_bytes(b"\x06" * 32))


@pytest.fixture
def written(tmp_path):
    """Writes a verdict; `change` sees its statement before it is signed."""

    def write(*, ok=True, change=None, signer=SIGNER):
        findings = (
            Finding("book", True, "book.jsonl", "said", 0),
            Finding("runs", ok, "claim.json, runs", "odd", 1),
        )
        verdict = ClaimVerdict("hand", "c" * 64, "k" * 64, findings, {0: 0.5, 1: 1.0})
        envelope = verdict.sign(SIGNER, time="2026-01-01T00:00:00Z", farthing_version="0.1.0")
        if change is not None:
            statement = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
            change(statement)
            envelope = sign_statement(signer, statement)
        path = tmp_path / "verdict.json"
        path.write_bytes(envelope)
        return path

    return write


def test_what_was_signed_is_read(written):
    said = read_verdict(written()).said
    assert (said.name, said.ok, said.wording) == ("hand", True, "self-reported")
    assert said.verifier.key == SIGNER.fingerprint


def test_the_verb_reads_it_and_its_exit_code_is_the_verdict(written, capsys):
    assert main(["verify", str(written())]) == 0
    out = capsys.readouterr().out
    assert f"by the key {SIGNER.fingerprint}" in out
    assert "Level 1, recount: holds (1 checks)" in out
    assert main(["verify", str(written(ok=False))]) == 1
    assert "WRONG runs: odd (claim.json, runs)" in capsys.readouterr().out
    assert main(["verify", str(written()), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wording"] == "self-reported"
    assert main(["verify", str(written()), "--to", "again.json"]) == 2


def test_one_changed_bit_is_refused(written):
    path = written()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ClaimError):
        read_verdict(path)


def _put(*keys, value):
    def change(statement):
        place = statement
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_put("predicate", "version", value=2), "version 2"),
        (_put("predicate", "ok", value=False), "ok is not what"),
        (_put("predicate", "levels", 1, "checks", value=7), "level 1 is not what"),
        (_put("predicate", "claim", value="d" * 64), "its subject"),
        (_put("predicate", "verifier", "public_key", value="zz"), "public_key"),
        (_put("predicate", "verifier", "public_key", value=OTHER.public.hex()), "expected"),
        (_put("predicate", "verifier", "key", value=OTHER.fingerprint), "its key"),
        (_put("predicateType", value="urn:farthing:claim:v1"), "urn:farthing:claim:v1"),
        (_put("predicate", value={}), "Field required"),
    ],
)
def test_a_verdict_that_contradicts_itself_is_refused(written, change, words):
    with pytest.raises(ClaimError) as caught:
        read_verdict(written(change=change))
    assert words in caught.value.what


def test_somebody_elses_signature_is_refused(written):
    with pytest.raises(ClaimError, match="signed by the key"):
        read_verdict(written(change=lambda _: None, signer=OTHER))
