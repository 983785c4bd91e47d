"""Appending signed lines to a chain file so that a full disk or a crash leaves it whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from farthing.artifacts.body import Body
from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.chain import Entry, Head, Signer, seal, utc_now
from farthing.artifacts.storage import disk_errors


class Appender:
    """An open chain file and the place where its next line goes."""

    def __init__(self, path: Path, signer: Signer, head: Head, end: int) -> None:
        """Open `path` for appending after `head`, which ends at byte `end`."""
        self.path = path
        self.head = head
        self.end = end
        self._signer = signer
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)

    def append(self, body: Body, *, flush: bool) -> Entry:
        """Seal and write one entry with a single write.

        Args:
            body: what the entry says.
            flush: wait until the disk has it.

        Raises:
            WorkspaceError: the disk is full; the file is as it was before.
        """
        plain = body.model_dump(mode="json")
        time = utc_now()
        line = seal(self._signer, self.head, body.kind_name, plain, time)
        with disk_errors(self.path):
            self._write(line, flush)
        head = Head(count=self.head.count + 1, digest=sha256_hex(line))
        entry = Entry(
            number=self.head.count,
            time=time,
            kind=body.kind_name,
            body=plain,
            digest=head.digest,
            end=self.end + len(line),
        )
        self.head, self.end = head, entry.end
        return entry

    def truncate(self) -> int:
        """Cut what stands after the last whole entry; return how many bytes that was."""
        with disk_errors(self.path):
            torn = os.fstat(self.descriptor).st_size - self.end
            if torn > 0:
                os.ftruncate(self.descriptor, self.end)
                os.fsync(self.descriptor)
            return max(torn, 0)

    def flush(self) -> None:
        """Wait until the disk has everything."""
        with disk_errors(self.path):
            os.fsync(self.descriptor)

    def close(self) -> None:
        """Close the file, and with it any lock held on it; closing twice does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _write(self, line: bytes, flush: bool) -> None:
        try:
            if os.write(self.descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if flush:
                os.fsync(self.descriptor)
        except OSError:
            os.ftruncate(self.descriptor, self.end)
            raise
