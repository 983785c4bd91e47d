"""The one file that a claim or an answer travels in: a tar archive with a single spelling.

POSIX ustar, uncompressed: first the signed statement, then all other files in the order of their
names; regular files only, no owner, no time, mode 0644, names of ASCII below one another, zeros
to the next 512 bytes, two blocks of zeros at the end and nothing after. Any tar program reads it.

The reader makes every header again and compares, so each bit of the file is either fixed by this
form, or content with a digest in the signed statement. It holds no file in memory beyond what the
caller allows, and follows no name anywhere but below a folder that the caller gives.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from farthing.artifacts.claims.statement import FileFacts
from farthing.artifacts.claims.ustar import (
    BLOCK,
    END,
    LARGEST_FILE,
    clash,
    header,
    read_header,
    unfit,
)
from farthing.artifacts.storage import PARTIAL_MARK, disk_errors
from farthing.errors import ClaimError

MOST_CLAIM_BYTES = 2 << 30
MOST_FILES = 100_000
MOST_STATEMENT_BYTES = 64 << 20
MOST_LINE_BYTES = 16 << 20

_CHUNK = 1 << 20
_REMEDY = "do not trust this file; ask the sender for the one that farthing wrote"


@dataclass(frozen=True)
class _Place:
    start: int
    size: int


def file_facts(files: Mapping[str, Path | bytes]) -> dict[str, FileFacts]:
    """Digest and size of what `write_bundle` will put in, as a statement lists it."""
    found: dict[str, FileFacts] = {}
    for name, source in files.items():
        state, size = hashlib.sha256(), 0
        with _reading(source) as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
                size += len(chunk)
        found[name] = FileFacts(sha256=state.hexdigest(), bytes=size)
    return found


def write_bundle(
    path: Path, statement: bytes, statement_name: str, files: Mapping[str, Path | bytes]
) -> None:
    """Write a bundle in one step: `path` is whole or not there.

    Args:
        path: to write; what stood there is replaced.
        statement: the envelope.
        statement_name: under which it stands first.
        files: name in the bundle -> its content, or the file that holds it.

    Raises:
        ClaimError: a name or a size that a bundle cannot hold, or a file changed meanwhile.
        WorkspaceError: the disk is full or not writable.
    """
    names = [statement_name, *sorted(files)]
    for reason in (*map(unfit, names), clash(names)):
        if reason is not None:
            raise ClaimError(f"{path}: {reason}", remedy="give it another name or leave it out")
    partial = path.with_name(f".{path.name}{PARTIAL_MARK}-{os.getpid()}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                _write_file(file, statement_name, statement)
                for name in sorted(files):
                    _write_file(file, name, files[name])
                file.write(END)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def open_bundle(
    path: Path,
    *,
    statement_name: str,
    most_bytes: int = MOST_CLAIM_BYTES,
    most_files: int = MOST_FILES,
) -> Bundle:
    """Open a bundle: sizes, names, headers and padding are checked, no content is read.

    Args:
        path: the file.
        statement_name: of the envelope, which must stand first.
        most_bytes: the whole file may have.
        most_files: beside the statement.

    Raises:
        ClaimError: anything but the form that `write_bundle` gives, or beyond the bounds.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise ClaimError(
            f"{path} cannot be read ({error.strerror})", remedy="name the file of the claim"
        ) from error
    # Looked at before it is opened: a pipe would wait for ever, a device never end.
    if not stat.S_ISREG(facts.st_mode):
        raise _refused(path, "it is no regular file")
    if facts.st_size > most_bytes:
        raise _refused(path, f"it has {facts.st_size} bytes, at most {most_bytes} are read")
    file = path.open("rb")
    try:
        places = _index(path, file, facts.st_size, most_files)
        return Bundle(path, file, places, statement_name)
    except BaseException:
        file.close()
        raise


class Bundle:
    """An open bundle; `open_bundle` makes it, and a `with` block closes it."""

    def __init__(
        self, path: Path, file: IO[bytes], places: dict[str, _Place], statement_name: str
    ) -> None:
        """Use `open_bundle`."""
        self.path = path
        self._file = file
        self._places = places
        self._checked: Mapping[str, FileFacts] | None = None
        first, *others = places
        if first != statement_name:
            raise _refused(path, f"it begins with {first!r}, expected {statement_name!r}")
        self._statement = first
        self.names: tuple[str, ...] = tuple(others)
        if self.size(first) > MOST_STATEMENT_BYTES:
            raise _refused(path, f"{first} is larger than {MOST_STATEMENT_BYTES} bytes")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def statement_bytes(self) -> bytes:
        """The envelope."""
        return self.read(self._statement, most=MOST_STATEMENT_BYTES)

    def size(self, name: str) -> int:
        """Bytes of one file."""
        return self._place(name).size

    def read(self, name: str, *, most: int) -> bytes:
        """The whole of one file.

        Raises:
            ClaimError: it is not there, or has more than `most` bytes.
        """
        if self.size(name) > most:
            raise _refused(
                self.path, f"{name} has {self.size(name)} bytes, expected {most} or less"
            )
        return b"".join(self._chunks(name))

    def lines(self, name: str, *, most: int = MOST_LINE_BYTES) -> Iterator[bytes]:
        """The lines of one file, each with its newline (which the last one may lack).

        Raises:
            ClaimError: it is not there, or a line has more than `most` bytes.
        """
        place = self._place(name)
        at, end = place.start, place.start + place.size
        while at < end:
            # Others may read the same file between two lines.
            self._file.seek(at)
            line = self._file.readline(min(most + 1, end - at))
            if len(line) > most:
                raise _refused(self.path, f"{name}: a line of more than {most} bytes")
            if not line:
                raise self._shrunk(name)
            at += len(line)
            yield line

    def digest(self, name: str) -> str:
        """SHA-256 of one file."""
        state = hashlib.sha256()
        for chunk in self._chunks(name):
            state.update(chunk)
        return state.hexdigest()

    def check(self, files: Mapping[str, FileFacts]) -> None:
        """Compare names, sizes and digests of all files but the statement with the signed list.

        Raises:
            ClaimError: a file is missing, not listed, or not what the list says.
        """
        if missing := sorted(set(files) - set(self.names)):
            raise _refused(self.path, f"{missing[0]} is missing ({len(missing)} files in all)")
        if more := sorted(set(self.names) - set(files)):
            raise _refused(self.path, f"{more[0]} is not in the statement ({len(more)} files)")
        for name in self.names:
            if self.size(name) != files[name].bytes:
                raise self._differs(name)
        for name in self.names:
            if self.digest(name) != files[name].sha256:
                raise self._differs(name)
        self._checked = dict(files)

    def extract(self, names: Iterable[str], folder: Path) -> None:
        """Write some files below `folder`, after `check`; each is checked again as it is written.

        Args:
            names: in the bundle, and below the folder.
            folder: empty, and the caller's own: nothing in it is replaced.

        Raises:
            ClaimError: a file is not there, or has changed since `check`.
            WorkspaceError: the disk is full or not writable.
        """
        assert self._checked is not None, "check before extract"
        for name in names:
            if name not in self._checked:
                raise _refused(self.path, f"{name} is missing")
            state = hashlib.sha256()
            target = folder / name
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    for chunk in self._chunks(name):
                        state.update(chunk)
                        file.write(chunk)
            if state.hexdigest() != self._checked[name].sha256:
                raise self._differs(name)

    def _place(self, name: str) -> _Place:
        if name not in self._places:
            raise _refused(self.path, f"{name} is missing")
        return self._places[name]

    def _chunks(self, name: str) -> Iterator[bytes]:
        place = self._place(name)
        at, left = place.start, place.size
        while left > 0:
            self._file.seek(at)
            chunk = self._file.read(min(_CHUNK, left))
            if not chunk:
                raise self._shrunk(name)
            at, left = at + len(chunk), left - len(chunk)
            yield chunk

    def _differs(self, name: str) -> ClaimError:
        return _refused(self.path, f"{name} is not the file that the statement lists")

    def _shrunk(self, name: str) -> ClaimError:
        return _refused(self.path, f"it became shorter while {name} was read")


def _index(path: Path, file: IO[bytes], total: int, most_files: int) -> dict[str, _Place]:
    """Where each file stands, in the order of the archive."""
    places: dict[str, _Place] = {}
    at = 0
    while any(block := _block(path, file, at)):
        try:
            name, size = read_header(block)
        except ValueError as error:
            raise _refused(path, f"the header at byte {at} is {error}") from error
        padding = -size % BLOCK
        if at + BLOCK + size + padding + len(END) > total:
            raise _refused(path, f"{name} is cut off, or says a size that it does not have")
        if len(places) > most_files:
            raise _refused(path, f"more than {most_files} files")
        if name in places:
            raise _refused(path, f"{name} stands in it twice")
        places[name] = _Place(at + BLOCK, size)
        file.seek(at + BLOCK + size)
        if any(file.read(padding)):
            raise _refused(path, f"something stands between {name} and the next file")
        at += BLOCK + size + padding
    if at + len(END) != total or any(_block(path, file, at + BLOCK)):
        raise _refused(path, f"something stands after its end at byte {at}, or the end is cut off")
    _check_names(path, list(places))
    return places


def _block(path: Path, file: IO[bytes], at: int) -> bytes:
    file.seek(at)
    block = file.read(BLOCK)
    if len(block) < BLOCK:
        raise _refused(path, f"it ends at byte {at + len(block)}, before its end mark")
    return block


def _check_names(path: Path, names: list[str]) -> None:
    if not names:
        raise _refused(path, "it is empty")
    if names[1:] != sorted(names[1:]):
        raise _refused(path, "its files are not in the order of their names")
    if reason := clash(names):
        raise _refused(path, reason)


def _write_file(file: IO[bytes], name: str, source: Path | bytes) -> None:
    with _reading(source) as content:
        size = content.seek(0, os.SEEK_END)
        content.seek(0)
        if size > LARGEST_FILE:
            raise ClaimError(
                f"{name} has {size} bytes, a bundle holds files of at most {LARGEST_FILE}",
                remedy="release fewer steps at once, or a smaller model",
            )
        file.write(header(name, size))
        left = size
        while chunk := content.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            file.write(chunk)
        if left:
            raise ClaimError(
                f"{source!r} changed while it was written into the bundle",
                remedy="wait until nothing writes there, and run this again",
            )
        file.write(bytes(-size % BLOCK))


@contextmanager
def _reading(source: Path | bytes) -> Iterator[IO[bytes]]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        yield file


def _refused(path: Path, what: str) -> ClaimError:
    return ClaimError(f"{path} refused: {what}", remedy=_REMEDY)
