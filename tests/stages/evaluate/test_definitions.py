"""Every definition that ships: a line with the upstream fields, and the prompt it must make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.stages.evaluate.definition import (
    BenchmarkDefinition,
    Searched,
    own_definitions,
    shipped_definitions,
)
from farthing.stages.evaluate.questions import read_questions
from farthing.stages.evaluate.template import FieldError, field_paths, fill

ARC = {
    "question": "Which is newest?",
    "choices": {"text": ["telephone", "plane"], "label": ["1", "2"]},
    "answerKey": "2",
}
FIVE = {"text": ["bank", "shop", "mall", "city", "room"], "label": ["A", "B", "C", "D", "E"]}
COPA = {"premise": "The man ran. ", "choice1": "He fell.", "choice2": "It rained.", "label": 1}
# name: (line, contexts, choices, number of the right one, group), prompts written out by hand.
EXPECTED = {
    "blimp": (
        {"sentence_good": "Who ran?", "sentence_bad": "Who run?", "UID": "island"},
        [""],
        ["Who ran?", "Who run?"],
        0,
        "island",
    ),
    "sling": (
        {
            "sentence_good": "好?",
            "sentence_bad": "好吗?",
            "file": "SLING_Data/WhFronting/mod_wh.jsonl",
        },
        [""],
        ["好?", "好吗?"],
        0,
        "mod_wh",
    ),
    "hellaswag": (
        {
            "activity_label": "Roof",
            "ctx_a": " A man [step] sits [title] on it.",
            "ctx_b": "he",
            "endings": ["[substeps] falls. ", "sleeps."],
            "label": "1",
        },
        ["Roof: A man sits. on it. He"],
        [" falls.", "sleeps."],
        1,
        "",
    ),
    "arc_easy": (ARC, ["Question: Which is newest?\nAnswer:"], ["telephone", "plane"], 1, ""),
    "arc_challenge": (ARC, ["Question: Which is newest?\nAnswer:"], ["telephone", "plane"], 1, ""),
    "basic_arithmetic": (
        {**ARC, "type_tag": "easy"},
        ["Question: Which is newest?\nAnswer:"],
        ["telephone", "plane"],
        1,
        "easy",
    ),
    "piqa": (
        {"goal": "dresser", "sol1": "pin ", "sol2": "wood", "label": 0},
        ["Question: dresser\nAnswer:"],
        ["pin ", "wood"],
        0,
        "",
    ),
    "copa": (
        {**COPA, "question": "effect"},
        ["The man ran therefore"],
        ["he fell.", "it rained."],
        1,
        "",
    ),
    "xcopa_zh": (
        {**COPA, "premise": "他跑了。", "question": "cause"},
        ["他跑了 因为"],
        ["he fell.", "it rained."],
        1,
        "",
    ),
    "agieval_gaokao_zh": (
        {
            "passage": None,
            "question": "是哪个",
            "options": ["(A)一", "(B)二"],
            "label": "B",
            "subject": "gaokao-biology",
        },
        ["问题\uff1a是哪个 选项\uff1a(A)一 (B)二\n答案\uff1a从A到D, 我们应选择"],
        ["(A)一", "(B)二"],
        1,
        "gaokao-biology",
    ),
    "openbookqa": (
        {"question_stem": "Deep fish are", "choices": ARC["choices"], "answerKey": "1"},
        ["Deep fish are"],
        ["telephone", "plane"],
        0,
        "",
    ),
    "commonsenseqa": (
        {"question": " Where? ", "choices": FIVE, "answerKey": "E"},
        ["Question: Where?\nA. bank\nB. shop\nC. mall\nD. city\nE. room\nAnswer:"],
        ["A", "B", "C", "D", "E"],
        4,
        "",
    ),
    "boolq": (
        {"question": "is it", "passage": "It is.", "answer": True},
        ["It is.\nQuestion: is it?\nAnswer:"],
        ["no", "yes"],
        1,
        "",
    ),
    "mmlu": (
        {
            "subject": "abstract_algebra",
            "question": "What?",
            "choices": ["0", "1", "2", "3"],
            "answer": 2,
        },
        [
            "The following are multiple choice questions (with answers) about abstract algebra.\n\n"
            "What?\nA. 0\nB. 1\nC. 2\nD. 3\nAnswer:"
        ],
        ["A", "B", "C", "D"],
        2,
        "abstract_algebra",
    ),
    "winogrande": (
        {"sentence": "He saw that _ was late.", "option1": "Al", "option2": "Bo", "answer": "2"},
        ["He saw that Al", "He saw that Bo"],
        ["was late."],
        1,
        "",
    ),
    "olmo_basic_skills": (
        {"task": "arithmetic", "question": "4 * 8 =", "choices": ["32", "40", "24"], "gold": 0},
        ["4 * 8 ="],
        ["32", "40", "24"],
        0,
        "arithmetic",
    ),
}


def test_every_shipped_benchmark_is_among_the_expected():
    assert set(EXPECTED) == set(shipped_definitions())


@pytest.mark.parametrize("name", EXPECTED)
def test_a_line_of_the_upstream_file_becomes_the_standard_prompt(name: str):
    line, contexts, choices, right, group = EXPECTED[name]
    definition = shipped_definitions()[name]
    data = (json.dumps(line) + "\n").encode() * 2
    found = read_questions(data, Path(f"{name}.jsonl"), definition, None).questions[0]
    assert list(found.contexts) == contexts
    assert list(found.choices) == choices
    assert (found.right, found.group) == (right, group)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_definition_lists_just_the_fields_that_it_needs(name: str):
    definition = shipped_definitions()[name]
    line = EXPECTED[name][0]
    assert {path.split(".")[0] for path in definition.fields} == set(line)


def test_every_published_figure_says_where_it_was_read():
    figures = [f for d in shipped_definitions().values() for f in d.published]
    assert figures
    assert all(0 < figure.accuracy < 1 and figure.source for figure in figures)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{{a}}}", "{x_y}"),
        ("{a|spaces|capitalize}", "X y"),
        ("{a|before_blank}-{a|after_blank}", "x-y"),
        ("{b|join}", "one two"),
        ("{b.1|without_last}", "tw"),
        ("{c.d}", "7"),
        ("{nothing|optional}!", "!"),
    ],
)
def test_a_template_reads_fields_entries_and_filters(template: str, text: str):
    line = {"a": "x_y", "b": ["one", "two"], "c": {"d": 7}, "nothing": None}
    field_paths(template)
    assert fill(template, line, {}) == text


def test_words_take_the_place_of_values_and_others_are_refused():
    words = {"kind": {"cause": "because"}}
    assert fill("{kind}", {"kind": "cause"}, words) == "because"
    with pytest.raises(FieldError, match="'reason', not one of cause"):
        fill("{kind}", {"kind": "reason"}, words)


@pytest.mark.parametrize("template", ["{a", "a}", "{}", "{a|louder}"])
def test_a_template_that_cannot_be_read_is_refused(template: str):
    with pytest.raises(ValueError, match=r"brace|filter"):
        field_paths(template)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"choises": ["a"]}, "did you mean 'choices'"),
        ({"context": "{question|louder}"}, "no filter 'louder'"),
        ({"answer": None}, "needs `answer`"),
        ({"choices": ["{a}", "{b}"]}, "either `choices` or `choices_field`"),
        ({"name": "another"}, "call the file another.yaml"),
        ({"clean": [{"pattern": "(", "by": ""}]}, "no regular expression"),
        ({"clean": [{"pattern": "a", "by": r"\9"}]}, "invalid group reference"),
        ({"clean": [{"pattern": "a", "by": r"\g<b>"}]}, "unknown group name"),
        ({"clean": [{"pattern": "a{99999999999}", "by": ""}]}, "no regular expression"),
        ({"partial_files": ["mine_A"]}, "`partial_files` names 'mine_A'"),
        ({"title": "\ud800"}, "hex escape"),
        ({"metric": "f1"}, "the accuracy to quote"),
        ({"form": "minimal_pairs"}, "the right one first"),
    ],
)
def test_a_wrong_definition_says_what_would_be_right(own_benchmark, changes, complaint: str):
    folder = own_benchmark([])
    path = folder / "mine.yaml"
    kept = [line for line in path.read_text().splitlines() if line.split(":")[0] not in changes]
    added = [f"{key}: {json.dumps(value)}" for key, value in changes.items()]
    path.write_text("\n".join([*kept, *added]))
    with pytest.raises(ConfigError) as caught:
        own_definitions(folder)
    assert complaint in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_the_page_lists_every_shipped_benchmark_with_its_files_and_metric():
    page = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name, definition in shipped_definitions().items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[2] == ", ".join(f"`{stem}`" for stem in definition.stems)
        assert cells[3] == definition.metric
    halves = [stem for one in shipped_definitions().values() for stem in one.partial_files]
    assert sorted(halves) == ["boolq_val_A", "hellaswag_val_A", "piqa_val_A", "winogrande_val_A"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": {"answers": [["x"]]}}, "a list for each of `choices`"),
        ({"search": {"answers": [["x"]], "answers_field": "y"}}, "either `answers` or"),
        ({"search": {"questions": ["{"]}}, "a brace without a field"),
    ],
    ids=["too few", "both", "template"],
)
def test_what_is_searched_is_checked(changes, said):
    told = shipped_definitions()["boolq"].model_dump(mode="json")
    with pytest.raises(ConfigError, match=said):
        parse_config(BenchmarkDefinition, told | changes, where="boolq")


def test_what_is_searched_is_no_part_of_what_a_model_is_asked():
    told = shipped_definitions()["boolq"]
    other = told.model_copy(update={"search": Searched()})
    assert told.search != Searched()
    assert told.digest == other.digest
    assert told.digest != told.model_copy(update={"context": "{passage}"}).digest
