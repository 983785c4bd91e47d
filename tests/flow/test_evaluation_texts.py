from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest
import zstandard

from farthing.errors import ConfigError, CorpusError
from farthing.flow.evaluation_texts import evaluation_items
from farthing.stages.curate.settings.contamination import ContaminationConfig

EMBEDDED = {"blimp": 6 * 67, "sling": 12 * 32}
ARC = {
    "question": "Which one?",
    "choices": {"text": ["a stone", "a tree"], "label": ["A", "B"]},
    "answerKey": "B",
}
WINO = {"sentence": "The _ was late.", "option1": "bus", "option2": "tram", "answer": "2"}
DEFINITION = """
name: mine
title: Mine
language: zh
form: multiple_choice
context: "问 {question}\\n答"
choices_field: choices
answer: {field: label}
source: made up
licence: CC0-1.0
"""


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sets").mkdir()
    return tmp_path / "sets"


def items_by_benchmark(config):
    found = {}
    for item in evaluation_items(config):
        found.setdefault(item.benchmark, []).append(item)
    return found


def test_the_embedded_benchmarks_are_always_looked_for_and_nothing_when_it_is_off():
    items = evaluation_items(ContaminationConfig())
    assert Counter(item.benchmark for item in items) == EMBEDDED
    assert evaluation_items(ContaminationConfig(enabled=False)) == ()


def test_a_minimal_pair_is_its_good_sentence_with_the_bad_one_as_answer():
    item = items_by_benchmark(ContaminationConfig())["blimp"][0]
    assert item.question == "Who could Monet worry while thinking about Dana?"
    assert item.answers == ("Who could Monet worry Dana while thinking about?",)
    assert (item.item, item.language) == ("1", "en")


def test_benchmarks_of_a_folder_come_without_the_words_of_our_templates(folder):
    (folder / "arc_easy.jsonl").write_text(lines(ARC, {**ARC, "question": "And now?"}))
    (folder / "winogrande_val.jsonl").write_text(lines(WINO, {**WINO, "answer": "1"}))
    (folder / "mine.yaml").write_text(DEFINITION)
    row = {"question": "有几个", "choices": ["三个", "五个"], "label": 0}
    (folder / "mine.jsonl").write_text(lines(row, {**row, "label": 1}))
    found = items_by_benchmark(ContaminationConfig(benchmarks=str(folder)))
    assert set(found) == {*EMBEDDED, "arc_easy", "winogrande", "mine"}
    assert [(i.question, i.answers) for i in found["arc_easy"]] == [
        ("Which one?", ("a tree",)),
        ("And now?", ("a tree",)),
    ]
    assert [i.question for i in found["winogrande"]] == [
        "The tram was late.",
        "The bus was late.",
    ]
    assert [(i.question, i.answers, i.language) for i in found["mine"]] == [
        ("有几个", ("三个",), "zh"),
        ("有几个", ("五个",), "zh"),
    ]


def test_files_of_questions_are_named_by_their_file_and_read_packed_or_not(folder):
    row = {"id": 7, "question": "What is it?", "answers": ["a hat", "hats"], "language": "en"}
    (folder / "b.jsonl").write_text(lines(row, {"question": "And?", "answer": "no"}) + "\n")
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(lines({"question": "Alone"}).encode()))
    (folder / "a.jsonl.zst").write_bytes(zstandard.compress(lines(row).encode()))
    (folder / "readme.txt").write_text("not a set")
    items = [i for i in evaluation_items(ContaminationConfig(items=str(folder)))][-4:]
    assert [(i.benchmark, i.item, i.question, i.answers, i.language) for i in items] == [
        ("a", "7", "What is it?", ("a hat", "hats"), "en"),
        ("b", "7", "What is it?", ("a hat", "hats"), "en"),
        ("b", "2", "And?", ("no",), "und"),
        ("c", "1", "Alone", (), "und"),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 is not JSON in UTF-8"),
        ("[1]", "line 2 is no JSON object"),
        ('{"answer": "x"}', "line 2: 'question' is None, not a text"),
        ('{"question": " "}', "line 2: 'question' is ' ', not a text"),
        ('{"question": "x", "answers": "y"}', "line 2: 'answers' is 'y', not a list"),
        ('{"question": "x", "answers": [3]}', "line 2: 'answers' is 3, not a text"),
        ('{"question": "\\ud83d"}', "line 2: 'question' holds half of a character"),
    ],
    ids=["cut", "a list", "no question", "blank", "no list", "a number", "half"],
)
def test_a_line_that_is_no_question_is_named_with_its_file(folder, line, said):
    (folder / "mine.jsonl").write_text(lines({"question": "fine"}) + line + "\n")
    with pytest.raises(CorpusError, match=rf"mine\.jsonl, {said}"):
        evaluation_items(ContaminationConfig(items=str(folder)))


def test_folders_without_anything_to_look_for_are_errors(folder):
    for field in ("benchmarks", "items"):
        with pytest.raises(CorpusError, match="is no folder"):
            evaluation_items(ContaminationConfig(**{field: str(folder / "none")}))
        with pytest.raises(CorpusError, match="holds no file"):
            evaluation_items(ContaminationConfig(**{field: str(folder)}))


def test_a_damaged_file_is_an_error_with_its_name(folder):
    (folder / "x.jsonl.gz").write_bytes(gzip.compress(b'{"question": "?"}')[:-9])
    with pytest.raises(CorpusError, match=r"x\.jsonl\.gz cannot be decompressed"):
        evaluation_items(ContaminationConfig(items=str(folder)))
    (folder / "mine.yaml").write_text("name: other")
    with pytest.raises(ConfigError):
        evaluation_items(ContaminationConfig(benchmarks=str(folder)))
