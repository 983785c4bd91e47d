"""Archives made to harm or to deceive: each is refused, with a reason, before it can."""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from farthing.artifacts.chain import Signer
from farthing.artifacts.claims.archive import file_facts, open_bundle, write_bundle
from farthing.artifacts.claims.dsse import open_statement, sign_statement
from farthing.artifacts.claims.statement import CLAIM_TYPE, STATEMENT_TYPE, FileFacts
from farthing.errors import ClaimError

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
FILES = {
    "book.jsonl": b"line one\nline two\n",
    "journals/0.jsonl": b"x" * 512,
    "steps/0.jsonl": b"",
}


# A header as Python's tar writer makes it, or its bytes.
Member = tuple[tarfile.TarInfo | bytes, bytes]


def member(name: str, data: bytes = b"data", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    for field, value in changes.items():
        setattr(info, field, value)
    return info, data


def spelled(info: tarfile.TarInfo, kind: int = tarfile.USTAR_FORMAT) -> bytes:
    return info.tobuf(kind, "utf-8", "surrogateescape")


def packed(*members: Member, kind: int = tarfile.USTAR_FORMAT) -> bytes:
    written = io.BytesIO()
    for info, data in (member("claim.json", b"{}\n"), *members):
        header = info if isinstance(info, bytes) else devices_filled(spelled(info, kind))
        written.write(header)
        written.write(data + bytes(-len(data) % 512))
    return written.getvalue() + bytes(1024)


def devices_filled(header: bytes) -> bytes:
    """Python may leave the device numbers blank, where POSIX has zeros; with its checksum."""
    last = bytearray(header[-512:])
    last[329:345] = b"0000000\0" * 2
    return header[:-512] + summed(last)


def summed(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def refusal(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "hostile.claim"
    path.write_bytes(data)
    with pytest.raises(ClaimError) as caught:
        open_bundle(path, statement_name="claim.json")
    assert caught.value.exit_code == 1
    assert len(caught.value.what) < 600
    return caught.value.what


def test_the_tools_of_this_file_make_what_is_read(tmp_path):
    path = tmp_path / "x.claim"
    path.write_bytes(packed(member("a"), member("b/c", b"")))
    with open_bundle(path, statement_name="claim.json") as bundle:
        assert bundle.names == ("a", "b/c")


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "parent folder": (lambda: packed(member("../../etc/passwd")), "no name"),
    "parent folder within": (lambda: packed(member("a/../../b")), "no name"),
    "absolute": (lambda: packed(member("/etc/passwd")), "no name"),
    "drive": (lambda: packed(member("C:\\x")), "no name"),
    "empty name": (lambda: packed(member("")), "no name"),
    "hidden": (lambda: packed(member(".bashrc")), "no name"),
    "this folder": (lambda: packed(member("./a")), "no name"),
    "newline": (lambda: packed(member("a\nb")), "no name"),
    "beyond ASCII": (lambda: packed(member("\u00e9")), "ASCII"),
    "symbolic link": (
        lambda: packed(member("a", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "symbolic link",
    ),
    "hard link": (
        lambda: packed(member("a", b"", type=tarfile.LNKTYPE, linkname="claim.json")),
        "hard link",
    ),
    "character device": (
        lambda: packed(member("a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5)),
        "device",
    ),
    "block device": (lambda: packed(member("a", b"", type=tarfile.BLKTYPE)), "device"),
    "pipe": (lambda: packed(member("a", b"", type=tarfile.FIFOTYPE)), "pipe"),
    "folder": (lambda: packed(member("a", b"", type=tarfile.DIRTYPE)), "folder"),
    "contiguous": (lambda: packed(member("a", type=tarfile.CONTTYPE)), "regular"),
    "old style": (lambda: packed(member("a", type=tarfile.AREGTYPE)), "regular"),
    "sparse": (lambda: packed(member("a", type=tarfile.GNUTYPE_SPARSE)), "sparse"),
    "GNU header": (lambda: packed(member("a"), kind=tarfile.GNU_FORMAT), "spelled"),
    "GNU long name": (lambda: packed(member("a" * 200), kind=tarfile.GNU_FORMAT), "spelled"),
    "GNU long name alone": (lambda: packed(member("././@LongLink", b"x", type=b"L")), "long name"),
    "PAX": (lambda: packed(member("a", pax_headers={"path": "b"}), kind=tarfile.PAX_FORMAT), "PAX"),
    "PAX global": (lambda: packed(member("a", b"9 a=b\n", type=b"g")), "PAX"),
    "owner": (lambda: packed(member("a", uid=1000)), "spelled"),
    "owner's name": (lambda: packed(member("a", uname="root")), "spelled"),
    "time": (lambda: packed(member("a", mtime=1)), "spelled"),
    "may be run": (lambda: packed(member("a", mode=0o755)), "spelled"),
    "link name on a file": (lambda: packed(member("a", linkname="b")), "spelled"),
    "name twice": (lambda: packed(member("a"), member("a")), "twice"),
    "name twice but for capitals": (lambda: packed(member("A"), member("a")), "twice"),
    "statement twice": (lambda: packed(member("claim.json")), "twice"),
    "wrong order": (lambda: packed(member("b"), member("a")), "order"),
    "file and folder": (lambda: packed(member("a"), member("a/b")), "folder"),
    "deep": (lambda: packed(member("a/" * 40 + "b")), "deep"),
    "says a size that it has not": (lambda: packed(lying(8 << 30)), "cut off"),
    "says a little more": (lambda: packed(lying(1024 + 513)), "cut off"),
    "size in base 256": (lambda: packed(resized(b"\x80" + bytes(10) + b"\x04")), "octal"),
    "negative size": (lambda: packed(resized(b"\xff" * 12)), "octal"),
    "size with spaces": (lambda: packed(resized(b"         4 \0")), "octal"),
    "size with a sign": (lambda: packed(resized(b"+0000000004\0")), "octal"),
    "no checksum": (lambda: resummed(b"        "), "spelled"),
    "wrong checksum": (lambda: resummed(b"000001\0 "), "spelled"),
    "checksum with other blanks": (lambda: resummed(None), "spelled"),
    "filled padding": (lambda: changed(packed(member("a")), 512 + 4 + 10, b"x"), "stands between"),
    "something after the end": (lambda: packed(member("a")) + b"x", "after its end"),
    "zeros after the end": (lambda: packed(member("a")) + bytes(512), "after its end"),
    "an archive after the end": (lambda: packed(member("a")) * 2, "after its end"),
    "end mark of one block": (lambda: packed(member("a"))[:-512], "cut off"),
    "end mark of less": (lambda: packed(member("a"))[:-513], "cut off"),
    "end mark not of zeros": (lambda: packed(member("a"))[:-1] + b"x", "after its end"),
    "end mark alone": (lambda: bytes(1024), "empty"),
    "nothing": (lambda: b"", "ends at byte 0"),
    "a zip": (lambda: b"PK\x03\x04" + bytes(2000), "header"),
    "gzip": (lambda: b"\x1f\x8b" + bytes(2000), "header"),
    "text": (lambda: b"#!/bin/sh\n" * 200, "header"),
}


def lying(size: int) -> Member:
    return resized(b"%011o\0" % min(size, 8**11 - 1))


def resized(field: bytes) -> Member:
    info, data = member("a")
    header = bytearray(devices_filled(spelled(info)))
    header[124:136] = field
    return summed(header), data


def resummed(field: bytes | None) -> bytes:
    data = bytearray(packed(member("a")))
    start = 1024 + 148
    data[start : start + 8] = data[start : start + 6] + b" \0" if field is None else field
    return bytes(data)


def changed(data: bytes, place: int, by: bytes) -> bytes:
    assert data[place] == 0
    return data[:place] + by + data[place + 1 :]


@pytest.mark.parametrize(("make", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_archive_is_refused_with_its_reason(tmp_path, make, reason):
    assert reason in refusal(tmp_path, make())


def believed(path: Path) -> None:
    """All that a reader does before it believes a word."""
    with open_bundle(path, statement_name="claim.json") as bundle:
        opened = open_statement(
            bundle.statement_bytes, predicate_type=CLAIM_TYPE, public_key=SIGNER.public
        )
        files = opened.statement.predicate["files"]
        bundle.check({name: FileFacts.model_validate(files[name]) for name in files})


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    files = {name: facts.model_dump() for name, facts in file_facts(FILES).items()}
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [],
        "predicateType": CLAIM_TYPE,
        "predicate": {"files": files},
    }
    path = tmp_path / "signed.claim"
    write_bundle(path, sign_statement(SIGNER, statement), "claim.json", FILES)
    believed(path)
    return path


def test_every_single_flipped_bit_of_a_bundle_is_refused(signed):
    """Of headers and files all eight; of zeros and of the envelope, tested apart, one a byte."""
    whole = signed.read_bytes()
    marks = [place for place in range(0, len(whole), 512) if whole[place + 257 :][:5] == b"ustar"]
    assert len(marks) == 1 + len(FILES)
    thorough = {place + each for place in marks for each in range(512)}
    book = whole.index(FILES["book.jsonl"], marks[1] + 512)
    thorough.update(range(book, book + len(FILES["book.jsonl"])))
    flips = [
        (place, bit)
        for place in range(len(whole))
        for bit in (range(8) if place in thorough else [place % 8])
    ]
    with signed.open("r+b", buffering=0) as file:
        for place, bit in flips:
            file.seek(place)
            file.write(bytes([whole[place] ^ 1 << bit]))
            with pytest.raises(ClaimError):
                believed(signed)
            file.seek(place)
            file.write(whole[place : place + 1])
    believed(signed)


def test_every_truncation_is_refused(signed):
    for length in range(signed.stat().st_size - 1, -1, -61):
        with signed.open("r+b") as file:
            file.truncate(length)
        with pytest.raises(ClaimError):
            believed(signed)


def test_every_block_that_is_lost_doubled_or_swapped_is_refused(signed):
    whole = signed.read_bytes()
    blocks = [whole[start : start + 512] for start in range(0, len(whole), 512)]
    for place in range(len(blocks)):
        without = blocks[:place] + blocks[place + 1 :]
        twice = blocks[: place + 1] + blocks[place:]
        orders = [without, twice]
        for other in range(place):
            order = list(blocks)
            order[place], order[other] = order[other], order[place]
            orders.append(order)
        for order in orders:
            if order != blocks:
                signed.write_bytes(b"".join(order))
                with pytest.raises(ClaimError):
                    believed(signed)


def test_ten_gigabytes_of_nothing_cost_nothing(tmp_path):
    hostile = tmp_path / "ten.claim"
    with hostile.open("wb") as file:
        file.write(packed(lying(8**11 - 1))[:-1024])
        file.truncate(10 << 30)
    tracemalloc.start()
    try:
        begin = time.process_time()
        with pytest.raises(ClaimError, match="at most"):
            open_bundle(hostile, statement_name="claim.json")
        # Even where so much is allowed, no file is read before its digest is asked for.
        with pytest.raises(ClaimError):
            open_bundle(hostile, statement_name="claim.json", most_bytes=64 << 30)
        spent = time.process_time() - begin
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert spent < 1
    assert peak < 1 << 20


def test_a_hundred_thousand_names_and_one_more(tmp_path):
    names = [f"{number:06d}" for number in range(1_001)]
    path = tmp_path / "many.claim"
    write_bundle(path, b"{}", "claim.json", dict.fromkeys(names, b""))
    open_bundle(path, statement_name="claim.json", most_files=1_001).__exit__(None, None, None)
    with pytest.raises(ClaimError, match="more than 1000 files"):
        open_bundle(path, statement_name="claim.json", most_files=1_000)


def test_the_digest_of_a_file_is_that_of_its_bytes(signed):
    with open_bundle(signed, statement_name="claim.json") as bundle:
        assert bundle.digest("journals/0.jsonl") == hashlib.sha256(b"x" * 512).hexdigest()
