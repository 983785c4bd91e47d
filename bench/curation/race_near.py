"""Near-duplicates found among real texts: recall, precision and speed, by exact similarity.

    python bench/curation/race_near.py [--text FOLDER] [--json FILE]

Texts drawn from the files, and of some of them copies in which 1 to 10 words in 100 were replaced,
so that pairs lie on both sides of the limit of 0.8. What is right is decided by the Jaccard
similarity of sets of 5-grams, counted on Python strings for every pair that has a 5-gram in common.
Each program is judged by sets of the shingles that it makes: ours of words in any script, the
others' of what stands between white space; so they are on English alone. All have 20 bands of 6;
of datatrove's 14 buckets of 8, its default, the keys alone are taken, joined here. What a rival
hands out are candidates: their precision is that before any check, and ours that after ours.
"""

from __future__ import annotations

import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from pile import Document, draw, files_of, read
from race_duplicates import BANDS, HASHES, LENGTH, ROWS, shingles
from races import Figure, Outcome, Side, is_there, one_thread, options, race, version_of

from farthing.documents.batch import large_strings, text_bytes
from farthing.kernels.words import split_words
from farthing.stages.curate.duplicates.candidates import candidate_pairs
from farthing.stages.curate.duplicates.sketch import sketch
from farthing.stages.curate.duplicates.verify import sets_of, similar_pairs

SIMILARITY = 0.8
WANTED = 0.99
CHANGED = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1)
_COPIED = 0.1  # of the texts, once for each share of changed words
_OF_RIVALS = 0.2  # of the megabytes, in English: some rivals read half a megabyte a second
_LONGEST = 60_000  # characters; the truth is counted on strings
_OFTEN = 200  # documents with one shingle: a notice in all of them, not what makes texts alike

Pairs = set[tuple[int, int]]
Finder = Callable[[Sequence[str]], Pairs]
_WORDS = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")


def with_copies(documents: Sequence[Document], seed: int = 0) -> list[str]:
    """The texts, and copies of a tenth of them with words replaced, shuffled."""
    source = random.Random(seed)
    texts = [each.text for each in documents if len(each.text) <= _LONGEST]
    copied = source.sample(texts, round(_COPIED * len(texts)))
    texts += [_changed(text, share, source) for text in copied for share in CHANGED]
    source.shuffle(texts)
    return texts


def _changed(text: str, share: float, source: random.Random) -> str:
    def other(found: re.Match[str]) -> str:
        if source.random() >= share:
            return found.group()
        return f"x{source.randrange(10**6)}x" if found.group().isascii() else "囧"

    return _WORDS.sub(other, text)


def word_sets(texts: Iterable[str]) -> list[set[tuple[str, ...]]]:
    """Runs of five words in lower case, Chinese characters single, of each text."""
    found = []
    for text in texts:
        words = _WORDS.findall(text.lower())
        last = max(len(words) - LENGTH + 1, 1)
        found.append({tuple(words[n : n + LENGTH]) for n in range(last)} if words else set())
    return found


def similar(sets: Sequence[set[Any]]) -> Pairs:
    """Every pair that is similar enough; pairs without a shingle of few texts are not."""
    holders: dict[Any, list[int]] = defaultdict(list)
    for number, one in enumerate(sets):
        for shingle in one:
            holders[shingle].append(number)
    seen: Pairs = set()
    for numbers in holders.values():
        if len(numbers) <= _OFTEN:
            seen.update(combinations(numbers, 2))
    return {(a, b) for a, b in seen if _jaccard(sets[a], sets[b]) >= SIMILARITY}


def _jaccard(one: set[Any], two: set[Any]) -> float:
    return len(one & two) / len(one | two)


def ours(texts: Sequence[str]) -> Pairs:
    """Words, sketches, candidates, and the exact check of each pair."""
    words, documents = split_words(*text_bytes(large_strings(texts))), np.arange(len(texts))
    made = sketch(words, bands=BANDS, rows=ROWS)
    found = candidate_pairs(made.keys.T, made.low_bytes, documents, similarity=SIMILARITY)
    sets = sets_of(words, documents, np.unique(found))
    return set(map(tuple, similar_pairs(found, sets, similarity=SIMILARITY).tolist()))


def with_rensa(texts: Sequence[str]) -> Pairs:
    """Signatures of rensa in its index, each text asked for."""
    from rensa import RMinHash, RMinHashLSH

    signed = []
    for text in texts:
        one = RMinHash(num_perm=HASHES, seed=1)
        one.update(shingles(text))
        signed.append(one)
    index = RMinHashLSH(threshold=SIMILARITY, num_perm=HASHES, num_bands=BANDS)
    for number, one in enumerate(signed):
        index.insert(number, one)
    return _asked(index.query, signed)


def with_datasketch(texts: Sequence[str]) -> Pairs:
    """Signatures of datasketch in its index, each text asked for."""
    from datasketch import MinHash, MinHashLSH

    signed = []
    for text in texts:
        one = MinHash(num_perm=HASHES, seed=1)
        one.update_batch([shingle.encode() for shingle in shingles(text)])
        signed.append(one)
    index = MinHashLSH(num_perm=HASHES, params=(BANDS, ROWS))
    for number, one in enumerate(signed):
        index.insert(number, one)
    return _asked(index.query, signed)


def with_gaoya(texts: Sequence[str]) -> Pairs:
    """An index of gaoya, each text asked for; it screens by the estimated similarity."""
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(
        32, SIMILARITY, BANDS, ROWS, None, "word", False, (LENGTH, LENGTH), "smallvec"
    )
    for number, text in enumerate(texts):
        index.insert_document(number, text)
    return _asked(index.query, texts)


def with_datatrove(texts: Sequence[str]) -> Pairs:
    """Bucket keys of datatrove, equal ones joined here."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    signer = MinhashDedupSignature("unused", config=MinhashConfig(n_grams=LENGTH))
    buckets: dict[Any, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        found = signer.get_shingles(text)
        if found.size:
            for bucket, key in enumerate(signer.get_signature(found)):
                buckets[bucket, tuple(key)].append(number)
    return {pair for numbers in buckets.values() for pair in combinations(numbers, 2)}


RIVALS: dict[str, Finder] = {
    "rensa": with_rensa,
    "gaoya": with_gaoya,
    "datasketch": with_datasketch,
    "datatrove": with_datatrove,
}


def _asked(query: Callable[[Any], Iterable[int]], keys: Sequence[Any]) -> Pairs:
    pairs = set()
    for number, key in enumerate(keys):
        pairs.update((min(number, n), max(number, n)) for n in query(key) if n != number)
    return pairs


def scores(found: Pairs, truth: Pairs) -> tuple[Figure, Figure]:
    """Recall and precision."""
    right = len(found & truth)
    return Figure.of([right / max(len(truth), 1)]), Figure.of([right / max(len(found), 1)])


def datatrove_sets(texts: Sequence[str]) -> list[set[Any]]:
    """The shingles that datatrove signs."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    signer = MinhashDedupSignature("unused", config=MinhashConfig(n_grams=LENGTH))
    return [
        set(signer.get_shingles(text).ravel().tolist()) or {-n - 1} for n, text in enumerate(texts)
    ]


def truths_of(texts: Sequence[str], programs: Iterable[str]) -> dict[str, Pairs]:
    """By program, the pairs that are similar by the shingles that it makes."""
    rivals = [name for name in programs if name != "farthing"]
    found = {"farthing": similar(word_sets(texts))}
    if rivals:
        found |= dict.fromkeys(rivals, similar([set(shingles(text)) for text in texts]))
    if "datatrove" in rivals:
        found["datatrove"] = similar(datatrove_sets(texts))
    return found


def compare(
    outcome: Outcome, title: str, texts: Sequence[str], works: dict[str, Finder], rounds: int
) -> list[list[str | Figure]]:
    """Rates and shares of all programs on some texts; the targets are ours."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    outcome.setting.append(f"{title}: {len(texts):,} texts, {megabytes:.2f} MB")
    sides = [
        Side(name, lambda work=work: work(texts), lambda work=work: work(texts[:9]))
        for name, work in works.items()
    ]
    rates, truths = race(sides, megabytes, rounds), truths_of(texts, works)
    rows: list[list[str | Figure]] = []
    for name, work in works.items():
        recall, precision = scores(work(texts), truths[name])
        rows.append([title, name, rates[name], f"{len(truths[name]):,}", recall, precision])
        if name == "farthing":
            outcome.target(f"recall of near-duplicates, {title}", ">=", WANTED, recall)
            outcome.target(f"precision of near-duplicates, {title}", ">=", WANTED, precision)
    return rows


def main() -> int:
    """Run the race; 0."""
    asked = options(__doc__, megabytes=8.0).parse_args()
    one_thread()
    documents = draw(read(files_of(asked.text)), asked.megabytes)
    spaced = (each for each in documents if each.language.startswith("en"))
    english = draw(spaced, asked.megabytes * _OF_RIVALS)
    there = {name: work for name, work in RIVALS.items() if is_there(name)}
    outcome = Outcome(
        "race_near",
        "Near-duplicates among real texts, one thread",
        list(range(asked.rounds)),
        [
            "a tenth of the texts has six copies with 0 to 10 words in 100 replaced; MB of UTF-8 "
            "for each CPU-second, from texts to pairs; similar is a Jaccard similarity of 0.8"
        ],
    )
    rows = compare(outcome, "all", with_copies(documents), {"farthing": ours}, asked.rounds)
    both = {"farthing": ours, **there}
    rows += compare(outcome, "English", with_copies(english), both, asked.rounds)
    columns = ["texts", "program", "MB/CPU-s", "similar pairs", "recall", "precision"]
    outcome.table("Pairs", columns, rows)
    outcome.versions = version_of(*RIVALS, "numba")
    outcome.close(asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
