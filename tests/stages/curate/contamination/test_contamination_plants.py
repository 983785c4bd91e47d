"""As many documents are found as were planted: English and Chinese, made up word by word."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest

from farthing.stages.curate.contamination.hits import candidates, gram_hits, gram_weights
from farthing.stages.curate.contamination.index import ItemIndex, build_index, words_of_texts
from farthing.stages.curate.contamination.items import EvalItem
from farthing.stages.curate.contamination.judge import Match, judge
from farthing.stages.curate.settings.contamination import ContaminationConfig

QUESTION_WORDS, ANSWER_WORDS = {"en": 40, "zh": 66}, {"en": 12, "zh": 20}
FAMOUS = {
    "en": "to be or not to be that is the question whether it is nobler",
    "zh": "床前明月光疑是地上霜举头望明月低头思故乡",
}
PLANTED = 50
QUOTING = 200


def phrase(language: str, count: int, draw: random.Random) -> str:
    if language == "zh":
        return "".join(chr(draw.randrange(0x4E00, 0x5A00)) for _ in range(count))
    return " ".join(f"{draw.choice('bcdfg')}o{draw.randrange(900)}x" for _ in range(count))


def changed(text: str, language: str, draw: random.Random) -> str:
    """One word (character) in each ten changed, at a drawn place of the ten."""
    words = list(text) if language == "zh" else text.split()
    for begin in range(0, len(words) - 9, 10):
        words[begin + draw.randrange(10)] = "改" if language == "zh" else "other"
    return ("" if language == "zh" else " ").join(words)


def make_items(language: str, draw: random.Random) -> list[EvalItem]:
    """150 to plant, 50 that stand nowhere, and one whose question quotes a famous phrase."""
    made = [
        EvalItem(
            "made_up",
            str(i),
            phrase(language, QUESTION_WORDS[language], draw),
            (phrase(language, ANSWER_WORDS[language], draw),),
            language,
        )
        for i in range(4 * PLANTED)
    ]
    gap = "" if language == "zh" else " "
    start = phrase(language, QUESTION_WORDS[language] - 10, draw)
    quoting = EvalItem("made_up", "quoting", start + gap + FAMOUS[language], ("answer",), language)
    whole = EvalItem("made_up", "whole", FAMOUS[language], ("Hamlet", "李白"), language)
    return [*made, quoting, whole]


def make_pile(language: str, items: list[EvalItem], draw: random.Random) -> dict[str, str]:
    """Documents by name; the name begins with what was planted."""

    def around(text: str) -> str:
        before, after = (phrase(language, 150, draw) for _ in range(2))
        return f"{before}\n{text}\n{after}"

    pile = {}
    for i, item in enumerate(items[: 3 * PLANTED]):
        answer = item.answers[0]
        if i < PLANTED:
            pile[f"verbatim {i}"] = around(f"{item.question}\n{answer}")
        elif i < 2 * PLANTED:
            pile[f"changed {i}"] = around(
                f"{changed(item.question, language, draw)}\n{changed(answer, language, draw)}"
            )
        else:
            pile[f"question {i}"] = around(item.question)
    for i in range(QUOTING):
        pile[f"quoting {i}"] = around(FAMOUS[language])
        pile[f"clean {i}"] = around("")
    names = list(pile)
    draw.shuffle(names)
    return {name: pile[name] for name in names}


@dataclass
class Found:
    index: ItemIndex
    matches: list[tuple[str, Match]]


def search(
    pile: dict[str, str], items: list[EvalItem], config: ContaminationConfig, batches: int = 3
) -> Found:
    index = build_index(items)
    pieces = [piece.tolist() for piece in np.array_split(list(pile), batches)]
    packed = [words_of_texts([pile[name] for name in piece]) for piece in pieces]
    hits = [gram_hits(words, index) for _, words in packed]
    weights = gram_weights([one.grams for one in hits], len(pile), index)
    matches = []
    for piece, (data, words), one in zip(pieces, packed, hits, strict=True):
        pairs = candidates(one, weights, index, config)
        for match in judge(data, words, pairs, weights, index, config):
            matches.append((piece[match.row], match))
    return Found(index, matches)


@pytest.fixture(scope="module", params=["en", "zh"])
def planted(request: pytest.FixtureRequest) -> tuple[dict[str, str], list[EvalItem], Found]:
    draw = random.Random(request.param)
    items = make_items(request.param, draw)
    pile = make_pile(request.param, items, draw)
    return pile, items, search(pile, items, ContaminationConfig())


def test_as_many_are_found_as_were_planted_and_no_other(planted):
    _, items, found = planted
    counts = Counter((name.split()[0], match.verdict) for name, match in found.matches)
    assert counts == {
        ("verbatim", "contaminated"): PLANTED,
        ("changed", "contaminated"): PLANTED,
        ("question", "question_only"): PLANTED,
        # The phrase is a question of its own, without its answer near it.
        ("quoting", "question_only"): QUOTING,
    }
    for name, match in found.matches:
        kind, number = name.split()
        wanted = "whole" if kind == "quoting" else number
        assert items[match.item].item == wanted


def test_the_score_is_the_share_of_the_question_that_is_left(planted):
    _, _, found = planted
    for name, match in found.matches:
        least, most = (0.85, 0.95) if name.startswith("changed") else (1.0, 1.0)
        assert least <= match.score <= most, name


def test_the_snippet_shows_the_place(planted):
    pile, items, found = planted
    for name, match in found.matches:
        assert match.snippet in pile[name]
        if not name.startswith("changed"):
            assert items[match.item].question[:40] in match.snippet


def test_any_gram_in_common_would_condemn_every_quotation(planted):
    # What the weights and the order are for: the quoting documents do share grams with an item.
    pile, _, found = planted
    _, words = words_of_texts([text for name, text in pile.items() if name.startswith("quoting")])
    assert np.all(np.diff(gram_hits(words, found.index).ends) >= 5)


@pytest.mark.parametrize("batches", [1, 11])
def test_the_cut_into_batches_changes_nothing(planted, batches):
    pile, items, found = planted
    again = search(pile, items, ContaminationConfig(), batches)
    matches, expected = (
        [(name, replace(match, row=0)) for name, match in one.matches] for one in (again, found)
    )
    assert matches == expected


def test_one_gram_that_many_documents_hold_weighs_less():
    items = [EvalItem("b", "1", "one two three four five six", (), "en")]
    index = build_index(items)
    texts = ["one two three four five"] * 3 + ["two three four five six"] + ["else"] * 4
    _, words = words_of_texts(texts)
    weights = gram_weights([gram_hits(words, index).grams], len(texts), index)
    nats = {round(float(np.log(9 / 4)), 3), round(float(np.log(9 / 2)), 3)}
    assert {round(weight / (1 << 16), 3) for weight in weights} == nats
