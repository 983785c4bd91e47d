"""Train the weights that tell languages apart: the same folder, the same bytes.

    python scripts/build_language_model.py --corpus DIR [--out src/farthing/documents/language]

DIR holds raw `*.jsonl.zst` files (one object a line: id, text, lang, and format where it is not
text); the start of a file's name is its class (`FILES`). Every tenth document, by the digest of its
id, is not trained on but scored at the end, whole and as single strings, file by file.

Both kinds of snippet are needed. From single lines alone a line break is only ever met in programs,
and every page of prose becomes code; from pages alone short strings are guessed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from farthing.documents.batch import large_strings, text_bytes
from farthing.documents.language.identify import LANGUAGES, identify
from farthing.documents.language.weights import (
    BITS,
    CLASSES,
    FILE,
    Weights,
    round_weights,
    write_weights,
)
from farthing.kernels.linear import sort_rows, train_epoch
from farthing.kernels.snippets import MOST_GRAMS, gram_features

# Start of a file's name -> class; the longest one that fits counts.
FILES = {"en": "en", "zh": "zh", "code": "code", "math_latex": "maths", "math_qa": "en",
         "multilingual": "other"}  # fmt: skip
# Of other languages, what the classes above (or the script alone) already stand for.
NOT_OTHER = ("udhr:eng", "udhr:cmn", "ja", "ko", "zh", "en")
SNIPPETS_OF_CLASS = {"en": 65_000, "zh": 30_000, "code": 30_000, "maths": 15_000, "other": 30_000}
COMMON_ENGLISH = frozenset(["the", "and", "of", "is", "that", "with", "to", "for"])
MOST_OF_DOCUMENT = 80
LINE_LENGTHS = (15, 20, 40, 80, 200)
PAGE_LENGTHS = (100, 200, 400, 510)
WRAPPED = 0.25  # share of the pages; poems, lists and columns have lines of any width
WIDTHS = (12, 20, 30, 50, 70)
INDENTS = ("", "", "  ", "\t", "       ")
EPOCHS = 3
RATE = 0.1
SEED = 0
MOST_TESTED = 400  # documents of a file

Row = dict[str, Any]


def main() -> None:
    """Parse the arguments, train, write, score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True, help="folder of raw .jsonl.zst")
    parser.add_argument("--out", type=Path, default=Path("src/farthing/documents/language"))
    arguments = parser.parse_args()
    files = sorted(arguments.corpus.glob("*.jsonl.zst"))
    kinds = {path: FILES[name] for path in files if (name := named(path)) is not None}
    snippets: list[tuple[str, str]] = []
    for path, kind in kinds.items():
        share = SNIPPETS_OF_CLASS[kind] // list(kinds.values()).count(kind)
        found = gather(path, kind, share)
        print(f"{path.name.partition('.')[0]:20} {kind:6} {len(found):6} snippets")
        snippets += [(text, kind) for text in found]
    weights = round_weights(train(snippets))
    write_weights(weights, arguments.out / FILE)
    for path, kind in kinds.items():
        if any(True for _ in read(path)):
            score(path, kind, weights)


def named(path: Path) -> str | None:
    """The entry of `FILES` that a file belongs to."""
    fitting = [start for start in FILES if path.name.startswith(start)]
    return max(fitting, key=len, default=None)


def read(path: Path) -> Iterator[Row]:
    """The documents of a file that are text, and of no language that another class stands for."""
    other = named(path) == "multilingual"
    with path.open("rb") as raw:
        stream = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(raw)
        for line in io.BufferedReader(stream, 1 << 20):
            row = json.loads(line)
            if row.get("format", "text") != "text":
                continue
            if not (other and row["lang"].startswith(NOT_OTHER)):
                yield row


def held_out(row: Row) -> bool:
    """Whether a document is scored instead of trained on."""
    return hashlib.sha256(row["id"].encode()).digest()[0] < 26


def gather(path: Path, kind: str, most: int) -> list[str]:
    """About `most` snippets, evenly from the documents of a file."""
    rows = [row for row in read(path) if not held_out(row)]
    each = min(MOST_OF_DOCUMENT, max(1, round(most / max(1, len(rows)))))
    rows.sort(key=lambda row: hashlib.sha256(row["id"].encode()).digest())
    found: list[str] = []
    for row in rows:
        if len(found) >= most:
            break
        draw = random.Random(f"{SEED} {row['id']}")
        found += [text for text in cuts(row["text"], kind, each, draw) if fits(text, kind)]
    return found


def cuts(text: str, kind: str, count: int, draw: random.Random) -> Iterator[str]:
    """Half single lines (of programs: a few lines), half windows over several."""
    lines = [line.strip() for line in text.split("\n") if len(line.strip()) >= 8]
    raw_lines = text.split("\n")
    for _ in range(count):
        if draw.random() < 0.5:
            length = draw.choice(PAGE_LENGTHS)
            first = draw.randrange(max(1, len(text) - length + 1))
            window = text[first : first + length]
            wrapped = kind != "code" and draw.random() < WRAPPED
            yield wrap(window, draw) if wrapped else window
        elif kind == "code":
            first = draw.randrange(max(1, len(raw_lines) - 3))
            some = "\n".join(raw_lines[first : first + draw.randint(1, 6)])
            yield some[: draw.choice(PAGE_LENGTHS)]
        elif lines:
            line, length = draw.choice(lines), draw.choice(LINE_LENGTHS)
            first = draw.randrange(max(1, len(line) - length + 1))
            yield line[first : first + length]


def wrap(text: str, draw: random.Random) -> str:
    """The same words in lines of another width, some of them indented."""
    indent = draw.choice(INDENTS)
    width = draw.choice(WIDTHS) + len(indent)
    lines = textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
    return draw.choice(("\n", "\n", "\n\n")).join(lines)


def fits(text: str, kind: str) -> bool:
    """Whether a snippet is of its class at all."""
    if kind == "zh":
        return sum("\u4e00" <= character <= "\u9fff" for character in text) >= 0.15 * len(text)
    if kind == "other":
        # Translated manuals hold paragraphs that nobody has translated yet.
        words = text.lower().split()
        if sum(word in COMMON_ENGLISH for word in words) > 0.05 * len(words):
            return False
    return len(text.strip()) >= (15 if kind == "code" else 8)


def train(snippets: Sequence[tuple[str, str]]) -> npt.NDArray[np.float32]:
    """The weights [2^BITS, classes] after `EPOCHS` passes in shuffled orders."""
    data, offsets = text_bytes(large_strings([text for text, _ in snippets]))
    labels = np.array([CLASSES.index(kind) for _, kind in snippets], dtype=np.int8)
    room = np.minimum(4 * (np.diff(offsets) + 2), MOST_GRAMS).sum()
    features = np.empty(room, dtype=np.int32)
    firsts = np.zeros(len(offsets), dtype=np.int64)
    gram_features(data, offsets[:-1], offsets[1:], BITS, features, firsts)
    sort_rows(features, firsts)
    weights = np.zeros((1 << BITS, len(CLASSES)), dtype=np.float32)
    squares = np.zeros_like(weights)
    orders = np.random.default_rng(SEED)
    for _ in range(EPOCHS):
        order = orders.permutation(len(snippets)).astype(np.int64)
        train_epoch(features, firsts, labels, order, RATE, weights, squares)
    return weights


def score(path: Path, kind: str, weights: Weights) -> None:
    """Print the share of held-out documents, and of single lines of them, that are told right."""
    rows = [row for row in read(path) if held_out(row)]
    rows.sort(key=lambda row: hashlib.sha256(row["id"].encode()).digest())
    rows = rows[:MOST_TESTED]
    strings: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        strings["documents"].append(row["text"])
        draw = random.Random(f"score {row['id']}")
        strings["snippets"] += [t for t in cuts(row["text"], kind, 4, draw) if fits(t, kind)]
    shown = []
    for what, texts in strings.items():
        codes, _ = identify(*text_bytes(large_strings(texts)), weights)
        told = Counter(LANGUAGES[code] for code in codes)
        shown.append(f"{what} {told[kind] / len(texts):.4f} of {len(texts)} {dict(told)}")
    print(f"{path.name.partition('.')[0]:20} {kind:6} {'; '.join(shown)}")


if __name__ == "__main__":
    main()
