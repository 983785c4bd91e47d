"""Anybody who has the repository can check its claims: `make verify-claims`, and the page."""

import json
import shutil

import pytest
from claim_views import BASES, Bundle, views
from refresh_claims import PAGE, page

from farthing.cli.main import main

# In a file of some megabytes, far from its ends.
_PLACE = 0.6


def verdict(capsys, path):
    """Exit code, and what `farthing verify --json` found, if it got so far."""
    code = main(["verify", str(path), "--json"])
    printed = capsys.readouterr().out
    return code, json.loads(printed) if printed else None


def test_a_committed_claim_holds(bundle, capsys):
    code, found = verdict(capsys, bundle)
    assert code == 0
    assert [(level["level"], level["ok"]) for level in found["levels"]] == [(0, True), (1, True)]
    assert found["claim"] == Bundle.read(bundle).digest


def test_a_committed_claim_with_another_byte_does_not(bundle, capsys, tmp_path):
    copy = tmp_path / bundle.name
    shutil.copyfile(bundle, copy)
    data = bytearray(copy.read_bytes())
    data[int(_PLACE * len(data))] ^= 1
    copy.write_bytes(data)
    code, _ = verdict(capsys, copy)
    assert code != 0


@pytest.mark.parametrize("basis", BASES)
def test_who_pays_more_gets_the_lower_ratio(bundle, basis):
    training, loaded, both = (view.point for view in views(Bundle.read(bundle), basis))
    assert loaded < training
    assert loaded < both


def test_the_page_is_what_its_script_writes_from_what_is_kept():
    told = "run scripts/refresh_claims.py: a claim or a measurement is newer than the page"
    assert PAGE.read_text(encoding="utf-8") == page(), told


def test_the_page_tells_what_a_forged_segment_is_found_by(root):
    for path in (root / "docs/results/claims").glob("*.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        if "forged" not in told:
            continue
        wrong = [each for each in told["forged"]["verdict"]["findings"] if not each["ok"]]
        place = f"run {told['forged']['run']}, steps {told['forged']['first_step']}-"
        assert any(each["level"] == 3 and each["where"].startswith(place) for each in wrong)
        assert place in PAGE.read_text(encoding="utf-8")
