"""One question of an evaluation set, as training text might hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from farthing.artifacts.canonical import digest_json


@dataclass(frozen=True)
class EvalItem:
    """A question with what would give its answer away.

    A question that text may hold in several forms is several items of one name that follow each
    other.

    Attributes:
        benchmark: the set it belongs to.
        item: its name there, such as the line of the file.
        question: all that stands before the answer.
        answers: each of them an answer that would do; empty where the question is all there is.
        language: as in documents: en, zh.
        passage: `question` is only the text that is asked about, and the answers are what is asked
            of it: without one of them near, it condemns at no length.
    """

    benchmark: str
    item: str
    question: str
    answers: tuple[str, ...]
    language: str
    passage: bool = False


def items_digest(items: Sequence[EvalItem]) -> str:
    """SHA-256 of all that is looked for."""
    return digest_json([_told(item) for item in items])


def _told(item: EvalItem) -> dict[str, Any]:
    """All that an item says; that it is no passage is left out."""
    told = asdict(item)
    return told if item.passage else {name: told[name] for name in told if name != "passage"}
