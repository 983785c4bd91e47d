"""Where everything stands in the bundle of a claim, and under which name the statements do."""

from __future__ import annotations

import re

CLAIM_NAME = "claim.json"
ANSWER_NAME = "answer.json"
BOOK_NAME = "book.jsonl"
CORPUS_MANIFEST = "corpus/manifest.json"

_OF_RUNS = re.compile(r"(?:journals|steps)/[0-9]+\.jsonl")


def steps_name(run: int) -> str:
    """The file of the steps that a run of the book took."""
    return f"steps/{run}.jsonl"


def is_of_a_claim(name: str) -> bool:
    """Whether a claim's bundle has a file of this name, beside its statement."""
    return name in (BOOK_NAME, CORPUS_MANIFEST) or _OF_RUNS.fullmatch(name) is not None
