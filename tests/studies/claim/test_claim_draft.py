"""Draft and nonce: signed once, the same again, and nothing else once the nonce is known."""

from __future__ import annotations

import json

import pytest
from claim_example import NAME, NONCE, home_at, quiet, write_settings

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.claims.entries import ClaimDraft, ClaimNonce
from farthing.errors import ConfigError
from farthing.session import open_session
from farthing.studies.claim import draft as drafting
from farthing.studies.claim.config import read_claim_settings
from farthing.studies.claim.draft import draft_claim
from farthing.studies.claim.nonce import enter_nonce
from farthing.studies.claim.pinned import Software

OTHER = "ab" * 16


@pytest.fixture(scope="module")
def drafted(tmp_path_factory):
    """A workspace with one draft: copied by nobody, each test goes on under another name."""
    folder = tmp_path_factory.mktemp("drafts")
    with home_at(folder / "home"):
        draft_claim(
            read_claim_settings(write_settings(folder)), open_session(folder / "ws", quiet())
        )
    return folder


@pytest.fixture
def session(drafted, monkeypatch):
    monkeypatch.setenv("FARTHING_HOME", str(drafted / "home"))
    monkeypatch.setattr("farthing.session.find_loads", lambda *_, **__: ())
    return open_session(drafted / "ws", quiet())


def sign(folder, session, **changes):
    return draft_claim(read_claim_settings(write_settings(folder, **changes)), session)


def of_kind(session, kind):
    return [record for record in session.book.records if isinstance(record.body, kind)]


def test_the_same_settings_are_the_same_draft(drafted, session):
    again = sign(drafted, session)
    assert not again.new
    (record,) = of_kind(session, ClaimDraft)
    assert again.standing.digest == record.entry.digest
    assert again.trainings == 9
    assert again.segments == 3 * (6 + 2 + 8)


def test_the_draft_pins_what_is_scored(drafted, session):
    draft = sign(drafted, session).standing.draft
    (path,) = (drafted / "ws").glob("corpora/*/manifest.json")
    manifest = json.loads(path.read_text())
    assert draft.corpus_digest == manifest["content_digest"]
    scored = {name: digest for name, digest in manifest["files"].items() if "dev/" in name}
    assert scored
    assert draft.held_out_digest == digest_json(scored)


def test_other_settings_before_the_nonce_are_another_draft(drafted, session):
    first = sign(drafted, session, name="second-thoughts")
    then = sign(drafted, session, name="second-thoughts", statement="something else")
    assert first.new
    assert then.new
    assert then.standing.given_up == (first.standing.entry,)
    assert then.standing.draft.statement == "something else"


def test_after_the_nonce_nothing_of_a_draft_changes(drafted, session, monkeypatch):
    sign(drafted, session, name="fixed")
    standing = enter_nonce("fixed", NONCE, session, verifier="Ada")
    assert (standing.nonce.origin, standing.nonce.detail) == ("verifier", "Ada")
    assert not sign(drafted, session, name="fixed").new
    with pytest.raises(ConfigError) as caught:
        sign(drafted, session, name="fixed", targets={"full": 1.0})
    assert caught.value.what.endswith("what differs: targets")
    monkeypatch.setattr(drafting, "software_here", lambda: Software("0" * 64, None, {}))
    with pytest.raises(ConfigError, match="what differs: code"):
        sign(drafted, session, name="fixed")


def test_a_draft_has_one_nonce(drafted, session):
    sign(drafted, session, name="one-nonce")
    first = enter_nonce("one-nonce", NONCE, session, beacon="drand round 4711")
    assert (first.nonce.origin, first.nonce.detail) == ("beacon", "drand round 4711")
    assert enter_nonce("one-nonce", NONCE, session).nonce_entry == first.nonce_entry
    with pytest.raises(ConfigError, match="has its nonce already"):
        enter_nonce("one-nonce", OTHER, session)
    entered = [each for each in of_kind(session, ClaimNonce) if each.body.draft == first.digest]
    assert len(entered) == 1


@pytest.mark.parametrize("nonce", ["", "xyz", "00" * 15, "00" * 65, "AB" * 16, "0" * 33], ids=len)
def test_what_is_no_nonce_is_refused(session, nonce):
    with pytest.raises(ConfigError, match="is no nonce"):
        enter_nonce(NAME, nonce, session)


def test_a_nonce_needs_its_draft(session):
    with pytest.raises(ConfigError) as caught:
        enter_nonce("never-drafted", NONCE, session)
    assert NAME in caught.value.remedy


def test_energy_is_no_basis_without_a_sensor(drafted, session):
    with pytest.raises(ConfigError, match="no sensor reads the energy"):
        sign(drafted, session, name="in-kwh", basis="kwh")
