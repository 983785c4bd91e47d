"""One question of an evaluation set, as training text might hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from farthing.artifacts.canonical import digest_json


@dataclass(frozen=True)
class EvalItem:
    """A question with what would give its answer away.

    Attributes:
        benchmark: the set it belongs to.
        item: its name there, such as the line of the file.
        question: all that stands before the answer.
        answers: each of them an answer that would do; empty where the question is all there is.
        language: as in documents: en, zh.
    """

    benchmark: str
    item: str
    question: str
    answers: tuple[str, ...]
    language: str


def items_digest(items: Sequence[EvalItem]) -> str:
    """SHA-256 of all that is looked for."""
    return digest_json([asdict(item) for item in items])
