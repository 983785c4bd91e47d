"""The holder of the key changes one thing before it is signed: which check sees it, and where."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from farthing.stages.verify.claim.check import check_claim
from farthing.stages.verify.claim.opening import open_claim


def test_an_honest_claim_holds_at_both_levels(tell, find):
    assert find(tell()) == []


def test_an_honest_claim_of_other_lengths_holds(tell, find):
    assert find(tell(segments=7, segment_steps=3)) == []


def test_levels_are_told_apart_and_timed(tell):
    with open_claim(tell()) as opened:
        only_zero = check_claim(opened, level=0)
        both = check_claim(opened)
    assert {finding.level for finding in only_zero.findings} == {0}
    assert {finding.level for finding in both.findings} == {0, 1}
    assert set(both.seconds) == {0, 1}


def edited(kind, change, *, which=0):
    """A hook that changes the body of one entry of a kind."""
    seen = []

    def hook(found, body):
        if found != kind:
            return body
        seen.append(kind)
        return change(copy.deepcopy(body)) if len(seen) == which + 1 else body

    return {"entry": hook}


def put(value, *path):
    """A change: another value in a nested place; a function is applied to what is there."""

    def change(body):
        place = body
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value(place[path[-1]]) if callable(value) else value
        return body

    return change


def claimed(value, *path):
    """Something else in the predicate."""
    return {"claim": put(value, *path)}


def step_of(run, value, name):
    """Another field in the first step of a run, booked as it then is."""

    def hook(number, line):
        return {**line, name: value} if (number, line["step"]) == (run, 0) else line

    return {"step": hook}


def in_file(name, change):
    """Other bytes in a file of the bundle, which is signed as it then is."""

    def hook(files):
        files[name] = change(files[name])

    return {"files": hook}


# The first runs are the curation (0), a search (1), the method's first training (2, then 3), its
# evaluation (4), and the second seed's training (5).
CHEATS = {
    "a loss in a steps file": (
        in_file("steps/5.jsonl", lambda data: data.replace(b"3.5", b"3.4", 1)),
        (1, "steps", "steps/5.jsonl, line 2: loss_digest"),
    ),
    "a step left out": (
        in_file("steps/5.jsonl", lambda data: b"".join(data.splitlines(keepends=True)[1:])),
        (1, "steps", "step: 1 where 0 was next"),
    ),
    "the last step left out": (
        in_file("steps/5.jsonl", lambda data: b"".join(data.splitlines(keepends=True)[:-1])),
        (1, "steps", "not all in its steps file"),
    ),
    "another form of a step": (
        in_file("steps/5.jsonl", lambda data: data.replace(b'"step"', b'"steps"', 1)),
        (1, "steps", "the fields are not"),
    ),
    "a step with a key twice": (
        in_file("steps/5.jsonl", lambda data: data.replace(b'{"', b'{"step":0,"', 1)),
        (1, "steps", "stands twice"),
    ),
    "fewer FLOPs in a step": (step_of(5, 1000, "flops"), (1, "steps", "flops: 1000; shapes")),
    "more pairs than there are": (
        step_of(5, 99999, "attended_pairs"),
        (1, "steps", "attended_pairs: 99999 is outside"),
    ),
    "another batch": (step_of(5, 64, "tokens"), (1, "steps", "tokens: 64; batch and context")),
    "a shape that is never drawn": (
        step_of(5, ["layers=0,3/experts=4/top_k=2"], "shapes"),
        (1, "steps", "shapes: the recipe's pass `draw` cannot be"),
    ),
    "a smaller baseline step": (
        step_of(11, ["layers=0"], "shapes"),
        (1, "steps", "shapes: the recipe trains the whole model"),
    ),
    "a shape that is none": (
        step_of(5, ["layers=0-9999999999/experts=4/top_k=2"], "shapes"),
        (1, "steps", "shapes: the ids"),
    ),
    "another learning rate": (step_of(5, 0.5, "rate_share"), (1, "steps", "rate_share: 0.5")),
    "an optimizer that costs more than it can": (
        step_of(11, 10**9, "optimizer_flops"),
        (1, "steps", "optimizer_flops: 1000000000 is outside"),
    ),
    "hidden recomputation": (
        step_of(5, 5, "recomputed_flops"),
        (1, "steps", "recomputed_flops: 5 is outside 0 to 0"),
    ),
    "tokens of a segment": (
        edited("segment", put(1, "tokens"), which=4),
        (1, "steps", "tokens: 1 in the book's segment"),
    ),
    "the sum of a segment's losses": (
        edited("segment", put(1.0, "loss_sum"), which=4),
        (1, "steps", "loss_sum: 1.0"),
    ),
    "totals of a segment": (
        edited("segment", put(1, "work", "flops"), which=4),
        (1, "steps", "flops: 1 booked with the book's segment"),
    ),
    "a run billed for half of its FLOPs": (
        edited("run.end", put(lambda flops: flops // 2, "work", "flops"), which=5),
        (1, "steps", "booked with the end of run 5"),
    ),
    "a segment that overlaps": (
        edited("segment", put(1, "first_step"), which=4),
        (1, "runs", "a segment begins with step 1 where 2 is next"),
    ),
    "a segment without a checkpoint": (
        edited("segment", put(None, "checkpoint_digest"), which=4),
        (0, "checkpoints", "no checkpoint was saved there"),
    ),
    "seeds of one's own": (
        edited("plan", put(5, "recipe", "train", "seed"), which=1),
        (1, "plan", "no completed training in the book"),
    ),
    "a detuned baseline": (
        edited("plan", put(0.9, "recipe", "train", "schedule", "warmup_share"), which=4),
        (1, "plan", "baseline 2, seed"),
    ),
    "another corpus": (
        edited("plan", put("d" * 64, "corpus_digest"), which=4),
        (1, "plan", "read another corpus"),
    ),
    "a hidden parent": (
        edited("plan", put("d" * 64, "parent"), which=1),
        (1, "plan", "whose cost is in no run of this book"),
    ),
    "an unregistered member": (
        edited("plan", put(lambda members: members[:1], "members"), which=1),
        (1, "plan", "the plan does not register"),
    ),
    "a failed run as the model's": (
        edited("run.end", put("failed", "status"), which=5),
        (1, "plan", "no completed training"),
    ),
    "a backdated plan": (
        {"order": ("draft", "trainings", "nonce")},
        (1, "plan", "a plan with a seed of the claim stands before the nonce"),
    ),
    "a nonce before the draft": (
        {"order": ("nonce", "draft", "trainings")},
        (1, "plan", "the nonce was entered for another draft"),
    ),
    "a run number left out": (
        edited("run.start", put(7, "run"), which=1),
        (0, "journal", "an entry of another run"),
    ),
    "a run under a plan that is not there": (
        edited("run.start", put("d" * 64, "plan"), which=5),
        (1, "runs", "names a plan that was not signed before it"),
    ),
    "a score": (
        edited("evaluation", put(0.5, "scores", "en")),
        (1, "runs", "the book's scores make"),
    ),
    "a score on another split": (
        edited("evaluation", put("test", "split")),
        (1, "quality", "was not scored on the registered split"),
    ),
    "a target after the fact": (
        claimed(1.9, "reached", 0, "target"),
        (1, "plan", "members and targets are not those of the draft"),
    ),
    "a bound": (claimed(1.0, "reached", 0, "upper95"), (1, "quality", "upper95: 1.0")),
    "a baseline that pays more": (
        claimed(1e12, "reached", 0, "baseline_cost", 0),
        (1, "quality", "baseline_cost"),
    ),
    "a ratio": (claimed(9.0, "ratio", 0, "point"), (1, "ratio", "point: 9.0")),
    "only the nicer ratios": (
        claimed(lambda ratios: ratios[2:3], "ratio"),
        (1, "ratio", "the claim states training device_hours"),
    ),
    "repetitions left out": (
        claimed(lambda lines: [line for line in lines if line["what"] != "repeated"], "cost"),
        (1, "cost", "repeated: the line is missing"),
    ),
    "curation at half its price": (
        claimed(0.0, "cost", 4, "amounts", "usd"),
        (1, "cost", "curation: usd"),
    ),
    "a seed left out": (
        claimed(lambda runs: runs[1:], "runs"),
        (1, "runs", "must be claimed with every seed"),
    ),
    "less energy": (
        edited("run.end", put(1.0, "work", "joules"), which=5),
        (1, "plausibility", "joules: 1; the watts that it names make"),
    ),
    "impossible speed": (
        edited("segment", put(1e-9, "work", "device_seconds"), which=4)
        | {"step": lambda _run, line: {**line, "optimizer_flops": 10**12}},
        (1, "plausibility", "FLOP/s"),
    ),
    "hours that are not billed": (
        edited("run.end", put(1.0, "work", "wall_seconds")),
        (1, "plausibility", "wall_seconds: 1.0, but 30.0 s lie between"),
    ),
    "hours that nobody held": (
        edited("run.end", put(9e4, "work", "wall_seconds"), which=11),
        (1, "plausibility", "of which its entries leave room for"),
    ),
    "fewer devices": (
        edited("run.end", put(30.0, "work", "device_seconds")),
        (1, "plausibility", "2 devices over 30.0 s make 60.0"),
    ),
    "more work than time": (
        edited("run.end", put(500.0, "work", "cpu_seconds")),
        (1, "plausibility", "cpu_seconds: 500.0"),
    ),
    "a journal of less": (
        in_file("journals/5.jsonl", lambda data: b"".join(data.splitlines(keepends=True)[:-1])),
        (0, "journal", "the book names"),
    ),
    "a journal with another line": (
        in_file("journals/5.jsonl", lambda data: data.replace(b'"train"', b'"tune"', 1)),
        (0, "journal", "does not follow the line before"),
    ),
    "a book that goes on": (
        in_file("book.jsonl", lambda data: data + data.splitlines(keepends=True)[-1]),
        (0, "book", "the number is"),
    ),
    "a shorter book": (claimed(50, "book", "entries"), (0, "book", "recorded head")),
    "another root of the book": (
        claimed("0" * 64, "book", "merkle_root"),
        (0, "book", "its Merkle root is"),
    ),
    "another root of the checkpoints": (
        claimed("0" * 64, "checkpoints", "root"),
        (0, "checkpoints", "the book has"),
    ),
    "another vocabulary": (
        in_file("corpus/manifest.json", lambda data: data.replace(b"32", b"16")),
        (1, "corpus", "its parts make"),
    ),
}


@pytest.mark.parametrize("cheat", sorted(CHEATS))
def test_a_cheat_with_the_key_is_seen_and_named(cheat, tell, find):
    edits, (level, check, words) = CHEATS[cheat]
    wrong = find(tell(**edits))
    assert any((level, check) == found[:2] and words in found[2] for found in wrong), wrong


def test_a_second_nonce_for_the_same_draft_is_seen(synthetic, tmp_path, find):
    story = synthetic.Story(tmp_path)

    def hook(kind, body):
        if kind == "plan" and not twice:
            twice.append(kind)
            other = {"draft": story.draft, "nonce": "1" * 32, "origin": "verifier", "detail": "d"}
            story.nonce = story.book("claim.nonce", other)
        return body

    twice: list[str] = []
    story.entry = hook
    (wrong, *_) = find(story.write())
    assert wrong[:2] == (1, "plan")
    assert "seeds were drawn more than once" in wrong[2]


def test_a_clock_that_is_set_back_is_seen(synthetic, tmp_path, find):
    story = synthetic.Story(tmp_path)

    def hook(kind, body):
        if kind == "plan":
            story.clock -= timedelta(minutes=10)
        return body

    story.entry = hook
    assert any("the clock went back by 6" in found[2] for found in find(story.write()))


def test_a_draft_that_was_given_up_is_told_and_no_fault(synthetic, tmp_path):
    story = synthetic.Story(tmp_path, order=("draft", "draft", "nonce", "trainings"))
    with open_claim(story.write()) as opened:
        checked = check_claim(opened)
    assert checked.ok
    assert [finding.detail for finding in checked.findings if finding.check == "drafts"] == [
        "another draft of the same name stands in this book (hand, 0 nonces): ask what came of it"
    ]
