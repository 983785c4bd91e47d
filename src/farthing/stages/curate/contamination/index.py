"""The evaluation items as arrays: which words, which grams, which items hold a gram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.kernels.grams import GRAM_WORDS, gram_hashes
from farthing.kernels.key_table import KeyTable, key_table, numbers_of
from farthing.kernels.words import Words, split_words
from farthing.stages.curate.contamination.items import EvalItem

# Of a longer question the beginning is looked for.
MOST_WORDS = 512
# A Chinese word has about 1.6 characters, and a character is a word of the kernels.
_WORDS_A_CHARACTER = 0.6
# Where the characters begin that are words by themselves: three or four bytes of UTF-8 each.
_IDEOGRAPH_LEAD = 0xE3


@dataclass(frozen=True)
class ItemIndex:
    """All that is looked for; plain arrays and texts, so that it can be handed to workers."""

    items: tuple[EvalItem, ...]
    questions: npt.NDArray[np.int64]  # [I], the same number for all forms of a question
    words: npt.NDArray[np.uint64]  # hashes of the questions' words
    word_ends: npt.NDArray[np.int64]  # [I + 1]; item i: words[word_ends[i] : word_ends[i + 1]]
    lengths: npt.NDArray[np.float64]  # [I], of the whole question in words of a spaced language
    varieties: npt.NDArray[np.float64]  # [I], the same, each different word counted once
    table: KeyTable  # of the G different grams
    gram_ends: npt.NDArray[np.int64]  # [I + 1]; item i: grams[gram_ends[i] : gram_ends[i + 1]]
    grams: npt.NDArray[np.int32]  # numbers, ascending and without repeats within an item
    holder_ends: npt.NDArray[np.int64]  # [G + 1]
    holders: npt.NDArray[np.int32]  # gram g is in holders[holder_ends[g] : holder_ends[g + 1]]

    @property
    def not_looked_for(self) -> dict[str, int]:
        """By benchmark, how many of its questions have under five words: too few to be found.

        Of a question that is looked for in several forms, no form has more.
        """
        return self._counted(~np.isin(self.questions, self.questions[np.diff(self.gram_ends) > 0]))

    @property
    def question_counts(self) -> dict[str, int]:
        """By benchmark, how many questions it has, each counted once for all its forms."""
        return self._counted(np.ones(len(self.items), dtype=np.bool_))

    def _counted(self, these: npt.NDArray[np.bool_]) -> dict[str, int]:
        _, firsts = np.unique(self.questions[these], return_index=True)
        items = np.flatnonzero(these)[firsts]
        return dict(sorted(Counter(self.items[item].benchmark for item in items).items()))

    @property
    def gram_count(self) -> int:
        """How many different grams there are."""
        return len(self.table.keys)

    def words_of(self, item: int) -> npt.NDArray[np.uint64]:
        """The words of a question, `MOST_WORDS` at most."""
        return self.words[self.word_ends[item] : self.word_ends[item + 1]]

    def grams_of(self, item: int) -> npt.NDArray[np.int32]:
        """The numbers of the different grams of a question; none where it has under five words."""
        return self.grams[self.gram_ends[item] : self.gram_ends[item + 1]]

    def gram_at_each_word(self, item: int) -> npt.NDArray[np.int64]:
        """The number of the gram that begins at each word of a question, in order."""
        return numbers_of(gram_hashes(self.words_of(item), GRAM_WORDS), *self.table)


def words_of_texts(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint8], Words]:
    """The words of some texts, and the bytes that they stand in."""
    encoded = [text.encode("utf-8") for text in texts]
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum([len(one) for one in encoded])
    data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    offsets.flags.writeable = False  # as those of record batches: one compiled version for both
    return data, split_words(data, offsets)


def build_index(items: Sequence[EvalItem]) -> ItemIndex:
    """Index the questions of `items`, in their order."""
    data, words = words_of_texts([item.question for item in items])
    kept = [
        words.hashes[begin : min(end, begin + MOST_WORDS)]
        for begin, end in zip(words.firsts[:-1], words.firsts[1:], strict=True)
    ]
    hashes = [np.unique(gram_hashes(one, GRAM_WORDS)) for one in kept]
    worth = _worth(data, words)
    no_hashes = np.zeros(0, dtype=np.uint64)
    table = key_table(np.unique(np.concatenate([no_hashes, *hashes])))
    grams = numbers_of(np.concatenate([no_hashes, *hashes]), *table)
    gram_ends = _ends([len(one) for one in hashes])
    owners = np.repeat(np.arange(len(items), dtype=np.int32), np.diff(gram_ends))
    return ItemIndex(
        items=tuple(items),
        questions=_question_numbers(items),
        words=np.concatenate([no_hashes, *kept]),
        word_ends=_ends([len(one) for one in kept]),
        lengths=_sums(worth, words.firsts),
        varieties=_sums(np.where(_first_time(words), worth, 0.0), words.firsts),
        table=table,
        gram_ends=gram_ends,
        grams=grams.astype(np.int32),
        holder_ends=_ends(np.bincount(grams, minlength=len(table.keys))),
        holders=owners[np.argsort(grams, kind="stable")],
    )


def _question_numbers(items: Sequence[EvalItem]) -> npt.NDArray[np.int64]:
    """Which question each item is: items of one name that follow each other are forms of one."""
    names = [(item.benchmark, item.item) for item in items]
    begins = [i == 0 or names[i - 1] != name for i, name in enumerate(names)]
    return np.cumsum(begins, dtype=np.int64) - 1


def _ends(counts: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    ends = np.zeros(len(counts) + 1, dtype=np.int64)
    ends[1:] = np.cumsum(counts)
    return ends


def _worth(data: npt.NDArray[np.uint8], words: Words) -> npt.NDArray[np.float64]:
    """How many words of a spaced language each word is worth."""
    size = words.ends - words.begins
    alone = (size >= 3) & (size <= 4) & (data[words.begins] >= _IDEOGRAPH_LEAD)
    return np.where(alone, _WORDS_A_CHARACTER, 1.0)


def _first_time(words: Words) -> npt.NDArray[np.bool_]:
    """Which words did not stand in their text before."""
    texts = np.repeat(np.arange(len(words.firsts) - 1), np.diff(words.firsts))
    order = np.lexsort((words.hashes, texts))  # stable: of equal words the first comes first
    first = np.ones(len(order), dtype=np.bool_)
    same_text = texts[order[1:]] == texts[order[:-1]]
    same_word = words.hashes[order[1:]] == words.hashes[order[:-1]]
    first[order[1:]] = ~(same_text & same_word)
    return first


def _sums(
    values: npt.NDArray[np.float64], firsts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    sums = np.zeros(len(values) + 1)
    sums[1:] = np.cumsum(values)
    return np.round(sums[firsts[1:]] - sums[firsts[:-1]], 6)
