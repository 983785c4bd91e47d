"""Reading documents: one record type, from JSON lines or plain text, with errors that locate.

.jsonl, .jsonl.zst, .jsonl.gz   one JSON object a line: id and text, and where it is known
                                source, licence, language, domain, work
.txt                            one document, named after the file
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import zstandard

from farthing.errors import CorpusError

UNSTATED = "unstated"
UNDETERMINED = "und"  # ISO 639-2 for "language not known"
SUFFIXES = (".jsonl", ".jsonl.zst", ".jsonl.gz", ".txt")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# zstd --long=31, the largest window that the format's own tool writes.
_MAX_ZSTD_WINDOW_BYTES = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Document:
    """One text with its provenance.

    Attributes:
        id: unique in a corpus.
        text: never empty; always encodable as UTF-8.
        source: where it came from, or "unstated".
        licence: SPDX-like name, or "unstated".
        language: BCP 47 tag, or "und".
        domain: what it is mixed and scored as; the language unless the data say otherwise.
        work: the cluster that stays on one side of the train/dev/test split: chapters, versions
            and translations of one work share it; the id unless the data say otherwise.
    """

    id: str
    text: str
    source: str
    licence: str
    language: str
    domain: str
    work: str

    @property
    def size(self) -> int:
        """Bytes of the text in UTF-8."""
        return len(self.text.encode())


def read_documents(
    paths: Sequence[Path], dropped: Counter[str] | None = None
) -> Iterator[Document]:
    """Every document under `paths`, in order; a folder stands for its files, sorted.

    Args:
        paths: files, or folders to search for files with one of `SUFFIXES`.
        dropped: counts what was left out, by reason ("empty_text").

    Raises:
        CorpusError: a path is missing or of another kind, there is nothing to read, or a file is
            not UTF-8, not JSON, lacks a key or repeats an id; with file, line and byte offset.
    """
    files = [found for path in paths for found in _find_files(path)]
    reasons: Counter[str] = Counter() if dropped is None else dropped
    seen: dict[str, Path] = {}
    for path, name in files:
        for document, where in _read_file(path, name):
            if document.id in seen:
                raise CorpusError(
                    f"{where}: the id {document.id!r} was already used in {seen[document.id]}",
                    remedy="give every document its own id, or name the file only once",
                )
            seen[document.id] = path
            if document.text.strip():
                yield document
            else:
                reasons["empty_text"] += 1
    if len(seen) == 0 or len(seen) == reasons["empty_text"]:
        raise CorpusError(
            f"no text in {', '.join(map(str, paths)) or 'an empty list of sources'}: "
            f"{len(files)} files, {len(seen)} documents, all of them empty",
            remedy="name files with at least one document whose text is not blank",
        )


def list_files(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """The files that `read_documents` would read, in its order, and what a `.txt` would be called.

    Raises:
        CorpusError: as `read_documents` for paths.
    """
    return [found for path in paths for found in _find_files(path)]


def _find_files(path: Path) -> list[tuple[Path, str]]:
    """Files to read under `path`, each with the name that a `.txt` document takes as its id."""
    if path.is_dir():
        found = [p for p in sorted(path.rglob("*")) if p.is_file() and p.name.endswith(SUFFIXES)]
        if not found:
            raise CorpusError(
                f"{path} holds no file ending in {', '.join(SUFFIXES)}",
                remedy="name a folder or a file with text of one of these kinds",
            )
        return [(p, p.relative_to(path).as_posix()) for p in found]
    if not path.exists():
        raise CorpusError(
            f"{path} does not exist", remedy="correct the path under `sources` of the corpus"
        )
    if not path.name.endswith(SUFFIXES):
        raise CorpusError(
            f"{path} has an unknown suffix",
            remedy=f"convert it to one of the supported kinds: {', '.join(SUFFIXES)}",
        )
    return [(path, path.name)]


def _read_file(path: Path, name: str) -> Iterator[tuple[Document, str]]:
    with _read_errors(path):
        if path.name.endswith(".txt"):
            yield _plain_text(path, name), str(path)
            return
        with _open_binary(path) as file:
            offset = 0
            for number, line in enumerate(file, start=1):
                where = f"{path}, line {number}"
                text = _decode(line, where_line=number, offset=offset, path=path)
                if text.strip():
                    yield _parse(text, where), where
                offset += len(line)


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (zstandard.ZstdError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise CorpusError(
            f"{path} cannot be decompressed: {error}",
            remedy="the file is damaged or cut short; fetch it again",
        ) from error
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read: {error.strerror or error}",
            remedy="check the file's permissions and the disk",
        ) from error


@contextmanager
def _open_binary(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as raw:
        if path.name.endswith(".zst"):
            decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW_BYTES)
            stream = decompressor.stream_reader(raw, read_across_frames=True)
            yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, stream), 1 << 20))
        elif path.name.endswith(".gz"):
            with gzip.open(raw) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield raw


def _decode(data: bytes, *, where_line: int, offset: int, path: Path) -> str:
    start = len(_BYTE_ORDER_MARK) if offset == 0 and data.startswith(_BYTE_ORDER_MARK) else 0
    try:
        return data[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        at = start + error.start
        line = where_line + data.count(b"\n", 0, at)
        raise CorpusError(
            f"{path}, line {line}: byte {offset + at} (0x{data[at]:02x}) is not UTF-8",
            remedy=f"convert the file, for example: iconv -f ENCODING -t UTF-8 {path.name}",
        ) from error


def _plain_text(path: Path, name: str) -> Document:
    text = _decode(path.read_bytes(), where_line=1, offset=0, path=path)
    return Document(
        id=name,
        text=text,
        source=UNSTATED,
        licence=UNSTATED,
        language=UNDETERMINED,
        domain=UNDETERMINED,
        work=name,
    )


def _parse(line: str, where: str) -> Document:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise CorpusError(
            f"{where} is not JSON ({error}): {line[:60]!r}",
            remedy='write one object a line, such as {"id": "a", "text": "..."}',
        ) from error
    if not isinstance(record, dict):
        raise CorpusError(
            f"{where} is not a JSON object: {line[:60]!r}",
            remedy='write one object a line, such as {"id": "a", "text": "..."}',
        )
    identifier, text = _required(record, "id", where), _required(record, "text", where)
    language = _optional(record, ("language", "lang"), UNDETERMINED, where)
    return Document(
        id=identifier,
        text=text,
        source=_optional(record, ("source",), UNSTATED, where),
        licence=_optional(record, ("licence", "license"), UNSTATED, where),
        language=language,
        domain=_optional(record, ("domain",), language, where),
        work=_optional(record, ("work",), identifier, where),
    )


def _required(record: dict[str, Any], key: str, where: str) -> str:
    if key not in record:
        raise CorpusError(
            f"{where} has no key {key!r}; it has {', '.join(sorted(record)) or 'none'}",
            remedy=f"add {key!r} to every line, or rename the key that holds it",
        )
    return _checked(record[key], key, where)


def _optional(record: dict[str, Any], keys: tuple[str, ...], default: str, where: str) -> str:
    for key in keys:
        if record.get(key):
            return _checked(record[key], key, where)
    return default


def _checked(value: object, key: str, where: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and key == "id":
        return str(value)
    if not isinstance(value, str):
        _refuse(f"{where}: {key!r} is {value!r:.60}, not a string", "put it in quotes")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            _refuse(
                f"{where}: {key!r} holds half a surrogate pair at character {error.start}",
                r"remove the lone \ud800..\udfff escape: it is no character",
            )
    return value


def _refuse(what: str, remedy: str) -> NoReturn:
    raise CorpusError(what, remedy=remedy)
