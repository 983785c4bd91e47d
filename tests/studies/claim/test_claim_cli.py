"""What a user sees at each step of a claim: what was signed, what it costs, what to type next."""

from __future__ import annotations

import json
import re

import pytest
from claim_example import NAME, NONCE, write_settings

from farthing.artifacts.claims.archive import open_bundle, write_bundle
from farthing.artifacts.claims.dsse import sign_statement, unverified_predicate
from farthing.artifacts.claims.names import CLAIM_NAME
from farthing.artifacts.keys import load_signer
from farthing.cli.main import main


def told(capsys):
    """The lines on stdout, by their first word."""
    found = {}
    for line in capsys.readouterr().out.splitlines():
        label, _, text = line.partition("  ")
        found.setdefault(label, []).append(text.strip())
    return found


def test_draft_and_nonce_say_what_comes_next(own_example, tmp_path, capsys):
    settings, place = str(write_settings(tmp_path, name="shown")), ["-w", str(own_example.root)]
    assert main(["claim", "draft", settings, *place]) == 0
    drafted = told(capsys)
    (digest,) = drafted["digest"]
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert drafted["expects"][0].startswith("9 trainings (3 with each of 3 seeds)")
    assert drafted["keeps"][0].startswith("48 checkpoints, at most ")
    assert f"farthing claim nonce shown HEX -w {own_example.root}" in drafted["next"][0]
    assert main(["claim", "draft", settings, *place]) == 0
    again = told(capsys)
    assert again["digest"] == [digest]
    assert "signed before" in again["draft"][0]
    assert main(["claim", "nonce", "shown", NONCE, "--beacon", "drand round 4711", *place]) == 0
    entered = told(capsys)
    assert entered["nonce"] == [f"{NONCE} (beacon: drand round 4711)"]
    assert entered["next"] == [f"farthing claim run shown -w {own_example.root}"]
    assert main(["claim", "show", *place]) == 0
    assert [line.partition(":")[0] for line in told(capsys)["claim"]] == [NAME, "shown"]


def test_a_claim_of_a_newer_version_is_not_shown(example, tmp_path, capsys):
    with open_bundle(example.bundle, statement_name=CLAIM_NAME) as bundle:
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            **{"subject": [], "predicateType": "urn:farthing:claim:v1"},
            "predicate": {**unverified_predicate(bundle.statement_bytes), "version": 2},
        }
    path = tmp_path / "newer.claim"
    write_bundle(path, sign_statement(load_signer(path), statement), CLAIM_NAME, {})
    assert main(["claim", "show", str(path)]) == 1
    assert "the claim is of version 2" in capsys.readouterr().err


def test_an_answer_does_not_replace_its_claim(example, capsys):
    words = ["claim", "answer", str(example.bundle), NONCE, "--to", str(example.bundle)]
    assert main([*words, "-w", str(example.root)]) == 2
    assert "is the claim itself" in capsys.readouterr().err


def test_make_tells_figures_costs_and_exclusions(example, tmp_path, capsys):
    target = tmp_path / "given.claim"
    assert main(["claim", "make", NAME, "--to", str(target), "-w", str(example.root)]) == 0
    made = told(capsys)
    assert len(made["reached"]) == 2
    assert [line.rpartition(", in ")[2] for line in made["ratio"]] == [
        "flops, training",
        "flops, loaded",
        "device_hours, training",
        "device_hours, loaded",
    ]
    assert made["excluded"][0].startswith("covers logged compute only: ")
    assert made["next"][0].endswith("farthing verify given.claim")
    assert main(["claim", "show", str(target)]) == 0
    shown = told(capsys)
    assert shown["digest"] == made["digest"]
    assert shown["ratio"] == made["ratio"]


def test_json_is_one_object(example, capsys):
    assert main(["claim", "show", NAME, "-w", str(example.root), "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    assert (claim["name"], claim["nonce"], len(claim["seeds"])) == (NAME, NONCE, 3)
    assert main(["claim", "show", str(example.bundle), "--json"]) == 0
    bundle = json.loads(capsys.readouterr().out)
    assert bundle["digest"] == claim["claim"]
    assert bundle["claim"]["seeds"] == claim["seeds"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nonce", NAME, "ff" * 16], 2, "has its nonce already"),
        (["run", "unknown"], 2, "no draft of a claim 'unknown'"),
        (["make", "unknown"], 2, "no draft of a claim 'unknown'"),
        (["answer", "absent.claim", "00" * 16], 1, "absent.claim cannot be read"),
        (["anchor", NAME], 2, "one way to anchor, 0 were given"),
        (["draft", "absent.yaml"], 2, "absent.yaml cannot be read"),
    ],
    ids=["second nonce", "run", "make", "answer", "anchor", "draft"],
)
def test_errors_say_what_and_how_to_go_on(example, capsys, words, code, said):
    before = len(example.records())
    assert main(["claim", *words, "-w", str(example.root)]) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert "remedy: " in printed.err
    assert len(example.records()) == before
