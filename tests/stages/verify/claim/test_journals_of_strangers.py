"""Journals that a claimant with the key wrote to harm, and those of runs that have no end."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from farthing.artifacts.chain import Signer


def _first_line(synthetic, tmp_path, change):
    """A claim whose journals all begin with a line that the holder of the key wrote himself."""

    class Odd(synthetic.Story):
        def _journal(self, number, kind, body):
            super()._journal(number, kind, body)
            lines = self._journals[number]
            if len(lines) == 1:
                lines[0] = change(json.loads(lines[0])).encode() + b"\n"

    return Odd(tmp_path).write()


def _amount(text):
    def change(line):
        line["body"]["work"]["flops"] = "HERE"
        return json.dumps(line).replace('"HERE"', text)

    return change


ODD = {
    "a gigantic integer": (_amount("9" * 4000), "an integer of 4000 characters"),
    "a number beyond doubles": (_amount("1e999"), "beyond a double"),
    "NaN": (_amount("NaN"), "NaN is no JSON"),
    "a hundred thousand levels": (_amount("[" * 100_000 + "]" * 100_000), "nested too deep"),
    "a key twice": (lambda line: json.dumps(line)[:-1] + ', "kind": "other"}', "stands twice"),
    "half of a surrogate pair": (
        lambda line: json.dumps({**line, "time": "\ud800"}),
        "no UTC time",
    ),
    "no amounts": (_amount('"many"'), "amounts are missing"),
}


@pytest.mark.parametrize(("change", "reason"), ODD.values(), ids=ODD.keys())
def test_a_line_with_two_meanings_or_none_is_a_finding(change, reason, synthetic, tmp_path, find):
    wrong = find(_first_line(synthetic, tmp_path, change))
    assert {(level, check) for level, check, _ in wrong} == {(0, "journal")}
    assert reason in wrong[0][2]
    assert "journals/0.jsonl: run 0: line 1" in wrong[0][2]


def _open_run(synthetic, tmp_path, *, change=lambda lines: lines, signer=None):
    """A claim whose book ends while a run goes on; `change` sees the lines of its journal."""

    class Going(synthetic.Story):
        def predicate(self):
            number = self._start("search", "still going on", "a key of its own")
            own = self.signer
            self.signer = signer or own
            for seconds in (2.0, 4.0):
                self.clock += timedelta(seconds=2)
                work = synthetic.work_of(seconds)
                beat = {"run": number, "phase": "search", "step": None, "work": work}
                self._journal(number, "heartbeat", beat)
            self.signer = own
            lines = change(self._journals[number])
            self.bundle[f"journals/{number}.jsonl"] = b"".join(lines)
            self.cost["other"].append((synthetic.work_of(4.0), True))
            return super().predicate()

    return Going(tmp_path).write()


@pytest.mark.parametrize("tail", [b"", b'{"body":{"ph'], ids=["whole", "torn"])
def test_a_run_without_an_end_is_billed_for_its_last_heartbeat(tail, synthetic, tmp_path, find):
    assert find(_open_run(synthetic, tmp_path, change=lambda lines: [*lines, tail])) == []


def test_fewer_heartbeats_of_an_open_run_are_less_than_the_claim_says(synthetic, tmp_path, find):
    wrong = find(_open_run(synthetic, tmp_path, change=lambda lines: lines[:1]))
    assert {(level, check) for level, check, _ in wrong} == {(1, "cost")}
    assert all("claim.json, cost, other: " in each for _, _, each in wrong)


def test_the_journal_of_an_open_run_needs_its_signatures(synthetic, tmp_path, find):
    other = Signer(Ed25519PrivateKey.from_private_bytes(b"\x08" * 32))
    ((level, check, detail),) = find(_open_run(synthetic, tmp_path, signer=other))
    assert (level, check) == (0, "journal")
    assert "signed by another key" in detail


def test_an_open_run_whose_journal_is_empty_is_seen(synthetic, tmp_path, find):
    wrong = find(_open_run(synthetic, tmp_path, change=lambda _: []))
    # Nothing was billed then, and the claim says that something was.
    assert {(level, check) for level, check, _ in wrong} == {(1, "cost")}
    assert any("claim.json, cost, other: device_hours" in each for _, _, each in wrong)
