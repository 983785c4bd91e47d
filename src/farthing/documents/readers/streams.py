"""The unpacked bytes of a file, from any place on: plain, gzip or Zstandard.

Packed streams cannot be entered in the middle. So the stream that was read last stays open in a
process: pieces of one file that are read one after another unpack each byte once.
"""

from __future__ import annotations

import atexit
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

import zstandard

from farthing.documents.readers.files import SourceFile
from farthing.documents.readers.zstd_frames import is_whole
from farthing.errors import CorpusError

BLOCK_BYTES = 1 << 20

_PACKED_BYTES = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
# zstd --long=31, the largest window that the format's own tool writes.
_MAX_ZSTD_WINDOW_BYTES = 1 << 31


class Stream(Protocol):
    """Unpacked bytes of a file, forward only.

    Attributes:
        truncated: the file ends too early; known once `read` has returned nothing.
        trailing: behind its packed bytes stands something else; known then too.
    """

    truncated: bool
    trailing: bool

    def read(self, size: int) -> bytes:
        """The next 1 to `size` bytes; none at the end."""


class _Plain:
    truncated = False
    trailing = False

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def read(self, size: int) -> bytes:
        return self._raw.read(size)


class _Gzip:
    """Not the standard library's reader: that one loses what stood before the place of a cut.

    Bytes behind the last member that begin no other are passed over, as gzip itself does.
    """

    truncated = False
    trailing = False

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._packed = b""
        self._member = zlib.decompressobj(_GZIP_FORMAT)
        self._begun = False

    def read(self, size: int) -> bytes:
        while not self.trailing:
            if self._member.eof:
                self._next_member()
                continue
            self._packed = self._packed or self._raw.read(_PACKED_BYTES)
            unpacked = self._member.decompress(self._packed, size)
            if not self._packed and not unpacked:
                # What the decompressor has taken in gives nothing more.
                self.truncated = self._begun
                return b""
            self._begun = self._begun or bool(self._packed)
            self._packed = self._member.unused_data or self._member.unconsumed_tail
            if unpacked:
                return unpacked
        return b""

    def _next_member(self) -> None:
        """Members follow one another; zeros behind one are padding, as for gzip itself."""
        self._packed = self._packed.lstrip(b"\0")
        while not self._packed and (more := self._raw.read(_PACKED_BYTES)):
            self._packed = more.lstrip(b"\0")
        if len(self._packed) == 1:
            self._packed += self._raw.read(1)
        self.trailing = not _GZIP_MAGIC.startswith(self._packed[:2])
        self._member = zlib.decompressobj(_GZIP_FORMAT)
        self._begun = False


class _Zstd:
    truncated = False
    trailing = False

    def __init__(self, raw: BinaryIO, size: int) -> None:
        self._raw, self._size = raw, size
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW_BYTES)
        self._reader = decompressor.stream_reader(raw, read_across_frames=True, closefd=False)

    def read(self, size: int) -> bytes:
        block = self._reader.read(size)
        if not block and not self.truncated:
            self.truncated = not is_whole(self._raw, self._size)
        return block


class OpenFile:
    """A file whose unpacked bytes are read forward.

    Attributes:
        file: that is open.
        position: of the next byte, counted in unpacked bytes.
        truncated: the file ends too early; known once `read` has returned nothing.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.position = 0
        with _reading(file):
            self._raw = file.path.open("rb")
        self._stream = self._unpacked()

    def _unpacked(self) -> Stream:
        name = self.file.path.name.lower()
        packed = {".gz": _GZIP_MAGIC, ".zst": _ZSTD_MAGIC}
        magic = next((packed[end] for end in packed if name.endswith(end)), b"")
        start = self._raw.read(len(magic))
        self._raw.seek(0)
        if not magic.startswith(start):
            self._raw.close()
            raise CorpusError(
                f"{self.file.path} is no {name.rpartition('.')[2]} file: it begins with "
                f"0x{start.hex()}",
                remedy="give it the suffix of what it is, or fetch it again",
            )
        if magic == _GZIP_MAGIC:
            return _Gzip(self._raw)
        return _Zstd(self._raw, self.file.size) if magic else _Plain(self._raw)

    @property
    def truncated(self) -> bool:
        """Whether the file was found to end too early."""
        return self._stream.truncated

    @property
    def trailing(self) -> bool:
        """Whether something else was found behind its packed bytes."""
        return self._stream.trailing

    def read(self, size: int) -> bytes:
        """The next 1 to `size` unpacked bytes; none at the end.

        Raises:
            CorpusError: the file is damaged or cannot be read.
        """
        with _reading(self.file):
            block = self._stream.read(size)
        self.position += len(block)
        return block

    def forward_to(self, position: int) -> None:
        """Go to a place at or behind `position`."""
        assert position >= self.position
        if isinstance(self._stream, _Plain):
            self._raw.seek(position)
            self.position = position
        while self.position < position:
            if not self.read(min(BLOCK_BYTES, position - self.position)):
                break

    def close(self) -> None:
        """Let go of the file."""
        self._raw.close()


@contextmanager
def _reading(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except (zstandard.ZstdError, zlib.error) as error:
        raise CorpusError(
            f"{file.path} cannot be decompressed: {error}",
            remedy="the file is damaged; fetch it again",
        ) from error
    except OSError as error:
        raise CorpusError(
            f"{file.path} cannot be read: {error.strerror or error}",
            remedy="check the file's permissions and the disk",
        ) from error


_held: OpenFile | None = None


@contextmanager
def opened_at(file: SourceFile, position: int) -> Iterator[OpenFile]:
    """`file` open at a place of its unpacked bytes; it stays open for the next call.

    One at a time in a process. An error closes it.
    """
    global _held
    if _held is None or _held.file != file or _held.position > position:
        release()
        _held = OpenFile(file)
        atexit.register(release)
    opened = _held
    try:
        opened.forward_to(position)
        yield opened
    except BaseException:
        release()
        raise


def release() -> None:
    """Close the file that the last reading left open, if any."""
    global _held
    if _held is not None:
        atexit.unregister(release)
        _held.close()
        _held = None
