"""The attacks on a claim made by hand: what signatures and arithmetic see, and what they do not."""

from __future__ import annotations

import cheats
from attack import Attack
from cheats import claimed, edit, stepped, told, with_figures, work_scaled

# Runs of the claim: curation (0), a search (1), the method's first training (2, then 3) and its
# evaluation (4), the second seed's training (5). The fifth plan is that of a baseline.
CAUGHT: dict[str, Attack] = {
    "old-signature": Attack(
        0,
        "book.jsonl, line 10 (entry 9, event): the hash link to the line before does not hold",
        told(files=cheats.old_entry),
    ),
    "spliced-books": Attack(
        0, "book.jsonl, line 10 (entry 9, event): signed by another key", told(files=cheats.spliced)
    ),
    "no-exclusions": Attack(
        0, "must begin with 'covers logged compute only'", told(claim=claimed("excluded", value=[]))
    ),
    "run-struck-out": Attack(
        1,
        "book.jsonl, line 10: run 3 starts where run 2 was expected",
        told(cheats.number_left_out),
    ),
    "attempt-struck-out": Attack(
        1,
        "claim.json, runs, method, seed 1549700208: run 2: a segment begins with step 2 "
        "where 0 is next",
        told(cheats.first_attempt_left_out),
    ),
    "draft-after-runs": Attack(
        1,
        "book.jsonl, line 111: method, seed 1975817679: no completed training in the book",
        told(cheats.trained_first),
    ),
    "nonce-after-runs": Attack(
        1,
        "book.jsonl, line 8: a plan with a seed of the claim stands before the nonce",
        told(order=("draft", "trainings", "nonce")),
    ),
    "nonce-drawn-twice": Attack(
        1,
        "book.jsonl, line 9: the draft had a nonce already (book.jsonl, line 8): seeds were "
        "drawn more than once",
        told(cheats.second_nonce),
    ),
    "seeds-chosen": Attack(
        1,
        "claim.json, seeds: (208, 478, 722); draft and nonce give (1549700208, 1362218478, "
        "463816722)",
        told(cheats.own_seeds),
    ),
    "seed-left-out": Attack(
        1,
        "claim.json, runs, method, seed 1549700208: every registered run must be claimed "
        "with every seed",
        told(claim=claimed("runs", value=lambda runs: runs[1:])),
    ),
    "other-draft": Attack(
        1, "book.jsonl, line 9: the nonce was entered for another draft", told(cheats.other_draft)
    ),
    "claim-said-otherwise": Attack(
        1, "book.jsonl, line 113: a claim of this draft was made before", told(cheats.said_before)
    ),
    "target-moved": Attack(
        1,
        "claim.json, reached: members and targets are not those of the draft",
        told(cheats.moved_target),
    ),
    "baseline-detuned": Attack(
        1,
        "book.jsonl, line 7: baseline 2, seed 1362218478: no completed training in the book",
        told(cheats.other_baseline("train", "schedule", "warmup_share", value=0.9)),
    ),
    "baseline-swapped": Attack(
        1,
        "book.jsonl, line 7: baseline 2, seed 1362218478: no completed training in the book",
        told(cheats.other_baseline("model", "num_layers", value=1)),
    ),
    "baseline-renamed": Attack(
        1,
        "claim.json, baseline: 'famous'; the draft says 'plain'",
        told(claim=claimed("baseline", value="famous")),
    ),
    "packages-exchanged": Attack(
        1,
        "method, seed 1549700208: run 2 ran with other packages than the draft has",
        told(entry=cheats.other_packages),
    ),
    "tuned-in-secret": Attack(
        1,
        "book.jsonl, line 7: 1 tuning runs after the draft, which allows 0",
        told(cheats.tuned_more),
    ),
    "parent-named": Attack(
        1,
        "book.jsonl, line 22: method, seed 1362218478 starts from dddddddddddddddd, whose "
        "cost is in no run of this book",
        told(entry=edit("plan", "parent", value="d" * 64, which=1)),
    ),
    "other-text-trained": Attack(
        1,
        "book.jsonl, line 22: method, seed 1362218478 read another corpus than the draft names",
        told(entry=edit("plan", "corpus_digest", value="d" * 64, which=1)),
    ),
    "scored-text-exchanged": Attack(
        1,
        "corpus/manifest.json: corpus fdd06ad55f296890; the draft registered c5b28246f1b285bd",
        told(files=cheats.other_scored_text),
    ),
    "steps-left-out": Attack(
        1,
        "claim.json, runs, method, seed 1362218478: its segments reach step 4 of 6",
        told(cheats.two_steps_fewer),
    ),
    "tokens-undercounted": Attack(
        1,
        "steps/5.jsonl, line 1: tokens: 16; batch and context make 32",
        told(step=stepped(tokens=lambda tokens: tokens // 2)),
    ),
    "flops-undercounted": Attack(
        1,
        "steps/5.jsonl, line 1: flops: 321024; shapes and pairs make 642048",
        told(step=stepped(flops=lambda flops: flops // 2)),
    ),
    "impossible-speed": Attack(
        1,
        "book.jsonl, line 12: run 2: flops: 3.724e+12 in 1 device-seconds is more than 5e+11 "
        "FLOP/s, assumed as the most of any hardware thread",
        with_figures(**cheats.huge_models()),
    ),
    "hours-shortened": Attack(
        1,
        "book.jsonl, line 4: run 0: wall_seconds: 15.0, but 30.0 s lie between its start and "
        "its end",
        with_figures(work_of=cheats.shorter_hours()),
    ),
    "energy-lowered": Attack(
        1,
        "book.jsonl, line 4: run 0: joules: 30; the watts that it names make 120 to 480",
        with_figures(work_of=work_scaled(joules=0.1)),
    ),
    "price-lowered": Attack(
        1,
        "claim.json, runs, method, seed 1549700208: amounts, usd: ",
        with_figures(amounts=cheats.half_price()),
    ),
    "clock-set-back": Attack(
        1, "book.jsonl, line 9: the clock went back by 600.0 s", told(cheats.clock_set_back)
    ),
    "ratio-raised": Attack(
        1,
        "claim.json, ratio, training flops: point: 9.0; the book gives",
        told(claim=claimed("ratio", 0, "point", value=9.0)),
    ),
}

SHOWN: dict[str, Attack] = {
    "draft-given-up": Attack(
        1,
        "book.jsonl, line 7: another draft of the same name stands in this book (hand, 1 "
        "nonces): ask what came of it",
        told(cheats.given_up),
        shown=True,
    ),
}

UNSEEN: dict[str, Attack] = {
    "run-left-out-renumbered": Attack(None, "", told(cheats.without("search", "other"))),
    "text-prepared-elsewhere": Attack(None, "", told(cheats.without("curation", "curation"))),
    "tuning-called-otherwise": Attack(None, "", told(cheats.tuned_by_another_name)),
    "nonce-of-his-own": Attack(None, "", with_figures(NONCE="77" * 16)),
    "key-for-each-attempt": Attack(None, "", told(key=b"\x09" * 32)),
    "all-backdated": Attack(None, "", told(cheats.years_ago)),
    "clock-slowed": Attack(
        None,
        "",
        with_figures(work_of=cheats.shorter_hours(), timedelta=cheats.slower_clock()),
    ),
    "energy-within-bounds": Attack(None, "", with_figures(work_of=work_scaled(joules=0.5))),
    "price-list-of-his-own": Attack(None, "", cheats.own_price),
    "weak-baseline-registered": Attack(None, "", cheats.weak_baseline),
}
