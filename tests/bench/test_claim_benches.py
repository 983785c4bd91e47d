"""What the benches of claims count, on a claim by hand and on a training of a few steps."""

from __future__ import annotations

import importlib
import json
import random
import sys
import time
from pathlib import Path

import pytest

FOLDER = str(Path(__file__).parents[2] / "bench" / "claims")
NAMES = ("booked_run", "booking", "mutations", "replayed_run", "result_files")
ASKED = {"claim": "c1" * 32, "nonce": "5a" * 32}
NAMES += ("share_of_replay", "synthetic", "timers")


@pytest.fixture(scope="module")
def benches():
    """The scripts, which find each other beside themselves."""
    before = list(sys.path)
    sys.path.insert(0, FOLDER)
    yield {name: importlib.import_module(name) for name in NAMES}
    sys.path[:] = before


@pytest.fixture(scope="module")
def claim(benches, tmp_path_factory):
    return benches["synthetic"].Story(tmp_path_factory.mktemp("claim")).write()


@pytest.fixture(scope="module")
def booked(benches, tmp_path_factory):
    recipe = benches["booked_run"].claim_recipe("smoke", segments=6, segment_steps=1)
    return benches["booked_run"].train_booked(recipe, tmp_path_factory.mktemp("booked"))


def test_one_mutation_of_each_kind_is_tried_and_seen(benches, claim, tmp_path):
    mutations = benches["mutations"]
    assert not mutations.is_seen(claim)
    outcome = mutations.run(claim, tmp_path, count=len(mutations.KINDS), seed=1)
    assert set(outcome.tried) == set(mutations.KINDS)
    assert outcome.seen == outcome.tried
    assert not outcome.missed + outcome.crashed


def test_a_mutation_that_changes_nothing_is_drawn_again(benches, claim, tmp_path, monkeypatch):
    mutations = benches["mutations"]
    drawn = []

    def idle_twice(original, source, target):
        drawn.append(source.random())
        target.write_bytes(original.raw if len(drawn) < 3 else original.raw[:-1])

    monkeypatch.setattr(mutations, "KINDS", {"idle": idle_twice})
    outcome = mutations.run(claim, tmp_path, count=1, seed=0)
    assert len(drawn) == 3
    assert outcome.tried["idle"] == outcome.seen["idle"] == 1


def test_what_a_verifier_passes_or_breaks_at_is_told(benches, claim, tmp_path, monkeypatch):
    mutations = benches["mutations"]
    answers = iter([True, False, RuntimeError("broken")])

    def verdict(_path):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(mutations, "is_seen", verdict)
    monkeypatch.setattr(mutations, "KINDS", {"cut": mutations.KINDS["bytes cut out"]})
    outcome = mutations.run(claim, tmp_path, count=3, seed=0)
    assert (outcome.tried["cut"], outcome.seen["cut"]) == (3, 1)
    assert outcome.missed == ["cut 1"]
    assert outcome.crashed == ["cut 2: RuntimeError: broken"]


def test_half_of_the_mutations_of_files_come_with_a_corrected_list(benches, claim, tmp_path):
    mutations = benches["mutations"]
    original, source = mutations.Original.of(claim), random.Random(0)
    target, signed = tmp_path / "mutated.claim", []
    for _ in range(20):
        mutations.KINDS["file deleted"](original, source, target)
        signed.append(mutations.Original.of(target).envelope == original.envelope)
    assert 4 < sum(signed) < 16


def test_parts_count_functions_methods_and_cached_properties(benches):
    timers = benches["timers"]
    batch = importlib.import_module("farthing.text.batches").Batch
    import numpy as np

    class Busy:
        def work(self, seconds):
            until = time.thread_time() + seconds
            while time.thread_time() < until:
                pass
            return seconds

    work = Busy.work
    with timers.timed(("work", Busy, "work"), ("digest", batch, "digest")) as parts:
        assert Busy().work(0.02) == 0.02
        Busy().work(0.01)
        one = batch(tokens=np.zeros((1, 2), dtype=np.int64), end_of_text=0)
        assert one.digest == one.digest
    assert Busy.work is work
    assert parts.calls == {"work": 2, "digest": 1}
    assert 0.03 <= parts.cpu_seconds["work"] < 0.06
    assert parts.wall_seconds["work"] >= 0.03


@pytest.mark.slow
def test_every_part_of_booking_is_counted(benches, booked):
    places = benches["booked_run"]
    calls = booked.parts.calls
    assert calls[places.STEPS] == calls[places.DATA_ORDER] == calls[places.LINES] == 6
    assert calls[places.SEGMENTS] == calls[places.SAVING] == calls[places.HASHING] == 6
    assert calls[places.DIGESTS] == 12
    assert calls[places.BEATS] >= 6
    assert len(booked.segments) == 6
    assert booked.bare_seconds < booked.parts.cpu_seconds[places.STEPS]
    short, saving = benches["booking"].shares(booked, 1)
    long, rarely = benches["booking"].shares(booked, 100)
    assert 0 < long < short
    assert rarely == pytest.approx(saving / 100)


@pytest.mark.slow
def test_released_segments_replay_whatever_is_tried(benches, booked, tmp_path):
    share, replayed = benches["share_of_replay"], benches["replayed_run"]
    chosen = replayed.choose_segments(booked, **ASKED)
    released = replayed.release(booked, chosen, **ASKED)
    assert len(chosen) == 6
    bundle, facts = replayed.pack(released, tmp_path)
    opened = replayed.unpack(released, bundle, facts, tmp_path)
    found = share.look(opened, chosen)
    assert found.steps == found.segments == 6
    assert 0 < found.fixed_seconds < found.seconds
    rows = share.tried(opened, chosen, 1.0)
    assert len(rows) == len(share.CHANGES) + 3
    assert all(row.value > 0 for row in rows)


def test_a_share_is_of_a_thousand_segments(benches):
    shares = benches["share_of_replay"].Shares(36, 0.06, 0.03, 0.02)
    assert shares.at(1) == pytest.approx(36 * 0.09 / 20)
    assert shares.at(10) == pytest.approx(36 * 0.36 / 200)


def test_some_segments_are_the_first_the_last_and_some_between(benches):
    some = benches["share_of_replay"].some
    assert some((1, 2, 3), 5) == (1, 2, 3)
    assert some(tuple(range(36)), 8) == (0, 5, 10, 15, 20, 25, 30, 35)


@pytest.mark.slow
def test_a_segment_that_was_forged_ends_the_measurement(benches, booked):
    share, replayed = benches["share_of_replay"], benches["replayed_run"]
    chosen = replayed.choose_segments(booked, **ASKED)
    released = replayed.release(booked, chosen, **ASKED)
    lines = next(iter(released.steps.values()))
    lines[3]["tokens"] += 1
    with pytest.raises(SystemExit, match="does not come out: step 3: tokens"):
        share.look(released, chosen)


def test_a_result_says_what_was_measured_where_and_against_what(benches, tmp_path, monkeypatch):
    results = benches["result_files"]
    monkeypatch.setattr(sys, "argv", ["bench/claims/some.py", "--count", "3"])
    path = tmp_path / "deeper" / "some.json"
    rows = [results.Row("time", 1.5, "s"), results.Row("how", "slowly", "")]
    target = results.Target("< 2 s", "1.5 s", True)
    neighbours = importlib.import_module("farthing.bench.clock").Neighbours()
    results.write_result(path, "Some time", rows, target, neighbours)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert list(found) == ["title", "command", "environment", "rows", "target"]
    assert found["command"] == "python bench/claims/some.py --count 3"
    assert found["rows"][0] == {"what": "time", "value": 1.5, "unit": "s"}
    assert found["target"] == {"wanted": "< 2 s", "measured": "1.5 s", "met": True}
    assert all(isinstance(value, str) for value in found["environment"].values())
