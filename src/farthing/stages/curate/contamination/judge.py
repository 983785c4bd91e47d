"""Whether a document holds an item: its question in order, and then its answer near by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from farthing.kernels.alignment import common_in_order, densest_stretch
from farthing.kernels.grams import GRAM_WORDS, gram_hashes, gram_occurrences
from farthing.kernels.words import Words
from farthing.stages.curate.contamination.index import ItemIndex, words_of_texts
from farthing.stages.curate.settings.contamination import ContaminationConfig

CONTAMINATED: Literal["contaminated"] = "contaminated"
QUESTION_ONLY: Literal["question_only"] = "question_only"

# How far from the question an answer is looked for: of few words, and of more.
_NEAR_SHORT, _NEAR_LONG = 50, 100
# Behind or before a question that is a common phrase: a label, as in JSON, may stand between.
_BESIDE = 5
_ANY = 1 << 40
_SHORT_ANSWER_WORDS = 3
_ANSWER_GRAM, _ANSWER_SHARE = 3, 0.5
_SNIPPET_WORDS_BEFORE, _SNIPPET_WORDS_AFTER = 10, 30
_SNIPPET_CHARACTERS = 300

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Match:
    """An item found in a document.

    Attributes:
        row: of the document in its batch.
        item: number in the index.
        score: share of the question that is there in order, rare words counting more; 0 to 1.
        answered: whether an answer stands near it.
        verdict: "contaminated" or "question_only".
        snippet: the place in the document, 300 characters at most.
    """

    row: int
    item: int
    score: float
    answered: bool
    verdict: Literal["contaminated", "question_only"]
    snippet: str


def judge(
    data: npt.NDArray[np.uint8],
    words: Words,
    pairs: npt.NDArray[np.int64],
    weights: npt.NDArray[np.int64],
    index: ItemIndex,
    config: ContaminationConfig,
) -> list[Match]:
    """Compare documents of a batch with the items that they may hold.

    Args:
        data: uint8, the bytes of the batch.
        words: of the batch.
        pairs: int64 [N, 2]: row of the document in the batch, and item, by row.
        weights: int64 [G], from `gram_weights`.
        index: of the items.
        config: the limits.

    Returns:
        The pairs of which at least the question is there, in the order given; of a question that
        is looked for in several forms the one that says most.
    """
    matches: list[Match] = []
    document: _Document | None = None
    for row, item in pairs.tolist():
        if document is None or document.row != row:
            document = _Document(row, data, words, index)
        if (match := _compare(document, item, weights, index, config)) is not None:
            matches.append(match)
    return _one_a_question(matches, index)


def _one_a_question(matches: list[Match], index: ItemIndex) -> list[Match]:
    best: dict[tuple[int, int], Match] = {}
    for match in matches:
        key = (match.row, int(index.questions[match.item]))
        if key not in best or _says(match) > _says(best[key]):
            best[key] = match
    chosen = set(map(id, best.values()))
    return [match for match in matches if id(match) in chosen]


def _says(match: Match) -> tuple[bool, float]:
    return match.verdict == CONTAMINATED, match.score


class _Document:
    """One document's words, and where it has which gram."""

    def __init__(
        self, row: int, data: npt.NDArray[np.uint8], words: Words, index: ItemIndex
    ) -> None:
        begin, end = words.firsts[row], words.firsts[row + 1]
        self.row = row
        self.hashes = words.hashes[begin:end]
        self._data, self._begins, self._ends = data, words.begins[begin:end], words.ends[begin:end]
        firsts = np.array([0, end - begin], dtype=np.int64)
        places, grams = gram_occurrences(self.hashes, firsts, index.table)
        order = np.argsort(grams, kind="stable")
        self._grams, self._places = grams[order], places[order]

    def places_of(self, grams: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """The words where any of `grams` begins, ascending."""
        begins = np.searchsorted(self._grams, grams, side="left")
        ends = np.searchsorted(self._grams, grams, side="right")
        found = [self._places[b:e] for b, e in zip(begins, ends, strict=True) if e > b]
        return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *found]))

    def snippet(self, begin: int, end: int) -> str:
        first = max(begin - _SNIPPET_WORDS_BEFORE, 0)
        last = min(end + _SNIPPET_WORDS_AFTER, len(self.hashes)) - 1
        text = self._data[self._begins[first] : self._ends[last]].tobytes().decode("utf-8")
        return text[:_SNIPPET_CHARACTERS]


def _compare(
    document: _Document,
    item: int,
    weights: npt.NDArray[np.int64],
    index: ItemIndex,
    config: ContaminationConfig,
) -> Match | None:
    wanted = index.words_of(item)
    places = document.places_of(index.grams_of(item))
    if not len(places):
        return None
    first, last = densest_stretch(places, len(wanted) * 3 // 2 + 20)
    start = max(first - len(wanted), 0)
    stop = min(last + GRAM_WORDS + len(wanted), len(document.hashes))
    worth = _word_weights(index.gram_at_each_word(item), weights)
    found, begin, end = common_in_order(document.hashes[start:stop], wanted, worth)
    score, length = found / int(worth.sum()), float(index.lengths[item])
    if score < config.least_score(length) or end - begin > _most_words(item, index, config):
        return None
    begin, end = start + begin, start + end
    answered = _answered(document.hashes, begin, end, item, index, config)
    all_there_is = not index.items[item].answers and not _is_phrase(item, index, config)
    alone = all_there_is or length >= config.long_words
    alone = alone and not index.items[item].passage
    verdict = CONTAMINATED if answered or alone else QUESTION_ONLY
    return Match(document.row, item, score, answered, verdict, document.snippet(begin, end))


def _word_weights(
    grams: npt.NDArray[np.int64], weights: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """What each word of a question is worth: the mean of the grams that it is part of."""
    sums = np.convolve(weights[grams], np.ones(GRAM_WORDS, dtype=np.int64))
    counts = np.convolve(np.ones(len(grams), dtype=np.int64), np.ones(GRAM_WORDS, dtype=np.int64))
    means: npt.NDArray[np.int64] = sums // counts
    return np.maximum(means, 1)


def _is_phrase(item: int, index: ItemIndex, config: ContaminationConfig) -> bool:
    """Whether a question has so few different words that it stands in texts by chance."""
    return float(index.varieties[item]) < config.short_words


def _most_words(item: int, index: ItemIndex, config: ContaminationConfig) -> int:
    """Over how many words of a document a question may be spread."""
    count = len(index.words_of(item))
    if _is_phrase(item, index, config):
        return count
    return count * 3 // 2 if index.lengths[item] <= config.strict_words else _ANY


def _answered(
    hashes: Hashes, begin: int, end: int, item: int, index: ItemIndex, config: ContaminationConfig
) -> bool:
    """Whether one of an item's answers gives it away, its question standing at `begin` to `end`."""
    phrase, variety = _is_phrase(item, index, config), float(index.varieties[item])
    for text in index.items[item].answers:
        answer = words_of_texts([text])[1].hashes
        if not len(answer):
            continue
        if not phrase:
            near = _stands_near(hashes, begin, end, index.words_of(item), answer)
        else:
            near = _stands_beside(hashes, begin, end, answer)
            near = near and variety + len(answer) >= config.short_words
        if near:
            return True
    return False


def _stands_beside(hashes: Hashes, begin: int, end: int, answer: Hashes) -> bool:
    """Whether an answer stands directly before or behind the words `begin` to `end`, whole."""
    reach = len(answer) + _BESIDE
    stretches = [hashes[max(begin - reach, 0) : begin], hashes[end : end + reach]]
    return _share(answer, stretches, len(answer)) == 1


def _stands_near(hashes: Hashes, begin: int, end: int, question: Hashes, answer: Hashes) -> bool:
    """Whether an answer stands near the words `begin` to `end`.

    An answer that the question itself names, as one of its options, may stand in it; another must
    stand before or behind.
    """
    short = len(answer) <= _SHORT_ANSWER_WORDS
    reach = _NEAR_SHORT if short else max(_NEAR_LONG, 2 * len(answer))
    before, after = hashes[max(begin - reach, 0) : begin], hashes[end : end + reach]
    stretches = [before, after]
    if _share(answer, [question], len(answer)) == 1:
        stretches = [hashes[max(begin - reach, 0) : end + reach]]
    if short:
        return _share(answer, stretches, len(answer)) == 1
    return _share(answer, stretches, _ANSWER_GRAM) >= _ANSWER_SHARE


def _share(answer: Hashes, stretches: list[Hashes], count: int) -> float:
    """The share of the answer's different runs of `count` words that stand in a stretch."""
    wanted = np.unique(gram_hashes(answer, count))
    there = np.concatenate([gram_hashes(stretch, count) for stretch in stretches])
    return float(np.isin(wanted, there).mean())
