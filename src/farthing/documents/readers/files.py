"""Which files are read: paths, folders and patterns to a sorted list, each with its digest."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from farthing.artifacts.canonical import digest_file
from farthing.errors import CorpusError

Kind = Literal["json_lines", "parquet", "text", "html", "warc"]

KINDS: dict[str, Kind] = {
    ".jsonl": "json_lines",
    ".jsonl.gz": "json_lines",
    ".jsonl.zst": "json_lines",
    # Published corpora (C4, Dolma) name compressed JSON lines so. A bare .json is no such thing.
    ".json.gz": "json_lines",
    ".json.zst": "json_lines",
    ".parquet": "parquet",
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
    ".warc": "warc",
    ".warc.gz": "warc",
    ".warc.wet.gz": "warc",  # text that Common Crawl extracted
}

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class SourceFile:
    """One file to read.

    Attributes:
        number: its place among the files of the run, from 0.
        path: where it is.
        name: its path below the folder or pattern that was given, with as many folders above that
            as tell it apart from the other files of the run: part of its identity.
        kind: how it is read.
        size: bytes on the disk.
        modified_ns: when it was last written, to notice a change while it is read.
        sha256: of its bytes.
    """

    number: int
    path: Path
    name: str
    kind: Kind
    size: int
    modified_ns: int
    sha256: str

    @property
    def identity(self) -> list[str]:
        """What decides the result of reading it; where it stands on the disk does not."""
        return [self.name, self.sha256]

    def check_unchanged(self) -> None:
        """Make sure that the file is what it was when it was found.

        Raises:
            CorpusError: it was written to, or is gone.
        """
        try:
            now = self.path.stat()
            same = (now.st_size, now.st_mtime_ns) == (self.size, self.modified_ns)
        except FileNotFoundError:
            same = False
        if not same:
            raise CorpusError(
                f"{self.path} changed while it was read",
                remedy="run the same command again once nobody writes to it",
            )


def find_files(paths: Sequence[str | Path]) -> tuple[SourceFile, ...]:
    """The files under `paths`, in the order of the paths, and sorted by name under each.

    Args:
        paths: files, folders (searched with all below them; names that begin with a dot and
            files of other kinds are passed over) or patterns as in a shell (`**` for any depth).

    Raises:
        CorpusError: nothing was named, a path is missing, of an unknown kind, not a regular file
            or not readable, a folder or pattern holds nothing to read, or a file is named twice.
    """
    if not paths:
        raise CorpusError("no sources are named", remedy="name files or folders under `sources`")
    found: list[tuple[Path, str]] = []
    seen: dict[str, Path] = {}
    for given in paths:
        for path, name in _under(given):
            real = os.path.realpath(path)
            if real in seen:
                raise CorpusError(
                    f"{path} is named twice under `sources` (also as {seen[real]})",
                    remedy="name every file only once",
                )
            seen[real] = path
            found.append((path, name))
    return tuple(
        _source_file(number, path, name)
        for number, ((path, _), name) in enumerate(zip(found, _told_apart(found), strict=True))
    )


def identities(files: Sequence[SourceFile]) -> list[list[str]]:
    """Name and SHA-256 of every file, in order: part of the input key of what is made from them.

    Order counts (it decides the order of documents), and so do names (they are ids of documents);
    the folders that the files stand in do not.
    """
    return [file.identity for file in files]


def suffix_of(name: str) -> str | None:
    """The suffix of `KINDS` that a name ends in."""
    return next((suffix for suffix in KINDS if name.lower().endswith(suffix)), None)


def _told_apart(found: Sequence[tuple[Path, str]]) -> list[str]:
    """Names of which no two are equal: where they would be, folders above them stand in front.

    Documents without an id of their own are called by these names, so equal ones would make two
    documents one. Only as many folders are named as it takes: data may be moved.
    """
    names = [name for _, name in found]
    clashing = _clashing(names)
    while clashing:
        for place in clashing:
            parts = Path(os.path.abspath(found[place][0])).parts
            # One part more than the name has; the whole path can clash with no other.
            depth = names[place].count("/") + 2
            names[place] = Path(*parts[-depth:]).as_posix()
        clashing = _clashing(names)
    return names


def _clashing(names: Sequence[str]) -> list[int]:
    """Places of the names that stand there more than once."""
    count = Counter(names)
    return [place for place, name in enumerate(names) if count[name] > 1]


def _under(given: str | Path) -> list[tuple[Path, str]]:
    """Files to read under what was given, each with its name."""
    path = Path(given)
    if path.is_dir():
        return _sorted(_walk(path, ()), path, f"{path} holds no file ending in {_known()}")
    if not os.path.lexists(path) and _MAGIC.search(str(given)):
        return _matches(str(given))
    if not os.path.lexists(path):
        raise CorpusError(
            f"{path} does not exist", remedy="correct the path under `sources` of the corpus"
        )
    if suffix_of(path.name) is None:
        raise CorpusError(
            f"{path} has an unknown suffix",
            remedy="write one object a line (for example: jq -c '.[]') and call it .jsonl"
            if path.suffix == ".json"
            else f"convert it to one of the supported kinds: {_known()}",
        )
    return [(path, path.name)]


def _matches(pattern: str) -> list[tuple[Path, str]]:
    """Files that a pattern matches, and those in folders that it matches."""
    # The part before the first folder with a wildcard names nothing: data may be moved.
    fixed = Path(pattern[: _MAGIC.search(pattern).start()] + "x").parent  # type: ignore[union-attr]
    found: list[Path] = []
    for match in glob.glob(pattern, recursive=True):
        path = Path(match)
        found += _walk(path, ()) if path.is_dir() and "**" not in pattern else [path]
    return _sorted(
        (path for path in found if suffix_of(path.name)),
        fixed,
        f"nothing that ends in {_known()} matches {pattern}",
    )


def _walk(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """Files with a known suffix in a folder and below; a link back to a folder above is passed."""
    try:
        here = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from error
    key = (here.st_dev, here.st_ino)
    if key in above:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(folder / entry.name, (*above, key))
        elif suffix_of(entry.name):
            yield folder / entry.name


def _sorted(found: Iterator[Path], base: Path, none: str) -> list[tuple[Path, str]]:
    named = sorted((path.relative_to(base).as_posix(), path) for path in found)
    if not named:
        raise CorpusError(none, remedy="name a folder or a file with text of one of these kinds")
    return [(path, name) for name, path in named]


def _source_file(number: int, path: Path, name: str) -> SourceFile:
    suffix = suffix_of(path.name)
    assert suffix is not None
    try:
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):
            raise CorpusError(
                f"{path} is not a regular file", remedy="remove it there, or name other sources"
            )
        sha256 = digest_file(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    file = SourceFile(number, path, name, KINDS[suffix], before.st_size, before.st_mtime_ns, sha256)
    file.check_unchanged()
    return file


def _unreadable(path: Path, error: OSError) -> CorpusError:
    return CorpusError(
        f"{path} cannot be read: {error.strerror or error}",
        remedy="check the file's permissions and the disk; remove links that lead nowhere",
    )


def _known() -> str:
    return ", ".join(KINDS)
