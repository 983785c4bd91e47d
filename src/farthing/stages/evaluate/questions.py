"""A benchmark's file to questions: every line checked before any model is asked."""

from __future__ import annotations

import gzip
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from farthing.errors import CorpusError
from farthing.stages.evaluate.definition import BenchmarkDefinition
from farthing.stages.evaluate.template import FieldError, as_label, fill, look_up

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
IDENTICAL = "with identical choices"
_LINE_REMEDY = 'write one object a line, such as {"question": "...", "label": 0}'
# How JSON writes half of a UTF-16 pair: a character with the other half, none without.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Question:
    """One question, as text.

    Attributes:
        line: where it stands in its file, from 1.
        contexts: what stands before the choices: one for all, or one for each.
        choices: what may follow: one for each, or one for all contexts.
        right: number of the right one, from 0.
        group: the part of the benchmark that it belongs to, or "".
    """

    line: int
    contexts: tuple[str, ...]
    choices: tuple[str, ...]
    right: int
    group: str

    @property
    def size(self) -> int:
        """How many possibilities there are."""
        return max(len(self.contexts), len(self.choices))

    def pairs(self, joint: str) -> list[tuple[str, str]]:
        """Context and continuation of each possibility, with `joint` before the choice."""
        contexts = self.contexts * (self.size // len(self.contexts))
        choices = self.choices * (self.size // len(self.choices))
        return [(c, joint + choice) for c, choice in zip(contexts, choices, strict=True)]


@dataclass(frozen=True)
class QuestionSet:
    """The questions of a file.

    Attributes:
        questions: those to ask, in the order of the file.
        of: how many the file holds that may be asked.
        left_out: how many it holds that may not, by reason.
    """

    questions: tuple[Question, ...]
    of: int
    left_out: Mapping[str, int]


def read_questions(
    data: bytes, path: Path, definition: BenchmarkDefinition, limit: int | None
) -> QuestionSet:
    """Every question of a file, or `limit` of them, evenly spread by position.

    Args:
        data: the file's bytes, packed or not as its name says.
        path: its name, for errors too.
        definition: how a line becomes a question.
        limit: ask at most so many.

    Raises:
        CorpusError: the file cannot be unpacked, a line is no JSON object or lacks a field, or
            fewer than two questions are left; with file, line and what is expected.
    """
    left_out: Counter[str] = Counter()
    questions = []
    for number, row in _rows(_unpack(data, path), path):
        try:
            reason = _reason_to_leave_out(row, definition)
            question = None if reason else _question(row, number, definition)
        except FieldError as error:
            raise CorpusError(
                f"{path}, line {number}: {error}; the line has "
                f"{', '.join(map(str, row)) or 'no fields'}",
                remedy=f"{definition.name} expects {', '.join(definition.fields)} in every line; "
                "for another layout put a definition beside the file (docs/benchmarks.md)",
            ) from error
        if question and len(set(question.pairs(""))) == 1:
            question, reason = None, IDENTICAL
        if question:
            questions.append(question)
        elif reason:
            left_out[reason] += 1
    if len(questions) < 2:
        raise CorpusError(
            f"{path} holds {len(questions)} questions for {definition.name}",
            remedy="name a file with at least two: one has no standard error",
        )
    count = min(limit or len(questions), len(questions))
    return QuestionSet(
        tuple(questions[i] for i in evenly_spread(len(questions), count)),
        len(questions),
        dict(left_out),
    )


def evenly_spread(total: int, count: int) -> list[int]:
    """`count` of the numbers below `total`: the middle of each of `count` equal stretches."""
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


def _question(row: dict[str, Any], line: int, definition: BenchmarkDefinition) -> Question:
    templates = definition.contexts or (definition.context,)
    contexts = tuple(_cleaned(fill(t, row, definition.words), definition) for t in templates)
    if definition.choices_field:
        listed = look_up(row, definition.choices_field)
        if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
            raise FieldError(f"{definition.choices_field!r} is {listed!r:.60}, not a list of texts")
        choices = tuple(_cleaned(text, definition) for text in listed)
    else:
        choices = tuple(
            _cleaned(fill(t, row, definition.words), definition) for t in definition.choices
        )
    if not all(choices):
        raise FieldError(f"choice {choices.index('') + 1} is empty")
    size = max(len(contexts), len(choices))
    if size < 2:
        raise FieldError("there is only one choice")
    group = fill(definition.group, row, definition.words)
    return Question(line, contexts, choices, _right(row, size, definition), group)


def _right(row: dict[str, Any], size: int, definition: BenchmarkDefinition) -> int:
    answer = definition.answer
    if answer is None:
        return 0
    value = as_label(look_up(row, answer.field)).strip()
    labels = list(answer.labels) or [str(i) for i in range(size)]
    if answer.labels_field:
        listed = look_up(row, answer.labels_field)
        labels = [as_label(label) for label in listed] if isinstance(listed, list) else []
    if value not in labels[:size]:
        raise FieldError(
            f"{answer.field!r} is {value!r:.60}, not one of {', '.join(labels[:size])}"
        )
    return labels.index(value)


def _cleaned(text: str, definition: BenchmarkDefinition) -> str:
    for rule in definition.clean:
        text = re.sub(rule.pattern, rule.by, text)
    return text


def _reason_to_leave_out(row: dict[str, Any], definition: BenchmarkDefinition) -> str | None:
    for rule in definition.leave_out:
        if re.fullmatch(rule.pattern, as_label(look_up(row, rule.field))):
            return rule.reason
    return None


def _rows(data: bytes, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        row = _parsed(line, f"{path}, line {number}")
        if not isinstance(row, dict):
            raise CorpusError(
                f"{path}, line {number} is not a JSON object: {line[:60]!r}", remedy=_LINE_REMEDY
            )
        yield number, row


def _parsed(line: bytes, where: str) -> object:
    try:
        text = line.decode("utf-8-sig")
        row = json.loads(text)
        if _SURROGATE.search(text):
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"{where}: {error.object[error.start]!a} is half of a character",
            remedy="write the character itself, or both halves, as in \\ud83d\\ude00",
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CorpusError(f"{where} is not JSON in UTF-8: {error}", remedy=_LINE_REMEDY) from error
    except ValueError as error:
        # The only other one that json knows: Python's limit against slow conversions.
        raise CorpusError(
            f"{where}: a whole number has more than {sys.get_int_max_str_digits()} digits",
            remedy="put such a number in quotes, as text",
        ) from error
    return row


def _unpack(data: bytes, path: Path) -> bytes:
    try:
        if path.name.endswith(".gz"):
            return gzip.decompress(data)
        if path.name.endswith(".zst"):
            with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as file:
                return file.read()
    except (zstandard.ZstdError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise CorpusError(
            f"{path} cannot be decompressed: {error}",
            remedy="the file is damaged or cut short; fetch it again",
        ) from error
    return data
