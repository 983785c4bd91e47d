"""The documents of a race: from files of the user's, or from the sample that farthing carries.

A plain reader, so that no race depends on the one that it measures beside others.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import zstandard

from farthing.documents.batch import large_strings
from farthing.text.sample import sample_file

_ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst")
# As curation hands batches to its steps.
_BATCH_BYTES = 2 << 20


@dataclass(frozen=True)
class Document:
    """One text, its UTF-8 size, and what it is said to be in."""

    id: str
    text: str
    bytes: int
    language: str
    domain: str


def files_of(paths: Sequence[Path] | None) -> list[Path]:
    """Every JSONL file, those in folders included; the embedded sample's for None."""
    if not paths:
        return [Path(str(sample_file(split))) for split in ("train", "dev", "test")]
    found = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [each for each in inside if each.name.endswith(_ENDINGS)]
    return found


def read(files: Iterable[Path]) -> Iterator[Document]:
    """All documents that are text, in the order of the files.

    What a record does not say of its language (`language` or `lang`) and domain is "". Pages of
    HTML are left out: what is in them is more markup than text.
    """
    for path in files:
        with path.open("rb") as file, _plain(path, file) as stream:
            for number, line in enumerate(stream):
                data = json.loads(line)
                text = data.get("text") or ""
                if text and data.get("format") != "html":
                    yield Document(
                        str(data.get("id", f"{path.name}:{number}")),
                        text,
                        len(text.encode("utf-8", "surrogatepass")),
                        str(data.get("language", data.get("lang", ""))),
                        str(data.get("domain", "")),
                    )


def draw(documents: Iterable[Document], megabytes: float) -> list[Document]:
    """So much text, chosen by the digests of ids: any order of the files gives the same."""
    ranked = sorted(documents, key=lambda each: hashlib.blake2b(each.id.encode()).digest())
    chosen, size = [], 0
    for each in ranked:
        if size >= megabytes * 1e6:
            break
        chosen.append(each)
        size += each.bytes
    return chosen


def batches(documents: Iterable[Document]) -> list[pa.LargeStringArray]:
    """The texts as curation's steps take them: in batches of some megabytes."""
    made, waiting, size = [], [], 0
    for each in documents:
        waiting.append(each.text)
        size += each.bytes
        if size >= _BATCH_BYTES:
            made.append(large_strings(waiting))
            waiting, size = [], 0
    return [*made, large_strings(waiting)] if waiting else made


def megabytes_of(documents: Iterable[Document]) -> float:
    """10^6 bytes of UTF-8."""
    return sum(each.bytes for each in documents) / 1e6


def _plain(path: Path, file: BinaryIO) -> io.BufferedReader | gzip.GzipFile | BinaryIO:
    if path.name.endswith(".zst"):
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
    return gzip.GzipFile(fileobj=file) if path.name.endswith(".gz") else file
