from __future__ import annotations

import gzip
import json
from collections import Counter

import numpy as np
import pytest
import zstandard

from farthing.errors import ConfigError, CorpusError
from farthing.flow.evaluation_texts import evaluation_items, searched_files
from farthing.stages.curate.contamination.hits import candidates, gram_hits
from farthing.stages.curate.contamination.index import build_index, words_of_texts
from farthing.stages.curate.contamination.judge import judge
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


MMLU = {
    "question": "What do the roots of a young tree take out of dark soil?",
    "choices": ["iron", "salt and sugar", "water and minerals", "dust"],
    "answer": 2,
    "subject": "botany",
}
CSQA = {
    "question": "Where would a traveller put a wet coat?",
    "choices": {"label": list("ABCDE"), "text": ["hall", "sea", "oven", "river", "sky"]},
    "answerKey": "A",
}
BOOLQ = {
    "question": "is the farthing still legal tender in britain",
    "passage": "The farthing was a quarter of a penny. It ceased to be legal tender in 1960.",
    "answer": False,
}
HELLASWAG = {
    "activity_label": "Cooking",
    "ctx_a": "A cook stands in a kitchen.",
    "ctx_b": "she",
    "endings": ["flies away.", "stirs the soup."],
    "label": "1",
}
GAOKAO = {
    "passage": None,
    "question": "下列叙述错误的是",
    "options": ["(A)甲", "(B)乙", "(C)丙", "(D)丁"],
    "label": "D",
    "subject": "gaokao-biology",
}
COPA = {
    "premise": "The man broke his toe.",
    "choice1": "He got a hole in his sock.",
    "choice2": "He dropped a hammer on his foot.",
    "question": "cause",
    "label": 1,
}


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        (
            "mmlu",
            MMLU,
            [
                (
                    "\n".join([MMLU["question"], *MMLU["choices"]]),
                    ("water and minerals",),
                    False,
                ),
                (MMLU["question"], ("water and minerals",), False),
            ],
        ),
        (
            "commonsenseqa",
            CSQA,
            [
                ("\n".join([CSQA["question"], *CSQA["choices"]["text"]]), ("hall",), False),
                (CSQA["question"], ("hall",), False),
            ],
        ),
        (
            "boolq",
            BOOLQ,
            [
                (BOOLQ["question"], ("no", "false"), False),
                (BOOLQ["passage"], (BOOLQ["question"],), True),
            ],
        ),
        (
            "hellaswag",
            HELLASWAG,
            [("A cook stands in a kitchen.\nShe", ("stirs the soup.",), False)],
        ),
        (
            "agieval_gaokao_zh",
            GAOKAO,
            [
                ("下列叙述错误的是\n(A)甲 (B)乙 (C)丙 (D)丁", ("(D)丁",), False),
                ("下列叙述错误的是", ("(D)丁",), False),
            ],
        ),
        (
            "copa",
            COPA,
            [
                ("The man broke his toe\nbecause", ("he dropped a hammer on his foot.",), False),
                (
                    "\n".join([COPA["premise"], COPA["choice1"], COPA["choice2"]]),
                    ("he dropped a hammer on his foot.",),
                    False,
                ),
                (COPA["premise"], ("he dropped a hammer on his foot.",), False),
            ],
        ),
    ],
    ids=["mmlu", "commonsenseqa", "boolq", "hellaswag", "agieval_gaokao_zh", "copa"],
)
def test_a_question_is_looked_for_as_text_holds_it_with_its_answer_in_words(
    folder, name, row, expected
):
    (folder / f"{name}.jsonl").write_text(lines(row, row))
    found = items_by_benchmark(ContaminationConfig(benchmarks=str(folder)))[name]
    half = len(expected)
    for number, items in (("1", found[:half]), ("2", found[half:])):
        assert [(i.question, i.answers, i.passage) for i in items] == expected
        assert {i.item for i in items} == {number}


def verdict_of(folder, name, text):
    """What is said of a document with `text` in it, all words weighing the same."""
    items = items_by_benchmark(ContaminationConfig(benchmarks=str(folder)))[name]
    index, config = build_index(items), ContaminationConfig()
    data, words = words_of_texts([f"What he read to them then. {text}\nAnd so they went home."])
    weights = np.full(index.gram_count, 1000, dtype=np.int64)
    pairs = candidates(gram_hits(words, index), weights, index, config)
    found = judge(data, words, pairs, weights, index, config)
    return [match.verdict for match in found]


LONG = {
    **BOOLQ,
    "passage": " ".join(f"The coin number{i} was struck at mint{i}." for i in range(12)),
}


@pytest.mark.parametrize(
    ("name", "row", "text", "said"),
    [
        ("mmlu", MMLU, "{question}\nAnswer: water and minerals", ["contaminated"]),
        ("mmlu", MMLU, json.dumps(MMLU).replace("{", "").replace("}", ""), ["contaminated"]),
        ("mmlu", MMLU, "{question}", ["question_only"]),
        ("commonsenseqa", CSQA, "{question}\nIn the hall.", ["contaminated"]),
        ("boolq", LONG, "{passage}", ["question_only"]),
        ("boolq", LONG, "{passage}\n{question}?", ["contaminated"]),
        ("boolq", LONG, "{question}? False", ["contaminated"]),
        ("boolq", LONG, "{question}", ["question_only"]),
        ("hellaswag", HELLASWAG, "{ctx_a} She stirs the soup.", ["contaminated"]),
    ],
    ids=[
        "mmlu with its answer",
        "mmlu as the file has it",
        "mmlu without options",
        "commonsenseqa with its answer",
        "a passage alone",
        "a passage with its question",
        "boolq with its answer",
        "boolq without",
        "hellaswag without its label",
    ],
)
def test_documents_that_hold_a_question_are_judged_by_its_own_words(folder, name, row, text, said):
    (folder / f"{name}.jsonl").write_text(lines(row, row))
    assert set(verdict_of(folder, name, text.format(**row))) == set(said)


def test_a_question_of_several_forms_is_counted_once(folder):
    (folder / "mmlu.jsonl").write_text(lines(MMLU, {**MMLU, "question": "Where?"}))
    items = items_by_benchmark(ContaminationConfig(benchmarks=str(folder)))["mmlu"]
    index = build_index(items)
    assert len(items) == 4
    assert index.question_counts == {"mmlu": 2}
    assert index.not_looked_for == {}  # with its options the second has words enough
    assert build_index([items[3]]).not_looked_for == {"mmlu": 1}


def test_files_that_are_read_and_that_are_not_are_told(folder):
    for name in ("boolq_val", "boolq_val_A", "gsm8k_test"):
        (folder / f"{name}.jsonl").write_text(lines(BOOLQ, BOOLQ))
    (folder / "readme.txt").write_text("not a set")
    config = ContaminationConfig(benchmarks=str(folder))
    told = searched_files(config)
    assert told[0] == "boolq: boolq_val.jsonl"
    assert told[1] == "boolq_val_A.jsonl: not read, boolq has another file"
    assert told[2].startswith("gsm8k_test.jsonl: not read, there is no definition of 'gsm8k_test'")
    assert len(told) == 3
    assert searched_files(ContaminationConfig()) == []
