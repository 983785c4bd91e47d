"""Batched log-likelihoods against one forward pass per token; what a model gets to read."""

from __future__ import annotations

import pytest
import torch

from farthing.errors import CorpusError
from farthing.model.shape import Shape
from farthing.stages.evaluate.encoding import encode_questions
from farthing.stages.evaluate.likelihood import log_likelihoods
from farthing.stages.evaluate.questions import Question

CONTEXT = 40
QUESTIONS = [
    Question(1, ("Q: a?\nA:",), ("yes", "no", "maybe so"), 1, ""),
    Question(2, ("",), ("A whole sentence.", "A hole sentence."), 0, ""),
    Question(3, ("He saw Al", "He saw Bob"), ("was late.",), 0, ""),
    Question(4, ("spaces at the end  ",), ("x", "y"), 0, ""),
    Question(5, ("a context of more than forty bytes, cut on its left",), ("one", "twelve"), 0, ""),
    Question(6, ("中文的问题",), ("是", "不"), 1, ""),
    Question(7, ("tie",), ("same", "same", "other"), 0, ""),
]


def one_by_one(model, shape: Shape, context: str, continuation: str, end_of_text: int, tokenizer):
    """Each token of the continuation from a forward pass over just what stands before it."""
    moved = len(context) - len(context.rstrip())
    if moved:
        context, continuation = context[:-moved], context[-moved:] + continuation
    ids = [end_of_text, *tokenizer.encode(context), *tokenizer.encode(continuation)]
    scored = len(tokenizer.encode(continuation))
    ids = ids[-(CONTEXT + 1) :]
    total = 0.0
    for position in range(len(ids) - scored, len(ids)):
        with torch.no_grad():
            logits = model(torch.tensor([ids[:position]]), shape)[0, -1]
        total += float(logits.double().log_softmax(-1)[ids[position]])
    return total


@pytest.mark.parametrize("batch", [1, 3, 64])
@pytest.mark.parametrize("member", ["3L-4E-2K", "2L-2E-1K"])
def test_batches_find_what_one_token_at_a_time_finds(supernet, tokenizer, batch: int, member: str):
    shape = Shape.parse(member, supernet.model.config)
    encoded = encode_questions(QUESTIONS, " ", tokenizer, CONTEXT, where="f")
    found = log_likelihoods(supernet.model, shape, encoded, batch_rows=batch)
    for question, each in zip(QUESTIONS, found, strict=True):
        for (context, continuation), nats in zip(question.pairs(" "), each, strict=True):
            expected = one_by_one(
                supernet.model, shape, context, continuation, tokenizer.end_of_text, tokenizer
            )
            assert nats == pytest.approx(expected, rel=1e-5), (question.line, continuation)


def test_equal_choices_are_equal_to_the_last_bit(supernet, tokenizer):
    encoded = encode_questions(QUESTIONS, " ", tokenizer, CONTEXT, where="f")
    shape = supernet.model.full_shape
    first, second, _ = log_likelihoods(supernet.model, shape, encoded, batch_rows=2)[-1]
    assert first == second


def test_every_context_starts_a_document_unless_it_is_cut(tokenizer):
    encoded = encode_questions(QUESTIONS, " ", tokenizer, CONTEXT, where="f")
    assert encoded.shortened == 1
    assert max(map(len, encoded.rows)) == CONTEXT
    opened = [row for row in encoded.rows if row[0] == tokenizer.end_of_text]
    cut = [row for row in encoded.rows if row[0] != tokenizer.end_of_text]
    assert len(cut) == 2, "the two choices of question 5"
    assert all(tokenizer.end_of_text not in row[1:] for row in opened)


def test_an_empty_context_is_the_opening_token_alone(tokenizer):
    question = Question(1, ("",), ("ab", "cd"), 0, "")
    encoded = encode_questions([question], "", tokenizer, CONTEXT, where="f")
    a, b = tokenizer.encode("ab")
    row, targets = encoded.requests[0][0]
    assert encoded.rows[row] == (tokenizer.end_of_text, a)
    assert targets == (a, b)


def test_choices_of_one_token_share_one_row_and_its_cost(tokenizer):
    question = Question(1, ("Q",), ("A", "B", "C"), 0, "")
    encoded = encode_questions([question, question], "", tokenizer, CONTEXT, where="f")
    assert (len(encoded.rows), encoded.tokens, encoded.attended_pairs) == (1, 2, 3)


def test_a_choice_longer_than_the_context_is_left_out_and_counted(tokenizer):
    long = Question(1, ("Q",), ("x" * (CONTEXT + 1), "y"), 0, "")
    fits = Question(2, ("Q",), ("x" * CONTEXT, "y"), 0, "")
    encoded = encode_questions([long, fits], "", tokenizer, CONTEXT, where="f")
    assert (encoded.questions, encoded.too_long, encoded.shortened) == ((fits,), 1, 1)


def test_a_choice_without_a_token_of_its_own_is_an_error(tokenizer):
    question = Question(9, ("Q",), ("", "a"), 0, "")
    with pytest.raises(CorpusError, match="f, line 9"):
        encode_questions([question], "", tokenizer, CONTEXT, where="f")
