"""Short strings whose language is known, set by set: for the race of languages.

Three sources, none of which farthing's weights were trained on: the strings that the tests keep;
published evaluation sets, if a folder of them is given; and documents that training kept out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pile import Document, files_of, read

KEPT = Path(__file__).resolve().parents[2] / "tests" / "documents" / "language" / "strings.jsonl"
LABELS = ("en", "zh", "code")
LETTERS = 200
SHORTEST = 8
MOST_OF_SET = 2000
# Start of a file's name -> where its strings stand, and in what they are.
PUBLISHED = {
    "arc_challenge": ("question", "en"),
    "arc_easy": ("question", "en"),
    "blimp": ("sentence_good", "en"),
    "boolq": ("question", "en"),
    "commonsenseqa": ("question", "en"),
    "copa": ("premise", "en"),
    "gsm8k_test": ("question", "en"),
    "hellaswag": ("ctx", "en"),
    "mmlu_validation": ("question", "en"),
    "openbookqa": ("question_stem", "en"),
    "piqa": ("goal", "en"),
    "winogrande": ("sentence", "en"),
    "agieval_gaokao_zh": ("question", "zh"),
    "cmath": ("input", "zh"),
    "sling": ("sentence_good", "zh"),
    "xcopa_zh": ("premise", "zh"),
    "humaneval": ("canonical_solution", "code"),
    "mbpp": ("code", "code"),
}


class Labelled(NamedTuple):
    """A string, in what it is, and where it is from."""

    text: str
    label: str
    set: str


def kept_strings() -> list[Labelled]:
    """Those that the tests keep, all of them short."""
    rows = map(json.loads, KEPT.read_text(encoding="utf-8").splitlines())
    return [Labelled(row["text"], row["language"], f"{row['set']} (tests)") for row in rows]


def published_strings(folder: Path) -> list[Labelled]:
    """Of every set of the folder that is known, up to so many by digest.

    Args:
        folder: files NAME.jsonl or NAME.jsonl.gz, as their authors publish them.
    """
    found = []
    for path in sorted(folder.glob("*.jsonl*")):
        name = path.name.partition(".")[0]
        for start, (field, label) in PUBLISHED.items():
            if name.startswith(start) and not name.startswith("blimp_"):
                texts = {_short(str(row[field]), label) for row in _rows(path) if row.get(field)}
                found += [Labelled(text, label, name) for text in _drawn(texts)]
    return found


def held_out_strings(paths: list[Path] | None) -> list[Labelled]:
    """From the middle of each document that training kept out, by the language that it states.

    What is said of a document need not hold for two lines of it: manuals hold programs, and
    translated help pages stretches that nobody has translated.
    """
    found = []
    for path in files_of(paths):
        texts: dict[str, set[str]] = {label: set() for label in LABELS}
        for each in read([path]):
            label = label_of(each)
            if label is not None and _held_out(each.id):
                texts[label].add(string_of(each))
        for label, some in texts.items():
            name = path.name.partition(".")[0]
            found += [Labelled(text, label, name) for text in _drawn(some)]
    return found


def label_of(document: Document) -> str | None:
    """What a document is said to be; None where that is none of the three."""
    for said in (document.domain, document.language):
        for label in LABELS:
            if said == label or (
                said.startswith((f"{label}_", f"{label}-")) and "math" not in said
            ):
                return label
    return None


def string_of(document: Document) -> str:
    """Whole lines from the middle of a text, as many as fit."""
    begin = document.text.find("\n", len(document.text) // 2) + 1
    return document.text[begin : begin + LETTERS].strip()


def _held_out(name: str) -> bool:
    """As scripts/build_language_model.py decides."""
    return hashlib.sha256(name.encode()).digest()[0] < 26


def _drawn(texts: Iterable[str]) -> list[str]:
    long_enough = [text for text in texts if len(text.strip()) >= SHORTEST]
    long_enough.sort(key=lambda text: hashlib.sha256(text.encode()).digest())
    return long_enough[:MOST_OF_SET]


def _short(text: str, label: str) -> str:
    # The first space of a program says something; of a sentence, nothing.
    return text[:LETTERS] if label == "code" else text[:LETTERS].strip()


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    # Not `splitlines`: U+2028 may stand within a string.
    return (json.loads(line) for line in text.split("\n") if line.strip())
