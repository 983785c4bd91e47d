"""Questions to tokens, exactly as lm-eval's `HFLM` does it, each distinct input once.

Every context starts with `end_of_text`, as every document did in training; an empty context is
that token alone. Spaces at the end of a context move to the continuation; context and
continuation are encoded together and split where the context alone would end; what exceeds the
model's context leaves on the left (lm-eval 0.4.13, `TemplateLM._encode_pair`,
`HFLM._loglikelihood_tokens`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farthing.errors import CorpusError
from farthing.stages.evaluate.questions import Question
from farthing.text.batches import count_attended_pairs
from farthing.text.tokenizer import Tokenizer

# (input row, the last tokens after it that are scored)
Request = tuple[int, tuple[int, ...]]


@dataclass(frozen=True)
class EncodedQuestions:
    """What a model reads.

    Attributes:
        questions: those that fit.
        rows: distinct inputs, without their last target.
        requests: per question and choice.
        shortened: questions that lost the start of a context.
        too_long: questions left out, since a choice alone exceeds the model's context.
        tokens: positions of all rows.
        attended_pairs: (query, key) pairs of all rows.
    """

    questions: tuple[Question, ...]
    rows: tuple[tuple[int, ...], ...]
    requests: tuple[tuple[Request, ...], ...]
    shortened: int
    too_long: int
    tokens: int
    attended_pairs: int


def encode_questions(
    questions: Sequence[Question], joint: str, tokenizer: Tokenizer, context: int, *, where: str
) -> EncodedQuestions:
    """Tokens of every question, for a model that sees `context` of them.

    Raises:
        CorpusError: a choice has no token of its own, with `where` and the line.
    """
    pairs = [pair for question in questions for pair in question.pairs(joint)]
    before = tokenizer.encode_batch([text.rstrip() for text, _ in pairs])
    whole = tokenizer.encode_batch([text + continuation for text, continuation in pairs])
    rows: dict[tuple[int, ...], int] = {}
    kept, requests = [], []
    shortened = position = 0
    for question in questions:
        ids = slice(position, position + question.size)
        position += question.size
        asked = []
        for context_ids, whole_ids in zip(before[ids], whole[ids], strict=True):
            targets = tuple(whole_ids[len(context_ids) :])
            if not targets:
                raise CorpusError(
                    f"{where}, line {question.line}: a choice melts into its context",
                    remedy="let a space or a line break stand between them (`delimiter`)",
                )
            asked.append(((tokenizer.end_of_text, *whole_ids), targets))
        if any(len(targets) > context for _, targets in asked):
            continue
        shortened += any(len(ids) > context + 1 for ids, _ in asked)
        kept.append(question)
        requests.append(
            tuple(
                (rows.setdefault(ids[-(context + 1) : -1], len(rows)), targets)
                for ids, targets in asked
            )
        )
    return EncodedQuestions(
        questions=tuple(kept),
        rows=tuple(rows),
        requests=tuple(requests),
        shortened=shortened,
        too_long=len(questions) - len(kept),
        tokens=sum(map(len, rows)),
        attended_pairs=sum(
            count_attended_pairs(np.array([row]), tokenizer.end_of_text) for row in rows
        ),
    )
