"""Quality rules and MinHash signatures of 112 hashes: farthing, datatrove, data-juicer.

    python bench/curation/race_filters.py [--text FOLDER] [--language en] [--json FILE]

datatrove's steps are those of its FineWeb example with their defaults (English word tokenizer,
14 buckets of 8 hashes over 5-grams of words). Ours measure all signals, hold every document to
the profile `web` (the same published rules), and sign it with 112 hashes over 5-grams of words.
Both begin with texts in memory: datatrove's as Python strings, ours as Arrow batches. Words are
not cut alike, so decisions differ for some documents: how many is in the second table. Nearly all
of them are texts with many quotes and dashes: datatrove counts punctuation as words, which then
lack a letter. data-juicer's filters, where it is installed, are eight that measure something alike:
repeated runs of words and characters, numbers of words and characters, shares of letters and of
special characters, line lengths; none of Gopher's, C4's or FineWeb's rules is among them as such.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from juicer import FILTERS, JUICER, JUICER_PACKAGE, measured
from pile import Document, batches, draw, files_of, megabytes_of, read
from races import (
    Figure,
    Outcome,
    Side,
    is_there,
    need,
    one_thread,
    options,
    race,
    together,
    version_of,
)

from farthing.documents.batch import text_bytes
from farthing.documents.measure import measure
from farthing.kernels.minhash import hash_family, signatures
from farthing.kernels.words import split_words
from farthing.stages.curate.profiles import build_rules
from farthing.stages.curate.rules import KEPT, judge
from farthing.stages.curate.settings.rules import RulesConfig

BUCKETS, HASHES_PER_BUCKET = 14, 8
WANTED = 50.0
PROFILE = "web"
ALL = "all together"
MINHASH = "datatrove: MinHash"
JUICED = f"data-juicer: {len(FILTERS)} filters"


class Ours:
    """farthing's steps over all batches."""

    def __init__(self, texts: list[pa.LargeStringArray]) -> None:
        self.texts = texts
        self.family = hash_family(BUCKETS * HASHES_PER_BUCKET)
        self.book = build_rules(RulesConfig())
        self.profile = list(self.book.profiles).index(PROFILE)

    def words(self, texts: list[pa.LargeStringArray]) -> object:
        """Cut all texts into words."""
        return [split_words(*text_bytes(each)) for each in texts]

    def rules(self, texts: list[pa.LargeStringArray]) -> list[np.ndarray]:
        """Words, signals, and the first rule of the profile that each document fails."""
        return [self._judged(each, split_words(*text_bytes(each))) for each in texts]

    def hashes(self, texts: list[pa.LargeStringArray]) -> object:
        """Words and signatures."""
        split = [split_words(*text_bytes(each)) for each in texts]
        return [signatures(each.hashes, each.firsts, self.family) for each in split]

    def everything(self, texts: list[pa.LargeStringArray]) -> object:
        """Words once, then signals, rules and signatures."""
        found = []
        for each in texts:
            words = split_words(*text_bytes(each))
            found.append(self._judged(each, words))
            signatures(words.hashes, words.firsts, self.family)
        return found

    def _judged(self, texts: pa.LargeStringArray, words: object) -> np.ndarray:
        signals = measure(texts, words)
        profiles = np.full(len(texts), self.profile, dtype=np.int16)
        return judge(self.book, profiles, signals).first

    def kept(self) -> list[bool]:
        """What the rules keep, document by document."""
        return [bool(code == KEPT) for codes in self.rules(self.texts) for code in codes]


def theirs(folder: str) -> tuple[dict[str, Callable[[str], object]], Callable[[str], bool]]:
    """The steps of datatrove by name, each for one text; and whether its filters keep one."""
    from datatrove.data import Document as TheirDocument
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    config = MinhashConfig(n_grams=5, num_buckets=BUCKETS, hashes_per_bucket=HASHES_PER_BUCKET)
    signer = MinhashDedupSignature(folder, config=config)
    filters = {
        "Gopher quality": GopherQualityFilter(),
        "Gopher repetition": GopherRepetitionFilter(),
        "C4 quality": C4QualityFilter(),
        "FineWeb quality": FineWebQualityFilter(),
    }

    def sign(text: str) -> object:
        shingles = signer.get_shingles(text)
        return signer.get_signature(shingles) if shingles.size else None

    def step(one: object) -> Callable[[str], object]:
        # C4's filter changes the text: each step gets a document of its own.
        return lambda text: one.filter(TheirDocument(text=text, id=""))

    def keeps(text: str) -> bool:
        return all(one.filter(TheirDocument(text=text, id="")) is True for one in filters.values())

    return {**{name: step(one) for name, one in filters.items()}, "MinHash": sign}, keeps


def sides_of(ours: Ours, documents: Sequence[Document], folder: str) -> list[Side]:
    """Every step of both, and ours together."""
    few, texts = ours.texts[:1], [each.text for each in documents]
    steps = {
        "farthing: words": ours.words,
        "farthing: words, signals, rules": ours.rules,
        "farthing: words, 112 hashes": ours.hashes,
        f"farthing: {ALL}": ours.everything,
    }
    sides = [
        Side(name, lambda work=work: work(ours.texts), lambda work=work: work(few))
        for name, work in steps.items()
    ]
    for name, work in theirs(folder)[0].items():
        sides.append(
            Side(
                f"datatrove: {name}",
                lambda work=work: [work(text) for text in texts],
                lambda work=work: work(texts[0]),
            )
        )
    if is_there(JUICER):
        sides.append(
            Side(JUICED, lambda: measured(texts), lambda: measured(texts[:1])),
        )
    return sides


def main() -> int:
    """Run the race; 0."""
    parser = options(__doc__)
    parser.add_argument("--language", default="en", help="of the documents, as they state it")
    asked = parser.parse_args()
    one_thread()
    need("datatrove")
    every = (each for each in read(files_of(asked.text)) if each.language == asked.language)
    documents = draw(every, asked.megabytes)
    megabytes = megabytes_of(documents)
    ours = Ours(batches(documents))
    with tempfile.TemporaryDirectory() as folder:
        found = race(sides_of(ours, documents, folder), megabytes, asked.rounds)
        keeps = theirs(folder)[1]
        decided = [keeps(each.text) for each in documents]
    report(asked, documents, found, list(zip(ours.kept(), decided, strict=True)))
    return 0


def report(
    asked: object, documents: Sequence[Document], found: dict[str, Figure], kept: list
) -> None:
    """The tables, the target, and the JSON."""
    rival = together([each for name, each in found.items() if name.startswith("datatrove")])
    rates = {**found, f"datatrove: {ALL}": rival}
    rules = together(
        [rate for name, rate in found.items() if name.startswith("datatrove") and name != MINHASH]
    )
    base = {
        "farthing: words, signals, rules": rules,
        "farthing: words, 112 hashes": rates[MINHASH],
        f"farthing: {ALL}": rival,
    }
    outcome = Outcome(
        "race_filters",
        "Rules and MinHash signatures: farthing and datatrove, one thread",
        list(range(asked.rounds)),
        [
            f"{len(documents):,} documents in {asked.language}, {megabytes_of(documents):.2f} MB "
            "of UTF-8; MB for each CPU-second",
        ],
    )
    outcome.table(
        "Rates",
        ["step", "MB/CPU-s", "over datatrove's"],
        [
            [name, rate, rate.over(base[name]) if name in base else ""]
            for name, rate in rates.items()
        ],
    )
    both = [f"{sum(a == wanted and b == wanted for a, b in kept):,}" for wanted in (True, False)]
    alone = [f"{sum(a and not b for a, b in kept):,}", f"{sum(b and not a for a, b in kept):,}"]
    outcome.table(
        "Documents",
        ["kept by both", "dropped by both", "kept by farthing alone", "kept by datatrove alone"],
        [[*both, *alone]],
    )
    ratio = rates[f"farthing: {ALL}"].over(rival)
    outcome.target("rules and 112 hashes over datatrove's rate", ">=", WANTED, ratio)
    outcome.versions = version_of(
        "datatrove", JUICER_PACKAGE, "spacy", "xxhash", "numba", "pyarrow"
    )
    outcome.close(asked.json)


if __name__ == "__main__":
    sys.exit(main())
