"""The attacks on models and states: what computing sees, and what it does not."""

from __future__ import annotations

from attack import Attack

# By what stands in an answer, or by the released models.
RELEASED: dict[str, Attack] = {
    "answer-to-another-nonce": Attack(2, "the nonce is"),
    "answer-for-another-claim": Attack(2, "it answers for"),
    "other-segments-released": Attack(2, "are released, the nonce chooses"),
    "better-model-released": Attack(2, "the book says"),
    "easier-text-released": Attack(2, "the draft names"),
    "bits-per-byte-invented": Attack(2, "scores: "),
    "bytes-inflated": Attack(2, "bytes in the tokens"),
    "test-text-in-training": Attack(2, "stand in the training text"),
    "other-checkpoint-released": Attack(3, "the book says"),
}

# By replay: the run and steps of which each lie is told.
REPLAYED: dict[str, tuple[Attack, str]] = {
    "hidden-parent": (Attack(3, "other bits in the same environment"), "run 8, steps 0-1"),
    "losses-invented": (Attack(3, "other bits in the same environment"), "run 14, steps 4-5"),
    "batches-swapped": (Attack(3, "other bits in the same environment"), "run 12, steps 4-5"),
    "batches-swapped-and-booked": (
        Attack(3, "is not that of the corpus in its order"),
        "run 12, steps 10-11",
    ),
    "baseline-slowed-in-secret": (
        Attack(3, "other bits in the same environment"),
        "run 6, steps 4-5",
    ),
    "steps-not-taken": (Attack(3, "other bits in the same environment"), "run 6, steps 10-11"),
    "checkpoint-forged": (Attack(3, "other bits in the same environment"), "run 18, steps 6-7"),
    "model-exchanged-and-booked": (
        Attack(3, "the released model is another than this training ended with"),
        "run 10, steps 2-3",
    ),
}

UNSEEN: dict[str, Attack] = {"test-text-paraphrased": Attack(None, "")}
