"""The questions of evaluation sets, as training text might hold them.

Curation clears training text of them, and a stage does not know another: so they are read here.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from farthing.errors import CorpusError
from farthing.flow.benchmark_files import benchmark_files
from farthing.stages.curate.contamination.items import EvalItem
from farthing.stages.curate.settings.contamination import ContaminationConfig
from farthing.stages.evaluate.definition import (
    BenchmarkDefinition,
    own_definitions,
    shipped_definitions,
)
from farthing.stages.evaluate.questions import SUFFIXES, Question, read_questions
from farthing.stages.evaluate.sources import SAMPLE

# A template's fields with their filters; what stands between them is ours, not the benchmark's.
_FIELD = re.compile(r"((?<!\{)\{[^{}]+\}(?!\}))")
_REMEDY = 'write one object a line: {"question": "...", "answers": ["..."]}'


def evaluation_items(config: ContaminationConfig) -> tuple[EvalItem, ...]:
    """Every question that training text is cleared of, in an order that the files decide.

    Those of the embedded benchmarks always (unless all of it is off), then of the benchmarks in
    `config.benchmarks`, then of the files in `config.items`.

    Raises:
        ConfigError: a definition beside the benchmarks is wrong.
        CorpusError: a folder is not there or holds nothing to look for, a file cannot be read, or
            a line is not what is expected.
    """
    if not config.enabled:
        return ()
    items = list(_benchmark_items(SAMPLE, shipped_definitions()))
    if config.benchmarks is not None:
        folder = _folder(config.benchmarks)
        known = _known(folder)
        found = list(_benchmark_items(folder, known))
        if not found:
            raise CorpusError(
                f"{folder} holds no file of a benchmark that is known",
                remedy=f"known are: {', '.join(known)}; for other questions set `items`",
            )
        items += found
    if config.items is not None:
        items += _own_items(_folder(config.items))
    return tuple(dict.fromkeys(items))  # a folder may hold an embedded set once more


def searched_files(config: ContaminationConfig) -> list[str]:
    """For people: which files of `config.benchmarks` are read, by set, and which are not and why.

    Raises:
        ConfigError, CorpusError: as `evaluation_items`.
    """
    if not config.enabled or config.benchmarks is None:
        return []
    folder = _folder(config.benchmarks)
    return benchmark_files(folder, _known(folder)).lines()


def _known(folder: Path) -> dict[str, BenchmarkDefinition]:
    return shipped_definitions() | own_definitions(folder)


def _folder(name: str) -> Path:
    folder = Path(name)
    if not folder.is_dir():
        raise CorpusError(
            f"{folder} is no folder", remedy="name the folder that holds the evaluation sets"
        )
    return folder


def _benchmark_items(folder: Path, known: dict[str, BenchmarkDefinition]) -> Iterator[EvalItem]:
    for definition, path in benchmark_files(folder, known).read:
        yield from _questions_of(path, definition)


def _questions_of(path: Path, definition: BenchmarkDefinition) -> Iterator[EvalItem]:
    """The questions of a file, the forms of each one after the other."""
    data, search = _bytes(path), definition.search
    forms = search.questions or (definition.context,)
    read = [read_questions(data, path, _asked_as(form, definition), None) for form in forms]
    asked = [{question.line: question for question in each.questions} for each in read]
    passages: dict[int, str] = {}
    if search.passage:
        whole = read_questions(data, path, _asked_as(search.passage, definition), None)
        passages = {question.line: question.contexts[0] for question in whole.questions}
    for line in asked[0]:
        found = [_question_and_answers(each[line], definition) for each in asked if line in each]
        for text, answers in dict.fromkeys(found):
            yield EvalItem(definition.name, str(line), text, answers, definition.language)
        if passage := passages.get(line, "").strip():
            barest = (found[-1][0],)
            yield EvalItem(definition.name, str(line), passage, barest, definition.language, True)


def _asked_as(form: str, definition: BenchmarkDefinition) -> BenchmarkDefinition:
    """The same questions, with the texts of the choices, behind another template's fields."""
    update: dict[str, Any] = {
        "context": _fields_only(form),
        "contexts": tuple(_fields_only(text) for text in definition.contexts),
    }
    if definition.search.answers_field:
        update |= {"choices": (), "choices_field": definition.search.answers_field}
    return definition.model_copy(update=update)


def _fields_only(template: str) -> str:
    parts = _FIELD.split(template)  # what is ours at even places, fields at odd ones
    return "".join(part if i % 2 else "\n" * bool(part) for i, part in enumerate(parts)).strip()


def _question_and_answers(
    question: Question, definition: BenchmarkDefinition
) -> tuple[str, tuple[str, ...]]:
    """What to look for: of a minimal pair the good sentence, given away by the bad one near it."""
    right, choices = question.right, question.choices
    if definition.form == "minimal_pairs":
        return choices[right], tuple(c for i, c in enumerate(choices) if i != right)
    if len(choices) == 1:  # the contexts are what differs
        return f"{question.contexts[right]}{definition.joint}{choices[0]}", ()
    if definition.search.answers:
        return question.contexts[0], definition.search.answers[right]
    return question.contexts[0], (choices[right],)


def _own_items(folder: Path) -> list[EvalItem]:
    paths = sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIXES))
    if not paths:
        raise CorpusError(
            f"{folder} holds no file that ends in {', '.join(SUFFIXES)}", remedy=_REMEDY
        )
    return [item for path in paths for item in _items_of(path)]


def _items_of(path: Path) -> Iterator[EvalItem]:
    benchmark = path.name.partition(".jsonl")[0]
    for number, line in enumerate(_unpacked(path).split(b"\n"), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            row = _row(line, where)
            language = _text(row, "language", where) if "language" in row else "und"
            name = str(row.get("id", number))
            question = _text(row, "question", where)
            yield EvalItem(benchmark, name, question, _answers(row, where), language)


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{where} is not JSON in UTF-8: {error}", remedy=_REMEDY) from error
    if not isinstance(row, dict):
        raise CorpusError(f"{where} is no JSON object: {line[:60]!r}", remedy=_REMEDY)
    return row


def _text(row: dict[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise CorpusError(f"{where}: {field!r} is {value!r:.60}, not a text", remedy=_REMEDY)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"{where}: {field!r} holds half of a character", remedy="write the character itself"
        ) from error
    return value


def _answers(row: dict[str, Any], where: str) -> tuple[str, ...]:
    """Either `answers`, a list, or `answer`, one text; neither where there is none."""
    if "answers" not in row:
        return (_text(row, "answer", where),) if "answer" in row else ()
    listed = row["answers"]
    if not isinstance(listed, list):
        raise CorpusError(f"{where}: 'answers' is {listed!r:.60}, not a list", remedy=_REMEDY)
    return tuple(_text({"answers": one}, "answers", where) for one in listed)


def _unpacked(path: Path) -> bytes:
    data = _bytes(path)
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


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read: {error.strerror or error}",
            remedy="check the file's permissions and the disk",
        ) from error
