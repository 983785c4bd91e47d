"""MinHash signatures of 120 hashes over 5-grams of words: farthing, rensa, Daft, gaoya and others.

    python bench/curation/race_duplicates.py [--text FOLDER] [--json FILE]

From texts in memory to signatures. rensa and datasketch take shingles as Python strings, which
their users have to make: by splitting at white space, as their documentation does; that is in the
first row of each and left out of the second. Daft, gaoya and data-juicer, each where it is
installed, split by themselves; gaoya hands no signatures out, so its row also fills its index. Ours
cut words in any script, so on Chinese they have many more shingles than a split at white space
finds. How close the estimates are: each document is
paired with itself after one word in ten was changed, and the estimate is held against the exact
Jaccard similarity of the very shingles that the program saw.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from juicer import JUICER, JUICER_PACKAGE, min_hashes
from pile import Document, batches, draw, files_of, megabytes_of, read
from races import Outcome, Side, is_there, need, one_thread, options, race, version_of

from farthing.documents.batch import large_strings, text_bytes
from farthing.kernels.minhash import hash_family, signatures
from farthing.kernels.words import split_words

HASHES, LENGTH = 120, 5
BANDS, ROWS = 20, 6
_CHANGED = 0.1
_MOST_PAIRS = 200


def shingles(text: str) -> list[str]:
    """Runs of five words between white space, as the rivals' users make them."""
    words = text.split()
    return [" ".join(words[n : n + LENGTH]) for n in range(max(len(words) - LENGTH + 1, 1))]


def ours(texts: Sequence[str]) -> np.ndarray:
    """Signatures, [D, H]."""
    words = split_words(*text_bytes(large_strings(texts)))
    return signatures(words.hashes, words.firsts, hash_family(HASHES))


def rensa_digest(items: list[str]) -> list[int]:
    """One signature."""
    from rensa import RMinHash

    signed = RMinHash(num_perm=HASHES, seed=1)
    signed.update(items)
    return signed.digest()


def datasketch_digest(items: list[str]) -> np.ndarray:
    """One signature."""
    from datasketch import MinHash

    signed = MinHash(num_perm=HASHES, seed=1)
    signed.update_batch([item.encode() for item in items])
    return signed.hashvalues


RIVALS: dict[str, Callable[[list[str]], object]] = {
    "rensa": rensa_digest,
    "datasketch": datasketch_digest,
}


def daft_signatures(texts: Sequence[str]) -> np.ndarray:
    """Signatures, [D, H]."""
    import daft

    column = pa.table({"text": pa.array(texts, pa.large_string())})
    signed = daft.functions.minhash(
        daft.col("text"), num_hashes=HASHES, ngram_size=LENGTH, hash_function="xxhash"
    )
    found = daft.from_arrow(column).select(signed.alias("signed")).to_arrow()
    values = found.column("signed").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values.reshape(-1, HASHES)


def gaoya_index(texts: Sequence[str]) -> object:
    """An index that holds all texts."""
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(
        32, 0.8, BANDS, ROWS, None, "word", False, (LENGTH, LENGTH), "smallvec"
    )
    for number, text in enumerate(texts):
        index.insert_document(number, text)
    return index


# By package: what splits by itself, from texts to signatures.
WHOLE: dict[str, Callable[[Sequence[str]], object]] = {
    "daft": daft_signatures,
    "gaoya": gaoya_index,
    JUICER: lambda texts: min_hashes(texts, BANDS, ROWS),
}


def sides_of(documents: Sequence[Document]) -> list[Side]:
    """Our kernels on Arrow batches, and every rival with and without making shingles."""
    family, arrays = hash_family(HASHES), batches(documents)

    def signed(chosen: list) -> object:
        split = [split_words(*text_bytes(each)) for each in chosen]
        return [signatures(each.hashes, each.firsts, family) for each in split]

    sides = [Side("farthing", lambda: signed(arrays), lambda: signed(arrays[:1]))]
    texts = [each.text for each in documents]
    made = [shingles(text) for text in texts]
    for name, digest in RIVALS.items():
        sides.append(
            Side(
                name,
                lambda digest=digest: [digest(shingles(text)) for text in texts],
                lambda digest=digest: digest(made[0]),
            )
        )
        sides.append(
            Side(
                f"{name}, shingles given",
                lambda digest=digest: [digest(each) for each in made],
                lambda digest=digest: digest(made[0]),
            )
        )
    for name, work in WHOLE.items():
        if is_there(name):
            sides.append(
                Side(name, lambda work=work: work(texts), lambda work=work: work(texts[:1]))
            )
    return sides


def changed(text: str, source: random.Random) -> str:
    """The text with one word in ten replaced."""
    words = text.split()
    return " ".join(f"x{n}" if source.random() < _CHANGED else w for n, w in enumerate(words))


def errors_of(documents: Sequence[Document]) -> dict[str, list[float]]:
    """Estimate less exact similarity, pair by pair, by program."""
    source = random.Random(0)
    pairs = [(" ".join(each.text.split()), each.text) for each in documents[:_MOST_PAIRS]]
    pairs = [(plain, changed(plain, source)) for plain, _ in pairs]
    found: dict[str, list[float]] = {name: [] for name in ("farthing", *RIVALS)}
    left, right = ours([a for a, _ in pairs]), ours([b for _, b in pairs])
    for place, (a, b) in enumerate(pairs):
        estimate = float(np.mean(left[place] == right[place]))
        found["farthing"].append(estimate - _jaccard(*map(_own_shingles, (a, b))))
        exact = _jaccard(set(shingles(a)), set(shingles(b)))
        for name, digest in RIVALS.items():
            one, two = np.asarray(digest(shingles(a))), np.asarray(digest(shingles(b)))
            found[name].append(float(np.mean(one == two)) - exact)
        if is_there("daft"):
            one, two = daft_signatures([a, b])
            found.setdefault("daft", []).append(float(np.mean(one == two)) - exact)
    return found


def _own_shingles(text: str) -> set[tuple[int, ...]]:
    words = split_words(*text_bytes(large_strings([text]))).hashes.tolist()
    last = max(len(words) - LENGTH + 1, 1)
    return {tuple(words[n : n + LENGTH]) for n in range(last)}


def _jaccard(one: set, two: set) -> float:
    return len(one & two) / len(one | two)


def main() -> int:
    """Run the race; 0."""
    asked = options(__doc__).parse_args()
    one_thread()
    for name in RIVALS:
        need(name)
    documents = draw(read(files_of(asked.text)), asked.megabytes)
    megabytes = megabytes_of(documents)
    found = race(sides_of(documents), megabytes, asked.rounds)
    errors = errors_of(documents)
    outcome = Outcome(
        "race_duplicates",
        "MinHash signatures of 120 hashes over 5-grams of words, one thread",
        list(range(asked.rounds)),
        [f"{len(documents):,} documents, {megabytes:.2f} MB of UTF-8; MB for each CPU-second"],
    )
    rows = [
        [name, rate, found["farthing"].over(rate), _root_mean_square(errors.get(name))]
        for name, rate in found.items()
    ]
    columns = ["program", "MB/CPU-s", "farthing over it", "error of the estimate (RMS)"]
    outcome.table("Rates", columns, rows)
    outcome.versions = version_of(*RIVALS, "daft", "gaoya", JUICER_PACKAGE, "numba")
    outcome.close(asked.json)
    return 0


def _root_mean_square(errors: list[float] | None) -> str:
    if errors is None:
        return ""
    return f"{statistics.fmean(error * error for error in errors) ** 0.5:.4f}"


if __name__ == "__main__":
    sys.exit(main())
