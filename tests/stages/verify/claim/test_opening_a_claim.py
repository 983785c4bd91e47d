"""What a verifier refuses to look into, with a reason and a remedy."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from farthing.artifacts.canonical import canonical_json, sha256_hex
from farthing.artifacts.chain import Signer
from farthing.artifacts.claims.archive import open_bundle, write_bundle
from farthing.artifacts.claims.dsse import sign_statement
from farthing.errors import ClaimError
from farthing.stages.verify.claim.opening import open_claim, read_revoked


def _refused(path):
    with pytest.raises(ClaimError) as caught, open_claim(path):
        pass
    assert caught.value.exit_code == 1
    return caught.value


def _parts(path):
    with open_bundle(path, statement_name="claim.json") as bundle:
        files = {name: bundle.read(name, most=1 << 30) for name in bundle.names}
        envelope = json.loads(bundle.statement_bytes)
    return files, json.loads(base64.b64decode(envelope["payload"]))


def _signed_again(path, synthetic, tmp_path, change, key=None):
    files, statement = _parts(path)
    change(statement)
    signer = Signer(key) if key else synthetic.Story(tmp_path).signer
    write_bundle(path, sign_statement(signer, statement), "claim.json", files)
    return path


def test_a_claim_of_a_newer_version_says_what_to_do(tell, synthetic, tmp_path):
    def newer(statement):
        statement["predicate"] |= {"version": 2, "something": "unheard of"}

    error = _refused(_signed_again(tell(), synthetic, tmp_path, newer))
    assert "version 2" in error.what
    assert "upgrade" in error.remedy


def test_a_predicate_of_a_newer_kind_is_refused(tell, synthetic, tmp_path):
    def newer(statement):
        statement["predicateType"] = "urn:farthing:claim:v2"

    assert (
        "urn:farthing:claim:v2" in _refused(_signed_again(tell(), synthetic, tmp_path, newer)).what
    )


def test_a_claim_that_excludes_nothing_is_refused(tell, synthetic, tmp_path):
    def bold(statement):
        statement["predicate"]["excluded"] = []

    assert "excluded" in _refused(_signed_again(tell(), synthetic, tmp_path, bold)).what


def test_a_field_of_the_wrong_kind_is_named(tell, synthetic, tmp_path):
    def odd(statement):
        statement["predicate"]["book"]["entries"] = "many"

    assert "book.entries" in _refused(_signed_again(tell(), synthetic, tmp_path, odd)).what


def test_another_key_than_the_books_is_refused(tell, synthetic, tmp_path):
    other = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
    path = _signed_again(tell(), synthetic, tmp_path, lambda _statement: None, other)
    assert "signed by the key" in _refused(path).what


@pytest.mark.parametrize("name", ["book.jsonl", "journals/3.jsonl", "steps/3.jsonl"])
def test_a_missing_file_is_named(tell, name):
    path = tell()
    files, _ = _parts(path)
    with open_bundle(path, statement_name="claim.json") as bundle:
        envelope = bundle.statement_bytes
    del files[name]
    write_bundle(path, envelope, "claim.json", files)
    assert name in _refused(path).what


@pytest.mark.parametrize(
    "first",
    [
        b"[]\n",
        b'{"body":1}\n',
        b'{"body":{"public_key":"zz"}}\n',
        b'{"body":{"public_key":["a"]}}\n',
        b"[" * 100_000 + b"\n",
        b"",
    ],
    ids=["list", "number", "hex", "key", "deep", "empty"],
)
def test_a_book_that_names_no_key_is_refused(tmp_path, first):
    path = tmp_path / "odd.claim"
    write_bundle(path, b"{}\n", "claim.json", {"book.jsonl": first})
    _refused(path)


def test_a_book_with_a_huge_line_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "odd.claim"
    write_bundle(path, b"{}\n", "claim.json", {"book.jsonl": b"x" * (17 << 20)})
    assert "line of more than" in _refused(path).what


def test_a_revoked_key_fails_and_its_list_may_hold_comments(tell, find, tmp_path):
    path, listed = tell(), tmp_path / "revoked.txt"
    with open_claim(path) as opened:
        fingerprint = opened.fingerprint
    listed.write_text(f"# keys that were stolen\n\n{fingerprint.upper()}  # in March\n")
    ((level, check, detail),) = find(path, revoked=read_revoked(listed))
    assert (level, check) == (0, "key")
    assert f"{fingerprint} is revoked" in detail
    assert find(path, revoked=frozenset({sha256_hex(b"another")})) == []


def test_a_list_of_revoked_keys_that_is_none_is_refused(tmp_path):
    listed = tmp_path / "revoked.txt"
    listed.write_text("# fine\nnot a fingerprint\n")
    with pytest.raises(ClaimError, match="line 2"):
        read_revoked(listed)


def test_a_list_of_revoked_keys_that_is_no_text_is_refused(tmp_path):
    listed = tmp_path / "revoked.txt"
    listed.write_bytes(b"\x80\x04\x95")
    with pytest.raises(ClaimError, match="no text in UTF-8"):
        read_revoked(listed)


@pytest.mark.parametrize("name", ["models/weights.pkl", "steps/x.jsonl", "notes.txt"])
def test_a_file_that_no_check_reads_has_no_place_in_a_claim(name, tell, find):
    pickled = b"\x80\x04cos\nsystem\n(S'true'\ntR."
    wrong = find(tell(files=lambda files: files.update({name: pickled})))
    assert [(level, check) for level, check, _ in wrong] == [(0, "bundle")]
    assert wrong[0][2].startswith(f"{name}: no file of a claim")


def test_a_recipe_that_is_none_is_a_finding_and_no_crash(tell, find):
    def hook(kind, body):
        body = json.loads(canonical_json(body))
        if kind == "claim.draft":
            for run in body["runs"]:
                run["recipe"] = {"train": {"seed": None}, "name": run["label"]}
        if kind == "plan":
            body["recipe"] = {"train": {"seed": body["recipe"]["train"]["seed"]}, "name": ""}
        return body

    wrong = find(tell(entry=hook))
    assert wrong
    assert all(level <= 1 for level, _, _ in wrong)
