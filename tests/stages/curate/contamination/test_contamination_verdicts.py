"""One document and one item: what is said of it, and why."""

from __future__ import annotations

import numpy as np
import pytest

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.stages.curate.contamination.hits import candidates, gram_hits
from farthing.stages.curate.contamination.index import build_index, words_of_texts
from farthing.stages.curate.contamination.items import EvalItem, items_digest
from farthing.stages.curate.contamination.judge import judge
from farthing.stages.curate.settings.contamination import ContaminationConfig

WORDS = [f"word{i}" for i in range(80)]


def run(count: int, begin: int = 0) -> str:
    return " ".join(WORDS[begin : begin + count])


def verdict(document: str, question: str, *answers: str) -> str | None:
    """What is said of a document, all grams weighing the same."""
    config = ContaminationConfig()
    index = build_index([EvalItem("b", "1", question, answers, "en")])
    data, words = words_of_texts(["another document", document])
    weights = np.full(index.gram_count, 1000, dtype=np.int64)
    pairs = candidates(gram_hits(words, index), weights, index, config)
    matches = judge(data, words, pairs, weights, index, config)
    assert all(match.row == 1 for match in matches)
    return matches[0].verdict if matches else None


@pytest.mark.parametrize(
    ("document", "question", "answers", "said"),
    [
        (f"{run(12)} the end", run(12), ("the end",), "contaminated"),
        (f"{run(12)} {'x ' * 45} end", run(12), ("end",), "contaminated"),
        (f"{run(12)} {'x ' * 60} end", run(12), ("end",), "question_only"),
        (f"end {'x ' * 45} {run(12)}", run(12), ("never", "end"), "contaminated"),
        (run(12), run(12), (), "contaminated"),
        (run(12), run(12), ("...",), "question_only"),
        (run(11), run(12), (), None),
        (run(12)[::-1], run(12), (), None),
        (f"{run(6)} {'x ' * 20} {run(6, 6)} {run(12)[4:]}", run(12), (), None),
        (run(60), run(60), ("end",), "contaminated"),
        (f"{run(30)} x {run(20, 40)}", run(60), ("end",), "contaminated"),
        (f"{run(20)} x {run(20, 40)}", run(60), ("end",), None),
    ],
    ids=[
        "question and answer",
        "a short answer within 50 words",
        "a short answer further off",
        "before the question, and the second of two",
        "a question without answers is all there is",
        "an answer without words proves nothing",
        "a short question must be whole",
        "the words in another order",
        "its parts apart",
        "a long question condemns alone",
        "a long question with a sixth left out",
        "a long question with a third left out",
    ],
)
def test_verdicts(document, question, answers, said):
    assert verdict(document, question, *answers) == said


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"good": "the cats like me now", "bad": "the cats likes me now"}', "contaminated"),
        ('{"bad": "the cats likes me now", "good": "the cats like me now"}', "contaminated"),
        ("she said the cats like me now and left", "question_only"),
        ("the cats like me now. " + "x " * 12 + "the cats likes me now", "question_only"),
        ("the cats like only me now; the cats likes me now", None),
        ("the cats likes me now", None),
    ],
    ids=["the pair", "turned", "in a text", "apart", "with a word in between", "the bad alone"],
)
def test_a_short_minimal_pair_is_found_where_both_sentences_stand_together(document, said):
    assert verdict(document, "The cats like me now.", "The cats likes me now.") == said


def test_a_long_question_of_few_different_words_is_a_common_phrase():
    pattern = "a b c a b c a b c"
    assert verdict(f"sort {pattern} and c", pattern, "c") == "question_only"
    assert verdict(pattern, pattern) == "question_only"
    assert verdict(f"{pattern} is one two three four five", pattern, run(5)) == "question_only"
    assert verdict(f"{pattern} is {run(5)}", pattern, run(5)) == "contaminated"


def test_an_answer_among_the_options_of_the_question_stands_in_it():
    question = f"{run(12)} A. red paint B. blue paint"
    assert verdict(question, question, "blue paint") == "contaminated"
    assert verdict(question, question, "green paint") == "question_only"


def test_a_long_answer_is_there_when_half_of_its_runs_of_three_words_are():
    answer = run(12, 40)
    halves = {6: "question_only", 7: "contaminated"}  # 4 and 5 of its 10 runs
    for count, said in halves.items():
        document = f"{run(12)} x x x {run(count, 40)}"
        assert verdict(document, run(12), answer) == said


def test_chinese_characters_count_as_parts_of_words():
    question = "她们昨天在工厂还是小卖部"  # 12 characters: 7.2 words, a common phrase
    assert verdict(f"他说{question}。", question) == "question_only"
    assert verdict(f"他说{question}买东西。", f"{question}买东西") == "contaminated"


def test_questions_of_under_five_words_are_counted_and_not_looked_for():
    items = [
        EvalItem("b", "1", "what is 3 4", ("7",), "en"),
        EvalItem("b", "2", run(9), (), "en"),
        EvalItem("a", "1", "???", ("7",), "en"),
    ]
    index = build_index(items)
    assert index.not_looked_for == {"a": 1, "b": 1}
    assert verdict("what is 3 4 7", "what is 3 4", "7") is None


def test_an_empty_set_of_items_finds_nothing():
    index = build_index([])
    _, words = words_of_texts(["some text of several words here"])
    hits = gram_hits(words, index)
    assert hits.ends.tolist() == [0, 0]
    found = candidates(hits, np.zeros(0, dtype=np.int64), index, ContaminationConfig())
    assert found.shape == (0, 2)


def test_the_digest_follows_every_part_of_an_item():
    one = EvalItem("b", "1", "question", ("answer",), "en")
    others = [
        EvalItem("c", "1", "question", ("answer",), "en"),
        EvalItem("b", "2", "question", ("answer",), "en"),
        EvalItem("b", "1", "questions", ("answer",), "en"),
        EvalItem("b", "1", "question", ("answers",), "en"),
        EvalItem("b", "1", "question", ("answer",), "zh"),
    ]
    assert len({items_digest([item]) for item in [one, *others]}) == 6
    assert items_digest([one]) == items_digest([EvalItem("b", "1", "question", ("answer",), "en")])


def test_limits_that_do_not_grow_are_an_error():
    with pytest.raises(ConfigError, match="must grow in this order"):
        parse_config(ContaminationConfig, {"strict_words": 50}, where="test")


@pytest.mark.parametrize(
    "before",
    ["", "What now, he thought, and then he read it out to them all. "],
    ids=["alone", "behind the same word"],
)
def test_a_first_word_that_stands_earlier_too_hides_no_short_question(before):
    question = "What do the roots of a young tree take out of the dark soil?"
    text = f"{before}{question} Water and minerals."
    assert verdict(text, question, "water and minerals") == "contaminated"


def test_a_passage_condemns_only_with_its_question():
    config = ContaminationConfig()
    item = EvalItem("b", "1", run(70), (run(9, 70),), "en", passage=True)
    index = build_index([item])
    data, words = words_of_texts([run(70), f"{run(70)} x {run(9, 70)}"])
    weights = np.full(index.gram_count, 1000, dtype=np.int64)
    pairs = np.array([[0, 0], [1, 0]])
    matches = judge(data, words, pairs, weights, index, config)
    assert [match.verdict for match in matches] == ["question_only", "contaminated"]
    assert items_digest([item]) != items_digest([EvalItem("b", "1", run(70), (run(9, 70),), "en")])


def test_of_the_forms_of_a_question_the_one_that_says_most_is_told():
    forms = [
        EvalItem("b", "1", run(12), ("never",), "en"),
        EvalItem("b", "1", run(10, 1), ("end",), "en"),
        EvalItem("b", "2", run(12), ("never",), "en"),
    ]
    index = build_index(forms)
    data, words = words_of_texts([f"{run(12)} end"])
    weights = np.full(index.gram_count, 1000, dtype=np.int64)
    pairs = np.array([[0, 0], [0, 1], [0, 2]])
    matches = judge(data, words, pairs, weights, index, ContaminationConfig())
    assert [(m.item, m.verdict) for m in matches] == [(1, "contaminated"), (2, "question_only")]
