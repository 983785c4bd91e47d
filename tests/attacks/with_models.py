"""The attacks on models and states: what computing sees, and what it does not."""

from __future__ import annotations

from attack import Attack

# By what stands in an answer, or by the released models.
RELEASED: dict[str, Attack] = {
    "answer-to-another-nonce": Attack(2, "answer.json, nonce: it answers"),
    "answer-for-another-claim": Attack(2, "answer.json, claim: it answers for eeee"),
    "other-segments-released": Attack(2, "are released, the nonce chooses"),
    "better-model-released": Attack(2, "models/10: the model in 10 has the digest"),
    "easier-text-released": Attack(2, "the draft names"),
    "bits-per-byte-invented": Attack(2, "in the book, 1.0e-01 apart in und (at most 0.0001)"),
    "bytes-inflated": Attack(2, "bytes in the tokens"),
    "test-text-in-training": Attack(2, "stand in the training text"),
    "other-checkpoint-released": Attack(3, "the book says"),
}

# By replay: the run and steps of which each lie is told.
REPLAYED: dict[str, tuple[Attack, str]] = {
    "hidden-parent": (Attack(3, "other bits in the same environment"), "run 8, steps 0-1"),
    "losses-invented": (Attack(3, "other bits in the same environment"), "run 14, steps 4-5"),
    "precision-lowered": (Attack(3, "bf16 products, its recipe has fp32"), "run 16, steps 0-1"),
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
