"""A benchmark's file to questions: what is asked, what is left out and why, what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from farthing.errors import CorpusError
from farthing.stages.evaluate.definition import BenchmarkDefinition, shipped_definitions
from farthing.stages.evaluate.questions import evenly_spread, read_questions

PIQA = {"goal": "dresser", "sol1": "pin", "sol2": "wood", "label": 1}


def lines(*rows: object) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def piqa() -> BenchmarkDefinition:
    return shipped_definitions()["piqa"]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("piqa.jsonl", lambda data: data),
        ("piqa.jsonl", lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")),
        ("piqa.jsonl.gz", gzip.compress),
        ("piqa.jsonl.zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_files_may_be_packed(name: str, pack):
    found = read_questions(pack(lines(PIQA, PIQA)), Path(name), piqa(), None)
    assert [question.line for question in found.questions] == [1, 2]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"goal": "a", "sol1": "b", "label": 0}, "no field 'sol2'; the line has goal, sol1, label"),
        ({**PIQA, "sol2": ["a"]}, "'sol2' is ['a'], not text"),
        ({**PIQA, "sol2": ""}, "choice 2 is empty"),
        ({**PIQA, "label": 2}, "'label' is '2', not one of 0, 1"),
        ({**PIQA, "label": None}, "'label' is 'None'"),
        (["goal"], "not a JSON object"),
    ],
)
def test_a_wrong_line_is_located_and_the_expected_fields_are_named(line, complaint: str):
    with pytest.raises(CorpusError) as caught:
        read_questions(lines(PIQA, line), Path("some/piqa.jsonl"), piqa(), None)
    assert "some/piqa.jsonl, line 2" in caught.value.what
    assert complaint in caught.value.what
    if isinstance(line, dict):
        assert "piqa expects goal, sol1, sol2, label" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("piqa.jsonl", b'{"goal": "a"\n'),
        ("piqa.jsonl", b"\xff\xfe\n"),
        ("piqa.jsonl", b""),
        ("piqa.jsonl.gz", b"no gzip"),
        ("piqa.jsonl.gz", gzip.compress(lines(PIQA), mtime=0)[:-9]),
        ("piqa.jsonl.zst", b"no zstd"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(name: str, data: bytes):
    with pytest.raises(CorpusError, match=name):
        read_questions(data, Path(name), piqa(), None)


@pytest.mark.parametrize(
    ("line", "complaint", "remedy"),
    [
        (rb'{"goal": "\ud800", "sol1": "b", "sol2": "c", "label": 0}', r"'\ud800' is half", "both"),
        (rb'{"goal": "a", "\uDE00": "b", "label": 0}', r"'\ude00' is half", "write the character"),
        (b'{"goal": ' + b"9" * 5000 + b"}", "more than 4300 digits", "in quotes"),
    ],
)
def test_text_that_cannot_be_encoded_and_endless_numbers_are_located(
    line: bytes, complaint: str, remedy: str
):
    with pytest.raises(CorpusError) as caught:
        read_questions(lines(PIQA) + line, Path("some/piqa.jsonl"), piqa(), None)
    assert "some/piqa.jsonl, line 2" in caught.value.what
    assert complaint in caught.value.what
    assert remedy in caught.value.remedy
    caught.value.what.encode("utf-8")


def test_a_character_of_two_escaped_halves_is_read():
    data = lines(PIQA).replace(b"pin", rb"\ud83d\ude00")
    found = read_questions(data * 2, Path("piqa.jsonl"), piqa(), None)
    assert found.questions[0].choices == ("\U0001f600", "wood")


def test_what_is_left_out_is_counted_by_reason():
    definition = shipped_definitions()["sling"]
    good = {"sentence_good": "好", "sentence_bad": "坏", "file": "SLING_Data/Aspect/zai_le.jsonl"}
    baseline = {**good, "file": "SLING_Data/Anaphor/Plural/baseline_men_male.jsonl"}
    same = {**good, "sentence_bad": "好"}
    found = read_questions(
        lines(good, baseline, same, good, same), Path("sling.jsonl"), definition, None
    )
    assert [question.line for question in found.questions] == [1, 4]
    assert found.left_out == {"of baseline paradigms": 1, "with identical choices": 2}


def test_a_question_with_several_right_answers_is_left_out():
    definition = shipped_definitions()["agieval_gaokao_zh"]
    row = {"passage": "", "question": "?", "options": ["(A)", "(B)", "(C)", "(D)"], "subject": "s"}
    rows = [{**row, "label": label} for label in ("A", "AD", "B D", "D")]
    found = read_questions(lines(*rows), Path("a.jsonl"), definition, None)
    assert [question.right for question in found.questions] == [0, 3]
    assert found.left_out == {"with several right answers": 2}


def test_a_limit_spreads_over_the_file():
    rows = [{**PIQA, "goal": str(i)} for i in range(10)]
    found = read_questions(lines(*rows), Path("piqa.jsonl"), piqa(), 3)
    assert [question.line for question in found.questions] == [2, 6, 9]
    assert (found.of, found.left_out) == (10, {})
    assert evenly_spread(10, 10) == list(range(10))


def test_a_limit_beyond_the_file_asks_all_of_it():
    assert len(read_questions(lines(PIQA, PIQA), Path("p.jsonl"), piqa(), 9).questions) == 2
