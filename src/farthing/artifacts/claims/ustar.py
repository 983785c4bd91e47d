"""Headers and names of a POSIX ustar archive of regular files, in a single spelling.

A header has no field that could be anything else than what the name and the size of the file make
it (POSIX.1-1988, 10.1.1): no owner, no time, mode 0644. A reader makes the header again and
compares, so that links, devices, extensions and second spellings are all the same to it: refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

BLOCK = 512
END = bytes(2 * BLOCK)
# Eleven octal digits.
LARGEST_FILE = 8**11 - 1

_NAME_BYTES, _PREFIX_BYTES = 100, 155
_NAME = slice(0, _NAME_BYTES)
_SIZE = slice(124, 136)
_CHECKSUM = slice(148, 156)
_KIND = slice(156, 157)
_PREFIX = slice(345, 345 + _PREFIX_BYTES)

# No hidden files, no option of a program, no `.` or `..`: a name means the same everywhere.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@,-]*")
_MOST_PARTS = 12
_OCTAL = re.compile(rb"[0-7]{11}\x00")
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
    b"g": "a PAX header",
    b"x": "a PAX header",
    b"K": "a GNU long name",
    b"L": "a GNU long name",
    b"S": "a sparse file",
}
_SHOWN = 200


def header(name: str, size: int) -> bytes:
    """The header, 512 bytes, of a file; `unfit` has nothing against its name."""
    prefix, short = _split(name)
    fields = (
        short.encode("ascii").ljust(_NAME_BYTES, b"\0"),
        b"0000644\0" + b"0000000\0" + b"0000000\0",  # mode, user, group
        b"%011o\0" % size,
        b"00000000000\0",  # time
        b" " * 8,  # what the checksum counts in its own place
        b"0" + bytes(100),  # a regular file, no link
        b"ustar\0" + b"00" + bytes(64),  # no names of user and group
        b"0000000\0" + b"0000000\0",  # no device
        prefix.encode("ascii").ljust(_PREFIX_BYTES, b"\0") + bytes(12),
    )
    block = b"".join(fields)
    checksum = b"%06o\0 " % sum(block)
    return block[: _CHECKSUM.start] + checksum + block[_CHECKSUM.stop :]


def read_header(block: bytes) -> tuple[str, int]:
    """Name and size of the one file whose header has exactly these 512 bytes.

    Raises:
        ValueError: there is none; the message says why.
    """
    if (kind := block[_KIND]) != b"0":
        raise ValueError(f"of {_KINDS.get(kind, 'no regular file')}")
    if _OCTAL.fullmatch(block[_SIZE]) is None:
        raise ValueError("without a size in octal digits")
    size = int(block[_SIZE][:-1], 8)
    try:
        parts = [block[field].rstrip(b"\0").decode("ascii") for field in (_PREFIX, _NAME)]
    except UnicodeDecodeError as error:
        raise ValueError("with a name beyond ASCII") from error
    name = "/".join(filter(None, parts))
    if reason := unfit(name):
        raise ValueError(reason)
    if header(name, size) != block:
        raise ValueError(f"of {name}, spelled in another way than farthing's")
    return name, size


def unfit(name: str) -> str | None:
    """Why a file of an archive cannot have this name, or None."""
    parts = name.split("/")
    if not all(_PART.fullmatch(part) for part in parts):
        return f"{name[:_SHOWN]!r} is no name for a file of a bundle"
    prefix, short = _split(name)
    if len(parts) > _MOST_PARTS or len(prefix) > _PREFIX_BYTES or len(short) > _NAME_BYTES:
        return f"{name[:_SHOWN]!r} is too long or too deep"
    return None


def clash(names: Sequence[str]) -> str | None:
    """Why these names cannot stand in one archive, or None."""
    lowered: set[str] = set()
    folders: set[str] = set()
    for name in names:
        # On some disks two such names are one file.
        key = name.lower()
        if key in lowered:
            return f"{name} stands in it twice (capitals aside)"
        lowered.add(key)
        parts = key.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    both = sorted(folders & lowered)
    return f"{both[0]} is a file and a folder" if both else None


def _split(name: str) -> tuple[str, str]:
    """Prefix and name: a long one is parted at the last slash that leaves a prefix that fits."""
    if len(name) <= _NAME_BYTES:
        return "", name
    at = name.rfind("/", 0, _PREFIX_BYTES + 1)
    return ("", name) if at < 0 else (name[:at], name[at + 1 :])
